// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_CONNECT_HPP
#define WEFT_NET_CONNECT_HPP

#include <weft/core/errors.hpp>
#include <weft/net/detail/happy_eyeballs.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// Nobody could be reached. Lists every attempt; what() does, too.
class connect_error : public error {
public:
    using attempt = detail::connect_attempt<boost::asio::ip::tcp::endpoint>;
    connect_error(std::string what, std::vector<attempt> attempts) : error(std::move(what)), attempts_(std::move(attempts)) {}
    /// In the order in which they failed; empty if the name has no address.
    std::vector<attempt> const& attempts() const noexcept { return attempts_; }

private:
    std::vector<attempt> attempts_;
};

struct connect_options {
    duration attempt_delay{std::chrono::milliseconds(250)};  ///< until the next address is tried beside those that have not answered
    bool no_delay{true};                                     ///< TCP_NODELAY
};

/// The addresses of a name, as getaddrinfo has them, for TCP. A numeric address needs no look-up.
/// Blocks: always a checkpoint; on a helper thread, of to_thread's. Cancellation: leaves at once; the thread looks up to its end, and its
/// answer is dropped. Throws: system_error of asio::error::netdb_category or addrinfo_category.
std::vector<boost::asio::ip::tcp::endpoint> resolve_tcp(std::string const& host, std::uint16_t port);

/// Connects to a host by name or number: its addresses are tried one after the other, IPv6 and IPv4 in turn, the next one when one has
/// failed or has not answered for attempt_delay. The first that answers wins, the others are closed.
///
///     auto socket = weft::fail_after(5s, [] { return weft::connect_tcp("example.org", 443); });
///
/// Blocks:       always a checkpoint.
/// Cancellation: ends all attempts and closes their sockets.
/// Throws:       connect_error, with every attempt; system_error if the name cannot be looked up; cancelled.    Source: RFC 8305; Trio's open_tcp_stream.
boost::asio::ip::tcp::socket connect_tcp(std::string const& host, std::uint16_t port, connect_options const& options = {});
/// The same with addresses that are known.
boost::asio::ip::tcp::socket connect_tcp(std::vector<boost::asio::ip::tcp::endpoint> addresses, connect_options const& options = {});

}  // namespace weft

#endif
