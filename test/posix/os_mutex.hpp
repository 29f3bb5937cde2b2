// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TEST_POSIX_OS_MUTEX_HPP
#define WEFT_TEST_POSIX_OS_MUTEX_HPP

#include "fixture.hpp"

#include <ctime>
#include <pthread.h>

namespace weft_test {

/// The C library's, with a kind.
struct os_mutex {
    pthread_mutex_t m;
    explicit os_mutex(int kind = PTHREAD_MUTEX_NORMAL) {
        pthread_mutexattr_t a;
        ::pthread_mutexattr_init(&a);
        ::pthread_mutexattr_settype(&a, kind);
        ::pthread_mutex_init(&m, &a);
        ::pthread_mutexattr_destroy(&a);
    }
    ~os_mutex() { ::pthread_mutex_destroy(&m); }
    int lock() { return ::pthread_mutex_lock(&m); }
    int try_lock() { return ::pthread_mutex_trylock(&m); }
    int unlock() { return ::pthread_mutex_unlock(&m); }
};

inline timespec from_now(clockid_t clock, std::chrono::nanoseconds d) {
    timespec t;
    ::clock_gettime(clock, &t);
    auto n = std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec) + d;
    return {static_cast<time_t>(n.count() / 1'000'000'000), static_cast<long>(n.count() % 1'000'000'000)};
}

inline bool waited_about(weft::time_point start, weft::duration d) {
    auto took = weft::current_time() - start;
    return took > d - 100ms && took < d + 100ms;
}

}  // namespace weft_test

#endif
