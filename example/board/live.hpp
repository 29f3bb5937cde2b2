// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_LIVE_HPP
#define BOARD_LIVE_HPP

#include "http.hpp"
#include "site.hpp"

namespace board {

/// Answers the request for a WebSocket, sends the history after `?after=ID&board=NAME`, then every message and how many people are
/// there; takes drafts. Ends with a close frame: 1001 when the server drains, 1013 for a peer that is too slow (it may come back and
/// ask for what it has missed), 1003, 1007, 1009 for what it should not have sent.
void serve_live(site& s, tcp::socket socket, request const& r);

}  // namespace board

#endif
