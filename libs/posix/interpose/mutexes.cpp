// SPDX-License-Identifier: BSL-1.0
// pthread's mutexes for tasks.
#include "posix/interpose/clocks.hpp"
#include "posix/interpose/gates.hpp"
#include "posix/interpose/pthread_calls.hpp"

namespace {

using namespace weft::detail;

bool counts(pthread_mutex_t const* m) noexcept {
    int kind = m->__data.__kind & 3;  // the other bits: robust, shared, priorities
    return kind == PTHREAD_MUTEX_RECURSIVE_NP || kind == PTHREAD_MUTEX_ERRORCHECK_NP;
}

/// Locks for the running task. `real` is libc's call; it waits if a plain thread or another run's task has the lock, and that is no longer than those do.
template <class Real>
int lock(pthread_mutex_t* m, bool wait, weft::time_point deadline, void const* caller, Real real) noexcept {
    return answered([&] {
        looked();  // a loop may be around the lock that looks until another task has changed something
        user u(mine, m);
        switch (enter(u.g, wait, deadline)) {
            case entry::taken: return EBUSY;
            case entry::timed_out: return ETIMEDOUT;
            case entry::again:
                if (!counts(m)) return wait ? EDEADLK : EBUSY;  // libc would wait for ever
                if (int e = real(); e != 0) return e;
                ++u.g.depth;
                return 0;
            case entry::entered: break;
        }
        int e = real();
        if (e == 0 || e == EOWNERDEAD) {
            u.keep = true;
            if (strict_locks()) [[unlikely]] u.g.watch_from(caller);
        } else {
            u.g.lock.unlock();
        }
        return e;
    });
}

}  // namespace

extern "C" {

extern int const weft_posix_mutexes;
int const weft_posix_mutexes = 1;

int pthread_mutex_unlock(pthread_mutex_t* m) {
    gate* g = a_task_calls() && !mine.empty() ? mine.find(m) : nullptr;
    if (!g) return next_pthread_calls().mutex_unlock(m);
    if (!g->lock.owned_by_caller()) return EPERM;
    int e = next_pthread_calls().mutex_unlock(m);
    if (e == 0) left(*g);
    return e;
}

int pthread_mutex_lock(pthread_mutex_t* m) {
    if (a_task_calls()) return lock(m, true, weft::never, __builtin_return_address(0), [m] { return next_pthread_calls().mutex_lock(m); });
    check_callback("pthread_mutex_lock", m);
    return next_pthread_calls().mutex_lock(m);
}
int pthread_mutex_trylock(pthread_mutex_t* m) {
    if (a_task_calls()) return lock(m, false, weft::never, __builtin_return_address(0), [m] { return next_pthread_calls().mutex_trylock(m); });
    if (this_kernel && !mine.empty() && mine.find(m)) return EBUSY;
    return next_pthread_calls().mutex_trylock(m);
}
int pthread_mutex_timedlock(pthread_mutex_t* m, timespec const* until) {
    if (a_task_calls()) return !is_time(until) ? EINVAL : lock(m, true, deadline_of(CLOCK_REALTIME, until), __builtin_return_address(0), [&] { return next_pthread_calls().mutex_timedlock(m, until); });
    check_callback("pthread_mutex_timedlock", m);
    return next_pthread_calls().mutex_timedlock(m, until);
}
int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, timespec const* until) {
    if (a_task_calls()) return !is_time(until) ? EINVAL : lock(m, true, deadline_of(clock, until), __builtin_return_address(0), [&] { return next_pthread_calls().mutex_clocklock(m, clock, until); });
    check_callback("pthread_mutex_clocklock", m);
    return next_pthread_calls().mutex_clocklock(m, clock, until);
}

}  // extern "C"
