// SPDX-License-Identifier: BSL-1.0
#include <weft/std/spin_wait.hpp>

#include <weft/core/task.hpp>
#include <weft/std/this_thread.hpp>

#include "core/kernel.hpp"

#include <algorithm>

namespace weft::detail {

void spin_round(unsigned round) {
    constexpr unsigned eager = 64;
    if (round < eager) {
        if (this_kernel) this_task::yield();  // in a callback it throws
        else std::this_thread::yield();
        return;
    }
    this_thread::sleep_for(std::chrono::microseconds(std::min(1000u, 10u * (round - eager + 1))));
}

}  // namespace weft::detail
