// SPDX-License-Identifier: BSL-1.0
#include <weft/posix/calls.hpp>

#include <weft/core/task.hpp>

#include "posix/waits.hpp"

#include <cerrno>

namespace weft {

unsigned posix::sleep(unsigned seconds) {
    if (!detail::in_task("posix::sleep")) return detail::libc.sleep(seconds);
    this_task::sleep_for(std::chrono::seconds(seconds));
    return 0;
}

int posix::usleep(useconds_t microseconds) {
    if (!detail::in_task("posix::usleep")) return detail::libc.usleep(microseconds);
    this_task::sleep_for(std::chrono::microseconds(microseconds));
    return 0;
}

int posix::nanosleep(timespec const* time, timespec* left) {
    if (!detail::in_task("posix::nanosleep")) return detail::libc.nanosleep(time, left);
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec > 999'999'999) { errno = EINVAL; return -1; }
    constexpr time_t a_century = 3'155'760'000;  // more would overflow the clock
    this_task::sleep_for(std::chrono::seconds(std::min(time->tv_sec, a_century)) + std::chrono::nanoseconds(time->tv_nsec));
    return 0;
}

}  // namespace weft
