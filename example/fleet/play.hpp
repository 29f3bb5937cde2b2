// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_PLAY_HPP
#define FLEET_PLAY_HPP

#include "world.hpp"

namespace fleet {

/// The whole show, from the first socket to the last. Called in a task; when it returns, nothing is left of it.
void play(world& w);

}  // namespace fleet

#endif
