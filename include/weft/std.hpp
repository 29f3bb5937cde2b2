// SPDX-License-Identifier: BSL-1.0
// The umbrella for code that was written for std's threads: every name of <thread>, <mutex>, <shared_mutex>, <condition_variable>,
// <future>, <latch>, <barrier>, <semaphore> and <stop_token>, in namespace weft, and of <atomic> what waits. doc/reference/std.md says where they differ.
#ifndef WEFT_STD_HPP
#define WEFT_STD_HPP

#include <weft/future/async.hpp>
#include <weft/future/future.hpp>
#include <weft/future/packaged_task.hpp>
#include <weft/future/promise.hpp>
#include <weft/future/shared_future.hpp>
#include <weft/std/at_thread_exit.hpp>
#include <weft/std/atomic.hpp>
#include <weft/std/fiber_local.hpp>
#include <weft/std/jthread.hpp>
#include <weft/std/main.hpp>
#include <weft/std/names.hpp>
#include <weft/std/spin_wait.hpp>
#include <weft/std/this_thread.hpp>
#include <weft/std/thread.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/once.hpp>
#include <weft/sync/recursive_mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/stop_token.hpp>

#endif
