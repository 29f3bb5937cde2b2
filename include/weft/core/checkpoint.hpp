// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_CHECKPOINT_HPP
#define WEFT_CORE_CHECKPOINT_HPP

#include <weft/core/time.hpp>

namespace weft {

/// Lets other tasks run, then raises if this task's scope is cancelled, so that a deadline that passed meanwhile is seen.
///
/// Blocks: always (yields).    Throws: cancelled; not_running_error; wrong_domain_error.
/// Source: Trio's checkpoint.
void checkpoint();

/// Raises if this task's scope is cancelled; does not yield.
/// Throws: cancelled; not_running_error; wrong_domain_error.    Source: Trio's checkpoint_if_cancelled.
void check_cancelled();

/// Lets other tasks run; never raises `cancelled`.
/// Blocks: always (yields). Throws: not_running_error; wrong_domain_error. Source: Trio's cancel_shielded_checkpoint.
void yield_shielded();

/// Never blocks. Throws not_running_error, wrong_domain_error.
/// The earliest deadline that can reach this task, `never` if none, `always` if it is cancelled already.
time_point current_effective_deadline();

/// True once request_stop() was called on a scope around this task.
bool stop_requested();

/// Waits until stop_requested(). Blocks: always a checkpoint. Throws: cancelled. Nothing is lost if cancelled.
void wait_stop_requested();

}  // namespace weft

#endif
