// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_ERRORS_HPP
#define WEFT_CORE_ERRORS_HPP

#include <weft/config.hpp>

#include <exception>
#include <stdexcept>
#include <string>

namespace weft {

/// The root of weft's own errors. Each message says what happened, to which task, and what to do about it.
///
/// `cancelled` is deliberately not among them: it is no error and no `std::exception` (see cancelled.hpp).
struct error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// `fail_after` or `fail_at`: the deadline passed before the body ended.
struct too_slow_error : error { using error::error; };
/// A `try_` operation, or one made where blocking is impossible, would have had to wait.
struct would_block : error { using error::error; };
/// The object was closed by this side.
struct closed_resource_error : error { using error::error; };
/// The object was broken by the other side, or by a failure half way through an operation.
struct broken_resource_error : error { using error::error; };
/// Another task is already using the object in a way that excludes this use.
struct busy_resource_error : error { using error::error; };
/// The last sender closed and the channel is drained.
struct end_of_channel : error { using error::error; };
/// A blocking call was made in a callback, or an object of one runtime was used from another thread.
struct wrong_domain_error : error { using error::error; };
/// A call that needs a running `weft::run` was made outside of one.
struct not_running_error : error { using error::error; };
/// A task was started in a nursery that has ended or was closed.
struct nursery_closed_error : error { using error::error; };
/// A call reached a runtime whose run has ended.
struct run_finished_error : error { using error::error; };
/// Nothing can ever wake the tasks that wait; the message holds the tree of who waits for what.
struct deadlock_error : error { using error::error; };
/// A completion handler was destroyed without being called, so the operation's outcome is unknown.
struct abandoned_error : error { using error::error; };

/// A precondition was broken in a way that weft could detect: an argument out of range, a call out of order, a scope
/// entered twice. The message names the call and the remedy.
struct misuse_error : error { using error::error; };
/// `task_handle::get`, or a nursery body that was to return a value: it was cancelled before it had one.
struct task_cancelled_error : error { using error::error; };
/// No further fiber stack can be had: the kernel's map limit, the address space or the memory is exhausted.
struct stack_limit_error : error { using error::error; };
/// A part of weft, or a callback that it relies on (an abort function), broke its contract. The run ends with it.
struct internal_error : error { using error::error; };

namespace detail {
/// The form of every message: `error[W004]: what`, then `  because: …` and `  help: …` where they are known.
std::string message(char const* code, std::string const& what, std::string const& because, std::string const& help);
/// ", in task #7 "conn"" for the running task, "" outside of one.
std::string in_task();

// Out of line, so that the checks that lead to them cost a compare and a jump.
[[noreturn]] WEFT_COLD void throw_misuse(char const* what, char const* help);
[[noreturn]] WEFT_COLD void throw_outside(char const* call);

/// std::current_exception(), where what a task or a callback threw ends. What is no C++ exception, as the unwinding that pthread_exit and
/// pthread_cancel start, would end the thread with all its tasks: fatal, with its name.
[[nodiscard]] WEFT_COLD std::exception_ptr caught_error() noexcept;
}  // namespace detail

}  // namespace weft

#endif
