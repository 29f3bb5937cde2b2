// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_PEER_HPP
#define FLEET_PEER_HPP

#include <weft/asio.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <stop_token>

namespace fleet {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// Runs f until it ends or `stop` is requested. Returns whether it ended by itself. What is not inside such a block is
/// finished in peace: that is how a connection drains.
template <class F>
bool until_stopped(std::stop_token const& stop, F&& f) {
    weft::cancel_scope scope("until stopped");
    std::stop_callback wake(stop, [&] { scope.cancel("draining"); });
    return scope.run(f);
}

/// Waits until the peer has closed the connection (true) or has sent something (false). Reads nothing.
bool peer_left(tcp::socket& socket);

/// Small answers must not wait for Nagle's algorithm. Fails silently: the peer may be gone already.
inline void send_at_once(tcp::socket& socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
}

}  // namespace fleet

#endif
