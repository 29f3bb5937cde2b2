// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_POSIX_INTERPOSE_CLOCKS_HPP
#define WEFT_LIBS_POSIX_INTERPOSE_CLOCKS_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace weft::detail {

/// What is left until a point in time of libc's.
inline std::chrono::nanoseconds left_until(clockid_t clock, timespec const* t) noexcept {
    timespec now;
    ::clock_gettime(clock, &now);
    auto left = std::chrono::seconds(t->tv_sec - now.tv_sec) + std::chrono::nanoseconds(t->tv_nsec - now.tv_nsec);
    return std::max<std::chrono::nanoseconds>(left, std::chrono::nanoseconds(0));
}
/// libc's point in time as one of the run.
inline time_point deadline_of(clockid_t clock, timespec const* t) noexcept { return wait_deadline(left_until(clock, t)); }
/// libc answers EINVAL to what is none.
inline bool is_time(timespec const* t) noexcept { return t->tv_nsec >= 0 && t->tv_nsec < 1'000'000'000; }

}  // namespace weft::detail

#endif
