// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_PROMISE_HPP
#define WEFT_FUTURE_PROMISE_HPP

#include <weft/future/future.hpp>

namespace weft {

namespace detail {

/// What promises of all types have.
template <class R>
class promise_core {
public:
    promise_core() : state_(new future_result<R>) {}
    template <class Alloc>
    explicit promise_core(Alloc const& a) : state_(allocated_state<future_result<R>, Alloc>::make(a)) {}
    promise_core(promise_core&&) noexcept = default;
    promise_core& operator=(promise_core&& o) noexcept { promise_core(std::move(o)).exchange(*this); return *this; }
    ~promise_core() { if (state_) state_->abandon(); }

    /// The one future. Throws std::future_error of future_already_retrieved, no_state.
    future<R> get_future() {
        state_->retrieve();
        return future<R>(*state_);
    }

    /// Ends every wait with this error. A `cancelled` in it counts as set_cancelled(), as it is another scope's.
    /// Throws: std::future_error of promise_already_satisfied, no_state.
    void set_exception(std::exception_ptr e) { state_->set_error(std::move(e)); }
    /// The same, at the end of the running task; of the thread, where there is no run. The promise may go before.
    /// Throws: also wrong_domain_error in a callback.
    void set_exception_at_thread_exit(std::exception_ptr e) { state_->set_error_at_task_end("promise::set_exception_at_thread_exit", std::move(e)); }

    /// The answer to on_cancel's handler: there is no result. A waiter that asked gets its `cancelled`, any other
    /// task_cancelled_error. Throws: as set_exception.
    void set_cancelled() {
        state_->claim();
        state_->store_cancelled();
        state_->publish();
    }
    /// Has f() called, at most once, when the only waiter was cancelled: it tells the producer to stop, and returns. The
    /// waiter waits on, until the promise is fulfilled, in whatever way, or destroyed, which counts as set_cancelled() then.
    ///
    /// f runs in the waiter's task, on its run's thread, and may fulfil the promise itself; it must not block. It is not
    /// running any more when fulfilling the promise has returned, so it may refer to what lives until then; for that,
    /// fulfilling waits for it: hold no lock then that f takes. If f throws, the waiter's run ends with that error. If a
    /// waiter has asked already, f is called at once. A second f replaces the first.
    /// Blocks: never. Throws: std::future_error of no_state; what copying f throws, or f, where it is called at once. Threads: any.
    template <class F>
    void on_cancel(F&& f) { state_->on_cancel(make_cancel_handler(std::forward<F>(f))); }

protected:
    void exchange(promise_core& o) noexcept { state_.swap(o.state_); }
    future_result<R>& state() const { return *state_; }

private:
    producer_ref<future_result<R>> state_;
};

}  // namespace detail

/// The producer's end of a future: fulfilled once, by a task, a callback or any thread. std::promise's interface and errors,
/// with set_cancelled() and on_cancel() besides.
///
///     p.on_cancel([op] { op->cancel(); });                         // a cancelled waiter asks, and waits for the answer
///     op->start([p](error e, int r) mutable { if (e == aborted) p.set_cancelled(); else p.set_value(r); });
///
/// A promise that is destroyed unfulfilled leaves broken_promise. Never blocks.
/// Throws: std::future_error of promise_already_satisfied, no_state; what copying the value throws: then it is unfulfilled still.
/// Threads: any; two that fulfil it at once: one throws. Complexity: one allocation, of the shared state.
template <class R>
class promise : public detail::promise_core<R> {
public:
    promise() = default;
    template <class Alloc>
    promise(std::allocator_arg_t, Alloc const& a) : detail::promise_core<R>(a) {}
    /// For containers and tuples with an allocator, which move promises in; the state stays where it is.
    template <class Alloc>
    promise(std::allocator_arg_t, Alloc const&, promise&& o) noexcept : promise(std::move(o)) {}

    void set_value(R const& v) { this->state().set(v); }
    void set_value(R&& v) { this->state().set(std::move(v)); }
    /// Readiness follows at the end of the running task; of the thread, where there is no run.
    void set_value_at_thread_exit(R const& v) { this->state().set_at_task_end("promise::set_value_at_thread_exit", v); }
    void set_value_at_thread_exit(R&& v) { this->state().set_at_task_end("promise::set_value_at_thread_exit", std::move(v)); }
    void swap(promise& o) noexcept { this->exchange(o); }
};

template <class R>
class promise<R&> : public detail::promise_core<R&> {
public:
    promise() = default;
    template <class Alloc>
    promise(std::allocator_arg_t, Alloc const& a) : detail::promise_core<R&>(a) {}
    template <class Alloc>
    promise(std::allocator_arg_t, Alloc const&, promise&& o) noexcept : promise(std::move(o)) {}

    void set_value(R& v) { this->state().set(v); }
    void set_value_at_thread_exit(R& v) { this->state().set_at_task_end("promise::set_value_at_thread_exit", v); }
    void swap(promise& o) noexcept { this->exchange(o); }
};

template <>
class promise<void> : public detail::promise_core<void> {
public:
    promise() = default;
    template <class Alloc>
    promise(std::allocator_arg_t, Alloc const& a) : detail::promise_core<void>(a) {}
    template <class Alloc>
    promise(std::allocator_arg_t, Alloc const&, promise&& o) noexcept : promise(std::move(o)) {}

    void set_value() { state().set(); }
    void set_value_at_thread_exit() { state().set_at_task_end("promise::set_value_at_thread_exit"); }
    void swap(promise& o) noexcept { exchange(o); }
};

template <class R>
void swap(promise<R>& a, promise<R>& b) noexcept { a.swap(b); }

}  // namespace weft

template <class R, class Alloc>
struct std::uses_allocator<weft::promise<R>, Alloc> : std::true_type {};

#endif
