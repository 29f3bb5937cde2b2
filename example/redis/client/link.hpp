// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_REDIS_CLIENT_LINK_HPP
#define EXAMPLE_REDIS_CLIENT_LINK_HPP

#include "redis/client/reply.hpp"

#include <weft/core/time.hpp>

#include <boost/asio/generic/stream_protocol.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace redis {

struct client_options {
    std::string host{"127.0.0.1"};
    std::uint16_t port{6379};
    std::string socket{};            ///< path of a Unix socket, in place of host and port
    std::string user{"default"};
    std::string password{};          ///< empty: no AUTH
    int database{};
    int protocol{3};                 ///< RESP3, or RESP2 where the server has no other; 2: RESP2
    reply_limits limits{};
    weft::duration connect_limit{std::chrono::seconds(5)};        ///< for connecting, with HELLO, AUTH and SELECT
    weft::duration reply_limit{std::chrono::seconds(30)};         ///< for the oldest request; then the connection counts as lost
    weft::duration min_backoff{std::chrono::milliseconds(50)};    ///< after a failed attempt; doubled with each further one
    weft::duration max_backoff{std::chrono::seconds(2)};
    std::size_t max_pending{1000};                                ///< requests at once; who makes one more waits
};

/// A command and its arguments, as they are sent: `{"SET", key, value}`. Arguments may hold any bytes.
using command = std::vector<std::string>;
/// The bytes of a command.
void encode(command const& c, std::string& to);

/// One connection: connected, and greeted.
class link {
public:
    /// Blocks: at most connect_limit. Throws: connect_error, with the reason; reply_error where the server refuses; cancelled.
    explicit link(client_options const& o);
    link(link const&) = delete;

    value read() { return reply_reader(reader_, limits_).read(); }
    void write(std::string_view bytes);
    value request(command const& c);  ///< one at a time: for the greeting

private:
    void connect(client_options const& o);
    void greet(client_options const& o);

    boost::asio::generic::stream_protocol::socket socket_;
    weft::buffered_reader<boost::asio::generic::stream_protocol::socket&> reader_;
    reply_limits const limits_;
};

}  // namespace redis

#endif
