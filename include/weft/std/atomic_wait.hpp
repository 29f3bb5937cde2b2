// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_ATOMIC_WAIT_HPP
#define WEFT_STD_ATOMIC_WAIT_HPP

#include <atomic>

namespace weft {

namespace detail {
/// Waits while unchanged(arg), for a notification of this address. Asked once more when it is listed, so that a change before a
/// notification is never missed.
void wait_on_address(void const* address, bool (*unchanged)(void const* arg), void const* arg);
void notify_address(void const* address, bool all) noexcept;
}  // namespace detail

/// std::atomic_wait for tasks and plain threads: waits until the value is another than `old` and somebody notifies of it with weft's
/// functions. std's own members, a.wait() and a.notify_one(), block the thread and do not know of weft's waiters.
///
///     while (weft::atomic_wait(&state, idle), state.load() == idle) {}
///
/// Blocks:        while the value is `old`; a task's call is always a cancellation point.
/// Cancellation:  leaves no waiter; one that was notified before returns.
/// Throws:        cancelled; wrong_domain_error in a callback; deadlock_error.
/// Complexity:    one table for the process: no memory for each atomic.    Threads: any.    Source: std::atomic_wait.
template <class T>
void atomic_wait_explicit(std::atomic<T> const* a, typename std::atomic<T>::value_type old, std::memory_order order) {
    struct same { std::atomic<T> const* a; typename std::atomic<T>::value_type const* old; std::memory_order order; } s{a, &old, order};
    detail::wait_on_address(a, [](void const* p) {
        auto& x = *static_cast<same const*>(p);
        auto now = x.a->load(x.order);
        return __builtin_memcmp(&now, x.old, sizeof now) == 0;  // as std compares: the value's representation
    }, &s);
}
template <class T>
void atomic_wait(std::atomic<T> const* a, typename std::atomic<T>::value_type old) { weft::atomic_wait_explicit(a, old, std::memory_order_seq_cst); }
/// Wakes one who waits, or all. Never block; any thread, callbacks too.
template <class T>
void atomic_notify_one(std::atomic<T>* a) noexcept { detail::notify_address(a, false); }
template <class T>
void atomic_notify_all(std::atomic<T>* a) noexcept { detail::notify_address(a, true); }

inline void atomic_flag_wait_explicit(std::atomic_flag const* a, bool old, std::memory_order order) {
    struct same { std::atomic_flag const* a; bool old; std::memory_order order; } s{a, old, order};
    detail::wait_on_address(a, [](void const* p) { auto& x = *static_cast<same const*>(p); return x.a->test(x.order) == x.old; }, &s);
}
inline void atomic_flag_wait(std::atomic_flag const* a, bool old) { weft::atomic_flag_wait_explicit(a, old, std::memory_order_seq_cst); }
inline void atomic_flag_notify_one(std::atomic_flag* a) noexcept { detail::notify_address(a, false); }
inline void atomic_flag_notify_all(std::atomic_flag* a) noexcept { detail::notify_address(a, true); }

}  // namespace weft

#endif
