// SPDX-License-Identifier: BSL-1.0
#include <weft/std/spin_wait.hpp>

#include <weft/core/task.hpp>
#include <weft/std/this_thread.hpp>

#include "core/kernel.hpp"
#include "std/spin_pause.hpp"

namespace weft::detail {

void spin_round(unsigned round) {
    auto pause = spin_pause(round);
    if (pause > pause.zero()) this_thread::sleep_for(pause);
    else if (this_kernel) this_task::yield();  // in a callback it throws
    else std::this_thread::yield();
}

}  // namespace weft::detail
