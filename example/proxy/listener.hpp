// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_LISTENER_HPP
#define PROXY_LISTENER_HPP

#include "accounts.hpp"
#include "descriptors.hpp"
#include "options.hpp"

#include <weft/asio.hpp>

#include <boost/asio/ip/tcp.hpp>

namespace proxy {

/// A client, and a descriptor that is kept for the connection to its backend.
struct arrival {
    boost::asio::ip::tcp::socket client;
    spare_descriptor spare;
};

/// Accepts for weft::serve. A connection needs two descriptors, so it is accepted when there are two: a client that has but one would
/// wait for those of others, and they for his. Where one has lost its second all the same, nobody is accepted before it has another.
class listener {
public:
    listener(address const& where, accounts const& books);

    /// As the acceptor's. It waits in the task that calls, so that there is nothing to compose.
    arrival async_accept(weft::use_fiber_t::with_error report);
    void close(boost::system::error_code& ec) { acceptor_.close(ec); }
    boost::asio::ip::tcp::endpoint local_endpoint() const { return acceptor_.local_endpoint(); }

private:
    boost::asio::ip::tcp::acceptor acceptor_;
    accounts const& books_;
};

}  // namespace proxy

#endif
