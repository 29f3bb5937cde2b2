// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_REDIS_CLIENT_CLIENT_HPP
#define EXAMPLE_REDIS_CLIENT_CLIENT_HPP

#include "redis/client/link.hpp"

#include <weft/sync/generator.hpp>
#include <weft/task/nursery.hpp>

#include <memory>
#include <string>
#include <vector>

namespace redis {

struct client_statistics {
    std::size_t connections{};  ///< so far
    std::size_t requests{};     ///< so far
    std::size_t writes{};       ///< so far: batches of requests
    std::size_t pending{};      ///< now, with those whose caller has left
    bool connected{};
    std::string last_error{};   ///< why the last connection, or attempt, ended
};

class pump;

/// A connection to Redis that many tasks share: their requests go out in order, in batches, without waiting for one another's replies.
///
///     weft::with_nursery([&](weft::nursery& n) {
///         redis::client c(n, {.port = 6379});
///         for (auto& user : users) n.start_soon([&] { c.request({"INCR", "seen:" + user}); });
///     });
///
/// It lives as a service of the nursery: connects, writes, reads, and connects again when the connection is lost, with back-off.
///
/// Blocks:       every request is a checkpoint: until max_pending has room, and until the reply is there.
/// Cancellation: a request that was not sent yet is not sent; of one that was, the reply is dropped when it comes. The others' replies
///               are not touched by it.
/// Throws:       reply_error; connection_lost_error, where a request was pending; connect_error, where one waited for an attempt that
///               failed; closed_resource_error after the service's end; misuse_error for commands that would change the shared
///               connection for everybody, or hold it up (SUBSCRIBE, MULTI, BLPOP, SELECT, …); cancelled.
/// Threads:      the run's own. Copies are the same client.
class client {
public:
    client(weft::nursery& n, client_options options);

    /// One command. An error of the server is thrown.
    value request(command c);
    /// Several at once, one behind the other, and nobody else's between them. Errors of the server are among the values.
    std::vector<value> pipeline(std::vector<command> const& commands);
    /// MULTI … EXEC: all or none. Throws: reply_error if the server refuses it as a whole.
    std::vector<value> transaction(std::vector<command> const& commands);

    client_statistics statistics() const;

private:
    std::shared_ptr<pump> pump_;
};

struct message { std::string channel, payload; };

/// Subscribes to channels, on a connection of its own; returns once the server has confirmed it.
///
///     for (redis::message& m : redis::subscribe(n, options, {"news"})) use(m);
///
/// What is published while nobody takes messages waits in the sockets and in the server, which ends the connection when that grows too
/// large. Cancellation: of a step loses no message. Throws: connect_error; in a step connection_lost_error: what was published meanwhile
/// is lost, so going on is the caller's decision.
weft::generator<message> subscribe(weft::nursery& n, client_options const& options, std::vector<std::string> channels);

}  // namespace redis

#endif
