// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_THREADS_THREAD_CACHE_HPP
#define WEFT_LIBS_THREADS_THREAD_CACHE_HPP

#include <weft/threads/detail/thread_call.hpp>

#include <string>

namespace weft::detail {

/// Runs c.execute() on an idle thread of the process-wide cache, or on a new one; then reports home and releases c, which
/// the caller has retained for it. Idle threads end after ten seconds. Throws std::system_error if no thread can be started.
void start_on_cached_thread(thread_call& c, std::string const& name);

/// The call that runs on this thread; null elsewhere.
extern thread_local thread_call* current_call;

}  // namespace weft::detail

#endif
