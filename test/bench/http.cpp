// SPDX-License-Identifier: BSL-1.0
// HTTP/1.1 with keep-alive through Beast: weft beside callbacks and coroutines, as echo.cpp does it for bare sockets.
#include "contest.hpp"

#include <weft/asio.hpp>
#include <weft/weft.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <functional>
#include <memory>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using request = http::request<http::empty_body>;
using response = http::response<http::string_body>;

tcp::endpoint const anywhere{asio::ip::address_v4::loopback(), 0};

response answer(request const& r) {
    response a(http::status::ok, r.version());
    a.set(http::field::content_type, "text/plain");
    a.keep_alive(r.keep_alive());
    a.body() = "Hello, world!";
    a.prepare_payload();
    return a;
}

struct session : std::enable_shared_from_this<session> {
    tcp::socket socket;
    boost::beast::flat_buffer buffer;
    request in;
    response out;

    explicit session(tcp::socket s) : socket(std::move(s)) {}
    void read() {
        in = {};
        http::async_read(socket, buffer, in, [self = shared_from_this()](error_code ec, std::size_t) { if (!ec) self->write(); });
    }
    void write() {
        out = answer(in);
        http::async_write(socket, out, [self = shared_from_this()](error_code ec, std::size_t) { if (!ec) self->read(); });
    }
};

struct listener {
    asio::io_context io{1};
    tcp::acceptor acceptor{io, anywhere};
    listener() { announce(acceptor.local_endpoint().port()); }
};

void serve_callbacks() {
    listener l;
    std::function<void()> accept = [&] {
        l.acceptor.async_accept([&](error_code ec, tcp::socket s) {
            if (!ec) std::make_shared<session>(std::move(s))->read();
            accept();
        });
    };
    accept();
    l.io.run();
}

// What a connection does, for any token that makes a call wait where it stands.
template <class Token>
void talk(tcp::socket& s, Token token) {
    boost::beast::flat_buffer buffer;
    for (;;) {
        request in;
        http::async_read(s, buffer, in, token);
        response out = answer(in);
        http::async_write(s, out, token);
    }
}

void serve_spawn() {
    listener l;
    asio::spawn(l.io, [&](asio::yield_context yield) {
        for (;;) {
            asio::spawn(l.io, [s = l.acceptor.async_accept(yield)](asio::yield_context y) mutable { talk(s, y); }, asio::detached);
        }
    }, asio::detached);
    l.io.run();
}

void serve_awaitable() {
    listener l;
    auto connection = [](tcp::socket s) -> asio::awaitable<void> {
        boost::beast::flat_buffer buffer;
        for (;;) {
            request in;
            co_await http::async_read(s, buffer, in, asio::use_awaitable);
            response out = answer(in);
            co_await http::async_write(s, out, asio::use_awaitable);
        }
    };
    asio::co_spawn(l.io, [&]() -> asio::awaitable<void> {
        for (;;) asio::co_spawn(l.io, connection(co_await l.acceptor.async_accept(asio::use_awaitable)), asio::detached);
    }, asio::detached);
    l.io.run();
}

void serve_weft() {
    weft::run([] {
        tcp::acceptor acceptor(weft::get_executor(), anywhere);
        announce(acceptor.local_endpoint().port());
        weft::with_nursery([&](weft::nursery& n) {
            for (;;) {
                n.start_soon([s = acceptor.async_accept(weft::use_fiber)]() mutable {
                    try { talk(s, weft::use_fiber); }
                    catch (boost::system::system_error const&) {}  // the client has gone
                });
            }
        });
    });
}

}  // namespace

int main(int argc, char** argv) {
    return contest_main(argc, argv, {
        {"callbacks", serve_callbacks},
        {"awaitable", serve_awaitable},
        {"asio::spawn", serve_spawn},
        {"weft", serve_weft},
    }, {"GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", 0});
}
