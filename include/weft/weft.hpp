// SPDX-License-Identifier: BSL-1.0
// The umbrella for the core, task and sync rooms. Asio, testing and inspect have their own: weft/asio.hpp, weft/testing.hpp,
// weft/inspect.hpp.
#ifndef WEFT_WEFT_HPP
#define WEFT_WEFT_HPP

#include <weft/config.hpp>
#include <weft/core/cancel_state.hpp>
#include <weft/core/cancelled.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/core/clock.hpp>
#include <weft/core/driver.hpp>
#include <weft/core/errors.hpp>
#include <weft/core/instrument.hpp>
#include <weft/core/lowlevel.hpp>
#include <weft/core/oracle.hpp>
#include <weft/core/run.hpp>
#include <weft/core/statistics.hpp>
#include <weft/core/task.hpp>
#include <weft/core/task_local.hpp>
#include <weft/core/time.hpp>
#include <weft/future/as_completed.hpp>
#include <weft/future/async.hpp>
#include <weft/future/future.hpp>
#include <weft/future/gather.hpp>
#include <weft/future/packaged_task.hpp>
#include <weft/future/promise.hpp>
#include <weft/future/race.hpp>
#include <weft/future/shared_future.hpp>
#include <weft/future/std_future.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/capacity_limiter.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/once.hpp>
#include <weft/sync/recursive_mutex.hpp>
#include <weft/sync/select.hpp>
#include <weft/sync/select_alternative.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/watch.hpp>
#include <weft/task/cancel_scope.hpp>
#include <weft/task/exception_group.hpp>
#include <weft/task/nursery.hpp>
#include <weft/task/task_handle.hpp>
#include <weft/task/task_status.hpp>
#include <weft/task/timeouts.hpp>
#include <weft/threads/blocking_portal.hpp>
#include <weft/threads/run_token.hpp>
#include <weft/threads/shards.hpp>
#include <weft/threads/signal_trigger.hpp>
#include <weft/threads/to_thread.hpp>

#endif
