// SPDX-License-Identifier: BSL-1.0
#include <weft/core/detail/wait_queue.hpp>

#include "core/kernel.hpp"

#include <condition_variable>
#include <sched.h>
#include <sys/stat.h>

namespace weft::detail {

void spin_lock::lock_slow() noexcept {
    for (int spins = 0;; ++spins) {
        while (held_.load(std::memory_order_relaxed)) {
            if (++spins % 128 == 0) ::sched_yield();  // the holder may have lost its processor
            else __builtin_ia32_pause();
        }
        if (!held_.exchange(true, std::memory_order_acquire)) return;
    }
}

// --- plain threads ---

/// Where a plain thread sleeps.
class thread_parker {
public:
    void signal() noexcept {
        std::lock_guard lock(mutex_);
        signalled_ = true;
        condition_.notify_one();  // under the lock: the thread may end as soon as it sees the flag
    }
    /// Until signal(); false if the deadline passed first.
    bool wait(time_point deadline) noexcept {
        std::unique_lock lock(mutex_);
        auto done = [this] { return signalled_; };
        if (deadline == never) condition_.wait(lock, done);
        else if (!condition_.wait_until(lock, deadline, done)) return false;
        signalled_ = false;
        return true;
    }

private:
    std::mutex mutex_;
    std::condition_variable condition_;
    bool signalled_{};  // guarded by mutex_
};

namespace {
thread_parker& own_parker() {
    static thread_local thread_parker parker;
    return parker;
}
}  // namespace

void const* self_identity() noexcept {
    if (this_kernel && this_kernel->current()) return this_kernel->current();
    return &own_parker();
}

constinit thread_local task_record* running_task = nullptr;
constinit thread_local std::uint64_t owner_tag = 0;

std::uint64_t new_thread_tag() noexcept {
    static constinit std::atomic<std::uint64_t> threads{0};
    return (std::uint64_t{1} << 63) | ++threads;
}

std::uint64_t make_thread_tag() noexcept { return owner_tag = new_thread_tag(); }

time_point wait_deadline(duration d) noexcept {
    return saturating_add(this_kernel ? this_kernel->now() : std::chrono::steady_clock::now(), d);
}

// --- one who waits ---

waiter::waiter(char const* call, bool threads) : kernel_(this_kernel) {
    if (kernel_) {
        task_ = kernel_->current();
        if (!task_) throw_outside(call);
    } else {
        if (!threads) throw_outside(call);
        parker_ = &own_parker();
    }
}

void waiter::deliver() noexcept {
    waiter& w = group ? *group->sleeper : *this;
    if (w.blocking_) kernel_->unpark(*task_);
    else w.early_ = true;
}

void waiter::wake() noexcept {
    if (!kernel_) { parker_->signal(); return; }
    if (kernel_ == this_kernel) { deliver(); return; }
    port_pin pin(kernel_->port());  // its run is alive while the task waits, and may end as soon as it was pushed
    arrive = [](remote_node& n) noexcept { static_cast<waiter&>(n).deliver(); };
    pin.get()->push(*this);
}

struct waiter::terms {
    bool (*give_up)(void* ctx, waiter& w, wait_state why) noexcept;
    void* ctx;
    wait_options const& options;
    bool shared;
};

/// Waits; afterwards it was woken, or gave up.
bool waiter::block(terms const& t) {
    if (!kernel_) {
        while (!parker_->wait(t.options.deadline)) {
            if (t.give_up(t.ctx, *this, wait_state::timed_out)) return false;
            parker_->wait(never);  // it was granted just now; the signal is on its way
            return true;
        }
        return true;
    }
    if (early_) return true;
    kernel& k = *kernel_;
    struct wait_alarm : alarm_node {
        waiter* w;
        terms const* t;
        kernel* k;
        bool gave_up{};
    } alarm;
    alarm.task = task_;
    alarm.w = this;
    alarm.t = &t;
    alarm.k = &k;
    alarm.expired = [](alarm_node& n) noexcept {
        auto& a = static_cast<wait_alarm&>(n);
        if (!a.t->give_up(a.t->ctx, *a.w, wait_state::timed_out)) return;  // granted: its wake-up comes
        a.gave_up = true;
        a.k->unpark(*a.task);
    };
    if (t.options.deadline != never) k.arm_node(alarm, t.options.deadline);
    auto abort = [](void* p) {
        auto& a = *static_cast<wait_alarm*>(p);
        if (!a.t->options.cancellable && !a.k->breaking_waits()) return abort_answer::refused;
        if (!a.t->give_up(a.t->ctx, *a.w, wait_state::cancelled)) return abort_answer::failed;
        a.gave_up = true;
        return abort_answer::succeeded;
    };
    struct tidy {
        wait_alarm& a;
        bool shared;
        explicit tidy(wait_alarm& al, bool s) : a(al), shared(s) {
            a.w->blocking_ = true;
            a.w->task_->refuses_ = !a.t->options.cancellable;  // it need not be asked, nor the frames ahead be looked at
            if (s) a.k->count_shared_wait(1);
        }
        ~tidy() {
            a.w->blocking_ = false;
            a.w->task_->refuses_ = false;
            a.k->disarm_node(a);
            if (shared) a.k->count_shared_wait(-1);
        }
    } guard(alarm, t.shared);
    k.park(*task_, abort, &alarm, t.options.reason, t.options.raises);
    return !alarm.gave_up;
}

// --- queues ---

template <class L>
wait_state wait_queue<L>::wait(std::unique_lock<L>& lock, waiter& w, wait_options const& o) {
    list(w, o.first);
    L& guard = *lock.mutex();
    lock.unlock();
    return wait_listed(guard, w, o);
}

template <class L>
wait_state wait_queue<L>::wait_listed(L& guard, waiter& w, wait_options const& o) {
    struct listing { wait_queue* queue; L* guard; } here{this, &guard};
    w.block({[](void* p, waiter& x, wait_state why) noexcept {
        auto& l = *static_cast<listing*>(p);
        std::lock_guard held(*l.guard);
        if (!x.listed_) return false;
        l.queue->remove(x);
        x.state_ = why;
        return true;
    }, &here, o, L::shared});
    return w.state_;
}

template <class L>
wait_state wait_queue<L>::wait_group_claim(waiter& w, wait_group& g, wait_options const& o) {
    g.sleeper = &w;
    w.block({[](void* p, waiter& x, wait_state why) noexcept {
        if (!static_cast<wait_group*>(p)->claim(x)) return false;
        x.state_ = why;
        return true;
    }, &g, o, L::shared});
    if (g.winner() != &w) w.state_ = wait_state::granted;
    return w.state_;
}

template <class L>
void wait_queue<L>::wake_all(std::unique_lock<L>& lock, wait_state s) noexcept {
    waiter* woken = nullptr;
    waiter** end = &woken;
    while (waiter* w = take(s)) {
        w->next_ = nullptr;
        *end = w;
        end = &w->next_;
    }
    lock.unlock();
    while (woken) {
        waiter* w = woken;
        woken = w->next_;  // read first: w goes when it is woken
        w->wake();
    }
}

template class wait_queue<spin_lock>;
template class wait_queue<no_lock>;

// --- the kernel's part ---

std::atomic<unsigned> idle_helper_threads{0};

namespace {
// Asked only when a run has nothing left to do. (glibc's own flag does not return to "single" when threads have ended.)
bool only_thread() noexcept {
    struct stat s;
    return ::stat("/proc/self/task", &s) == 0 && s.st_nlink == 3 + idle_helper_threads.load();  // ".", "..", and this one
}
}  // namespace

bool kernel::externally_wakeable() const noexcept {
    if (foreign_waits_ > 0 || deadlock_ == deadlock_policy::wait) return true;
    // A wait that other threads could end is hopeless while there are no other threads.
    return (shared_waits_ > 0 || port_->held_elsewhere()) && !only_thread();
}

}  // namespace weft::detail
