// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_DETAIL_AT_TASK_END_HPP
#define WEFT_CORE_DETAIL_AT_TASK_END_HPP

namespace weft::detail {

struct task_record;

/// Something to be done at the very end of a task: its frames, its callable and its task_local values are gone, and
/// nobody who waits for its end has gone on yet. What std's *_at_thread_exit functions are built on.
struct at_end_node {
    void (*ended)(at_end_node&) noexcept {};  ///< called once; owns the node from then on
    at_end_node* next{};
};

/// Calls n.ended when the running task has ended; in a thread without a run, when the thread's thread_local objects have
/// been destroyed (on the main thread: at std::exit). In the order of the calls.
/// Throws: wrong_domain_error in a callback; bad_alloc. Then n is the caller's still.
void at_task_end(at_end_node& n, char const* call);

/// The same for a task of this thread's run that has not ended. Throws: bad_alloc.
void at_task_end(at_end_node& n, task_record& t);
/// Takes n off again: the node is the caller's. Precondition: n is on t's list, of this thread's run.
void forget_at_task_end(at_end_node& n, task_record& t) noexcept;

}  // namespace weft::detail

#endif
