// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_DETAIL_LOOK_HPP
#define WEFT_CORE_DETAIL_LOOK_HPP

namespace weft::detail {

/// For what a loop may be around that, on threads, ends as another thread has its time: lets others run now and then.
/// After hundreds of them in one step of a task, so that no other caller ever yields: for what looks under a lock, or at an atomic.
void looked() noexcept;
/// False, for what did not get what it tried; as looked().
inline bool tried_in_vain() noexcept { looked(); return false; }
/// False, for an end that is asked for between two pieces of work, which take their time: every 16th time.
bool asked_in_vain() noexcept;

}  // namespace weft::detail

#endif
