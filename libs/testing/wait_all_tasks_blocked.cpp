// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/wait_all_tasks_blocked.hpp>

#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"
#include "core/self.hpp"

namespace weft::testing {

void wait_all_tasks_blocked(duration cushion) {
    auto& t = weft::detail::self("wait_all_tasks_blocked");
    weft::detail::kernel& k = *weft::detail::this_kernel;
    cushion = weft::detail::checked_duration(cushion, "wait_all_tasks_blocked");
    lowlevel::cancel_point();
    weft::detail::idle_waiter w{&t, cushion, nullptr};
    k.add_idle_waiter(w);
    struct guard { weft::detail::kernel& k; weft::detail::idle_waiter& w; ~guard() { k.remove_idle_waiter(w); } } g{k, w};
    static constexpr lowlevel::wait_reason reason{"wait_all_tasks_blocked"};
    lowlevel::park([] { return lowlevel::abort::succeeded; }, reason);
}

}  // namespace weft::testing
