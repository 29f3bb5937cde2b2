// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_CLIENT_HPP
#define FLEET_CLIENT_HPP

#include "peer.hpp"
#include "world.hpp"

namespace fleet {

/// A visitor with a connection of its own: request, think, request, until asked to stop.
void run_client(world& w, unsigned id, tcp::endpoint front, std::stop_token stop);

}  // namespace fleet

#endif
