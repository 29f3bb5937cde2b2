// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_DETAIL_THREAD_STATE_HPP
#define WEFT_STD_DETAIL_THREAD_STATE_HPP

#include <weft/core/detail/at_task_end.hpp>
#include <weft/core/detail/wait_queue.hpp>
#include <weft/future/detail/async_state.hpp>
#include <weft/task/cancel_scope.hpp>

#include <atomic>
#include <new>
#include <optional>
#include <thread>

namespace weft::detail {

class run_port;
class detached_threads;

/// A thread's function on its way: a task in the root nursery of the run that started it, or a plain thread where there was no run.
/// Held by the thread object and, until it has ended, by what runs it.
class thread_state {
public:
    thread_state() = default;
    thread_state(thread_state const&) = delete;
    void release() noexcept { if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }

    /// Throws: system_error(resource_unavailable_try_again); nothing runs then.
    void start();
    std::uint64_t id() const noexcept { return id_; }  ///< a lock_owner's
    std::thread::native_handle_type native_handle() noexcept { return plain_.joinable() ? plain_.native_handle() : carrier_; }

    /// Throws: cancelled; system_error(resource_deadlock_would_occur) in the thread itself; wrong_domain_error; deadlock_error.
    void join(char const* call);
    void detach() noexcept;
    /// Waits for the end whatever is cancelled. A cancellation of the caller's scopes is passed on to the thread: at once or, if
    /// `patient`, after the grace time.
    void join_shielded(char const* call, bool patient) noexcept;
    /// The owner goes without join or detach: terminates the program, unless a cancellation or a broken deadlock unwinds it. Then
    /// the thread is cancelled and awaited, as a nursery's child would be.
    void owner_gone() noexcept;

protected:
    virtual ~thread_state();
    virtual void call() = 0;  ///< calls the function, and destroys it

private:
    friend detached_threads;
    struct node : remote_node { thread_state* state{}; };
    void start_task();
    void start_plain();
    void run();
    void cancel() noexcept;
    void send(node& n, void (*arrive)(remote_node&) noexcept) noexcept;
    void add_detached() noexcept;
    void finish() noexcept;
    void finish_at_end_of(task_record* t) noexcept;
    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

    std::atomic<int> references_{1};
    std::uint64_t id_{};
    std::thread::native_handle_type carrier_{};  ///< the thread of the run
    std::thread plain_;                          ///< the owner's only
    cancel_scope scope_;                         ///< around the function in a task; the run's thread only
    wait_queue<spin_lock> queue_;                ///< who waits for the end; its lock guards ended_, port_, cancel_sent_
    bool ended_{};                               ///< its frames, function and end actions are gone
    run_port* port_{};                           ///< held until it has ended; null in a plain thread
    bool cancel_sent_{};
    node cancel_node_;
    node detach_node_;
    struct end_action : at_end_node { thread_state* state{}; } at_end_;
    thread_state* next_detached_{};              ///< in the run's list, and behind it; the run's thread only
    thread_state* prev_detached_{};
    detached_threads* list_{};
};

/// The function and its arguments, copied as std says: once each, straight into place.
template <class F, class... A>
class typed_thread_state final : public thread_state {
public:
    template <class... T>
    explicit typed_thread_state(T&&... t) : call_(std::in_place, std::in_place, std::forward<T>(t)...) {}

private:
    void call() override {
        struct gone { std::optional<bound_call<F, A...>>& c; ~gone() { c.reset(); } } at_end{call_};
        static_cast<void>((*call_)());
    }
    std::optional<bound_call<F, A...>> call_;
};

[[noreturn]] WEFT_COLD void throw_no_thread();

/// A started thread. What the copies throw leaves as it is; want of memory is a thread that could not be started.
template <class... T>
thread_state* start_thread(T&&... t) {
    auto* s = new (std::nothrow) typed_thread_state<std::decay_t<T>...>(std::forward<T>(t)...);
    if (!s) throw_no_thread();
    try { s->start(); } catch (...) { s->release(); throw; }
    return s;
}

}  // namespace weft::detail

#endif
