// SPDX-License-Identifier: BSL-1.0
// For header-only libraries that were written for std's threads: their source stays as it is, and runs on fibers.
#ifndef WEFT_STD_SHADOW_HPP
#define WEFT_STD_SHADOW_HPP

#include <weft/std.hpp>

/// Makes `std::thread`, `std::mutex`, `std::future`, … weft's for all code inside one namespace. Write it in the library's outermost
/// namespace, before its header is included for the first time:
///
///     #include <weft/std_shadow.hpp>
///     namespace LIB { WEFT_STD_SHADOW }
///     #include <LIB.hpp>
///
/// It declares a namespace `std` in there, which the library's code finds before the global one: with weft's names for threads, locks,
/// conditions, futures, semaphores, stop tokens, atomics and `this_thread`, and all else as it is in ::std. May be repeated.
/// Preconditions: the same in every translation unit that includes the header, otherwise the program breaks the one-definition rule; and
///     no part of the library is compiled elsewhere (of that, its classes would have std's layout here and there weft's).
/// It does not reach: `::std::…`, code outside of the namespace, macros used outside of it, names declared before,
///     thread_local, the C library's blocking calls.
#define WEFT_STD_SHADOW                                                  \
    namespace std {                                                      \
    using namespace ::std;                                               \
    namespace this_thread = ::weft::this_thread;                         \
    using ::weft::thread;                                                \
    using ::weft::jthread;                                               \
    using ::weft::mutex;                                                 \
    using ::weft::timed_mutex;                                           \
    using ::weft::recursive_mutex;                                       \
    using ::weft::recursive_timed_mutex;                                 \
    using ::weft::shared_mutex;                                          \
    using ::weft::shared_timed_mutex;                                    \
    using ::weft::once_flag;                                             \
    using ::weft::call_once;                                             \
    using ::weft::condition_variable;                                    \
    using ::weft::condition_variable_any;                                \
    using ::weft::notify_all_at_thread_exit;                             \
    using ::weft::promise;                                               \
    using ::weft::future;                                                \
    using ::weft::shared_future;                                         \
    using ::weft::packaged_task;                                         \
    using ::weft::async;                                                 \
    using ::weft::counting_semaphore;                                    \
    using ::weft::binary_semaphore;                                      \
    using ::weft::latch;                                                 \
    using ::weft::barrier;                                               \
    using ::weft::stop_token;                                            \
    using ::weft::stop_source;                                           \
    using ::weft::stop_callback;                                         \
    using ::weft::atomic;                                                \
    using ::weft::atomic_flag;                                           \
    using ::weft::atomic_bool;                                           \
    using ::weft::atomic_char;                                           \
    using ::weft::atomic_schar;                                          \
    using ::weft::atomic_uchar;                                          \
    using ::weft::atomic_short;                                          \
    using ::weft::atomic_ushort;                                         \
    using ::weft::atomic_int;                                            \
    using ::weft::atomic_uint;                                           \
    using ::weft::atomic_long;                                           \
    using ::weft::atomic_ulong;                                          \
    using ::weft::atomic_llong;                                          \
    using ::weft::atomic_ullong;                                         \
    using ::weft::atomic_int8_t;                                         \
    using ::weft::atomic_uint8_t;                                        \
    using ::weft::atomic_int16_t;                                        \
    using ::weft::atomic_uint16_t;                                       \
    using ::weft::atomic_int32_t;                                        \
    using ::weft::atomic_uint32_t;                                       \
    using ::weft::atomic_int64_t;                                        \
    using ::weft::atomic_uint64_t;                                       \
    using ::weft::atomic_size_t;                                         \
    using ::weft::atomic_ptrdiff_t;                                      \
    using ::weft::atomic_intptr_t;                                       \
    using ::weft::atomic_uintptr_t;                                      \
    }

#endif
