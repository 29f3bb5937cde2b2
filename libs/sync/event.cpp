// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/event.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

namespace weft {

using detail::wait_state;

template <class L>
basic_event<L>::~basic_event() {
    std::lock_guard lock(queue_.lock());  // set() may be on its way out in another thread, which saw the waiter go
    WEFT_ASSERT(queue_.empty(), "an event was destroyed with tasks waiting for it");
}

template <class L>
void basic_event<L>::set() noexcept {
    std::unique_lock lock(queue_.lock());
    set_.store(true, std::memory_order_release);
    queue_.wake_all(lock);
}

template <class L>
void basic_event<L>::wait() { wait_until(never); }

template <class L>
bool basic_event<L>::wait_until(time_point deadline) {
    detail::waiter w("event::wait", L::shared);
    if (w.task()) lowlevel::cancel_point();
    std::unique_lock lock(queue_.lock());
    if (set_.load(std::memory_order_relaxed)) {
        lock.unlock();
        if (w.task()) checkpoint();
        return true;
    }
    wait_state s = queue_.wait(lock, w, {.reason = {name_, this, nullptr}, .deadline = deadline});
    if (s == wait_state::cancelled) lowlevel::raise_cancelled();
    return s == wait_state::granted;
}

template <class L>
std::size_t basic_event<L>::waiters() const noexcept {
    std::lock_guard lock(queue_.lock());
    return queue_.size();
}

template class basic_event<detail::no_lock>;
template class basic_event<detail::spin_lock>;

}  // namespace weft
