// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_AT_THREAD_EXIT_HPP
#define WEFT_STD_AT_THREAD_EXIT_HPP

#include <weft/sync/condition_variable.hpp>

#include <mutex>

namespace weft {

/// Keeps the lock until the running task (or, outside of a run, the thread) has ended, its frames, its callable and its local values
/// gone; then unlocks and notifies. std::notify_all_at_thread_exit.
/// Blocks: never. Throws: misuse_error if the lock is not held; wrong_domain_error in a callback; bad_alloc.
void notify_all_at_thread_exit(condition_variable& changed, std::unique_lock<mutex> lock);

}  // namespace weft

#endif
