// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_INSPECT_DUMP_HPP
#define WEFT_INSPECT_DUMP_HPP

#include <iosfwd>

namespace weft::inspect {

/// Writes the tree of this thread's run: nurseries with their place and deadline, tasks with their state, what each
/// waits for and since when, cancellations that were not seen yet. Equal siblings that are childless collapse to a count.
///
/// Blocks: never.    Throws: not_running_error outside of a run.    Complexity: O(tasks).
/// Ages are counted from the turn of the loop in which a task began to wait.
void dump(std::ostream& os);

}  // namespace weft::inspect

#endif
