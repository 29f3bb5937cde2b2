// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_LOWLEVEL_HPP
#define WEFT_CORE_LOWLEVEL_HPP

#include <weft/core/detail/task_record.hpp>
#include <weft/core/instrument.hpp>
#include <weft/core/statistics.hpp>

#include <memory>
#include <string_view>
#include <type_traits>

namespace weft::lowlevel {

/// What an abort function answers. `succeeded`: the wait is undone, raise `cancelled`. `failed`: it cannot be undone
/// now; the task stays parked until somebody unparks it, and that result stands.
using abort = detail::abort_answer;
using wait_reason = detail::wait_reason;

/// Names a task, for unpark. A small value; stale ones are recognised.
class task_ref {
public:
    task_ref() = default;
    std::uint64_t id() const noexcept { return id_; }
    explicit operator bool() const noexcept { return record_ != nullptr; }
    bool operator==(task_ref const&) const = default;

    task_ref(detail::task_record& t, std::uint64_t run) noexcept : record_(&t), id_(t.id_), run_(run) {}
    detail::task_record* record() const noexcept { return record_; }
    std::uint64_t run() const noexcept { return run_; }

private:
    detail::task_record* record_{};  // readable only while run_ is this thread's run
    std::uint64_t id_{};             // never reused within a run
    std::uint64_t run_{};            // never reused within a process
};

/// The running task. Throws not_running_error outside of a run, wrong_domain_error in a callback.
task_ref current_task();

namespace detail_ {
void park(weft::detail::abort_fn fn, void* arg, wait_reason const& reason);
}

/// Waits until somebody calls unpark() for this task. The one suspension primitive: every blocking operation of weft
/// ends here.
///
/// Should the task's scope be cancelled, `fn` is called, at most once, inside the canceller's call (or at once, if it is
/// cancelled already). It undoes the wait, must not throw or block, and answers whether it could.
///
/// Blocks:        always.
/// Cancellation:  raises `cancelled` if fn answered succeeded; otherwise the unpark stands and the next point raises.
/// Throws:        cancelled; not_running_error; wrong_domain_error.
/// Complexity:    O(1), no allocation, no system call.    Threads: the runtime's own.
/// Source:        Trio's wait_task_rescheduled.
template <class F>
void park(F&& fn, wait_reason const& reason = {}) {
    using R = std::invoke_result_t<F&>;
    static_assert(std::is_void_v<R> || std::is_same_v<R, abort>, "an abort function answers lowlevel::abort, or nothing for succeeded");
    detail_::park([](void* p) {
        auto& f = *static_cast<std::remove_reference_t<F>*>(p);
        if constexpr (std::is_void_v<R>) { f(); return abort::succeeded; }
        else return f();
    }, const_cast<void*>(static_cast<void const*>(std::addressof(fn))), reason);
}

/// Ends a task's park. Exactly once for each park.
///
/// Blocks:  never; the task runs in a later batch.
/// Throws:  misuse_error if the task is not parked, was woken already, or has ended; wrong_domain_error from another
///          thread than the runtime's.
/// Source:  Trio's reschedule.
void unpark(task_ref task);

/// True while the task waits in park() and nobody has woken it.
bool is_parked(task_ref task) noexcept;

/// Raises `cancelled` at the top of an operation if the task's scope is cancelled; does not yield. Every operation that
/// can have an effect calls it before that effect.
void cancel_point();
/// Raises the `cancelled` of this task's scopes without asking whether it may be raised here: for operations whose abort
/// function answered failed, when the foreign side then reported that it had stopped. Precondition: a scope around is,
/// or was, cancelled.
[[noreturn]] void raise_cancelled();
/// True if a cancellation point would raise now.
bool cancellation_pending();

/// Counts of this thread's run at this moment. Never blocks. Throws not_running_error.
run_statistics current_statistics();
/// Adds an instrument from the next event on. Throws not_running_error; misuse_error for null.
void add_instrument(std::shared_ptr<instrument> i);
/// Removes it if it is there; also from inside one of its hooks. Throws not_running_error.
void remove_instrument(instrument const& i);

}  // namespace weft::lowlevel

#endif
