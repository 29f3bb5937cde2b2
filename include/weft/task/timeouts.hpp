// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_TIMEOUTS_HPP
#define WEFT_TASK_TIMEOUTS_HPP

#include <weft/task/cancel_scope.hpp>

namespace weft {

namespace detail {
/// too_slow_error if the deadline fired; returns if the scope was cancelled otherwise and there is no result to miss.
WEFT_COLD void throw_too_slow(cancel_state const& s, bool result_missing);

template <class F>
auto fail_in(cancel_scope& s, F& f) -> std::invoke_result_t<F&> {
    using R = std::invoke_result_t<F&>;
    auto result = s.run(f);
    if constexpr (std::is_void_v<R>) { if (!result) throw_too_slow(s, false); }
    else { if (!result) throw_too_slow(s, true); return std::move(*result); }
}
}  // namespace detail

/// Runs f for at most `d`. Returns whether it ended by itself; an optional with its result if it has one.
///
///     bool done = weft::move_on_after(2s, [&] { work(); });
///
/// Blocks: as f. Throws: what f throws; misuse_error if d is negative or not a number.    Source: Trio's move_on_after.
/// Hazard: an Asio operation with use_fiber[ec] reports the deadline in ec and raises nothing, so f may end by itself and
/// this returns true: test ec, or call check_cancelled().
template <class Rep, class Period, class F>
auto move_on_after(std::chrono::duration<Rep, Period> d, F&& f) {
    cancel_scope s;
    s.set_deadline_after(d);
    return s.run(f);
}

/// The same with a point in time on the run's clock.
template <class F>
auto move_on_at(time_point when, F&& f) {
    cancel_scope s;
    s.set_deadline(when);
    return s.run(f);
}

/// Runs f for at most `d` and returns its result; too_slow_error if the deadline stopped it.
///
/// Throws: too_slow_error if the deadline fired; what f throws; misuse_error if d is negative or not a number. If the
/// body cancelled the scope itself (this_task::scope().cancel()), it returns, or throws task_cancelled_error where a
/// result is missing.
/// Source: Trio's fail_after; differs in that only the deadline makes it throw too_slow_error.
template <class Rep, class Period, class F>
auto fail_after(std::chrono::duration<Rep, Period> d, F&& f) -> std::invoke_result_t<F&> {
    cancel_scope s;
    s.set_deadline_after(d);
    return detail::fail_in(s, f);
}

/// fail_after with a point in time on the run's clock.
template <class F>
auto fail_at(time_point when, F&& f) -> std::invoke_result_t<F&> {
    cancel_scope s;
    s.set_deadline(when);
    return detail::fail_in(s, f);
}

}  // namespace weft

#endif
