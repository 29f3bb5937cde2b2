// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_EVENT_HPP
#define WEFT_SYNC_EVENT_HPP

#include <weft/core/detail/wait_queue.hpp>

namespace weft {

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
    basic_event(basic_event const&) = delete;
    basic_event& operator=(basic_event const&) = delete;
    ~basic_event();

    /// Wakes all current and future waiters. Never blocks; may be called from callbacks.
    void set() noexcept;
    bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

    /// Waits until the flag is set.
    /// Blocks: always a checkpoint, even when already set. Cancellation: leaves no waiter behind.
    /// Throws: cancelled; not_running_error; wrong_domain_error. Complexity: O(1), no allocation. Source: Trio's Event.wait.
    void wait();
    /// The same, until a deadline; returns whether the flag is set.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> const& d) { return wait_until(detail::wait_deadline(detail::checked_wait(d, "event::wait_for"))); }
    bool wait_until(time_point deadline);

    std::size_t waiters() const noexcept;

private:
    detail::wait_queue<L> mutable queue_;
    std::atomic<bool> set_{false};  // changed under the queue's lock
};

extern template class basic_event<detail::no_lock>;
extern template class basic_event<detail::spin_lock>;

using event = basic_event<detail::no_lock>;
namespace local { using weft::event; }
namespace shared { using event = basic_event<detail::spin_lock>; }

}  // namespace weft

#endif
