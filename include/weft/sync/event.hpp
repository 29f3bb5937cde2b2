// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_EVENT_HPP
#define WEFT_SYNC_EVENT_HPP

#include <weft/core/lowlevel.hpp>

namespace weft {

/// A flag that tasks wait for. Once set, it stays set.
///
///     weft::event ready;
///     n.start_soon([&] { ready.wait(); go(); });
///     ready.set();
///
/// Threads: the runtime's own. Destroying one with waiters aborts with a message: they would wait for ever.
class event {
public:
    event() = default;
    event(event const&) = delete;
    event& operator=(event const&) = delete;
    ~event();

    /// Wakes all current and future waiters. Never blocks; may be called from callbacks.
    void set();
    bool is_set() const noexcept { return set_; }

    /// Waits until the flag is set.
    /// Blocks: always a checkpoint, even when already set. Cancellation: leaves no waiter behind.
    /// Throws: cancelled; not_running_error; wrong_domain_error. Complexity: O(1), no allocation. Source: Trio's Event.wait.
    void wait();

    std::size_t waiters() const noexcept;

private:
    struct waiter { lowlevel::task_ref task; waiter* next; waiter* prev; };
    void unlink(waiter& w) noexcept;
    waiter* first_{};
    waiter* last_{};
    bool set_{};
};

}  // namespace weft

#endif
