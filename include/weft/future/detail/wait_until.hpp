// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_WAIT_UNTIL_HPP
#define WEFT_FUTURE_DETAIL_WAIT_UNTIL_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/future/detail/state.hpp>

namespace weft::detail {

inline std::future_status wait_status(future_state& s, char const* call, time_point deadline) {
    if (s.deferred() && !s.ready()) return std::future_status::deferred;
    return s.wait(call, deadline) ? std::future_status::ready : std::future_status::timeout;
}

/// As std's: a negative duration is one that is over.
template <class Rep, class Period>
std::future_status wait_for(future_state& s, char const* call, std::chrono::duration<Rep, Period> const& d) {
    using in = std::chrono::duration<Rep, Period>;
    return wait_status(s, call, wait_deadline(d < in::zero() ? duration{} : checked_wait(d, call)));
}

/// The run's clock counts as the steady one. Of any other, what is left of it is waited for, and then it is asked again: it
/// may have been set meanwhile.
template <class Clock, class Duration>
std::future_status wait_until(future_state& s, char const* call, std::chrono::time_point<Clock, Duration> const& when) {
    for (;;) {
        auto status = wait_status(s, call, deadline_by_clock(when, call));
        if (status != std::future_status::timeout || has_come(when)) return status;
    }
}

}  // namespace weft::detail

#endif
