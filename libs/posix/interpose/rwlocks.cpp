// SPDX-License-Identifier: BSL-1.0
// pthread's read-write locks for tasks. libc's is locked for reading once for all tasks of this thread that read: to it they are one.
#include "posix/interpose/clocks.hpp"
#include "posix/interpose/gates.hpp"
#include "posix/interpose/pthread_calls.hpp"

#include <weft/sync/shared_mutex.hpp>

namespace {

using namespace weft::detail;

struct rw_gate : gate_base {
    rw_gate* next{};
    unsigned readers{};      ///< tasks that read; libc's is locked for them while there are any
    unsigned beside{};       ///< how many of them came while others read, and so have not entered `lock`
    std::uint64_t writer{};  ///< a lock_owner's id
    shared_mutex_core<no_lock> lock{"pthread rwlock"};
};
constinit thread_local gate_table<rw_gate> rw_gates;

// As libc: whoever reads may read again, though a writer waits, unless the lock is of the kind that forbids it.
bool lets_readers_pass(pthread_rwlock_t const* l) noexcept { return l->__data.__flags != PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP; }

int enter(rw_gate& g, bool shared, bool wait, weft::time_point deadline) {
    if (!wait) return g.lock.try_lock(shared) ? 0 : EBUSY;
    return g.lock.lock(shared, deadline, false) == wait_state::granted ? 0 : ETIMEDOUT;
}
void leave_reading(rw_gate& g) {
    if (g.beside > 0) --g.beside;
    else g.lock.unlock_shared();
}

/// `real` is libc's call; it waits if a plain thread or another run's task has the lock, and that is no longer than those do.
template <class Real>
int read(pthread_rwlock_t* l, bool wait, weft::time_point deadline, Real real) noexcept {
    return answered([&] {
        looked();
        user u(rw_gates, l);
        rw_gate& g = u.g;
        if (g.writer == self_owner().id) return wait ? EDEADLK : EBUSY;
        if (g.readers > 0 && (lets_readers_pass(l) || g.lock.statistics().waiting == 0)) ++g.beside;
        else if (int e = enter(g, true, wait, deadline); e != 0) return e;
        if (g.readers == 0) {
            if (int e = real(); e != 0) { leave_reading(g); return e; }
        }
        ++g.readers;
        u.keep = true;
        return 0;
    });
}

template <class Real>
int write(pthread_rwlock_t* l, bool wait, weft::time_point deadline, void const* caller, Real real) noexcept {
    return answered([&] {
        looked();
        user u(rw_gates, l);
        rw_gate& g = u.g;
        std::uint64_t me = self_owner().id;
        if (g.writer == me) return wait ? EDEADLK : EBUSY;
        if (int e = enter(g, false, wait, deadline); e != 0) return e;
        if (int e = real(); e != 0) { g.lock.unlock(); return e; }
        g.writer = me;
        if (strict_locks()) [[unlikely]] g.watch_from(caller);
        u.keep = true;
        return 0;
    });
}

// In a callback: only a task of this thread can give what it waits for.
void check_reading(char const* call, pthread_rwlock_t const* l) noexcept {
    rw_gate* g = this_kernel && !rw_gates.empty() ? rw_gates.find(l) : nullptr;
    if (g && g->writer != 0) stopped_for_ever(call);
}
void check_writing(char const* call, pthread_rwlock_t const* l) noexcept {
    rw_gate* g = this_kernel && !rw_gates.empty() ? rw_gates.find(l) : nullptr;
    if (g && (g->writer != 0 || g->readers > 0)) stopped_for_ever(call);
}

}  // namespace

extern "C" {

extern int const weft_posix_rwlocks;
int const weft_posix_rwlocks = 1;

int pthread_rwlock_unlock(pthread_rwlock_t* l) noexcept {
    rw_gate* g = a_task_calls() && !rw_gates.empty() ? rw_gates.find(l) : nullptr;
    if (!g || (g->writer == 0 && g->readers == 0)) return next_pthread_calls().rwlock_unlock(l);  // locked where no task ran
    if (g->writer != 0) {
        if (g->writer != self_owner().id) return EPERM;
        if (int e = next_pthread_calls().rwlock_unlock(l); e != 0) return e;
        g->writer = 0;
        g->watch.reset();
        g->lock.unlock();
    } else {
        if (g->readers == 1) {
            if (int e = next_pthread_calls().rwlock_unlock(l); e != 0) return e;
        }
        --g->readers;
        leave_reading(*g);
    }
    rw_gates.drop(*g);
    return 0;
}

int pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept {
    if (a_task_calls()) return read(l, true, weft::never, [l] { return next_pthread_calls().rwlock_rdlock(l); });
    check_reading("pthread_rwlock_rdlock", l);
    return next_pthread_calls().rwlock_rdlock(l);
}
int pthread_rwlock_tryrdlock(pthread_rwlock_t* l) noexcept {
    if (a_task_calls()) return read(l, false, weft::never, [l] { return next_pthread_calls().rwlock_tryrdlock(l); });
    return next_pthread_calls().rwlock_tryrdlock(l);
}
int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, timespec const* until) noexcept {
    if (a_task_calls()) return !is_time(until) ? EINVAL : read(l, true, deadline_of(CLOCK_REALTIME, until), [&] { return next_pthread_calls().rwlock_timedrdlock(l, until); });
    check_reading("pthread_rwlock_timedrdlock", l);
    return next_pthread_calls().rwlock_timedrdlock(l, until);
}
int pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock, timespec const* until) noexcept {
    if (a_task_calls()) return !is_time(until) ? EINVAL : read(l, true, deadline_of(clock, until), [&] { return next_pthread_calls().rwlock_clockrdlock(l, clock, until); });
    check_reading("pthread_rwlock_clockrdlock", l);
    return next_pthread_calls().rwlock_clockrdlock(l, clock, until);
}

int pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept {
    if (a_task_calls()) return write(l, true, weft::never, __builtin_return_address(0), [l] { return next_pthread_calls().rwlock_wrlock(l); });
    check_writing("pthread_rwlock_wrlock", l);
    return next_pthread_calls().rwlock_wrlock(l);
}
int pthread_rwlock_trywrlock(pthread_rwlock_t* l) noexcept {
    if (a_task_calls()) return write(l, false, weft::never, __builtin_return_address(0), [l] { return next_pthread_calls().rwlock_trywrlock(l); });
    return next_pthread_calls().rwlock_trywrlock(l);
}
int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, timespec const* until) noexcept {
    if (a_task_calls()) return !is_time(until) ? EINVAL : write(l, true, deadline_of(CLOCK_REALTIME, until), __builtin_return_address(0), [&] { return next_pthread_calls().rwlock_timedwrlock(l, until); });
    check_writing("pthread_rwlock_timedwrlock", l);
    return next_pthread_calls().rwlock_timedwrlock(l, until);
}
int pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock, timespec const* until) noexcept {
    if (a_task_calls()) return !is_time(until) ? EINVAL : write(l, true, deadline_of(clock, until), __builtin_return_address(0), [&] { return next_pthread_calls().rwlock_clockwrlock(l, clock, until); });
    check_writing("pthread_rwlock_clockwrlock", l);
    return next_pthread_calls().rwlock_clockwrlock(l, clock, until);
}

}  // extern "C"
