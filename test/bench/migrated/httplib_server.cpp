// SPDX-License-Identifier: BSL-1.0
// Debian's compiled cpp-httplib as a server whose handler takes 100 ms: on its own pool of threads, or with a task for each connection, on weft_posix.
//   httplib_server threads N | tasks
#include <weft/weft.hpp>

#define CPPHTTPLIB_OPENSSL_SUPPORT  // as the library was compiled
#define CPPHTTPLIB_ZLIB_SUPPORT
#define CPPHTTPLIB_BROTLI_SUPPORT
#include <httplib.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>

namespace {

class task_each final : public httplib::TaskQueue {
public:
    explicit task_each(weft::nursery& n) : n_(n) {}
    void enqueue(std::function<void()> serve) override { n_.start_soon("connection", std::move(serve)); }
    void shutdown() override {}

private:
    weft::nursery& n_;
};

void serve(httplib::Server& server) {
    server.set_keep_alive_max_count(100);  // this version's default is 5: most of the time would go into new connections
    server.set_keep_alive_timeout(60);
    int listener = -1;
    server.set_socket_options([&](int s) { listener = s; });
    server.Get("/", [](httplib::Request const&, httplib::Response& out) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        out.set_content("hello", "text/plain");
    });
    int port = server.bind_to_any_port("127.0.0.1");
    ::listen(listener, 4096);  // the library compiled in a queue of five
    std::printf("%d\n", port);
    std::fflush(stdout);
    server.listen_after_bind();
}

}  // namespace

int main(int argc, char** argv) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    std::string how = argc > 1 ? argv[1] : "";
    httplib::Server server;
    if (how == "threads" && argc > 2) {
        server.new_task_queue = [n = std::strtoul(argv[2], nullptr, 10)] { return new httplib::ThreadPool(n); };
        serve(server);
    } else if (how == "tasks") {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                server.new_task_queue = [&] { return new task_each(n); };
                serve(server);
            });
        });
    } else {
        std::fputs("usage: httplib_server threads N | tasks\n", stderr);
        return 2;
    }
}
