// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_REDIS_CLIENT_ERROR_HPP
#define EXAMPLE_REDIS_CLIENT_ERROR_HPP

#include <weft/core/errors.hpp>

#include <string>
#include <string_view>

namespace redis {

struct error : weft::error { using weft::error::error; };

/// The server's answer is an error, such as `WRONGTYPE …`; the connection goes on.
class reply_error : public error {
public:
    explicit reply_error(std::string const& text) : error("redis: " + text), code_(text.substr(0, text.find(' '))) {}
    std::string const& code() const noexcept { return code_; }  ///< the first word: ERR, WRONGTYPE, NOAUTH, …

private:
    std::string code_;
};

/// A reply is of another type than the one that was asked for.
struct type_error : error { using error::error; };
/// What came is no RESP, or above a limit. The connection is closed, as nothing in it can be trusted.
struct protocol_error : error { using error::error; };
/// No connection could be made; the request was not sent.
struct connect_error : error { using error::error; };

/// The connection was lost while the request was pending.
class connection_lost_error : public error {
public:
    connection_lost_error(std::string const& why, bool sent)
        : error("redis: connection lost: " + why + (sent ? "; the request may have been executed" : "; the request was not sent")), sent_(sent) {}
    /// Whether the server may have executed it. If not, it can be made again without a thought.
    bool was_sent() const noexcept { return sent_; }

private:
    bool sent_;
};

}  // namespace redis

#endif
