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
/// conditions, futures, semaphores, stop tokens and `this_thread`, and all else as it is in ::std. May be repeated.
/// Preconditions: the same in every translation unit that includes the header, otherwise the program breaks the one-definition rule; and
///     no part of the library is compiled elsewhere (of that, its classes would have std's layout here and there weft's).
/// It does not reach: `::std::…`, code outside of the namespace, macros used outside of it, names declared before, `std::atomic::wait`,
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
    }

#endif
