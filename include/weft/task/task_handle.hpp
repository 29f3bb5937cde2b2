// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_TASK_HANDLE_HPP
#define WEFT_TASK_TASK_HANDLE_HPP

#include <weft/core/detail/task_record.hpp>
#include <weft/task/cancel_scope.hpp>

#include <memory>
#include <optional>

namespace weft {

namespace detail {

struct join_waiter { task_record* task; join_waiter* next; };

/// What a handle and its task share. Outlives both.
struct handle_state {
    cancel_scope scope;             ///< the task's own, entered when it first runs
    std::exception_ptr error;       ///< set when it ended with one
    bool ended{};                   ///< the task has really ended: its frames and its callable are gone
    bool cancelled{};               ///< it ended because of a cancellation
    join_waiter* waiters{};
    std::uint64_t id{};
    std::shared_ptr<handle_state> keep_alive;  ///< while the task lives

    handle_state() = default;
    handle_state(handle_state const&) = delete;
    virtual ~handle_state() = default;
    void join();                    ///< throws cancelled
    void throw_if_failed() const;   ///< the task's error as itself, task_cancelled_error
    static void on_end(task_record& t, std::exception_ptr const& error, bool was_cancelled);
};

template <class R>
struct handle_result : handle_state {
    std::optional<R> value;
};
template <>
struct handle_result<void> : handle_state {};

[[noreturn]] WEFT_COLD void throw_empty_handle();

}  // namespace detail

/// A child task whose result somebody wants. Made by nursery::spawn. Copyable; need not be kept.
///
///     auto h = n.spawn([&] { return answer(); });
///     use(h.get());
///
/// The child still belongs to its nursery: its error cancels the nursery also when it is taken through a handle.
template <class R>
class task_handle {
public:
    task_handle() = default;

    /// Waits until the task has ended, however it ended.
    /// Blocks: always a checkpoint. Cancellation: the task goes on. Throws: cancelled.
    void join() const { state().join(); }

    /// Waits for the task and returns its result: a copy, or the value itself, once, if it is move-only.
    /// Blocks: always a checkpoint. Cancellation: the task goes on, and get() may be called again.
    /// Throws: the task's error, as itself; task_cancelled_error if the task was cancelled; cancelled.
    decltype(auto) get() const {
        auto& s = state();
        s.join();
        s.throw_if_failed();
        if constexpr (!std::is_void_v<R>) {
            if constexpr (std::is_copy_constructible_v<R>) return R(*s.value);
            else return R(std::move(*s.value));
        }
    }

    /// Cancels the task, and nothing else. It ends as cancelled; its nursery goes on.
    void cancel(std::string_view reason = {}) const { state().scope.cancel(reason); }
    bool done() const { return state().ended; }
    std::uint64_t id() const { return state().id; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

    explicit task_handle(std::shared_ptr<detail::handle_result<R>> s) noexcept : state_(std::move(s)) {}

private:
    detail::handle_result<R>& state() const { if (!state_) detail::throw_empty_handle(); return *state_; }
    std::shared_ptr<detail::handle_result<R>> state_;
};

}  // namespace weft

#endif
