// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_FETCH_HPP
#define CRAWLER_FETCH_HPP

#include "pool.hpp"
#include "url.hpp"

#include <cstddef>
#include <string>

namespace crawler {

struct response {
    unsigned status{};
    std::string reason;    ///< "Not Found"
    std::string location;  ///< of a redirect
    bool html{};
    std::string body;      ///< of HTML and text, up to the limit
    bool truncated{};      ///< there is more
    std::size_t bytes{};   ///< of the body that were read
};

extern char const user_agent[];

/// One GET, on a connection of the pool. One that the site closed while it lay idle is replaced, and nobody notices.
/// Blocks: until the answer is there; the caller sets the deadline. Cancellation: closes the connection.
/// Throws: connect_error, system_error of the network or of a malformed answer.
response get(connection_pool::place& place, url const& what, std::size_t most_body);

}  // namespace crawler

#endif
