// SPDX-License-Identifier: BSL-1.0
// The peers of the echo bench.
#include "contest.hpp"
#include "echo_servers.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <memory>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t room = 1024;

struct listener {
    asio::io_context io{1};
    tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    listener() { announce(acceptor.local_endpoint().port()); }
};

/// One connection in callbacks.
struct session : std::enable_shared_from_this<session> {
    tcp::socket socket;
    bool write_first;
    char buffer[room];

    session(tcp::socket s, bool w) : socket(std::move(s)), write_first(w) { if (w) socket.non_blocking(true); }
    void read() {
        socket.async_read_some(asio::buffer(buffer), [self = shared_from_this()](error_code ec, std::size_t n) { if (!ec) self->write(n); });
    }
    void write(std::size_t n) {
        std::size_t sent = 0;
        if (write_first) {
            error_code ec;
            sent = socket.write_some(asio::buffer(buffer, n), ec);
            if (!ec && sent == n) { read(); return; }
            if (ec && ec != asio::error::would_block) return;
        }
        asio::async_write(socket, asio::buffer(buffer + sent, n - sent), [self = shared_from_this()](error_code ec, std::size_t) { if (!ec) self->read(); });
    }
};

void callbacks(bool write_first) {
    listener l;
    std::function<void()> accept = [&] {
        l.acceptor.async_accept([&](error_code ec, tcp::socket s) {
            if (!ec) std::make_shared<session>(std::move(s), write_first)->read();
            accept();
        });
    };
    accept();
    l.io.run();
}

}  // namespace

void serve_callbacks() { callbacks(false); }
void serve_callbacks_write_first() { callbacks(true); }

void serve_awaitable() {
    listener l;
    auto connection = [](tcp::socket s) -> asio::awaitable<void> {
        char buffer[room];
        for (;;) {
            std::size_t n = co_await s.async_read_some(asio::buffer(buffer), asio::use_awaitable);
            co_await asio::async_write(s, asio::buffer(buffer, n), asio::use_awaitable);
        }
    };
    asio::co_spawn(l.io, [&]() -> asio::awaitable<void> {
        for (;;) asio::co_spawn(l.io, connection(co_await l.acceptor.async_accept(asio::use_awaitable)), asio::detached);
    }, asio::detached);
    l.io.run();
}

void serve_spawn() {
    listener l;
    asio::spawn(l.io, [&](asio::yield_context yield) {
        for (;;) {
            asio::spawn(l.io, [s = l.acceptor.async_accept(yield)](asio::yield_context y) mutable {
                char buffer[room];
                for (;;) {
                    std::size_t n = s.async_read_some(asio::buffer(buffer), y);
                    asio::async_write(s, asio::buffer(buffer, n), y);
                }
            }, asio::detached);
        }
    }, asio::detached);
    l.io.run();
}

void serve_epoll() {
    int l = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), e = ::epoll_create1(0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    if (::bind(l, reinterpret_cast<sockaddr*>(&a), size) != 0 || ::listen(l, 4096) != 0) return;
    ::getsockname(l, reinterpret_cast<sockaddr*>(&a), &size);
    announce(ntohs(a.sin_port));
    auto add = [&](int fd) { epoll_event v{}; v.events = EPOLLIN; v.data.fd = fd; ::epoll_ctl(e, EPOLL_CTL_ADD, fd, &v); };
    add(l);
    for (epoll_event events[128];;) {
        int n = ::epoll_wait(e, events, 128, -1);
        for (int i = 0; i < n; ++i) {
            int fd = events[i].data.fd;
            if (fd == l) {
                for (int s; (s = ::accept4(l, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) add(s);
                continue;
            }
            char buffer[room];
            ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0 || ::send(fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) ::close(fd);
        }
    }
}
