// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_SHARD_HPP
#define FLEET_SHARD_HPP

#include "peer.hpp"
#include "world.hpp"

#include <vector>

namespace fleet {

/// A back end: answers each line "key" with a line "shard:key", until cancelled.
void serve_shard(world& w, unsigned id, tcp::acceptor& acceptor);

/// The front's connections to one shard. A call takes one, or makes one, and gives it back if it ended well; a call that
/// was cancelled half way drops it, since nobody knows where in the protocol it stands.
class shard_client {
public:
    shard_client(world& w, unsigned id, tcp::endpoint where) : world_(w), id_(id), where_(where) {}
    std::string ask(unsigned key);

private:
    tcp::socket take();

    world& world_;
    unsigned id_;
    tcp::endpoint where_;
    std::vector<tcp::socket> idle_;
};

}  // namespace fleet

#endif
