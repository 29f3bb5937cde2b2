// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_CONDITION_VARIABLE_HPP
#define WEFT_SYNC_CONDITION_VARIABLE_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/core/lowlevel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/stop_token.hpp>

#include <condition_variable>
#include <exception>
#include <utility>

namespace weft {

/// A condition variable at one moment.
struct condition_statistics {
    std::size_t waiting{};
};

namespace detail {

/// The waiters of a condition, whatever the lock.
template <class L>
class condition_core {
public:
    constexpr explicit condition_core(char const* name) noexcept : name_(name) {}
    condition_core(condition_core const&) = delete;
    ~condition_core();
    void notify_one() noexcept;
    void notify_all() noexcept;
    std::size_t waiters() const noexcept;

    /// Unlocks, waits, locks again; raises only then. `stopped` is asked once the waiter is listed: if it is true, nothing is waited for.
    template <class Lock, class S>
    wait_state wait(Lock& lock, time_point deadline, S&& stopped) {
        waiter w("condition_variable::wait", L::shared);
        if (w.task()) lowlevel::cancel_point();
        enlist(w);
        if (stopped()) { withdraw(w); return wait_state::closed; }
        try { lock.unlock(); } catch (...) { withdraw(w); throw; }
        wait_state s{};
        std::exception_ptr error;
        try { s = sleep(w, deadline); } catch (...) { error = std::current_exception(); }  // the run breaks a deadlock
        lock.lock();
        if (error) std::rethrow_exception(error);
        if (s == wait_state::cancelled) lowlevel::raise_cancelled();
        return s;
    }

private:
    void enlist(waiter& w) noexcept;
    void withdraw(waiter& w) noexcept;
    wait_state sleep(waiter& w, time_point deadline);

    wait_queue<L> mutable queue_;
    char const* name_;
};
extern template class condition_core<spin_lock>;
extern template class condition_core<no_lock>;

template <class Clock, class D>
std::cv_status condition_status(wait_state s, std::chrono::time_point<Clock, D> const& t) {
    // A clock that was set back meanwhile: a spurious end, as std allows.
    return s == wait_state::timed_out && has_come(t) ? std::cv_status::timeout : std::cv_status::no_timeout;
}

[[noreturn]] WEFT_COLD void throw_condition_without_lock();

}  // namespace detail

/// Waits for a change of what a lock guards; std::condition_variable_any's interface, for any lock type.
///
///     std::unique_lock lock(m);
///     changed.wait(lock, [&] { return !queue.empty(); });
///
/// weft::condition_variable_any may be used by tasks of any run and by plain threads; weft::local::condition_variable_any
/// stays on one runtime. Notifications go to those who wait longest.
/// Cancellation: every wait is a cancellation point. A cancelled waiter first locks again, however long that takes. One that was
///               notified before counts as notified: nothing is lost, and the next point raises.
/// Hazard: without a predicate a wait may end although nothing has changed for this caller: another may have been faster.
/// Instead: weft::event for what happens once, a channel for items.
template <class L>
class basic_condition_variable_any {
public:
    constexpr basic_condition_variable_any() noexcept : basic_condition_variable_any("condition_variable_any") {}
    /// The name shows up in dumps; it is not copied.
    constexpr explicit basic_condition_variable_any(char const* name) noexcept : core_(name) {}
    basic_condition_variable_any(basic_condition_variable_any const&) = delete;
    basic_condition_variable_any& operator=(basic_condition_variable_any const&) = delete;

    /// Never block; from callbacks too. The lock need not be held. Whoever waits later is not woken by them.
    void notify_one() noexcept { core_.notify_one(); }
    void notify_all() noexcept { core_.notify_all(); }

    /// Blocks: always. Precondition: the caller holds the lock, once. Throws: cancelled and deadlock_error, holding the lock; wrong_domain_error
    /// in a callback; what the lock's functions throw. Memory order: as the lock's. Source: std::condition_variable_any, Trio's Condition.
    template <class Lock>
    void wait(Lock& lock) { core_.wait(lock, never, never_stopped); }
    /// Until pred(), asked with the lock held, is true; not a checkpoint if it is at once.
    template <class Lock, class P>
    void wait(Lock& lock, P pred) { while (!pred()) wait(lock); }

    /// The same, until the time has come, by any clock; with pred, what it is in the end. A negative duration is one that is over.
    /// Throws: also misuse_error for a duration that is no number.
    template <class Lock, class Clock, class D>
    std::cv_status wait_until(Lock& lock, std::chrono::time_point<Clock, D> const& t) {
        return detail::condition_status(core_.wait(lock, detail::deadline_by_clock(t, "condition_variable::wait_until"), never_stopped), t);
    }
    template <class Lock, class Clock, class D, class P>
    bool wait_until(Lock& lock, std::chrono::time_point<Clock, D> const& t, P pred) {
        while (!pred()) if (wait_until(lock, t) == std::cv_status::timeout) return pred();
        return true;
    }
    template <class Lock, class Rep, class Period>
    std::cv_status wait_for(Lock& lock, std::chrono::duration<Rep, Period> const& d) { return wait_until(lock, detail::lock_deadline(d)); }
    template <class Lock, class Rep, class Period, class P>
    bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> const& d, P pred) { return wait_until(lock, detail::lock_deadline(d), std::move(pred)); }

