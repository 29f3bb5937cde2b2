// SPDX-License-Identifier: BSL-1.0
// What is made once, while others wait: here the gate lasts as long as the making.
#include "posix/interpose/gates.hpp"
#include "posix/interpose/pthread_calls.hpp"

#include <weft/core/errors.hpp>

#include <system_error>

using namespace weft::detail;

namespace {

// libstdc++ has an error of its own for this, but does not let other code throw it.
[[noreturn]] void throw_made_by_itself() {
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "weft_posix: a function-local static is made by its own initialiser" + weft::detail::in_task());
}

}  // namespace

extern "C" {

extern int const weft_posix_once;
int const weft_posix_once = 1;

int pthread_once(pthread_once_t* control, void (*make)()) {
    if (!a_task_calls()) {
        check_callback("pthread_once", control);
        return next_pthread_calls().once(control, make);
    }
    gate* g = nullptr;
    int e = answered([&] {
        user u(mine, control);
        if (enter(u.g, true, weft::never) == entry::again) return EDEADLK;
        u.keep = true;
        g = &u.g;
        return 0;
    });
    if (e != 0) return e;
    struct leaving { gate& g; ~leaving() { left(g); } } at_end{*g};
    return next_pthread_calls().once(control, make);  // which may throw, and std::call_once does
}

int __cxa_guard_acquire(__cxxabiv1::__guard* guard) {
    auto is_made = [guard] { return __atomic_load_n(reinterpret_cast<char const*>(guard), __ATOMIC_ACQUIRE) != 0; };
    if (is_made()) return 0;
    if (!a_task_calls()) {
        check_callback("an initialiser of a function-local static", guard);
        return next_pthread_calls().guard_acquire(guard);
    }
    user u(mine, guard);
    if (enter(u.g, true, weft::never) == entry::again) throw_made_by_itself();
    if (is_made() || next_pthread_calls().guard_acquire(guard) == 0) {
        u.g.lock.unlock();
        return 0;
    }
    u.keep = true;
    return 1;
}
void __cxa_guard_release(__cxxabiv1::__guard* guard) noexcept {
    next_pthread_calls().guard_release(guard);
    if (gate* g = a_task_calls() ? mine.find(guard) : nullptr) left(*g);
}
void __cxa_guard_abort(__cxxabiv1::__guard* guard) noexcept {
    next_pthread_calls().guard_abort(guard);
    if (gate* g = a_task_calls() ? mine.find(guard) : nullptr) left(*g);
}

}  // extern "C"
