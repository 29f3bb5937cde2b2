// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_PEER_HPP
#define PROXY_PEER_HPP

#include <boost/asio/ip/tcp.hpp>

namespace proxy {

/// One of the two sockets of a connection. Unless it has ended in order, closing it resets it: nobody shall take a cut for the end of
/// what was sent.
struct peer {
    boost::asio::ip::tcp::socket socket;
    bool broken{};    ///< it was reset by the other side, or lost: a read or a write has failed
    bool in_order{};  ///< close it with a FIN

    explicit peer(boost::asio::ip::tcp::socket s);
    peer(peer const&) = delete;
    ~peer();

    /// Waits until the other side has all that was written, or is gone, or a second is over. What is written before a reset should arrive
    /// before it, but a reset throws away what the kernel still has to send.
    void wait_until_delivered();
};

}  // namespace proxy

#endif
