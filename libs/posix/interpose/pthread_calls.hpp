// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_POSIX_INTERPOSE_PTHREAD_CALLS_HPP
#define WEFT_LIBS_POSIX_INTERPOSE_PTHREAD_CALLS_HPP

#include <ctime>
#include <cxxabi.h>
#include <pthread.h>
#include <semaphore.h>

namespace weft::detail {

/// The C and C++ libraries' own, behind the names that stand in front of them.
struct pthread_calls {
    int (*mutex_lock)(pthread_mutex_t*);
    int (*mutex_trylock)(pthread_mutex_t*);
    int (*mutex_timedlock)(pthread_mutex_t*, timespec const*);
    int (*mutex_clocklock)(pthread_mutex_t*, clockid_t, timespec const*);
    int (*mutex_unlock)(pthread_mutex_t*);
    int (*cond_wait)(pthread_cond_t*, pthread_mutex_t*);
    int (*cond_timedwait)(pthread_cond_t*, pthread_mutex_t*, timespec const*);
    int (*cond_clockwait)(pthread_cond_t*, pthread_mutex_t*, clockid_t, timespec const*);
    int (*cond_signal)(pthread_cond_t*);
    int (*cond_broadcast)(pthread_cond_t*);
    int (*rwlock_rdlock)(pthread_rwlock_t*);
    int (*rwlock_tryrdlock)(pthread_rwlock_t*);
    int (*rwlock_timedrdlock)(pthread_rwlock_t*, timespec const*);
    int (*rwlock_clockrdlock)(pthread_rwlock_t*, clockid_t, timespec const*);
    int (*rwlock_wrlock)(pthread_rwlock_t*);
    int (*rwlock_trywrlock)(pthread_rwlock_t*);
    int (*rwlock_timedwrlock)(pthread_rwlock_t*, timespec const*);
    int (*rwlock_clockwrlock)(pthread_rwlock_t*, clockid_t, timespec const*);
    int (*rwlock_unlock)(pthread_rwlock_t*);
    int (*sem_wait)(sem_t*);
    int (*sem_trywait)(sem_t*);
    int (*sem_timedwait)(sem_t*, timespec const*);
    int (*sem_clockwait)(sem_t*, clockid_t, timespec const*);
    int (*spin_lock)(pthread_spinlock_t*);
    int (*spin_trylock)(pthread_spinlock_t*);
    int (*join)(pthread_t, void**);
    int (*tryjoin)(pthread_t, void**);
    long (*syscall)(long, ...);
    int (*once)(pthread_once_t*, void (*)());
    int (*guard_acquire)(__cxxabiv1::__guard*);
    void (*guard_release)(__cxxabiv1::__guard*);
    void (*guard_abort)(__cxxabiv1::__guard*);
};

/// At once, also while other libraries' constructors run, which come before any of the program's.
pthread_calls const& next_pthread_calls();

/// WEFT_STRICT is in the environment: a task that waits while it holds a lock is reported.
bool strict_locks() noexcept;

}  // namespace weft::detail

#endif
