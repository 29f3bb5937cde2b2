// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_INSPECT_DUMP_HPP
#define WEFT_INSPECT_DUMP_HPP

#include <cstddef>
#include <iosfwd>

namespace weft::inspect {

/// Writes the tree of this thread's run: nurseries with their place and deadline, tasks with their state, what each
/// waits for and since when, cancellations that were not seen yet. Equal siblings that are childless collapse to a count. The
/// second line is stack_high_water().
///
/// Blocks: never.    Throws: not_running_error outside of a run.    Complexity: O(tasks).
/// Ages are counted from the turn of the loop in which a task began to wait.
void dump(std::ostream& os);

/// How many bytes the deepest task stack of this thread's run has used since the run began, in whole pages, stacks of tasks that have ended
/// included. For choosing run_options::stack_size: measure under load, and take twice that. What on_big_stack maps is not counted, nor are pages that were swapped out.
///
/// Blocks: never; a system call for each stack.    Throws: not_running_error outside of a run.    Complexity: O(stacks).
std::size_t stack_high_water();

}  // namespace weft::inspect

#endif
