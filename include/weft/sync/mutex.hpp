// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_MUTEX_HPP
#define WEFT_SYNC_MUTEX_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/sync/detail/mutex_core.hpp>

#include <mutex>

namespace weft {

/// Mutual exclusion, with std::mutex's interface: std::lock_guard, unique_lock, scoped_lock and lock work on it.
///
///     weft::mutex m;
///     { std::lock_guard lock(m); shared_state.change(); }      // may wait inside
///
/// weft::mutex may be used by tasks of any run and by plain threads, before and outside of a run too: a task parks, a thread
/// blocks. weft::local::mutex stays on one runtime and is free of atomic operations.
///
/// First come, first served: unlock() hands the lock to the one who waits longest, so try_lock() right after it fails.
/// Hazard: nothing may be held across a wait that depends on another holder.
/// Instead: an object that only one task uses, and a channel to it.
///
/// Differs from std: locking a mutex that the caller holds throws system_error(resource_deadlock_would_occur); unlocking one
/// that it does not hold throws misuse_error; try_lock() by the owner returns false. If a task ends holding one, waiting
/// and later tasks of the same run get broken_resource_error. Destroying one that somebody waits for aborts with a message.
/// Memory order: unlock() happens-before the next lock().
template <class L>
class basic_mutex {
public:
    constexpr basic_mutex() noexcept = default;
    /// The name shows up in dumps; it is not copied.
    constexpr explicit basic_mutex(char const* name) noexcept : core_(name) {}
    basic_mutex(basic_mutex const&) = delete;
    basic_mutex& operator=(basic_mutex const&) = delete;

    /// Blocks: only if it must wait; every 256th time without a wait others run first, as a loop that looks at something under the lock may
    ///         be waiting for them. Cancellation: no cancellation point (destructors take locks).
    /// Throws: system_error(resource_deadlock_would_occur); broken_resource_error; deadlock_error; wrong_domain_error if a
    ///         callback would have to wait.
    /// Complexity: O(1), no allocation. Source: std::mutex.
    void lock() { core_.lock(); }
    /// The same as a cancellation point. Cancellation: the lock is not taken, and no waiter is left. Throws: also cancelled.
    void lock_cancellable() { core_.lock_cancellable(); }
    /// Never blocks; yields only in a loop, after hundreds of calls without a wait between. False if anybody, the caller too, holds the lock.
    bool try_lock() noexcept { return core_.try_lock(); }
    /// Never blocks. Throws: misuse_error by anybody but the holder. Complexity: O(1).
    void unlock() { core_.unlock(); }

    mutex_statistics statistics() const noexcept { return core_.statistics(); }

private:
    detail::mutex_core<L> core_;
};

/// The same with deadlines, as std::timed_mutex.
template <class L>
class basic_timed_mutex {
public:
    constexpr basic_timed_mutex() noexcept = default;
    constexpr explicit basic_timed_mutex(char const* name) noexcept : core_(name) {}
    basic_timed_mutex(basic_timed_mutex const&) = delete;
    basic_timed_mutex& operator=(basic_timed_mutex const&) = delete;

    void lock() { core_.lock(); }
    void lock_cancellable() { core_.lock_cancellable(); }
    bool try_lock() noexcept { return core_.try_lock(); }
    void unlock() { core_.unlock(); }
    /// Waits for the lock until the time has come; whether it was taken. A free lock is taken however late it is.
    /// Cancellation: as lock(). A negative duration is one that is over. Throws: as lock(); misuse_error for one that is no number.
    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> const& d) { return core_.try_lock_until(detail::lock_deadline(d)); }
    template <class Clock, class D>
    bool try_lock_until(std::chrono::time_point<Clock, D> const& t) {
        return detail::wait_by_clock(t, "try_lock_until", [this](time_point deadline) { return core_.try_lock_until(deadline); });
    }

    mutex_statistics statistics() const noexcept { return core_.statistics(); }

private:
    detail::mutex_core<L> core_;
};

using mutex = basic_mutex<detail::spin_lock>;
using timed_mutex = basic_timed_mutex<detail::spin_lock>;
namespace local {
using mutex = basic_mutex<detail::no_lock>;
using timed_mutex = basic_timed_mutex<detail::no_lock>;
}
namespace shared { using weft::mutex; using weft::timed_mutex; }

}  // namespace weft

#endif
