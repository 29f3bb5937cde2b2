// SPDX-License-Identifier: BSL-1.0
// The rows of doc/reference/operations.md about Asio's own operations, one test a row.
#include "asio/full_listener.hpp"
#include "asio/operation_row.hpp"

#include <weft/asio/spawn.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/connect_pipe.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/serial_port.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/writable_pipe.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <csignal>
#include <vector>

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

using namespace weft_test;
using asio::ip::tcp;
using asio::ip::udp;
using local = asio::local::stream_protocol;

namespace {

char const* const all = "total partial terminal";

template <class Socket>
struct both_ends {
    Socket a{weft::get_executor()}, b{weft::get_executor()};
    both_ends() { asio::local::connect_pair(a, b); }
};

/// Writes until nothing more fits; how much that was.
template <class Object>
std::size_t fill(Object& o) {
    std::vector<char> const much(1 << 16, 'f');
    o.non_blocking(true);
    std::size_t all = 0;
    for (error_code ec; !ec;) all += o.write_some(asio::buffer(much), ec);
    return all;
}
/// Reads what is there; how much that was.
template <class Object>
std::size_t drain(Object& o) {
    std::vector<char> into(1 << 16);
    o.non_blocking(true);
    std::size_t all = 0;
    for (error_code ec; !ec;) all += o.read_some(asio::buffer(into), ec);
    return all;
}

struct timer_wait {
    asio::steady_timer t{weft::get_executor(), 1h};
    template <class Token> auto start(Token&& token) { return t.async_wait(std::forward<Token>(token)); }
    void release() { t.cancel(); }
    void afterwards(outcome const&) {
        t.expires_after(0s);
        t.async_wait(weft::use_fiber);
    }
};

struct socket_read : both_ends<local::socket> {
    char c{};
    template <class Token> auto start(Token&& token) { return a.async_read_some(asio::buffer(&c, 1), std::forward<Token>(token)); }
    void release() { b.close(); }
    void afterwards(outcome const&) {
        b.write_some(asio::buffer("xy", 2));
        BOOST_TEST(a.async_read_some(asio::buffer(&c, 1), weft::use_fiber) == 1u);
        BOOST_TEST(c == 'x');
    }
};

struct socket_write : both_ends<local::socket> {
    std::size_t before = fill(a);
    template <class Token> auto start(Token&& token) { return a.async_write_some(asio::buffer("x", 1), std::forward<Token>(token)); }
    void release() { drain(b); }
    void afterwards(outcome const&) {
        BOOST_TEST(drain(b) == before);
        BOOST_TEST(a.async_write_some(asio::buffer("x", 1), weft::use_fiber) == 1u);
    }
};

struct socket_wait : both_ends<local::socket> {
    template <class Token> auto start(Token&& token) { return a.async_wait(local::socket::wait_read, std::forward<Token>(token)); }
    void release() { b.close(); }
    void afterwards(outcome const&) {
        b.write_some(asio::buffer("x", 1));
        a.async_wait(local::socket::wait_read, weft::use_fiber);
    }
};

struct datagram_receive {
    udp::socket s{weft::get_executor(), {asio::ip::address_v4::loopback(), 0}};
    udp::endpoint from;
    char c{};
    template <class Token> auto start(Token&& token) { return s.async_receive_from(asio::buffer(&c, 1), from, std::forward<Token>(token)); }
    void release() { s.send_to(asio::buffer("r", 1), s.local_endpoint()); }
    void afterwards(outcome const&) {
        s.send_to(asio::buffer("x", 1), s.local_endpoint());
        BOOST_TEST(start(weft::use_fiber) == 1u);
        BOOST_TEST(c == 'x');
    }
};

struct datagram_send : both_ends<asio::local::datagram_protocol::socket> {
    std::size_t queued = 0;
    datagram_send() {
        a.non_blocking(true);
        b.non_blocking(true);
        for (error_code ec; !ec;) queued += a.send(asio::buffer("d", 1), 0, ec);
    }
    template <class Token> auto start(Token&& token) { return a.async_send(asio::buffer("x", 1), std::forward<Token>(token)); }
    void release() { receive_all(); }
    void afterwards(outcome const&) {
        BOOST_TEST(receive_all() == queued);
        BOOST_TEST(start(weft::use_fiber) == 1u);
    }
    std::size_t receive_all() {
        std::size_t got = 0;
        char c;
        for (error_code ec; !ec;) got += b.receive(asio::buffer(&c, 1), 0, ec);
        return got;
    }
};

struct accept_one {
    tcp::acceptor acceptor{weft::get_executor(), {asio::ip::address_v4::loopback(), 0}};
    tcp::socket client{weft::get_executor()};
    template <class Token> auto start(Token&& token) { return acceptor.async_accept(std::forward<Token>(token)); }
    void release() { client.connect(acceptor.local_endpoint()); }
    void afterwards(outcome const&) {
        client.connect(acceptor.local_endpoint());
        BOOST_TEST(start(weft::use_fiber).remote_endpoint() == client.local_endpoint());
    }
};

struct connecting : full_listener {
    tcp::socket s{weft::get_executor()};
    void release() { s.close(); }
    void afterwards(outcome const&) {
        BOOST_TEST(s.is_open());
        error_code ec;
        s.async_connect(where, weft::use_fiber[ec]);
        BOOST_TEST(ec == asio::error::already_started);  // the kernel has not stopped: the socket is of no more use
        s.close();
        make_room();
        s.async_connect(where, weft::use_fiber);
    }
};

struct connect_one : connecting {
    template <class Token> auto start(Token&& token) { return s.async_connect(where, std::forward<Token>(token)); }
};

struct connect_range : connecting {
    std::array<tcp::endpoint, 2> list{where, where};
    template <class Token> auto start(Token&& token) { return asio::async_connect(s, list, std::forward<Token>(token)); }
};

struct composed_read : both_ends<local::socket> {
    std::array<char, 100> buffer{};
    composed_read() { b.write_some(asio::buffer("0123456789", 10)); }
    template <class Token> auto start(Token&& token) { return asio::async_read(a, asio::buffer(buffer), std::forward<Token>(token)); }
    void release() { b.close(); }
    void afterwards(outcome const& o) {
        BOOST_TEST(std::string(buffer.data(), *o.count) == "0123456789");
        b.write_some(asio::buffer("x", 1));
        BOOST_TEST(a.async_read_some(asio::buffer(buffer), weft::use_fiber) == 1u);  // goes on where it stopped
        BOOST_TEST(buffer[0] == 'x');
    }
};

struct composed_write : both_ends<local::socket> {
    std::vector<char> const much = std::vector<char>(8 << 20, 'w');
    template <class Token> auto start(Token&& token) { return asio::async_write(a, asio::buffer(much), std::forward<Token>(token)); }
    void release() { b.close(); }
    void afterwards(outcome const& o) {
        BOOST_TEST((*o.count > 0 && *o.count < much.size()));
        BOOST_TEST(drain(b) == *o.count);
        BOOST_TEST(a.async_write_some(asio::buffer("x", 1), weft::use_fiber) == 1u);
    }
};

struct read_until : both_ends<local::socket> {
    std::string text;
    read_until() { b.write_some(asio::buffer("half a li", 9)); }
    template <class Token> auto start(Token&& token) { return asio::async_read_until(a, asio::dynamic_buffer(text), '\n', std::forward<Token>(token)); }
    void release() { b.close(); }
    void afterwards(outcome const&) {
        BOOST_TEST(text == "half a li");
        b.write_some(asio::buffer("ne\n", 3));
        BOOST_TEST(start(weft::use_fiber) == 12u);
    }
};

struct signal_wait {
    asio::signal_set set{weft::get_executor(), SIGUSR2};
    template <class Token> auto start(Token&& token) { return set.async_wait(std::forward<Token>(token)); }
    void release() { set.cancel(); }
    void afterwards(outcome const&) {
        std::raise(SIGUSR2);
        BOOST_TEST(start(weft::use_fiber) == SIGUSR2);
    }
};

struct pipe_read {
    asio::readable_pipe out{weft::get_executor()};
    asio::writable_pipe in{weft::get_executor()};
    char c{};
    pipe_read() { asio::connect_pipe(out, in); }
    template <class Token> auto start(Token&& token) { return out.async_read_some(asio::buffer(&c, 1), std::forward<Token>(token)); }
    void release() { in.close(); }
    void afterwards(outcome const&) {
        in.write_some(asio::buffer("x", 1));
        BOOST_TEST(start(weft::use_fiber) == 1u);
    }
};

/// The two ends of a pipe as stream_descriptors.
struct descriptor_write {
    asio::posix::stream_descriptor out{weft::get_executor()}, in{weft::get_executor()};
    std::size_t before{};
    descriptor_write() {
        int ends[2];
        BOOST_TEST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        out.assign(ends[0]);
        in.assign(ends[1]);
        before = fill(in);
    }
    template <class Token> auto start(Token&& token) { return in.async_write_some(asio::buffer("x", 1), std::forward<Token>(token)); }
    void release() { drain(out); }
    void afterwards(outcome const&) {
        BOOST_TEST(drain(out) == before);
        BOOST_TEST(start(weft::use_fiber) == 1u);
    }
};

/// A pseudo-terminal, whose other end is the line.
struct serial_read {
    asio::posix::stream_descriptor line{weft::get_executor()};
    asio::serial_port port{weft::get_executor()};
    char c{};
    serial_read() {
        line.assign(::posix_openpt(O_RDWR | O_NOCTTY));
        BOOST_TEST_REQUIRE((::grantpt(line.native_handle()) == 0 && ::unlockpt(line.native_handle()) == 0));
        port.open(::ptsname(line.native_handle()));
    }
    template <class Token> auto start(Token&& token) { return port.async_read_some(asio::buffer(&c, 1), std::forward<Token>(token)); }
    void release() { line.write_some(asio::buffer("r", 1)); }
    void afterwards(outcome const&) {
        line.write_some(asio::buffer("x", 1));
        BOOST_TEST(start(weft::use_fiber) == 1u);
        BOOST_TEST(c == 'x');
    }
};

using int_channel = asio::experimental::channel<asio::io_context::executor_type, void(error_code, int)>;

using int_concurrent_channel = asio::experimental::concurrent_channel<asio::io_context::executor_type, void(error_code, int)>;

template <class Channel>
struct channel_receive {
    Channel channel{weft::get_executor()};
    template <class Token> auto start(Token&& token) { return channel.async_receive(std::forward<Token>(token)); }
    void release() { channel.close(); }
    void afterwards(outcome const&) { BOOST_TEST(!channel.try_send(error_code(), 1)); }  // nobody waits any more
};

template <class Channel>
struct channel_send {
    Channel channel{weft::get_executor()};
    template <class Token> auto start(Token&& token) { return channel.async_send(error_code(), 1, std::forward<Token>(token)); }
    void release() { channel.close(); }
    void afterwards(outcome const&) { BOOST_TEST(!channel.try_receive([](error_code, int) {})); }  // nothing was sent
};

struct group_of_two {
    asio::steady_timer x{weft::get_executor(), 1h}, y{weft::get_executor(), 1h};
    template <class Token>
    auto start(Token&& token) {
        return asio::experimental::make_parallel_group(x.async_wait(asio::deferred), y.async_wait(asio::deferred))
            .async_wait(asio::experimental::wait_for_all(), std::forward<Token>(token));
    }
    void release() { x.cancel(); y.cancel(); }
    void afterwards(outcome const&) { BOOST_TEST(x.cancel() + y.cancel() == 0u); }  // both have ended
};

/// Composed of two waits, of which the first is cancelled.
template <class Filter>
struct composed_by_hand {
    asio::steady_timer t{weft::get_executor(), 1h};
    template <class Token>
    auto start(Token&& token) {
        return asio::async_compose<Token, void(error_code)>(
            [this, step = 0](auto& self, error_code e = {}) mutable {
                switch (e ? 2 : step++) {
                    case 0:
                        self.reset_cancellation_state(Filter());
                        t.async_wait(std::move(self));
                        return;
                    case 1: t.expires_after(1h); t.async_wait(std::move(self)); return;
                    default: self.complete(e);
                }
            },
            token, t);
    }
    void release() { t.cancel(); }
    void afterwards(outcome const&) { BOOST_TEST(t.cancel() == 0u); }
};

struct spawned_task {
    weft::nursery& n;
    weft::event go;
    bool ended = false;
    explicit spawned_task(weft::nursery& nn) : n(nn) {}
    template <class Token>
    auto start(Token&& token) {
        return weft::spawn(n, [this] {
            struct at_end { bool& b; ~at_end() { b = true; } } e{ended};
            go.wait();
        }, std::forward<Token>(token));
    }
    void release() { go.set(); }
    void afterwards(outcome const&) {
        BOOST_TEST(ended);
        BOOST_TEST(!n.scope().cancel_called());
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(operations)

BOOST_AUTO_TEST_CASE(timer_async_wait) { check_row<timer_wait>({all}); }
BOOST_AUTO_TEST_CASE(socket_async_read_some) { check_row<socket_read>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(socket_async_write_some) { check_row<socket_write>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(socket_async_wait) { check_row<socket_wait>({all}); }
BOOST_AUTO_TEST_CASE(socket_async_receive_from) { check_row<datagram_receive>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(socket_async_send_of_datagrams) { check_row<datagram_send>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(acceptor_async_accept) { check_row<accept_one>({all}); }
BOOST_AUTO_TEST_CASE(socket_async_connect) { check_row<connect_one>({all}); }
BOOST_AUTO_TEST_CASE(ranged_async_connect) { check_row<connect_range>({"partial terminal"}); }
BOOST_AUTO_TEST_CASE(composed_async_read) { check_row<composed_read>({"partial terminal", aborted, 10}); }
BOOST_AUTO_TEST_CASE(composed_async_write) { check_row<composed_write>({"partial terminal"}); }
BOOST_AUTO_TEST_CASE(composed_async_read_until) { check_row<read_until>({"partial terminal", aborted, 0}); }
BOOST_AUTO_TEST_CASE(signal_set_async_wait) {
    asio::io_context other;
    asio::signal_set first(other);  // opens Asio's descriptors for signals, which the process keeps while there is one
    check_row<signal_wait>({all});
}
BOOST_AUTO_TEST_CASE(pipe_async_read_some) { check_row<pipe_read>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(descriptor_async_write_some) { check_row<descriptor_write>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(serial_port_async_read_some) { check_row<serial_read>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(channel_async_receive) { check_row<channel_receive<int_channel>>({all, asio::experimental::error::channel_cancelled}); }
BOOST_AUTO_TEST_CASE(channel_async_send) { check_row<channel_send<int_channel>>({all, asio::experimental::error::channel_cancelled}); }
BOOST_AUTO_TEST_CASE(concurrent_channel_async_receive) { check_row<channel_receive<int_concurrent_channel>>({all, asio::experimental::error::channel_cancelled}); }
BOOST_AUTO_TEST_CASE(concurrent_channel_async_send) { check_row<channel_send<int_concurrent_channel>>({all, asio::experimental::error::channel_cancelled}); }
BOOST_AUTO_TEST_CASE(parallel_group_async_wait) { check_row<group_of_two>({all, aborted, std::nullopt, false}); }
BOOST_AUTO_TEST_CASE(operation_of_async_compose) { check_row<composed_by_hand<asio::enable_terminal_cancellation>>({"terminal"}); }
BOOST_AUTO_TEST_CASE(operation_of_async_compose_that_enables_total) { check_row<composed_by_hand<asio::enable_total_cancellation>>({all}); }
BOOST_AUTO_TEST_CASE(weft_spawn) { check_row<spawned_task>({all}); }

// Its thread looks the name up to the end, whatever is emitted, and whoever waits gets the answer.
BOOST_AUTO_TEST_CASE(resolver_async_resolve) {
    for (auto type : {asio::cancellation_type::total, asio::cancellation_type::partial, asio::cancellation_type::terminal}) run_checked([&] {
        tcp::resolver resolver(weft::get_executor());
        asio::cancellation_signal signal;
        std::optional<error_code> got;
        resolver.async_resolve("localhost", "80", asio::bind_cancellation_slot(signal.slot(), [&](error_code e, tcp::resolver::results_type) { got = e; }));
        signal.emit(type);
        while (!got) weft::this_task::sleep_for(1ms);
        BOOST_TEST(!*got);
    });
    run_checked([&] {
        tcp::resolver resolver(weft::get_executor());
        bool answered = false;
        weft::cancel_scope scope;
        weft::event starts;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                scope.run([&] {
                    starts.set();
                    answered = !resolver.async_resolve("localhost", "80", weft::use_fiber).empty();
                    weft::checkpoint();
                });
            });
            starts.wait();
            scope.cancel();
        });
        BOOST_TEST(answered);
        BOOST_TEST(scope.cancelled_caught());
        BOOST_TEST(!resolver.async_resolve("localhost", "80", weft::use_fiber).empty());
    });
}

BOOST_AUTO_TEST_SUITE_END()
