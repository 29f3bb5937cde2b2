// SPDX-License-Identifier: BSL-1.0
// What every primitive that makes somebody wait is built from: who waits (a task of any run, or a plain thread), and a
// FIFO of them under a lock. The wait itself is lowlevel's park.
#ifndef WEFT_CORE_DETAIL_WAIT_QUEUE_HPP
#define WEFT_CORE_DETAIL_WAIT_QUEUE_HPP

#include <weft/core/detail/look.hpp>
#include <weft/core/detail/task_record.hpp>
#include <weft/core/time.hpp>

#include <atomic>
#include <mutex>

namespace weft::detail {

class kernel;
class thread_parker;

/// Guards a few instructions between threads. Nothing under it may block, throw or call foreign code.
class spin_lock {
public:
    static constexpr bool shared = true;
    constexpr spin_lock() = default;
    void lock() noexcept { if (held_.exchange(true, std::memory_order_acquire)) lock_slow(); }
    bool try_lock() noexcept { return !held_.exchange(true, std::memory_order_acquire); }
    void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
    void lock_slow() noexcept;
    std::atomic<bool> held_{false};
};

/// For the twins that stay on one runtime: tasks switch only where they wait, so nothing needs guarding.
struct no_lock {
    static constexpr bool shared = false;
    constexpr no_lock() = default;
    void lock() noexcept {}
    bool try_lock() noexcept { return true; }
    void unlock() noexcept {}
};

enum class wait_state : std::uint8_t {
    waiting,    ///< listed, or about to be
    granted,    ///< taken off the list by somebody who gave what it waited for
    closed,     ///< taken off because what it waited for will never come
    timed_out,  ///< took itself off when its deadline had passed
    cancelled   ///< was taken off by the cancellation of its scope; the caller raises
};

/// Something that another thread hands to a run; `arrive` is called on the run's loop.
struct remote_node {
    remote_node* next_remote{};
    void (*arrive)(remote_node&) noexcept {};
};

class waiter;

/// The alternatives of one select wait as several waiters, of which one may be granted.
class wait_group {
public:
    /// By whoever is about to grant w, under its queue's lock: true for the first.
    bool claim(waiter& w) noexcept {
        waiter* none = nullptr;
        return winner_.compare_exchange_strong(none, &w, std::memory_order_acq_rel);
    }
    waiter* winner() const noexcept { return winner_.load(std::memory_order_acquire); }

    waiter* sleeper{};  ///< through whom the task or thread waits; set before it does, and it suspends for nothing else meanwhile

private:
    std::atomic<waiter*> winner_{nullptr};
};

/// One who waits: a task of some run, or a plain thread. Lives in its own frame, from before it is listed until it was
/// woken. Its fields are guarded by the lock of the queue that it is on.
class waiter : public remote_node {
public:
    /// For the caller of `call`: the running task, or the thread if it has no run and `threads` allows that. Throws
    /// wrong_domain_error in a callback; not_running_error.
    explicit waiter(char const* call, bool threads);
    waiter(waiter const&) = delete;
    waiter& operator=(waiter const&) = delete;

    /// Ends its wait, from any thread; exactly once, by whoever set its state, after that. The queue's lock need not be held.
    void wake() noexcept;

    wait_state state() const noexcept { return state_; }
    task_record* task() const noexcept { return task_; }
    kernel* run() const noexcept { return kernel_; }
    void const* identity() const noexcept { return task_ ? static_cast<void const*>(task_) : parker_; }

    void* item{};           ///< what the primitive hands over, or where to; its own business
    wait_group* group{};    ///< of a select; null otherwise
    std::size_t amount{};   ///< of permits or the like; the primitive's own business

private:
    template <class L> friend class wait_queue;
    struct terms;
    bool block(terms const& t);  ///< parks or blocks until wake()
    void deliver() noexcept;     ///< on the task's own thread

    waiter* next_{};
    waiter* prev_{};
    wait_state state_{wait_state::waiting};
    bool listed_{};
    bool blocking_{};           ///< the task is parked for this waiter, and for nothing else
    bool early_{};              ///< it was woken before that: while it unlocked its mutex after it had been listed
    kernel* kernel_{};          ///< null: a plain thread
    task_record* task_{};
    thread_parker* parker_{};   ///< of the plain thread
};

/// How to wait.
struct wait_options {
    wait_reason reason{};
    time_point deadline{never};  ///< of the run's clock; of the steady clock in a plain thread
    bool cancellable{true};      ///< false: a cancellation waits until the wait is over (mutex locks)
    bool raises{true};           ///< false: the caller takes a cancellation as a value, and throws nothing
    bool first{};                ///< list it at the front
};

/// A FIFO of waiters with the lock that guards it and the state of its primitive. L is spin_lock or no_lock.
///
/// Who grants: lock, change the state, take(), unlock, wake(). Who waits: lock, look, wait(); it returns unlocked. A waiter
/// that was taken is granted for good: neither cancellation nor a deadline changes that any more.
template <class L>
class wait_queue {
public:
    constexpr wait_queue() = default;
    wait_queue(wait_queue const&) = delete;
    wait_queue& operator=(wait_queue const&) = delete;

