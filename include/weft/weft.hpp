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
#include <weft/sync/event.hpp>
#include <weft/task/cancel_scope.hpp>
#include <weft/task/exception_group.hpp>
#include <weft/task/nursery.hpp>
#include <weft/task/task_handle.hpp>
#include <weft/task/task_status.hpp>
#include <weft/task/timeouts.hpp>

#endif
