// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_ROUTES_HPP
#define BOARD_ROUTES_HPP

#include "http.hpp"
#include "site.hpp"

#include <string_view>

namespace board {

/// The answer to a request that was read in full. Never waits, never throws for what the peer sent.
response answer(site& s, request const& r);
/// The answer to one that could not be read, or may not be: JSON with the reason. Its connection does not go on.
response refusal(http::status status, std::string_view why);

/// Whether the request asks for the live WebSocket.
bool asks_for_live(request const& r);
/// Empty if it may have it. Otherwise what it is answered.
std::optional<response> refuse_live(site& s, request const& r);

}  // namespace board

#endif
