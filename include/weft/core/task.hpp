// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_TASK_HPP
#define WEFT_CORE_TASK_HPP

#include <weft/core/checkpoint.hpp>
#include <weft/core/clock.hpp>

#include <cstdint>
#include <string_view>

namespace weft {

class cancel_state;

/// What the running task can ask and do. Each throws not_running_error outside of a run and wrong_domain_error in a callback.
namespace this_task {

/// checkpoint() by std's name.
void yield();

namespace detail_ { void sleep(time_point when); time_point after(duration d); }

/// Sleeps until `when`, on the run's clock. Blocks: always, also if it has passed. Never returns early; where deadlines follow each other
/// within 50 µs, they are served together, the first of them up to 50 µs late. Throws: cancelled.
inline void sleep_until(time_point when) { detail_::sleep(when); }
/// Sleeps for at least `d`. Throws: cancelled; misuse_error if d is negative or not a number.
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> d) {
    detail_::sleep(detail_::after(detail::checked_wait(d, "this_task::sleep_for")));
}
/// Sleeps until cancelled. Throws: cancelled; internal_error if somebody unparks the task.
[[noreturn]] void sleep_forever();

std::uint64_t id();
/// Valid until the task ends.
std::string_view name();
/// The innermost scope that the task is in.
cancel_state& scope();
/// How often a `cancelled` was raised again after a catch that did not rethrow.
std::uint32_t swallowed_cancellations();

}  // namespace this_task
}  // namespace weft

#endif
