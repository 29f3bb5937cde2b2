// SPDX-License-Identifier: BSL-1.0
// pthread's conditions for tasks. libc's know threads only: tasks that wait are in a table of the process, where whoever notifies looks first.
#include "posix/interpose/clocks.hpp"
#include "posix/interpose/gates.hpp"
#include "posix/interpose/pthread_calls.hpp"

#include <weft/core/errors.hpp>
#include <weft/sync/detail/waiting.hpp>

#include <atomic>
#include <memory>
#include <mutex>

namespace {

using namespace weft::detail;

/// The tasks, of all threads, that wait for one condition.
struct condition {
    void const* key;
    condition* next{};
    std::size_t users{};
    wait_queue<spin_lock> queue{};  ///< guarded by the lock of the bucket, not its own

    explicit condition(void const* c) noexcept : key(c) {}
};
struct condition_bucket {
    spin_lock lock{};
    condition* first{};

    condition** place(void const* key) noexcept {
        condition** p = &first;
        while (*p && (*p)->key != key) p = &(*p)->next;
        return p;
    }
};
constinit std::array<condition_bucket, 64> conditions{};
constinit std::atomic<std::size_t> waiting_tasks{0};  // a thread that notifies has nothing to look for while there is none

condition_bucket& conditions_of(void const* c) noexcept { return conditions[(reinterpret_cast<std::uintptr_t>(c) >> 4) * 0x9e3779b97f4a7c15 >> 58]; }

/// Waits as a task. No cancellation point: whoever waits on a condition in C asks again and again for what it waits for, whatever the answer was.
int wait_as_task(pthread_cond_t* c, pthread_mutex_t* m, weft::time_point deadline) noexcept {
    return answered([&] {
        waiter w("pthread_cond_wait", true);
        auto& bucket = conditions_of(c);
        auto fresh = std::make_unique<condition>(c);  // the first waits for a condition with an allocation; under the lock there may be none
        std::unique_lock guard(bucket.lock);
        condition** p = bucket.place(c);
        if (!*p) *p = fresh.release();
        condition& cond = **p;
        ++cond.users;
        cond.queue.list(w);
        guard.unlock();
        waiting_tasks.fetch_add(1, std::memory_order_seq_cst);
        int unlocked = pthread_mutex_unlock(m);
        bool stuck = false, timed_out = false;
        if (unlocked != 0) {
            guard.lock();
            if (cond.queue.listed(w)) cond.queue.remove(w);
            else { guard.unlock(); cond.queue.wait_listed(bucket.lock, w, {.reason = {"pthread_cond_wait", c, nullptr}, .cancellable = false}); guard.lock(); }
        } else {
            try {
                timed_out = cond.queue.wait_listed(bucket.lock, w, {.reason = {"pthread_cond_wait", c, nullptr}, .deadline = deadline, .cancellable = false}) == wait_state::timed_out;
            } catch (weft::deadlock_error const&) {
                stuck = true;
            }
            guard.lock();
        }
        std::unique_ptr<condition> gone;
        if (--cond.users == 0) {
            p = bucket.place(c);
            gone.reset(*p);
            *p = (*p)->next;
        }
        guard.unlock();
        waiting_tasks.fetch_sub(1, std::memory_order_relaxed);
        if (unlocked != 0) return unlocked;
        if (int e = pthread_mutex_lock(m); e != 0) return e;
        return stuck ? EDEADLK : timed_out ? ETIMEDOUT : 0;
    });
}

/// Wakes tasks that wait for c: one, or all. Whether there was one.
bool wake_tasks(pthread_cond_t* c, bool all) noexcept {
    if (waiting_tasks.load(std::memory_order_seq_cst) == 0) return false;
    auto& bucket = conditions_of(c);
    wake_list woken;
    bool some = false;
    {
        std::lock_guard guard(bucket.lock);
        if (condition* cond = *bucket.place(c)) {
            do {
                waiter* w = cond->queue.take();
                if (!w) break;
                woken.add(*w);
                some = true;
            } while (all);
        }
    }
    woken.wake();
    return some;
}

// glibc keeps in this bit whether a condition was made with CLOCK_MONOTONIC.
clockid_t clock_of(pthread_cond_t const* c) noexcept { return c->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME; }

}  // namespace

extern "C" {

extern int const weft_posix_conditions;
int const weft_posix_conditions = 1;

int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) { return a_task_calls() ? wait_as_task(c, m, weft::never) : next_pthread_calls().cond_wait(c, m); }
int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, timespec const* until) {
    if (!a_task_calls()) return next_pthread_calls().cond_timedwait(c, m, until);
    return is_time(until) ? wait_as_task(c, m, deadline_of(clock_of(c), until)) : EINVAL;
}
int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock, timespec const* until) {
    if (!a_task_calls()) return next_pthread_calls().cond_clockwait(c, m, clock, until);
    return is_time(until) ? wait_as_task(c, m, deadline_of(clock, until)) : EINVAL;
}
int pthread_cond_signal(pthread_cond_t* c) { return wake_tasks(c, false) ? 0 : next_pthread_calls().cond_signal(c); }
int pthread_cond_broadcast(pthread_cond_t* c) {
    wake_tasks(c, true);
    return next_pthread_calls().cond_broadcast(c);
}

}  // extern "C"
