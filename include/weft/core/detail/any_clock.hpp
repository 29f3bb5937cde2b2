// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_DETAIL_ANY_CLOCK_HPP
#define WEFT_CORE_DETAIL_ANY_CLOCK_HPP

#include <weft/core/detail/wait_queue.hpp>

namespace weft::detail {

/// A difference of two points in time of any kind: of counts that wrap or overflow where they are subtracted, too.
using wide_duration = std::chrono::duration<long double, std::nano>;

/// A point in time of any clock as a deadline on the run's clock, for which the steady one counts; `always` if it is over.
/// Throws misuse_error for what is no number.
template <class Clock, class Duration>
time_point deadline_by_clock(std::chrono::time_point<Clock, Duration> const& when, char const* call) {
    wide_duration left = when.time_since_epoch();
    if constexpr (!std::is_same_v<Clock, std::chrono::steady_clock>) left -= Clock::now().time_since_epoch();
    if (left <= left.zero()) return always;
    duration whole = checked_wait(left, call);
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) return time_point(whole);
    else return wait_deadline(whole);
}

/// Once its deadline has come, whether the point in time has: a clock other than the steady one may have been set meanwhile.
template <class Clock, class Duration>
bool has_come(std::chrono::time_point<Clock, Duration> const& when) {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) return true;
    else return wide_duration(Clock::now().time_since_epoch()) >= wide_duration(when.time_since_epoch());
}

/// Calls wait(deadline of the run's clock) for a point in time on any clock; `wait` returns something that is false if the
/// deadline came first. Other clocks are looked at again before giving up.
template <class Clock, class Duration, class F>
auto wait_by_clock(std::chrono::time_point<Clock, Duration> const& when, char const* call, F&& wait) {
    for (;;) {
        auto r = wait(deadline_by_clock(when, call));
        if (r || has_come(when)) return r;
    }
}

}  // namespace weft::detail

#endif
