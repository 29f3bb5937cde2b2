// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/detail/mutex_core.hpp>

#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"

#include <system_error>

namespace weft::detail {

template <class L>
mutex_core<L>::~mutex_core() {
    std::lock_guard lock(queue_.lock());  // the last unlock() may be on its way out in another thread
    WEFT_ASSERT(queue_.empty(), "a mutex was destroyed with tasks or threads waiting for it");
}

// A loop that looks at something under the lock, until another has changed it, would never let that other run.
template <class L>
bool mutex_core<L>::enter_after_others(lock_owner me) noexcept {
    if (!me.record || this_kernel->in_no_yield_scope()) return true;
    unlock();
    this_kernel->yield(*me.record);
    return try_enter(me);
}

template <class L>
void mutex_core<L>::lock_cancellable() {
    if (running_task) lowlevel::cancel_point();
    lock_owner me = self_owner();
    if (try_enter(me)) return;
    if (lock_slow(me, {.reason = reason()}) == wait_state::cancelled) lowlevel::raise_cancelled();
}

template <class L>
bool mutex_core<L>::try_lock_until(time_point deadline) {
    lock_owner me = self_owner();
    if (try_enter(me)) return true;
    return lock_slow(me, {.reason = reason(), .deadline = deadline, .cancellable = false}) == wait_state::granted;
}

// The owner's task, if it is one of this run, is asked through its record; other threads' owners are taken to be alive.
template <class L>
bool mutex_core<L>::owner_is_gone() const noexcept {
    std::uint64_t id = owner_.load(std::memory_order_acquire);
    if (id == broken) return true;
    task_record* r = record_.load(std::memory_order_relaxed);
    std::uint64_t tasks = (std::uint64_t{1} << 40) - 1;
    if (!r || !this_kernel || (id & ~tasks) != owner_tag || owner_.load(std::memory_order_acquire) != id) return false;
    return r->state_ == task_state::unused || r->id_ != (id & tasks);
}

template <class L>
wait_state mutex_core<L>::lock_slow(lock_owner me, wait_options const& o) {
    if (owner_.load(std::memory_order_relaxed) == me.id) {
        throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "weft::mutex: locked again by its owner" + in_task());
    }
    waiter w("mutex::lock", L::shared);
    w.item = &me;
    std::unique_lock lock(queue_.lock());
    if constexpr (L::shared) {
        if (!(word_.fetch_or(locked_bit | waiters_bit, std::memory_order_acquire) & locked_bit)) {  // it has become free
            if (queue_.empty()) word_.fetch_and(~waiters_bit, std::memory_order_relaxed);
            set_owner(me);
            return wait_state::granted;
        }
    }
    if (owner_is_gone()) {
        owner_.store(broken, std::memory_order_relaxed);
        lock.unlock();
        throw_broken();
    }
    if (o.deadline != never && o.deadline <= wait_deadline(duration::zero())) return wait_state::timed_out;
    // Whoever owns it now wakes us with an error if its task ends without unlocking.
    if (task_record* r = record_.load(std::memory_order_relaxed); r && this_kernel && (owner_.load() & ~((std::uint64_t{1} << 40) - 1)) == owner_tag) {
        r->watched_ = true;
        this_kernel->on_lock_owner_ended = &mutex_core::owner_ended_any;
    }
    wait_state s = queue_.wait(lock, w, o);
    if (s == wait_state::closed) throw_broken();
    return s;
}

template <class L>
void mutex_core<L>::unlock_slow() noexcept {
    std::unique_lock lock(queue_.lock());
    waiter* w = queue_.take();
    if constexpr (L::shared) {
        if (queue_.empty()) word_.fetch_and(~waiters_bit, std::memory_order_relaxed);
        if (!w) {  // those who waited have given up
            word_.fetch_and(~locked_bit, std::memory_order_release);
            return;
        }
    }
    if (!w) return;
    lock_owner next = *static_cast<lock_owner*>(w->item);
    set_owner(next);
    if (next.record && !queue_.empty() && w->run() == this_kernel) {
        next.record->watched_ = true;
        this_kernel->on_lock_owner_ended = &mutex_core::owner_ended_any;
    }
    lock.unlock();
    w->wake();
}

// Rare: a task has ended that somebody of its run had waited for to unlock. Finds the mutexes by those who wait.
template <class L>
void mutex_core<L>::owner_ended_any(kernel& k, task_record& t) noexcept {
    mutex_core<spin_lock>::owner_ended(k, t);
    mutex_core<no_lock>::owner_ended(k, t);
}

template <class L>
void mutex_core<L>::owner_ended(kernel& k, task_record& t) noexcept {
    std::uint64_t id = owner_tag | t.id_;
    k.for_each_parked([&](task_record& waiting) {
        if (!waiting.reason_ || waiting.reason_->describe != &describe) return;
        auto& m = *static_cast<mutex_core*>(const_cast<void*>(waiting.reason_->object));
        std::unique_lock lock(m.queue_.lock());
        if (m.owner_.load(std::memory_order_relaxed) != id) return;
        m.owner_.store(broken, std::memory_order_relaxed);
        m.queue_.wake_all(lock, wait_state::closed);
    });
}

template <class L>
void mutex_core<L>::throw_too_deep() const {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again), "weft::recursive_mutex: locked too often");
}

template <class L>
mutex_statistics mutex_core<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    std::uint64_t id = owner_.load(std::memory_order_relaxed);
    bool task = id != broken && !(id >> 63);
    return {id != 0, task ? id & ((std::uint64_t{1} << 40) - 1) : 0, queue_.size()};
}

template <class L>
std::string mutex_core<L>::describe(void const* self) {
    auto s = static_cast<mutex_core const*>(self)->statistics();
    if (!s.locked) return "";
    return s.owner_task ? "held by #" + std::to_string(s.owner_task) : "held by a thread";
}

template <class L>
void mutex_core<L>::throw_not_owner() const {
    throw misuse_error(message("W071", std::string(name_ ? name_ : "mutex") + ": unlocked by somebody who does not hold it" + in_task(), "", "unlock in the task or thread that has locked: use std::lock_guard."));
}

template <class L>
void mutex_core<L>::throw_broken() const {
    throw broken_resource_error(message("W072", std::string(name_ ? name_ : "mutex") + ": the task that held it has ended without unlocking" + in_task(),
                                        "what it guards may be half changed.", "use std::lock_guard, so that the lock is given back however the task ends."));
}

template class mutex_core<spin_lock>;
template class mutex_core<no_lock>;

}  // namespace weft::detail
