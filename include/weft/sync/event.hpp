// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_EVENT_HPP
#define WEFT_SYNC_EVENT_HPP

#include <weft/core/detail/wait_queue.hpp>
#include <weft/sync/select_alternative.hpp>

#include <functional>

namespace weft {

/// An event at one moment.
struct event_statistics {
    bool set{};
    std::size_t waiting{};
};

namespace detail { template <class L, class F> class event_alternative; }

/// A flag that tasks wait for. Once set, it stays set.
///
///     weft::event ready;
///     n.start_soon([&] { ready.wait(); go(); });
///     ready.set();
///
/// weft::event belongs to one runtime; weft::shared::event may be set and waited for by tasks of any run and by plain
/// threads. Destroying one with waiters aborts with a message: they would wait for ever.
/// Memory order: set() happens-before the return of wait().
template <class L>
class basic_event {
public:
    constexpr basic_event() = default;
    /// The name shows up in dumps; it is not copied.
    constexpr explicit basic_event(char const* name) noexcept : name_(name) {}
    basic_event(basic_event const&) = delete;
    basic_event& operator=(basic_event const&) = delete;
    ~basic_event();

    /// Wakes all current and future waiters. Never blocks; may be called from callbacks. Complexity: O(waiters), no allocation.
    void set() noexcept;
    bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

    /// Waits until the flag is set.
    /// Blocks: always a checkpoint, even when already set. Cancellation: leaves no waiter behind.
    /// Throws: cancelled; not_running_error; wrong_domain_error; deadlock_error. Complexity: O(1), no allocation.
    /// Source: Trio's Event.wait.
    void wait();
    /// The same, until a deadline; returns whether the flag is set. Throws: also misuse_error for a duration that is negative or no number.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> const& d) { return wait_until(detail::wait_deadline(detail::checked_wait(d, "event::wait_for"))); }
    bool wait_until(time_point deadline);

    /// For select: ready once the flag is set; calls f().
    template <class F>
    auto on_set(F f) { return detail::event_alternative<L, F>(*this, std::move(f)); }

    std::size_t waiters() const noexcept;
    event_statistics statistics() const noexcept { return {is_set(), waiters()}; }

private:
    template <class M, class F> friend class detail::event_alternative;
    detail::wait_queue<L> mutable queue_;
    char const* name_{"event"};
    std::atomic<bool> set_{false};  // changed under the queue's lock
};

namespace detail {
template <class L, class F>
class event_alternative final : public select_alternative {
public:
    using result = std::invoke_result_t<F&>;
    event_alternative(basic_event<L>& e, F f) : event_(e), f_(std::move(f)) {}
    result complete() { return std::invoke(f_); }

    void const* guard() const noexcept override { return L::shared ? &event_.queue_.lock() : nullptr; }
    void lock() noexcept override { event_.queue_.lock().lock(); }
    void unlock() noexcept override { event_.queue_.lock().unlock(); }
    bool ready() noexcept override { return event_.set_.load(std::memory_order_relaxed); }
    offer take() noexcept override { return offer::taken; }
    void list(waiter& w) noexcept override { event_.queue_.push_back(w); }
    void unlist(waiter& w) noexcept override { if (event_.queue_.listed(w)) event_.queue_.remove(w); }
    char const* what() const noexcept override { return "event"; }

private:
    basic_event<L>& event_;
    F f_;
};
}  // namespace detail

extern template class basic_event<detail::no_lock>;
extern template class basic_event<detail::spin_lock>;

using event = basic_event<detail::no_lock>;
namespace local { using weft::event; }
namespace shared { using event = basic_event<detail::spin_lock>; }

}  // namespace weft

#endif
