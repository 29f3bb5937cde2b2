// SPDX-License-Identifier: BSL-1.0
#include "peer.hpp"

#include <boost/asio/buffer.hpp>

namespace fleet {

bool peer_left(tcp::socket& socket) {
    error_code ec;
    socket.async_wait(tcp::socket::wait_read, weft::use_fiber[ec]);
    weft::check_cancelled();  // the [ec] form leaves the raising to the next cancellation point
    char byte;
    return ec || socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, ec) == 0;
}

}  // namespace fleet
