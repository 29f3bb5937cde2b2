// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_TIME_HPP
#define WEFT_CORE_TIME_HPP

#include <weft/core/errors.hpp>

#include <chrono>
#include <cmath>
#include <type_traits>

namespace weft {

/// Points in time are steady-clock points, whatever clock the run uses: a virtual clock hands out points of the same
/// type. Nanoseconds.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// "Never", and the effective deadline of a scope that is already cancelled.
inline constexpr time_point never = (time_point::max)();
inline constexpr time_point always = (time_point::min)();

namespace detail {

/// Converts any chrono duration to nanoseconds, saturating where it would overflow (`hours::max()` means never).
/// Throws misuse_error for NaN and, unless `negative_allowed`, for less than zero.
template <class Rep, class Period>
duration checked_duration(std::chrono::duration<Rep, Period> d, char const* call) {
    using in = std::chrono::duration<Rep, Period>;
    if constexpr (std::is_floating_point_v<Rep>) {
        if (std::isnan(d.count())) throw_misuse(call, "the duration is not a number; pass zero or more.");
    }
    if (d < in::zero()) throw_misuse(call, "the duration is negative; pass zero or more, or check the subtraction that made it.");
    using wide = std::chrono::duration<long double, std::nano>;
    if (wide(d) >= wide((duration::max)())) return (duration::max)();
    return std::chrono::duration_cast<duration>(d);
}

/// Rounds up, so that a wait never ends early.
template <class Rep, class Period>
duration checked_wait(std::chrono::duration<Rep, Period> d, char const* call) {
    duration whole = checked_duration(d, call);
    if constexpr (std::is_floating_point_v<Rep> || std::ratio_less_v<Period, std::nano>) {
        if (whole != (duration::max)() && std::chrono::duration<Rep, Period>(whole) < d) ++whole;
    }
    return whole;
}

inline time_point saturating_add(time_point t, duration d) noexcept {
    return d > never - t && t > time_point{} ? never : (d == (duration::max)() ? never : t + d);
}

}  // namespace detail
}  // namespace weft

#endif
