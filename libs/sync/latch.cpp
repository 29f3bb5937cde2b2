// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/latch.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

namespace weft {

using detail::wait_state;

template <class L>
basic_latch<L>::~basic_latch() {
    std::lock_guard lock(queue_.lock());  // the last count_down() may be on its way out in another thread
    WEFT_ASSERT(queue_.empty(), "a latch was destroyed with tasks or threads waiting for it");
}

template <class L>
bool basic_latch<L>::arrive(std::ptrdiff_t n) {
    std::ptrdiff_t left = left_.load(std::memory_order_relaxed);
    for (;;) {
        if (n < 0 || n > left) detail::throw_misuse("a latch was counted down by a negative number, or below zero", "count down once for each that the latch was made for.");
        if (n == 0) return left == 0;
        std::unique_lock lock(queue_.lock(), std::defer_lock);
        if (n == left) lock.lock();
        if (!left_.compare_exchange_weak(left, left - n, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
        if (lock) queue_.wake_all(lock);  // who is woken may destroy this
        return n == left;
    }
}

template <class L>
void basic_latch<L>::wait() const {
    detail::waiter w("latch::wait", L::shared);
    if (w.task()) lowlevel::cancel_point();
    wait(w);
}

template <class L>
void basic_latch<L>::arrive_and_wait(std::ptrdiff_t n) {
    detail::waiter w("latch::arrive_and_wait", L::shared);  // first: it throws where nobody may wait
    if (w.task()) lowlevel::cancel_point();
    if (!arrive(n)) wait(w);
    else if (w.task()) yield_shielded();
}

template <class L>
void basic_latch<L>::wait(detail::waiter& w) const {
    std::unique_lock lock(queue_.lock());
    if (left_.load(std::memory_order_acquire) == 0) {
        lock.unlock();
        if (w.task()) yield_shielded();
        return;
    }
    if (queue_.wait(lock, w, {.reason = {name_ ? name_ : "latch", this, &describe}}) == wait_state::cancelled) lowlevel::raise_cancelled();
}

template <class L>
latch_statistics basic_latch<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    return {left_.load(std::memory_order_relaxed), queue_.size()};
}

template <class L>
std::string basic_latch<L>::describe(void const* self) {
    return std::to_string(static_cast<basic_latch const*>(self)->left_.load(std::memory_order_relaxed)) + " to come";
}

template class basic_latch<detail::spin_lock>;
template class basic_latch<detail::no_lock>;

}  // namespace weft
