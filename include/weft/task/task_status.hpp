// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_TASK_STATUS_HPP
#define WEFT_TASK_TASK_STATUS_HPP

#include <weft/core/detail/task_record.hpp>

#include <optional>
#include <type_traits>

namespace weft {

namespace detail {

/// What nursery::start and its child share, for as long as either needs it.
struct start_state {
    nursery_record* target{};     ///< where the child goes when it reports
    nursery_record* waiting{};    ///< the hidden nursery of start()
    task_record* child{};
    bool started{};             ///< started() was called
    bool moved{};               ///< and the child now belongs to target
    std::exception_ptr error;   ///< what the child threw before it moved
    void report();
};

template <class T> struct start_value : start_state { std::optional<T> value; };
template <> struct start_value<void> : start_state {};

[[noreturn]] WEFT_COLD void throw_started_twice();

}  // namespace detail

/// Given to a child that nursery::start started: it reports once that it is ready.
///
///     auto port = n.start([&](weft::task_status<int>& s) { … s.started(8080); serve(); });
template <class T = void>
class task_status {
public:
    explicit task_status(detail::start_value<T>& s) noexcept : state_(&s) {}
    task_status(task_status const&) = delete;

    /// start() returns the value, and the child moves to its nursery. No checkpoint. If start() was cancelled meanwhile,
    /// the child stays under start(). Throws misuse_error if called twice.
    template <class U = T>
        requires(!std::is_void_v<T>)
    void started(U&& value) {
        if (called_) detail::throw_started_twice();
        called_ = true;
        state_->value.emplace(std::forward<U>(value));
        state_->report();
    }
    void started()
        requires std::is_void_v<T>
    {
        if (called_) detail::throw_started_twice();
        called_ = true;
        state_->report();
    }

private:
    detail::start_value<T>* state_;
    bool called_{};
};

}  // namespace weft

#endif
