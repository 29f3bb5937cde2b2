// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/condition_variable.hpp>

namespace weft::detail {

template <class L>
condition_core<L>::~condition_core() {
    std::lock_guard lock(queue_.lock());
    WEFT_ASSERT(queue_.empty(), "a condition variable was destroyed with tasks or threads waiting that nobody had notified");
}

template <class L>
void condition_core<L>::notify_one() noexcept {
    std::unique_lock lock(queue_.lock());
    waiter* w = queue_.take();
    lock.unlock();
    if (w) w->wake();
}

template <class L>
void condition_core<L>::notify_all() noexcept {
    std::unique_lock lock(queue_.lock());
    queue_.wake_all(lock);
}

template <class L>
std::size_t condition_core<L>::waiters() const noexcept {
    std::lock_guard lock(queue_.lock());
    return queue_.size();
}

template <class L>
void condition_core<L>::enlist(waiter& w) noexcept {
    std::lock_guard lock(queue_.lock());
    queue_.list(w);
}

template <class L>
void condition_core<L>::withdraw(waiter& w) noexcept {
    std::unique_lock lock(queue_.lock());
    if (queue_.listed(w)) { queue_.remove(w); return; }
    // Notified meanwhile: the wake-up is on its way to this waiter, and the notification belongs to the next one.
    waiter* next = queue_.take();
    lock.unlock();
    if (next) next->wake();
    queue_.wait_listed(queue_.lock(), w, {.reason = {name_, this, nullptr}, .cancellable = false});
}

template <class L>
wait_state condition_core<L>::sleep(waiter& w, time_point deadline) {
    return queue_.wait_listed(queue_.lock(), w, {.reason = {name_, this, nullptr}, .deadline = deadline});
}

template class condition_core<spin_lock>;
template class condition_core<no_lock>;

void throw_condition_without_lock() {
    throw_misuse("condition_variable::wait with a std::unique_lock that holds no lock", "lock it before the wait: the condition unlocks it while it waits.");
}

}  // namespace weft::detail
