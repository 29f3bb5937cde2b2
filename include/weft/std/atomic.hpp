// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_ATOMIC_HPP
#define WEFT_STD_ATOMIC_HPP

#include <weft/core/detail/look.hpp>
#include <weft/std/atomic_wait.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace weft {

/// std::atomic for what tasks of one thread wait for, or guard with it: flags and spin locks. It is a std::atomic, with two differences.
/// A loop over load(), the conversion, exchange() or a compare_exchange that fails lets others run, every 256th time that a task comes
/// without a wait between: `while (!done) {}` ends, though the task that is to set it needs the same thread. And wait() parks.
///
///     weft::atomic<bool> done{false};
///
/// Blocks:       wait() alone; nothing else is a cancellation point, nor throws. In callbacks and plain threads nothing yields.
/// Throws:       wait(): as weft::atomic_wait, so it is not noexcept.
/// Complexity:   a call and a count above std's: a counter that nobody waits for may stay std's.
/// Threads: any. Memory order: std's. Source: std::atomic. Instead: an event, a scope for a stop, a mutex for a spin lock.
template <class T>
class atomic : public std::atomic<T> {
    using base = std::atomic<T>;
    using order = std::memory_order;

public:
    using base::base;
    using base::operator=;
    using base::load, base::exchange, base::compare_exchange_weak, base::compare_exchange_strong;  // the volatile ones
    constexpr atomic() noexcept(std::is_nothrow_default_constructible_v<T>) = default;

    T load(order o = order::seq_cst) const noexcept { detail::looked(); return base::load(o); }
    operator T() const noexcept { return load(); }
    T exchange(T v, order o = order::seq_cst) noexcept { detail::looked(); return base::exchange(std::move(v), o); }
    bool compare_exchange_weak(T& old, T v, order o = order::seq_cst) noexcept { return base::compare_exchange_weak(old, std::move(v), o) || detail::tried_in_vain(); }
    bool compare_exchange_weak(T& old, T v, order yes, order no) noexcept { return base::compare_exchange_weak(old, std::move(v), yes, no) || detail::tried_in_vain(); }
    bool compare_exchange_strong(T& old, T v, order o = order::seq_cst) noexcept { return base::compare_exchange_strong(old, std::move(v), o) || detail::tried_in_vain(); }
    bool compare_exchange_strong(T& old, T v, order yes, order no) noexcept { return base::compare_exchange_strong(old, std::move(v), yes, no) || detail::tried_in_vain(); }

    void wait(T old, order o = order::seq_cst) const { weft::atomic_wait_explicit(static_cast<base const*>(this), std::move(old), o); }
    void notify_one() noexcept { weft::atomic_notify_one(static_cast<base*>(this)); }
    void notify_all() noexcept { weft::atomic_notify_all(static_cast<base*>(this)); }
};
template <class T>
atomic(T) -> atomic<T>;

/// The same of std::atomic_flag: test() and test_and_set() let others run in a loop.
class atomic_flag : public std::atomic_flag {
    using base = std::atomic_flag;
    using order = std::memory_order;

public:
    using base::base;
    using base::test, base::test_and_set;
    constexpr atomic_flag() noexcept = default;

    bool test(order o = order::seq_cst) const noexcept { detail::looked(); return base::test(o); }
    bool test_and_set(order o = order::seq_cst) noexcept { detail::looked(); return base::test_and_set(o); }
    void wait(bool old, order o = order::seq_cst) const { weft::atomic_flag_wait_explicit(this, old, o); }
    void notify_one() noexcept { weft::atomic_flag_notify_one(this); }
    void notify_all() noexcept { weft::atomic_flag_notify_all(this); }
};

using atomic_bool = atomic<bool>;
using atomic_char = atomic<char>;
using atomic_schar = atomic<signed char>;
using atomic_uchar = atomic<unsigned char>;
using atomic_short = atomic<short>;
using atomic_ushort = atomic<unsigned short>;
using atomic_int = atomic<int>;
using atomic_uint = atomic<unsigned>;
using atomic_long = atomic<long>;
using atomic_ulong = atomic<unsigned long>;
using atomic_llong = atomic<long long>;
using atomic_ullong = atomic<unsigned long long>;
using atomic_int8_t = atomic<std::int8_t>;
using atomic_uint8_t = atomic<std::uint8_t>;
using atomic_int16_t = atomic<std::int16_t>;
using atomic_uint16_t = atomic<std::uint16_t>;
using atomic_int32_t = atomic<std::int32_t>;
using atomic_uint32_t = atomic<std::uint32_t>;
using atomic_int64_t = atomic<std::int64_t>;
using atomic_uint64_t = atomic<std::uint64_t>;
using atomic_size_t = atomic<std::size_t>;
using atomic_ptrdiff_t = atomic<std::ptrdiff_t>;
using atomic_intptr_t = atomic<std::intptr_t>;
using atomic_uintptr_t = atomic<std::uintptr_t>;

}  // namespace weft

#endif
