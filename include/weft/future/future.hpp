// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_FUTURE_HPP
#define WEFT_FUTURE_FUTURE_HPP

#include <weft/future/detail/ready_alternative.hpp>
#include <weft/future/detail/result.hpp>
#include <weft/future/detail/then.hpp>
#include <weft/future/detail/wait_until.hpp>

namespace weft {

namespace detail { struct future_access; }
template <class R> class shared_future;

/// The consumer's end of a promise: a result that comes once. std::future's interface, errors and status types.
///
///     weft::promise<int> p;
///     auto f = p.get_future();
///     n.start_soon([p = std::move(p)]() mutable { p.set_value(42); });
///     int v = f.get();
///
/// Usable in any thread, before and outside of a run: a task parks, a plain thread blocks. In a callback only what need not
/// wait works: a ready future's get(), wait_for and then().
/// Cancellation of a wait: if the promise has an on_cancel handler and nobody else waits, the producer is asked to stop, and
/// its answer is awaited; a value or an error that it gives is returned or thrown, and the next cancellation point raises.
/// Otherwise `cancelled` is raised at once; the future stays valid, and the result may be waited for again.
/// Memory order: what the producer does before it sets the result happens-before the return of a wait for it.
/// Source: std::future; of a future of weft::async, see there. Instead: task_handle for a child of one's own nursery.
template <class R>
class [[nodiscard]] future {
public:
    future() noexcept = default;
    future(future&&) noexcept = default;
    future(future const&) = delete;
    future& operator=(future&& o) noexcept { ref_ = std::move(o.ref_); return *this; }

    /// Waits for the result and takes it; the future is empty then.
    /// Blocks: always a checkpoint. Cancellation: see above. Throws: the error that was set; std::future_error of
    /// broken_promise, no_state; task_cancelled_error if the producer was cancelled; cancelled; wrong_domain_error;
    /// deadlock_error. Complexity: O(1), no allocation.
    R get() {
        ref_->wait("future::get");
        auto taken = std::move(ref_);
        taken->throw_if_failed();
        return taken->take();
    }
    /// Waits for the result. Blocks, throws as get(), but not the error that was set.
    void wait() const { ref_->wait("future::wait"); }
    /// The same, up to a time, of any clock. `deferred` at once if only get() or wait() will run the function. The time limits
    /// the wait for the result; a producer that was asked to stop is awaited all the same.
    /// Blocks: always a checkpoint, unless it is deferred; a time that is over makes it no more than that.
    /// Throws: as wait(); misuse_error for a duration that is no number; wrong_domain_error in a callback unless it is ready or the time is 0.
    template <class Rep, class Period>
    std::future_status wait_for(std::chrono::duration<Rep, Period> const& d) const { return detail::wait_for(*ref_, "future::wait_for", d); }
    template <class Clock, class Duration>
    std::future_status wait_until(std::chrono::time_point<Clock, Duration> const& t) const { return detail::wait_until(*ref_, "future::wait_until", t); }

    bool valid() const noexcept { return static_cast<bool>(ref_); }
    shared_future<R> share() noexcept { return shared_future<R>(std::move(*this)); }

    /// Has f(future<R>) called with this future once it is ready, through the executor: a function that takes a function to
    /// be called later (run_token::post in a lambda, a queue's push); or, with <weft/asio/future.hpp>, an executor of Asio's.
    /// This future is empty then. Never blocks, never calls f inside the call. If the executor throws or drops its function,
    /// f is destroyed uncalled. What f throws is the executor's affair.
    /// Throws: misuse_error for a deferred function; std::future_error of no_state. Complexity: one allocation.
    /// Threads: any; the executor is called by whoever sets the result.
    template <class Executor, class F>
    void then(Executor&& executor, F&& f) {
        auto& s = *ref_;
        detail::add_then(s, std::move(*this), std::forward<Executor>(executor), std::forward<F>(f));
    }

    /// For select: ready with the result; calls f(R), or f() for void, and the future is empty then. Throws there what get() would.
    /// If another alternative is taken, the future is as before. The producer is not asked to stop.
    /// Throws: misuse_error for a deferred function; std::future_error of no_state.
    template <class F>
    auto on_ready(F f) {
        static_cast<void>(*ref_);
        return detail::make_ready_alternative(ref_, [this, f = std::move(f)]() mutable -> decltype(auto) {
            auto taken = std::move(ref_);
            taken->throw_if_failed();
            if constexpr (std::is_void_v<R>) return std::invoke(f);
            else return std::invoke(f, taken->take());
        });
    }

    explicit future(detail::future_result<R>& counted) noexcept : ref_(&counted) {}

private:
    friend class shared_future<R>;
    friend struct detail::future_access;
    detail::consumer_ref<detail::future_result<R>> ref_;
};

}  // namespace weft

#include <weft/future/shared_future.hpp>

#endif
