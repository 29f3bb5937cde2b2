// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_SHARED_MUTEX_HPP
#define WEFT_SYNC_SHARED_MUTEX_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/sync/detail/mutex_core.hpp>

#include <mutex>
#include <shared_mutex>

namespace weft {

struct shared_mutex_statistics {
    bool exclusive{};             ///< locked by a writer
    std::uint64_t owner_task{};   ///< its task's id; 0 if it is a thread or nobody
    std::size_t readers{};        ///< shared locks that are held
    std::size_t waiting{};
};

namespace detail {

/// One writer or many readers. A reader does not overtake a writer that waits; readers that wait in a row are let in together.
template <class L>
class shared_mutex_core {
public:
    constexpr shared_mutex_core() noexcept = default;
    constexpr explicit shared_mutex_core(char const* name) noexcept : name_(name) {}
    shared_mutex_core(shared_mutex_core const&) = delete;
    ~shared_mutex_core();

    /// wait_state::granted, timed_out or cancelled.
    wait_state lock(bool shared, time_point deadline, bool cancellable);
    bool try_lock(bool shared) noexcept;
    void unlock();
    void unlock_shared();
    shared_mutex_statistics statistics() const noexcept;

private:
    bool enter(bool shared, std::uint64_t me) noexcept;
    void let_in(std::unique_lock<L>& lock) noexcept;
    static std::string describe(void const* self);
    [[noreturn]] WEFT_COLD void throw_not_owner(char const* call) const;

    wait_queue<L> mutable queue_;   // guards the rest; a waiter's amount: 1 for a reader, 0 for a writer
    std::uint64_t writer_{};        // a lock_owner's id
    std::size_t readers_{};
    char const* name_{};
};
extern template class shared_mutex_core<spin_lock>;
extern template class shared_mutex_core<no_lock>;

}  // namespace detail

/// Many readers or one writer, with std::shared_timed_mutex's interface.
///
///     std::shared_lock reading(m);      // or std::unique_lock writing(m)
///
/// weft::shared_mutex may be used by tasks of any run and by plain threads; weft::local::shared_mutex stays on one runtime.
/// First come, first served: a writer that waits holds back readers that come after it, so neither side starves.
/// Cancellation and misuse: as weft::mutex; but one whose holder's task has ended stays locked. Locking one that the caller holds exclusively throws
/// system_error(resource_deadlock_would_occur); a second shared lock of one task may wait behind a writer, for ever: do not nest them.
/// Memory order: an unlock happens-before the locks that come after it.
template <class L>
class basic_shared_timed_mutex {
public:
    constexpr basic_shared_timed_mutex() noexcept = default;
    constexpr explicit basic_shared_timed_mutex(char const* name) noexcept : core_(name) {}
    basic_shared_timed_mutex(basic_shared_timed_mutex const&) = delete;
    basic_shared_timed_mutex& operator=(basic_shared_timed_mutex const&) = delete;

    /// Blocks: only if they must wait. Cancellation: no cancellation points. Complexity: O(1), no allocation. Source: std::shared_mutex.
    /// Throws: system_error(resource_deadlock_would_occur); deadlock_error; wrong_domain_error if a callback would have to wait.
    void lock() { core_.lock(false, never, false); }
    void lock_shared() { core_.lock(true, never, false); }
    /// The same as cancellation points. Cancellation: no lock is taken, and no waiter is left. Throws: also cancelled.
    void lock_cancellable() { cancellable(false); }
    void lock_shared_cancellable() { cancellable(true); }
    /// Never block, never yield; false for the holder too, and for readers while a writer waits.
    bool try_lock() noexcept { return core_.try_lock(false); }
    bool try_lock_shared() noexcept { return core_.try_lock(true); }
    /// Never block. Throws: misuse_error: unlock() by anybody but the writer, unlock_shared() where there is no reader.
    void unlock() { core_.unlock(); }
    void unlock_shared() { core_.unlock_shared(); }

    /// As lock() and lock_shared(), until the time has come; whether the lock was taken. One that is free is taken however late it is.
    /// Throws: as these; misuse_error for a duration that is no number; a negative one is over.
    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> const& d) { return timed(false, detail::lock_deadline(d)); }
    template <class Rep, class Period>
    bool try_lock_shared_for(std::chrono::duration<Rep, Period> const& d) { return timed(true, detail::lock_deadline(d)); }
    template <class Clock, class D>
    bool try_lock_until(std::chrono::time_point<Clock, D> const& t) { return timed(false, t); }
    template <class Clock, class D>
    bool try_lock_shared_until(std::chrono::time_point<Clock, D> const& t) { return timed(true, t); }

    shared_mutex_statistics statistics() const noexcept { return core_.statistics(); }

private:
    template <class Clock, class D>
    bool timed(bool shared, std::chrono::time_point<Clock, D> const& t) {
        return detail::wait_by_clock(t, "shared_mutex::try_lock_until", [&](time_point deadline) { return core_.lock(shared, deadline, false) == detail::wait_state::granted; });
    }
    void cancellable(bool shared);
    detail::shared_mutex_core<L> core_;
};
extern template class basic_shared_timed_mutex<detail::spin_lock>;
extern template class basic_shared_timed_mutex<detail::no_lock>;

using shared_timed_mutex = basic_shared_timed_mutex<detail::spin_lock>;
/// The same type: the timed forms cost nothing.
using shared_mutex = shared_timed_mutex;
namespace local {
using shared_timed_mutex = basic_shared_timed_mutex<detail::no_lock>;
using shared_mutex = shared_timed_mutex;
}
namespace shared { using weft::shared_mutex; using weft::shared_timed_mutex; }

}  // namespace weft

#endif
