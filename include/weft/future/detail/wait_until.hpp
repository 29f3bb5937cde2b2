// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_WAIT_UNTIL_HPP
#define WEFT_FUTURE_DETAIL_WAIT_UNTIL_HPP

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
    if constexpr (std::is_same_v<Clock, time_point::clock>) {
        auto since = when.time_since_epoch();
        return wait_status(s, call, since <= Duration::zero() ? always : time_point(checked_wait(since, call)));
    } else {
        for (;;) {
            auto left = when - Clock::now();
            bool over = left <= decltype(left)::zero();
            auto status = wait_status(s, call, over ? always : wait_deadline(checked_wait(left, call)));
            if (over || status != std::future_status::timeout) return status;
        }
    }
}

}  // namespace weft::detail

#endif
