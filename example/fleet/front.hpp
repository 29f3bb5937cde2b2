// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_FRONT_HPP
#define FLEET_FRONT_HPP

#include "shard.hpp"

namespace fleet {

/// The listener's: open for as long as the scope is not cancelled.
struct door {
    weft::cancel_scope open{"door"};
    weft::event closed;  ///< set once nobody can come in any more
};

/// The HTTP server. Listens, reports where, and starts a task in `connections` for each client, until the door closes.
/// Connections end when that nursery is asked to stop.
void listen(world& w, door& d, weft::nursery& connections, std::vector<shard_client>& shards, weft::task_status<tcp::endpoint>& ready);

}  // namespace fleet

#endif
