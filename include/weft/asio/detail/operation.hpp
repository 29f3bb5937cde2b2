// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_DETAIL_OPERATION_HPP
#define WEFT_ASIO_DETAIL_OPERATION_HPP

#include <weft/asio/detail/home_executor.hpp>
#include <weft/core/lowlevel.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/require.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>

namespace weft::detail {

/// While one lives, a handler that is called on this thread makes its task ready instead of running it at once.
class resume_later {
public:
    resume_later() noexcept;
    ~resume_later();
    resume_later(resume_later const&) = delete;
private:
    kernel* kernel_;
};

/// Memory for handlers, recycled per thread in classes of 64 bytes up to 1 KB, so that an operation allocates nothing
/// once its like has run before: also where a thousand read at once and then all write, which takes blocks of another class.
/// A block may be returned on another thread than it was taken on.
void* recycled_allocate(std::size_t bytes);
void recycled_deallocate(void* p, std::size_t bytes) noexcept;

template <class T>
struct recycling_allocator {
    using value_type = T;
    recycling_allocator() = default;
    template <class U> recycling_allocator(recycling_allocator<U> const&) noexcept {}
    T* allocate(std::size_t n) { return static_cast<T*>(recycled_allocate(n * sizeof(T))); }
    void deallocate(T* p, std::size_t n) noexcept { recycled_deallocate(p, n * sizeof(T)); }
    template <class U> bool operator==(recycling_allocator<U> const&) const noexcept { return true; }
};

class asked_operations;

/// One asynchronous operation that a task waits for. Lives in the task's frame until the handler was called or destroyed.
///
/// Only the home thread changes its state; a handler called elsewhere stores its result and posts settle() home.
class operation {
public:
    using executor_type = home_executor<>;

    /// Whether the operation begins with a cancellation point, or goes on with a compound one that has passed it: then in a scope that
    /// is cancelled already it is started, and told so as soon as the task waits.
    enum class start_point : bool { here, passed };
    explicit operation(char const* what, start_point at = start_point::here) : operation(what, at, current_loop()) {}
    operation(operation const&) = delete;

    /// After the initiation: parks until the handler has been called or destroyed. Cancelling the scope emits `terminal`, again
    /// and again where it was not heard, and waits on: the handler decides.
    void wait();
    /// From the handler, after it has stored its result. Any thread.
    void complete() noexcept { finish(false); }
    /// From the destructor of a handler that was never called. Any thread.
    void abandon() noexcept { finish(true); }

    /// For operations that keep a record of a request by themselves: they are asked to stop once, not again and again until they do.
    void ask_once() noexcept { asks_again_ = false; }
    /// Whether a scope's cancellation was passed on to the operation before it completed.
    bool asked() const noexcept { return asked_; }
    executor_type const& home() const noexcept { return home_; }
    boost::asio::cancellation_slot slot() noexcept { return signal_.slot(); }

    /// Throws what a completion with this code means: nothing, `cancelled`, or a system_error.
    void check(boost::system::error_code const& e) const;
    void check(std::exception_ptr const& e) const;

private:
    friend class asked_operations;
    enum class state : unsigned char {
        initiating,  ///< the initiating function runs, on the task
        waiting,     ///< the task has parked
        done         ///< the handler was called or destroyed
    };
    using work_type = std::decay_t<decltype(boost::asio::require(std::declval<boost::asio::io_context::executor_type const&>(),
                                                                 boost::asio::execution::outstanding_work.tracked))>;

    void ask();            ///< emits `terminal`; on the home thread, while waiting
    operation(char const* what, start_point at, loop_context& loop);
    void finish(bool abandoned) noexcept;
    void settle() noexcept;
    [[noreturn]] void throw_abandoned() const;

    executor_type home_;
    boost::asio::cancellation_signal signal_;
    lowlevel::task_ref task_;
    kernel* kernel_;
    wait_reason reason_;
    state state_{state::initiating};
    bool asked_{};
    bool asks_again_{true};
    bool emitting_{};
    bool abandoned_{};
    asked_operations* asked_in_{};  ///< while it is listed there, in order to be asked again
    operation* asked_next_{};
    operation* asked_prev_{};
    work_type work_;  ///< counts as work of the home loop, so that waiting for a foreign executor is no deadlock
};

}  // namespace weft::detail

#endif
