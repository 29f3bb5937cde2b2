// SPDX-License-Identifier: BSL-1.0
// example/beast_sync and the threaded program that it was made of, as processes: the same clients get the same answers. Then what only the
// one on weft can do: end.
#include "program.hpp"

#include <boost/asio/write.hpp>

#include <csignal>
#include <filesystem>

using namespace weft_test;

namespace {

std::string threaded() { return std::filesystem::path(program()).replace_filename("beast_sync_threaded"); }

unsigned short port_of(running& r) {
    std::string line = r.line_with("listening on 127.0.0.1:");
    return static_cast<unsigned short>(std::stoi(line.substr(line.rfind(':') + 1)));
}

/// One connection, kept alive.
struct client {
    tcp::socket socket{weft::get_executor()};
    std::string unread{};

    explicit client(unsigned short port) { socket.async_connect({boost::asio::ip::address_v4::loopback(), port}, weft::use_fiber); }
    void ask(std::string const& target) {
        boost::asio::async_write(socket, boost::asio::buffer("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n"), weft::use_fiber);
    }
    /// Whether the answer to that has come.
    bool answered(std::string const& target) {
        std::string const body = "\r\n\r\nhello " + target + "\n";
        std::size_t n = boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(unread), body, weft::use_fiber);
        bool ok = unread.starts_with("HTTP/1.1 200 OK\r\n") && contains(unread, "Content-Length: " + std::to_string(body.size() - 4) + "\r\n") && n == unread.size();
        unread.erase(0, n);
        return ok;
    }
    /// Whether the server has closed it, and sent nothing before.
    bool closed() {
        boost::system::error_code ec;
        char c;
        return boost::asio::async_read(socket, boost::asio::buffer(&c, 1), weft::use_fiber[ec]) == 0 && ec == boost::asio::error::eof;
    }
};

/// 20 connections at once, 15 requests each, and one of them slow. Returns how many answers were right.
int right_answers(unsigned short port) {
    int right = 0;
    weft::fail_after(in_the_end, [&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 20; ++i) n.start_soon("client", [&right, port, i] {
                client c(port);
                for (int k = 0; k < 15; ++k) {
                    std::string target = k == 7 ? "/slow" : "/" + std::to_string(i) + "/" + std::to_string(k);
                    c.ask(target);
                    right += c.answered(target);
                }
            });
        });
    });
    return right;
}

}  // namespace

BOOST_AUTO_TEST_CASE(both_servers_give_the_same_answers) {
    run_program_test([] {
        for (auto const& command : {threaded(), program()}) {
            with_program({command, "0"}, [&](running& r) { BOOST_TEST(right_answers(port_of(r)) == 300, command); });
        }
    });
}

BOOST_AUTO_TEST_CASE(a_stop_answers_what_is_under_way_and_ends_what_is_idle) {
    run_program_test([] {
        with_program({program(), "0"}, [](running& r) {
            auto port = port_of(r);
            client idle(port), slow(port);
            idle.ask("/first");
            BOOST_TEST(idle.answered("/first"));
            slow.ask("/slow");
            idle.ask("/second");
            BOOST_TEST(idle.answered("/second"));  // the slow one waits meanwhile
            r.process.terminate();
            weft::fail_after(in_the_end, [&] {
                BOOST_TEST(slow.answered("/slow"));
                BOOST_TEST(slow.closed());
                BOOST_TEST(idle.closed());
            });
            BOOST_TEST(r.rest() == "");  // exit code 0
        });
    });
}

BOOST_AUTO_TEST_CASE(threads_that_are_detached_end_with_the_process_and_what_was_under_way_is_lost) {
    run_program_test([] {
        with_program({threaded(), "0"}, [](running& r) {
            client c(port_of(r));
            c.ask("/first");
            BOOST_TEST(c.answered("/first"));
            r.process.terminate();
            BOOST_TEST(weft::fail_after(in_the_end, [&] { return r.process.wait().signal; }) == SIGTERM);
        });
    });
}
