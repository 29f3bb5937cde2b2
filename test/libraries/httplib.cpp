// SPDX-License-Identifier: BSL-1.0
// Debian's compiled cpp-httplib, its server and its client, on fibers of one thread: with weft_posix, and tasks in place of its pool of threads.
#include "fixture.hpp"

#include <weft/std.hpp>

#define CPPHTTPLIB_OPENSSL_SUPPORT  // as the library was compiled
#define CPPHTTPLIB_ZLIB_SUPPORT
#define CPPHTTPLIB_BROTLI_SUPPORT
#include <httplib.h>

#include <string>
#include <thread>

using namespace weft_test;

namespace {

/// What the server hands its connections to: a task each.
class task_each final : public httplib::TaskQueue {
public:
    explicit task_each(weft::nursery& n) : n_(n) {}
    void enqueue(std::function<void()> serve) override { n_.start_soon("connection", std::move(serve)); }
    void shutdown() override {}  // the nursery waits for them

private:
    weft::nursery& n_;
};

/// Has it listen in n, with a task for each connection. Returns its port; `listened` is what the library says at the end.
int start(httplib::Server& server, weft::nursery& n, bool& listened) {
    server.new_task_queue = [&n] { return new task_each(n); };
    int port = server.bind_to_any_port("127.0.0.1");
    BOOST_TEST_REQUIRE(port > 0);
    n.start_soon("listen", [&] { listened = server.listen_after_bind(); });
    return port;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(httplib_on_fibers)

BOOST_AUTO_TEST_CASE(keep_alive_connections_by_the_hundred_are_served_at_once_by_one_thread) {
    constexpr int connections = 200, requests = 3;
    auto here = std::this_thread::get_id();
    bool listened = false;
    int at_once = 0, most = 0, right = 0, connected = 0, elsewhere = 0;
    weft::run([&] {
        httplib::Server server;
        weft::barrier<> all_inside(connections);
        server.set_keep_alive_max_count(1 + requests);
        server.set_read_timeout(60);
        server.set_keep_alive_timeout(60);
        server.Get("/connect", [](httplib::Request const&, httplib::Response& out) { out.set_content("yes", "text/plain"); });
        server.Get(R"(/echo/(\d+))", [&](httplib::Request const& in, httplib::Response& out) {
            elsewhere += std::this_thread::get_id() != here;
            most = std::max(most, ++at_once);
            all_inside.arrive_and_wait();  // no request is answered before one of each connection has come
            --at_once;
            out.set_content(in.matches[1].str(), "text/plain");
        });
        weft::with_nursery([&](weft::nursery& n) {
            int port = start(server, n, listened);
            weft::mutex connecting;  // one after the other: the library's listener has a queue of five
            weft::with_nursery([&](weft::nursery& clients) {
                for (int c = 0; c < connections; ++c) clients.start_soon([&, c] {
                    httplib::Client client("127.0.0.1", port);
                    client.set_keep_alive(true);
                    client.set_read_timeout(60);
                    {
                        std::lock_guard lock(connecting);
                        connected += static_cast<bool>(client.Get("/connect"));
                    }
                    for (int i = 0; i < requests; ++i) {
                        std::string number = std::to_string(c * requests + i);
                        auto answer = client.Get("/echo/" + number);
                        right += answer && answer->status == 200 && answer->body == number;
                    }
                });
            });
            server.stop();
        });
    });
    BOOST_TEST(listened);
    BOOST_TEST(connected == connections);
    BOOST_TEST(right == connections * requests);
    BOOST_TEST(most == connections);
    BOOST_TEST(elsewhere == 0);
}

// The client holds a recursive mutex, in its compiled part, from before a request is sent until its answer has come: a mutex of its thread, which all tasks
// have in common, but for weft_posix's locks.
BOOST_AUTO_TEST_CASE(a_client_that_tasks_share_gives_each_the_answer_to_its_own_request) {
    bool listened = false;
    int right = 0;
    weft::run([&] {
        httplib::Server server;
        server.set_keep_alive_max_count(1000);
        server.Get(R"(/echo/(\d+))", [](httplib::Request const& in, httplib::Response& out) {
            weft::this_task::sleep_for(1ms);
            out.set_content(in.matches[1].str(), "text/plain");
        });
        weft::with_nursery([&](weft::nursery& n) {
            int port = start(server, n, listened);
            httplib::Client client("127.0.0.1", port);
            client.set_keep_alive(true);
            client.set_read_timeout(60);
            weft::with_nursery([&](weft::nursery& asking) {
                for (int i = 0; i < 40; ++i) asking.start_soon([&, i] {
                    auto answer = client.Get("/echo/" + std::to_string(i));
                    right += answer && answer->status == 200 && answer->body == std::to_string(i);
                });
            });
            client.stop();
            server.stop();
        });
    });
    BOOST_TEST(listened);
    BOOST_TEST(right == 40);
}

BOOST_AUTO_TEST_CASE(a_cancellation_ends_the_server_its_connections_and_a_client_that_waits) {
    bool listened = true, answered = true, waited = false;
    weft::run([&] {
        httplib::Server server;
        weft::event inside;
        server.set_keep_alive_timeout(60);
        server.Get("/", [](httplib::Request const&, httplib::Response& out) { out.set_content("yes", "text/plain"); });
        server.Get("/never", [&](httplib::Request const&, httplib::Response&) { inside.set(); weft::this_task::sleep_forever(); });
        weft::with_nursery([&](weft::nursery& n) {
            int port = start(server, n, listened);
            httplib::Client idle("127.0.0.1", port);
            idle.set_keep_alive(true);
            BOOST_TEST(static_cast<bool>(idle.Get("/")));
            n.start_soon("client", [&] {
                httplib::Client client("127.0.0.1", port);
                client.set_read_timeout(60);
                answered = static_cast<bool>(client.Get("/never"));  // an error of the library's, not an exception
                waited = true;
                weft::check_cancelled();
            });
            inside.wait();
            n.cancel();
        });
    });
    BOOST_TEST(!listened);
    BOOST_TEST(waited);
    BOOST_TEST(!answered);
}

BOOST_AUTO_TEST_SUITE_END()
