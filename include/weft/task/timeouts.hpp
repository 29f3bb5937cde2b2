// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_TIMEOUTS_HPP
#define WEFT_TASK_TIMEOUTS_HPP

#include <weft/task/cancel_scope.hpp>

namespace weft {

namespace detail {
[[noreturn]] WEFT_COLD void throw_too_slow(cancel_state const& s);

template <class F>
auto fail_in(cancel_scope& s, F& f) -> std::invoke_result_t<F&> {
    using R = std::invoke_result_t<F&>;
    auto result = s.run(f);
    if constexpr (std::is_void_v<R>) { if (!result) throw_too_slow(s); }
    else { if (!result) throw_too_slow(s); return std::move(*result); }
}
}  // namespace detail

/// Runs f for at most `d`. Returns whether it ended by itself; an optional with its result if it has one.
///
///     bool done = weft::move_on_after(2s, [&] { work(); });
///
/// Blocks: as f. Throws: what f throws; misuse_error if d is negative or not a number.    Source: Trio's move_on_after.
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
/// Source: Trio's fail_after; differs in that only the deadline can make it throw, since nobody else can reach the scope.
template <class Rep, class Period, class F>
auto fail_after(std::chrono::duration<Rep, Period> d, F&& f) -> std::invoke_result_t<F&> {
    cancel_scope s;
    s.set_deadline_after(d);
    return detail::fail_in(s, f);
}

template <class F>
auto fail_at(time_point when, F&& f) -> std::invoke_result_t<F&> {
    cancel_scope s;
    s.set_deadline(when);
    return detail::fail_in(s, f);
}

}  // namespace weft

#endif
