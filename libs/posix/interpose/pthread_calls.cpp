// SPDX-License-Identifier: BSL-1.0
#include "posix/interpose/pthread_calls.hpp"

#include <weft/config.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace weft::detail {
namespace {

constinit pthread_calls calls{};
constinit bool strict = false;
constinit std::atomic<bool> resolved{false};

template <class F>
void find(F*& f, char const* name) {
    // Of the conditions, libc has an old kind too, and that is what it answers if it is not asked for the other. A sanitizer's come before, without a version.
    void* p = WEFT_TSAN ? nullptr : ::dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    if (!p) p = ::dlsym(RTLD_NEXT, name);
    if (!p) {
        std::fprintf(stderr, "weft_posix: there is no %s behind this program; a static C library cannot be interposed.\n", name);
        std::abort();
    }
    f = reinterpret_cast<F*>(p);
}

void resolve() {
    pthread_calls c{};
    find(c.mutex_lock, "pthread_mutex_lock");
    find(c.mutex_trylock, "pthread_mutex_trylock");
    find(c.mutex_timedlock, "pthread_mutex_timedlock");
    find(c.mutex_clocklock, "pthread_mutex_clocklock");
    find(c.mutex_unlock, "pthread_mutex_unlock");
    find(c.cond_wait, "pthread_cond_wait");
    find(c.cond_timedwait, "pthread_cond_timedwait");
    find(c.cond_clockwait, "pthread_cond_clockwait");
    find(c.cond_signal, "pthread_cond_signal");
    find(c.cond_broadcast, "pthread_cond_broadcast");
    find(c.once, "pthread_once");
    find(c.guard_acquire, "__cxa_guard_acquire");
    find(c.guard_release, "__cxa_guard_release");
    find(c.guard_abort, "__cxa_guard_abort");
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
