// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_FIBER_VALUES_HPP
#define WEFT_LIBS_CORE_FIBER_VALUES_HPP

#include <cstddef>

namespace weft::detail {

struct task_record;

/// How many tasks of this thread have values of fiber_local variables: while there are none, the end of a task costs one test.
extern constinit thread_local std::size_t tasks_with_fiber_values;
/// At the end of t, while it still is a task and may wait: the last made first, shielded from cancellation.
void destroy_fiber_values(task_record& t) noexcept;

}  // namespace weft::detail

#endif