    L& lock() noexcept { return lock_; }
    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    waiter* front() const noexcept { return first_; }
    waiter* after(waiter& w) const noexcept { return w.next_; }

    void push_back(waiter& w) noexcept { insert(w, last_, nullptr); }
    void push_front(waiter& w) noexcept { insert(w, nullptr, first_); }
    bool listed(waiter const& w) const noexcept { return w.listed_; }
    void remove(waiter& w) noexcept {
        (w.prev_ ? w.prev_->next_ : first_) = w.next_;
        (w.next_ ? w.next_->prev_ : last_) = w.prev_;
        w.listed_ = false;
        --size_;
    }
    /// Takes w off and settles it, if it can still be: false if it belongs to a select that has taken another alternative.
    bool settle(waiter& w, wait_state s) noexcept {
        remove(w);
        if (w.group && !w.group->claim(w)) return false;
        w.state_ = s;
        return true;
    }
    /// Takes the first that can still be granted; null if there is none. The caller wakes it.
    waiter* take(wait_state s = wait_state::granted) noexcept {
        while (waiter* w = first_) if (settle(*w, s)) return w;
        return nullptr;
    }
    /// Settles and wakes everybody. The lock is held on entry and released meanwhile and on return.
    void wake_all(std::unique_lock<L>& lock, wait_state s = wait_state::granted) noexcept;

    /// Lists w and waits until it was taken, cancelled or timed out. The lock is held on entry and released on return. It is
    /// the one that guards this queue: its own, or that of another queue of the same primitive.
    /// Does not raise: on wait_state::cancelled the caller does, once it has tidied up.
    /// Throws: deadlock_error, where the run breaks this wait; w is listed no more then.
    wait_state wait(std::unique_lock<L>& lock, waiter& w, wait_options const& o);
    /// The two halves of wait(), for a condition's waiter, which unlocks its mutex between them.
    void list(waiter& w, bool first = false) noexcept {
        if (first) push_front(w);
        else push_back(w);
    }
    wait_state wait_listed(L& guard, waiter& w, wait_options const& o);
    /// The same for a select, whose waiters the caller has listed: waits for the group's claim through w, which is on no queue.
    static wait_state wait_group_claim(waiter& w, wait_group& g, wait_options const& o);

private:
    void insert(waiter& w, waiter* prev, waiter* next) noexcept {
        w.prev_ = prev;
        w.next_ = next;
        (prev ? prev->next_ : first_) = &w;
        (next ? next->prev_ : last_) = &w;
        w.listed_ = true;
        ++size_;
    }

    waiter* first_{};
    waiter* last_{};
    std::size_t size_{};
    [[no_unique_address]] L lock_;
};

/// The point in time `d` from now: of the run's clock, or of the steady clock in a plain thread.
time_point wait_deadline(duration d) noexcept;

/// Names the running task, or the thread where there is none. Never null; an address that a later task may have again.
void const* self_identity() noexcept;

/// The running task; null in callbacks and outside of a run.
extern constinit thread_local task_record* running_task;
/// The run's number in the upper bits of its tasks' lock_owner ids; a plain thread's own number with the top bit set.
extern constinit thread_local std::uint64_t owner_tag;

/// Who holds a lock. The id is never used again in the process; 0 is nobody.
struct lock_owner {
    std::uint64_t id{};
    task_record* record{};  ///< null for a plain thread or a callback
};
std::uint64_t new_thread_tag() noexcept;   ///< for a thread that is about to start
std::uint64_t make_thread_tag() noexcept;  ///< of this thread

inline lock_owner self_owner() noexcept {
    if (task_record* t = running_task) [[likely]] return {owner_tag | t->id_, t};
    return {owner_tag != 0 ? owner_tag : make_thread_tag(), nullptr};
}

extern template class wait_queue<spin_lock>;
extern template class wait_queue<no_lock>;

}  // namespace weft::detail

#endif