    /// The waits that a stop request ends too, of weft's tokens and std's; what pred() is in the end.
    template <class Lock, class P>
    bool wait(Lock& lock, stop_token stop, P pred) { return stoppable(lock, stop, never, pred); }
    template <class Lock, class Clock, class D, class P>
    bool wait_until(Lock& lock, stop_token stop, std::chrono::time_point<Clock, D> const& t, P pred) { return stoppable(lock, stop, t, pred); }
    template <class Lock, class Rep, class Period, class P>
    bool wait_for(Lock& lock, stop_token stop, std::chrono::duration<Rep, Period> const& d, P pred) { return stoppable(lock, stop, detail::lock_deadline(d), pred); }
    template <class Lock, class P>
    bool wait(Lock& lock, std::stop_token stop, P pred) { return stoppable(lock, stop, never, pred); }
    template <class Lock, class Clock, class D, class P>
    bool wait_until(Lock& lock, std::stop_token stop, std::chrono::time_point<Clock, D> const& t, P pred) { return stoppable(lock, stop, t, pred); }
    template <class Lock, class Rep, class Period, class P>
    bool wait_for(Lock& lock, std::stop_token stop, std::chrono::duration<Rep, Period> const& d, P pred) { return stoppable(lock, stop, detail::lock_deadline(d), pred); }

    std::size_t waiters() const noexcept { return core_.waiters(); }
    condition_statistics statistics() const noexcept { return {waiters()}; }

private:
    static bool never_stopped() noexcept { return false; }
    template <class Lock, class Token, class Clock, class D, class P>
    bool stoppable(Lock& lock, Token const& stop, std::chrono::time_point<Clock, D> const& t, P& pred) {
        if (stop.stop_requested()) return pred();
        auto notify = [this]() noexcept { core_.notify_all(); };
        using callback = std::conditional_t<std::is_same_v<Token, stop_token>, stop_callback<decltype(notify)>, std::stop_callback<decltype(notify)>>;
        callback wake(stop, notify);
        while (!pred()) {
            // Asked when the waiter is listed: a stop before that is seen here, one after it finds the waiter.
            detail::wait_state s = core_.wait(lock, detail::deadline_by_clock(t, "condition_variable::wait_until"), [&] { return detail::stop_access::requested(stop); });
            if (detail::stop_access::requested(stop) || detail::condition_status(s, t) == std::cv_status::timeout) return pred();
        }
        return true;
    }
    detail::condition_core<L> core_;
};

/// The same for std::unique_lock of weft's mutex only, as std::condition_variable. A lock that is not held is misuse_error.
template <class L>
class basic_condition_variable {
public:
    using lock_type = std::unique_lock<basic_mutex<L>>;
    constexpr basic_condition_variable() noexcept : basic_condition_variable("condition_variable") {}
    constexpr explicit basic_condition_variable(char const* name) noexcept : any_(name) {}
    basic_condition_variable(basic_condition_variable const&) = delete;
    basic_condition_variable& operator=(basic_condition_variable const&) = delete;

    void notify_one() noexcept { any_.notify_one(); }
    void notify_all() noexcept { any_.notify_all(); }
    void wait(lock_type& lock) { check(lock); any_.wait(lock); }
    template <class P>
    void wait(lock_type& lock, P pred) { check(lock); any_.wait(lock, std::move(pred)); }
    template <class Clock, class D>
    std::cv_status wait_until(lock_type& lock, std::chrono::time_point<Clock, D> const& t) { check(lock); return any_.wait_until(lock, t); }
    template <class Clock, class D, class P>
    bool wait_until(lock_type& lock, std::chrono::time_point<Clock, D> const& t, P pred) { check(lock); return any_.wait_until(lock, t, std::move(pred)); }
    template <class Rep, class Period>
    std::cv_status wait_for(lock_type& lock, std::chrono::duration<Rep, Period> const& d) { check(lock); return any_.wait_for(lock, d); }
    template <class Rep, class Period, class P>
    bool wait_for(lock_type& lock, std::chrono::duration<Rep, Period> const& d, P pred) { check(lock); return any_.wait_for(lock, d, std::move(pred)); }
    std::size_t waiters() const noexcept { return any_.waiters(); }
    condition_statistics statistics() const noexcept { return any_.statistics(); }

private:
    static void check(lock_type const& lock) { if (!lock.owns_lock()) [[unlikely]] detail::throw_condition_without_lock(); }
    basic_condition_variable_any<L> any_;
};

using condition_variable_any = basic_condition_variable_any<detail::spin_lock>;
using condition_variable = basic_condition_variable<detail::spin_lock>;
namespace local {
using condition_variable_any = basic_condition_variable_any<detail::no_lock>;
using condition_variable = basic_condition_variable<detail::no_lock>;
}
namespace shared { using weft::condition_variable; using weft::condition_variable_any; }

}  // namespace weft

#endif
