// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_THIS_THREAD_HPP
#define WEFT_STD_THIS_THREAD_HPP

#include <weft/std/thread.hpp>

#include <weft/core/detail/any_clock.hpp>
#include <weft/sync/detail/mutex_core.hpp>

namespace weft {

/// std::this_thread, for tasks and plain threads. In a task yield and the sleeps are cancellation points, also of a time that is
/// over, and let others run; a sleep follows the run's clock.
namespace this_thread {

namespace detail_ { void sleep(time_point when); }

inline thread::id get_id() noexcept { return thread::id(detail::self_owner().id); }
/// Throws: cancelled. In a callback it does nothing.
void yield();
/// Sleeps for at least d. Throws: cancelled; wrong_domain_error in a callback; misuse_error for a duration that is no number.
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> const& d) { detail_::sleep(detail::lock_deadline(d)); }
/// Sleeps until t, by any clock: one that is set meanwhile is looked at again. Throws as sleep_for.
template <class Clock, class D>
void sleep_until(std::chrono::time_point<Clock, D> const& t) {
    detail::wait_by_clock(t, "this_thread::sleep_until", [](time_point when) { detail_::sleep(when); return false; });
}

}  // namespace this_thread
}  // namespace weft

#endif
