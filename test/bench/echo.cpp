// SPDX-License-Identifier: BSL-1.0
// TCP echo of 64 bytes: weft beside its peers, each server a process of its own, rounds interleaved. Prints medians of the server's
// processor time a message, of its ratio to raw callbacks in the same round, and counts: allocations, user instructions (valgrind),
// system calls (strace). test/bench/echo_run builds and runs all.
#include "contest.hpp"
#include "echo_servers.hpp"

#include <weft/asio.hpp>
#include <weft/net/stream.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

template <class Connection>
void serve_tasks(Connection connection) {
    weft::run([&] {
        tcp::acceptor acceptor(weft::get_executor(), {asio::ip::address_v4::loopback(), 0});
        announce(acceptor.local_endpoint().port());
        weft::with_nursery([&](weft::nursery& n) {
            for (;;) n.start_soon([&connection, s = acceptor.async_accept(weft::use_fiber)]() mutable { connection(s); });
        });
    });
}

}  // namespace

void serve_weft() {
    serve_tasks([](tcp::socket& s) {
        char buffer[1024];
        boost::system::error_code ec;
        for (;;) {
            std::size_t n = s.async_read_some(asio::buffer(buffer), weft::use_fiber[ec]);
            if (ec) return;
            asio::async_write(s, asio::buffer(buffer, n), weft::use_fiber);
        }
    });
}

void serve_weft_streams() {
    serve_tasks([](tcp::socket& s) {
        char buffer[1024];
        while (std::size_t n = weft::read_some(s, asio::buffer(buffer))) weft::write_all(s, asio::buffer(buffer, n));
    });
}

int main(int argc, char** argv) {
    return contest_main(argc, argv, {
        {"C epoll", serve_epoll},
        {"callbacks", serve_callbacks},
        {"callbacks, write first", serve_callbacks_write_first},
        {"awaitable", serve_awaitable},
        {"asio::spawn", serve_spawn},
        {"weft", serve_weft},
        {"weft, read_some, write_all", serve_weft_streams},
    }, {std::string(64, 'x'), 64});
}
