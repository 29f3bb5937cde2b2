// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_WAIT_ALL_TASKS_BLOCKED_HPP
#define WEFT_TESTING_WAIT_ALL_TASKS_BLOCKED_HPP

#include <weft/core/time.hpp>

namespace weft::testing {

/// Waits until no other task can run, and none has for `cushion` of real time. Wins over a virtual clock's jump.
///
/// Blocks: always. Cancellation: leaves nothing behind. Throws: cancelled, misuse_error for a negative cushion.
/// Of several callers, those with the smallest cushion go on first.    Source: Trio's wait_all_tasks_blocked.
void wait_all_tasks_blocked(duration cushion = duration::zero());

}  // namespace weft::testing

#endif
