// SPDX-License-Identifier: BSL-1.0
#include "posix/interpose/pthread_calls.hpp"

#include "posix/interpose/next_symbol.hpp"

#include <weft/config.hpp>

#include <atomic>
#include <cstdlib>

namespace weft::detail {
namespace {

constinit pthread_calls calls{};
constinit bool strict = false;
constinit std::atomic<bool> resolved{false};

// Of the conditions, libc has an old kind too, and that is what it answers if it is not asked for the other. ThreadSanitizer's come before, without a version.
constexpr char const* conditions = WEFT_TSAN ? nullptr : "GLIBC_2.3.2";

void resolve() {
    pthread_calls c{};
    find_next(c.mutex_lock, "pthread_mutex_lock");
    find_next(c.mutex_trylock, "pthread_mutex_trylock");
    find_next(c.mutex_timedlock, "pthread_mutex_timedlock");
    find_next(c.mutex_clocklock, "pthread_mutex_clocklock");
    find_next(c.mutex_unlock, "pthread_mutex_unlock");
    find_next(c.cond_wait, "pthread_cond_wait", conditions);
    find_next(c.cond_timedwait, "pthread_cond_timedwait", conditions);
    find_next(c.cond_clockwait, "pthread_cond_clockwait", conditions);
    find_next(c.cond_signal, "pthread_cond_signal", conditions);
    find_next(c.cond_broadcast, "pthread_cond_broadcast", conditions);
    find_next(c.rwlock_rdlock, "pthread_rwlock_rdlock");
    find_next(c.rwlock_tryrdlock, "pthread_rwlock_tryrdlock");
    find_next(c.rwlock_timedrdlock, "pthread_rwlock_timedrdlock");
    find_next(c.rwlock_clockrdlock, "pthread_rwlock_clockrdlock");
    find_next(c.rwlock_wrlock, "pthread_rwlock_wrlock");
    find_next(c.rwlock_trywrlock, "pthread_rwlock_trywrlock");
    find_next(c.rwlock_timedwrlock, "pthread_rwlock_timedwrlock");
    find_next(c.rwlock_clockwrlock, "pthread_rwlock_clockwrlock");
    find_next(c.rwlock_unlock, "pthread_rwlock_unlock");
    find_next(c.sem_wait, "sem_wait");
    find_next(c.sem_trywait, "sem_trywait");
    find_next(c.sem_timedwait, "sem_timedwait");
    find_next(c.sem_clockwait, "sem_clockwait");
    find_next(c.spin_lock, "pthread_spin_lock");
    find_next(c.spin_trylock, "pthread_spin_trylock");
    find_next(c.join, "pthread_join");
    find_next(c.tryjoin, "pthread_tryjoin_np");
    find_next(c.syscall, "syscall");
    find_next(c.once, "pthread_once");
    find_next(c.guard_acquire, "__cxa_guard_acquire");
    find_next(c.guard_release, "__cxa_guard_release");
    find_next(c.guard_abort, "__cxa_guard_abort");
    calls = c;
    strict = ::getenv("WEFT_STRICT") != nullptr;
    resolved.store(true, std::memory_order_release);
}

}  // namespace

pthread_calls const& next_pthread_calls() {
    if (!resolved.load(std::memory_order_acquire)) [[unlikely]] resolve();
    return calls;
}

bool strict_locks() noexcept { return strict; }

}  // namespace weft::detail
