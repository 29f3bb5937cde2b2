// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_ANY_CLOCK_HPP
#define WEFT_SYNC_DETAIL_ANY_CLOCK_HPP

#include <weft/core/detail/wait_queue.hpp>

namespace weft::detail {

/// Calls wait(deadline of the run's clock) for a point in time on any clock; `wait` returns something that is false if the
/// deadline came first. Other clocks than the steady one may be set meanwhile: they are looked at again before giving up.
template <class Clock, class Duration, class F>
auto wait_by_clock(std::chrono::time_point<Clock, Duration> const& when, char const* call, F&& wait) {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
        using wide = std::chrono::duration<long double, std::nano>;
        auto since = when.time_since_epoch();
        return wait(wide(since) >= wide((duration::max)()) ? never : time_point(std::chrono::ceil<duration>(since)));
    } else {
        for (;;) {
            auto left = when - Clock::now();
            auto r = wait(wait_deadline(left > left.zero() ? checked_wait(left, call) : duration::zero()));
            if (r || Clock::now() >= when) return r;
        }
    }
}

}  // namespace weft::detail

#endif
