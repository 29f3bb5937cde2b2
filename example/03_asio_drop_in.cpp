// SPDX-License-Identifier: BSL-1.0
// Asio as it is, with another completion token: an echo server and its client as blocking code, a timer, and the way
// back from a callback into a task.
#include <weft/asio.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <iostream>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;
int failures = 0;

void expect(bool condition, char const* what) {
    std::cout << (condition ? "ok    " : "WRONG ") << what << '\n';
    failures += !condition;
}

// With callbacks this is a class with a buffer, a shared_from_this and two handlers that start each other.
void echo(tcp::socket socket) {
    char data[64];
    error_code ec;
    for (;;) {
        std::size_t n = socket.async_read_some(asio::buffer(data), weft::use_fiber[ec]);
        if (ec) return;  // the client has closed: [ec] where an error is no surprise
        asio::async_write(socket, asio::buffer(data, n), weft::use_fiber);  // throws system_error
    }
}

void echo_on_loopback() {
    tcp::acceptor acceptor(weft::get_executor(), {asio::ip::address_v4::loopback(), 0});
    weft::with_nursery([&](weft::nursery& n) {
        n.start_soon("server", [&] { echo(acceptor.async_accept(weft::use_fiber)); });
        tcp::socket socket(weft::get_executor());
        socket.async_connect(acceptor.local_endpoint(), weft::use_fiber);
        std::string back(5, ' ');
        asio::async_write(socket, asio::buffer("hello", 5), weft::use_fiber);
        asio::async_read(socket, asio::buffer(back), weft::use_fiber);
        expect(back == "hello", "an echo, with no callback in sight");
        bool answered = weft::move_on_after(5ms, [&] { asio::async_read(socket, asio::buffer(back), weft::use_fiber); });
        expect(!answered, "any operation can have a deadline");
    });  // the client's socket closes with its block, and that ends the server
}

void timers_and_callbacks() {
    asio::steady_timer timer(weft::get_executor(), 2ms);
    timer.async_wait(weft::use_fiber);
    expect(true, "a timer, waited for");

    // An existing callback stays a callback. It may not block, but it can start a task that does.
    int rows = 0;
    weft::event answered;
    weft::with_nursery([&](weft::nursery& n) {
        timer.expires_after(2ms);
        timer.async_wait([&](error_code) {
            weft::spawn(n, [] { weft::this_task::sleep_for(2ms); return 3; },
                        [&](std::exception_ptr e, int r) { rows = e ? -1 : r; answered.set(); });
        });
        weft::cancel_scope held;  // the callbacks refer to this block: not even a cancellation may end it before them
        held.set_shield(true);
        held.run([&] { answered.wait(); });
    });
    expect(rows == 3, "a callback started a task, and a callback got its result");
}

}  // namespace

int main() {
    weft::run([] { echo_on_loopback(); timers_and_callbacks(); });
    return failures == 0 ? 0 : 1;
}
