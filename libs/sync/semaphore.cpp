// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/semaphore.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"

namespace weft::detail {

template <class L>
semaphore_core<L>::~semaphore_core() {
    std::lock_guard lock(queue_.lock());  // the last release() may be on its way out in another thread
    WEFT_ASSERT(queue_.empty(), "a semaphore was destroyed with tasks or threads waiting for it");
}

template <class L>
void semaphore_core<L>::acquire() {
    if (L::shared && !this_kernel && try_acquire()) return;
    wait(never, "semaphore::acquire");
}

template <class L>
bool semaphore_core<L>::try_acquire_until(time_point deadline) { return wait(deadline, "semaphore::try_acquire_until"); }

template <class L>
bool semaphore_core<L>::wait(time_point deadline, char const* call) {
    if (running_task) {
        lowlevel::cancel_point();
        if (try_acquire()) { yield_shielded(); return true; }  // shielded: the permit is taken
    }
    waiter w(call, L::shared);
    std::unique_lock lock(queue_.lock());
    std::uint64_t v = word_.load(std::memory_order_relaxed);
    for (;;) {
        if (v >= one) {  // another thread has just released
            if (!change(v, v - one, std::memory_order_acquire)) continue;
            lock.unlock();
            if (w.task()) yield_shielded();
            return true;
        }
        if (!L::shared || (v & waiters_bit) || change(v, v | waiters_bit, std::memory_order_relaxed)) break;
    }
    wait_state s = queue_.wait(lock, w, {.reason = {name_ ? name_ : "semaphore", this, nullptr}, .deadline = deadline});
    if (s == wait_state::cancelled) lowlevel::raise_cancelled();
    return s == wait_state::granted;
}

// False: nobody is served any more and the word is free to change without the lock; try again there.
template <class L>
bool semaphore_core<L>::release_slow(std::ptrdiff_t n) {
    std::unique_lock lock(queue_.lock());
    std::uint64_t w = word_.load(std::memory_order_relaxed);
    if (!waits(w)) return false;
    if (!fits(n, w)) { lock.unlock(); throw_too_many(n); }
    void* woken = nullptr;  // linked by their items; woken after all else, because the last of them may destroy this
    void** end = &woken;
    for (waiter* next; n > 0 && (next = queue_.take()); --n) {
        next->item = nullptr;
        *end = next;
        end = &next->item;
    }
    // Those who waited may have given up: then what is left is for whoever comes.
    if (queue_.empty()) word_.store(static_cast<std::uint64_t>(n) * one, std::memory_order_release);
    lock.unlock();
    while (woken) {
        auto* first = static_cast<waiter*>(woken);
        woken = first->item;  // read first: it goes when it is woken
        first->wake();
    }
    return true;
}

template <class L>
semaphore_statistics semaphore_core<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    return {static_cast<std::ptrdiff_t>(word_.load(std::memory_order_relaxed) / one), max_, queue_.size()};
}

template <class L>
void semaphore_core<L>::throw_too_many(std::ptrdiff_t n) const {
    auto now = statistics();
    throw misuse_error(message("W073", std::string(name_ ? name_ : "semaphore") + ": release(" + std::to_string(n) + ") with " + std::to_string(now.value) +
                               " of at most " + std::to_string(now.max) + " permits there" + in_task(), "",
                               n < 0 ? "pass the number of permits to add." : "release only what was acquired, or give the type a higher maximum."));
}

template class semaphore_core<spin_lock>;
template class semaphore_core<no_lock>;

}  // namespace weft::detail
