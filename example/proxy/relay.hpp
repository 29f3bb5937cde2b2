// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_RELAY_HPP
#define PROXY_RELAY_HPP

#include "accounts.hpp"
#include "peer.hpp"

#include <chrono>

namespace proxy {

/// Carries what each side sends to the other until both have ended, one was reset, or nothing moved for `idle`; books how it ended.
///
/// A FIN is passed on as a FIN in its direction, and the other direction goes on. A reset is passed on as a reset, behind what came before it.
/// Memory: 64 KiB in each direction; a side is read only when the other has taken what was read before.
/// Blocks: until then. Cancellation: both are reset by their destructors.
void relay(peer& client, peer& server, std::chrono::milliseconds idle, accounts& books);

}  // namespace proxy

#endif
