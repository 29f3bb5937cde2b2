// SPDX-License-Identifier: BSL-1.0
// What the tests of programs need: the program under test as a child process, what it prints, and servers of the test's own.
#ifndef WEFT_TEST_PROGRAMS_PROGRAM_HPP
#define WEFT_TEST_PROGRAMS_PROGRAM_HPP

#include <weft/asio.hpp>
#include <weft/net/process.hpp>
#include <weft/net/serve.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <stdlib.h>
#include <sys/resource.h>

namespace weft_test {

using namespace std::chrono_literals;
using tcp = boost::asio::ip::tcp;

/// Far beyond what anything takes, also on a busy machine and under a sanitizer.
constexpr auto in_the_end = 60s;

/// The program of this test, behind "--" on the command line.
inline std::string program() {
    auto& suite = boost::unit_test::framework::master_test_suite();
    BOOST_REQUIRE(suite.argc > 1);
    return suite.argv[suite.argc - 1];
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// A program that runs, and its stdout.
struct running {
    weft::process& process;
    std::string unread{};

    /// The next line with this text in it; those before it are passed over.
    std::string line_with(std::string_view text) {
        return weft::fail_after(in_the_end, [&] {
            for (;;) {
                std::size_t n = boost::asio::async_read_until(process.out(), boost::asio::dynamic_buffer(unread), '\n', weft::use_fiber);
                std::string line = unread.substr(0, n - 1);
                unread.erase(0, n);
                if (contains(line, text)) return line;
            }
        });
    }
    /// Waits for its end, with this exit code. Returns what it printed until then.
    std::string rest(int code = 0) {
        return weft::fail_after(in_the_end, [&] {
            boost::system::error_code ec;
            boost::asio::async_read(process.out(), boost::asio::dynamic_buffer(unread), weft::use_fiber[ec]);
            auto status = process.wait();
            BOOST_TEST(status.exit_code == code);
            BOOST_TEST(status.signal == 0);
            return std::exchange(unread, {});
        });
    }
    /// Asks it to end, and returns what it printed until then.
    std::string stop() {
        process.terminate();
        return rest();
    }
};

/// Runs a program while body(running&) does; what has not ended by then is asked to.
template <class F>
void with_program(std::vector<std::string> command, F&& body) {
    weft::with_process(command, {.out = weft::process_stream::pipe, .grace = 5s}, [&](weft::process& p) {
        running r{p};
        body(r);
        p.terminate();
    });
}

/// Serves connections of a free port of 127.0.0.1 with handler(socket) while body(port) runs. Errors of the network end a handler.
template <class Handler, class F>
void with_server(Handler handler, F&& body) {
    weft::with_nursery([&](weft::nursery& n) {
        auto ignore = [](std::exception_ptr e) {
            try { std::rethrow_exception(e); } catch (boost::system::system_error const&) {}
        };
        auto at = n.start("test server", [&](weft::task_status<tcp::endpoint>& started) {
            weft::serve_tcp({boost::asio::ip::address_v4::loopback(), 0}, handler, {.on_error = ignore}, &started);
        });
        body(at.port());
        n.cancel("the test is over");
    });
}

/// Waits until a condition holds that nothing tells of.
template <class F>
void wait_until(F&& holds) {
    weft::fail_after(in_the_end, [&] { while (!holds()) weft::this_task::sleep_for(5ms); });
}

/// A folder that goes with it.
struct temporary_folder {
    std::filesystem::path path;
    temporary_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    temporary_folder(temporary_folder const&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    void write(std::filesystem::path const& name, std::string_view text) const {
        std::filesystem::create_directories((path / name).parent_path());
        std::ofstream(path / name, std::ios::binary) << text;
    }
};

/// A run on the real clock: the program under test has no other.
template <class F>
void run_program_test(F&& f) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    weft::run(f);
}

}  // namespace weft_test

#endif
