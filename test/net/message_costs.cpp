// SPDX-License-Identifier: BSL-1.0
// What a message costs in system calls and allocations, exactly, beside raw callbacks. Client and server are one thread: the client acts when
// the server would sleep, in the epoll_wait that this program puts in the C library's place; so every run makes the same calls.
#include "net/message_costs.hpp"

#include <weft/asio.hpp>
#include <weft/net/stream.hpp>
#include <weft/weft.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <vector>

#include <fcntl.h>

namespace asio = boost::asio;
using namespace weft_test;
using boost::system::error_code;
using local = asio::local::stream_protocol;

namespace {

constexpr long messages = 100, warm_up = 20;  // of each connection
constexpr std::size_t size = 64, room = 256;

/// The client's ends of the connections. Each time the server has nothing left to do it takes an answer on each and sends the next message;
/// after the last it closes them.
class client {
public:
    explicit client(std::size_t connections) {
        for (std::size_t i = 0; i < connections; ++i) {
            int ends[2];
            if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
            own_.push_back(ends[0]);
            servers.push_back(ends[1]);
        }
        the = this;
        before_sleep = [] { the->act(); };
    }
    ~client() { before_sleep = nullptr; }

    std::vector<int> servers;  ///< the server's ends, which it takes over
    costs measured() const { return end_ - begin_; }

private:
    void act() {
        char text[size] = {};
        if (round_ > 0) {
            for (int s : own_) answers_ += ::syscall(SYS_recvfrom, s, text, size, MSG_DONTWAIT, nullptr, nullptr) == static_cast<long>(size);
            // Less than all: the server slept with answers outstanding. It would not be woken again.
            if (answers_ != round_ * static_cast<long>(own_.size())) { BOOST_TEST_ERROR("the server slept before it had answered"); round_ = warm_up + messages; }
        }
        if (round_ == warm_up) begin_ = counted;
        if (round_ >= warm_up + messages) {
            end_ = counted;
            for (int s : own_) ::close(s);
            own_.clear();
            before_sleep = nullptr;
            return;
        }
        for (int s : own_) ::syscall(SYS_sendto, s, text, size, MSG_NOSIGNAL, nullptr, 0);
        ++round_;
    }

    static inline client* the;
    std::vector<int> own_;
    long round_{}, answers_{};
    costs begin_, end_;
};

enum class callbacks { plain, write_first, with_slots };

struct session : std::enable_shared_from_this<session> {
    local::socket socket;
    callbacks how;
    asio::cancellation_signal signal;
    char buffer[room]{};
    session(asio::io_context& io, int fd, callbacks h) : socket(io, local(), fd), how(h) { if (h == callbacks::write_first) socket.non_blocking(true); }

    void read() {
        start([this](auto handler) { socket.async_read_some(asio::buffer(buffer), std::move(handler)); }, &session::write);
    }
    void write(std::size_t n) {
        error_code ec;
        if (how == callbacks::write_first && socket.write_some(asio::buffer(buffer, n), ec) == n) { read(); return; }
        start([this, n](auto handler) { asio::async_write(socket, asio::buffer(buffer, n), std::move(handler)); }, &session::written);
    }
    void written(std::size_t) { read(); }

    template <class Operation>
    void start(Operation operation, void (session::*then)(std::size_t)) {
        auto handler = [self = shared_from_this(), then](error_code ec, std::size_t n) {
            self->signal.slot().clear();
            if (!ec) (self.get()->*then)(n);
        };
        if (how == callbacks::with_slots) operation(asio::bind_cancellation_slot(signal.slot(), std::move(handler)));
        else operation(std::move(handler));
    }
};

costs of_callbacks(std::size_t connections, callbacks how) {
    client c(connections);
    asio::io_context io(1);
    for (int fd : c.servers) std::make_shared<session>(io, fd, how)->read();
    io.run();
    return c.measured();
}

enum class style { plain, single, stream, with_deadline };

void serve(local::socket& s, style how) {
    char buffer[room];
    error_code ec;
    auto echo = [&] {
        std::size_t n = weft::read_some(s, asio::buffer(buffer));
        if (n > 0) weft::write_all(s, asio::buffer(buffer, n));
        return n > 0;
    };
    if (how == style::stream) { while (echo()) {} return; }
    if (how == style::with_deadline) { while (weft::fail_after(std::chrono::hours(1), echo)) {} return; }
    for (;;) {
        std::size_t n = s.async_read_some(asio::buffer(buffer), weft::use_fiber[ec]);
        if (ec) return;
        if (how == style::single) s.async_write_some(asio::buffer(buffer, n), weft::use_fiber);
        else asio::async_write(s, asio::buffer(buffer, n), weft::use_fiber);
    }
}

costs of_tasks(std::size_t connections, style how) {
    client c(connections);
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int fd : c.servers) {
                n.start_soon([fd, how] {
                    local::socket s(weft::get_executor(), local(), fd);
                    serve(s, how);
                });
            }
        });
    });
    return c.measured();
}

/// No call of any kind more often than `peer` makes it, and no allocation more.
void compare(costs const& peer, costs const& ours, std::size_t connections) {
    BOOST_TEST_MESSAGE("callbacks: " << peer << "; weft: " << ours);
    long n = messages * static_cast<long>(connections);
    BOOST_TEST(peer.calls[receive] >= n);  // else nothing was counted
    BOOST_TEST(ours.calls[send_] == n);
    for (std::size_t i = 0; i < call_kinds; ++i) {
        BOOST_TEST_CONTEXT(call_names[i]) BOOST_TEST(ours.calls[i] <= peer.calls[i]);
    }
    BOOST_TEST(ours.allocations <= peer.allocations);
    if (connections == 1) BOOST_TEST(ours.allocations == 0);
}

}  // namespace

// Composed operations that can be cancelled take two blocks of a store in which Asio keeps two a thread, so that with many connections
// it allocates; callbacks with a cancellation slot make it do so, too.
BOOST_AUTO_TEST_CASE(echo_costs_what_callbacks_with_cancellation_slots_cost) {
    for (std::size_t connections : {1u, 64u}) compare(of_callbacks(connections, callbacks::with_slots), of_tasks(connections, style::plain), connections);
}

BOOST_AUTO_TEST_CASE(echo_makes_the_system_calls_of_raw_callbacks_and_without_composed_operations_no_allocation) {
    for (std::size_t connections : {1u, 64u}) compare(of_callbacks(connections, callbacks::plain), of_tasks(connections, style::single), connections);
}

BOOST_AUTO_TEST_CASE(read_some_and_write_all_cost_what_callbacks_cost_that_try_the_write_first) {
    for (std::size_t connections : {1u, 64u}) compare(of_callbacks(connections, callbacks::write_first), of_tasks(connections, style::stream), connections);
}

BOOST_AUTO_TEST_CASE(a_deadline_around_each_message_makes_no_system_call_and_no_allocation) {
    for (std::size_t connections : {1u, 64u}) compare(of_callbacks(connections, callbacks::write_first), of_tasks(connections, style::with_deadline), connections);
}
