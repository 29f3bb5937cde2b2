// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_PACKAGED_TASK_HPP
#define WEFT_FUTURE_PACKAGED_TASK_HPP

#include <weft/future/future.hpp>

#include <concepts>

namespace weft {

namespace detail {

template <class R, class... A>
struct package_state : future_result<R> {
    virtual R invoke(A... a) = 0;
    /// A new state with the same function, which leaves this one.
    virtual package_state* again() = 0;
};

template <class F, class R, class... A>
struct typed_package_state : package_state<R, A...> {
    F f;
    template <class G>
    explicit typed_package_state(G&& g) : f(std::forward<G>(g)) {}
    R invoke(A... a) override {
        if constexpr (std::is_void_v<R>) std::invoke(f, std::forward<A>(a)...);
        else return std::invoke(f, std::forward<A>(a)...);
    }
    package_state<R, A...>* again() override { return new typed_package_state(std::move(f)); }
};

/// In memory of an allocator's, as are those that come again from it.
template <class Alloc, class F, class R, class... A>
struct placed_package_state : typed_package_state<F, R, A...> {
    Alloc place;
    template <class G>
    explicit placed_package_state(Alloc const& a, G&& g) : typed_package_state<F, R, A...>(std::forward<G>(g)), place(a) {}
    template <class G>
    static auto* make(Alloc const& a, G&& g) { return allocated_state<placed_package_state, Alloc>::make(a, a, std::forward<G>(g)); }
    package_state<R, A...>* again() override { return make(place, std::move(this->f)); }
};

template <class T> struct call_signature;
template <class R, class C, class... A> struct call_signature<R (C::*)(A...)> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) const> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) &> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) const &> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) noexcept> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) const noexcept> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) & noexcept> { using type = R(A...); };
template <class R, class C, class... A> struct call_signature<R (C::*)(A...) const & noexcept> { using type = R(A...); };

}  // namespace detail

template <class Signature> class packaged_task;

/// A function whose call fulfils a future: std::packaged_task's interface and errors.
///
///     weft::packaged_task<int(int)> t([](int x) { return x * 2; });
///     auto f = t.get_future();
///     n.start_soon([t = std::move(t)]() mutable { t(21); });
///
/// A cancellation that ends the call is the future's too (task_cancelled_error), and goes on to its scope. Threads: any.
template <class R, class... A>
class packaged_task<R(A...)> {
public:
    packaged_task() noexcept = default;
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, packaged_task>)
    explicit packaged_task(F&& f) : state_(new detail::typed_package_state<std::decay_t<F>, R, A...>(std::forward<F>(f))) { check<F>(); }
    /// Function and state in memory of a's, which C++11, 14 and 26 have; after reset(), too.
    template <class F, class Alloc>
        requires(!std::is_same_v<std::remove_cvref_t<F>, packaged_task>)
    packaged_task(std::allocator_arg_t, Alloc const& a, F&& f)
        : state_(detail::placed_package_state<Alloc, std::decay_t<F>, R, A...>::make(a, std::forward<F>(f))) { check<F>(); }
    packaged_task(packaged_task&&) noexcept = default;
    packaged_task& operator=(packaged_task&& o) noexcept { packaged_task(std::move(o)).swap(*this); return *this; }
    ~packaged_task() { if (state_) state_->abandon(); }
    void swap(packaged_task& o) noexcept { state_.swap(o.state_); }
    bool valid() const noexcept { return static_cast<bool>(state_); }

    /// Throws std::future_error of future_already_retrieved, no_state.
    future<R> get_future() {
        state_->retrieve();
        return future<R>(*state_);
    }
    /// Calls the function; what it returns or throws becomes the future's result. Blocks: as the function.
    /// Throws: std::future_error of promise_already_satisfied, no_state; cancelled.
    void operator()(A... a) {
        state_->claim();
        struct published { detail::future_state& s; ~published() { s.publish(); } } at_end{*state_};
        call(std::forward<A>(a)...);
    }
    /// The same; readiness follows at the end of the running task; of the thread, where there is no run.
    /// Throws: also wrong_domain_error in a callback.
    void make_ready_at_thread_exit(A... a) {
        state_->claim();
        try {
            state_->publish_at_task_end("packaged_task::make_ready_at_thread_exit");
        } catch (...) {
            state_->unclaim();
            throw;
        }
        call(std::forward<A>(a)...);
    }
    /// A new future for the same function; the old one, if the function was not called, gets broken_promise.
    /// Throws: std::future_error of no_state; std::bad_alloc; what moving the function throws.
    void reset() {
        auto& old = *state_;
        packaged_task fresh;
        fresh.state_ = detail::producer_ref<detail::package_state<R, A...>>(old.again());
        swap(fresh);
    }
    /// As promise::on_cancel.
    template <class F>
    void on_cancel(F&& f) { state_->on_cancel(detail::make_cancel_handler(std::forward<F>(f))); }

private:
    template <class F>
    static constexpr void check() {
        static_assert(std::is_invocable_r_v<R, std::decay_t<F>&, A...>, "packaged_task: the function cannot be called with these arguments and result");
    }
    void call(A... a) {
        state_->store_result_of([&]() -> R { return state_->invoke(std::forward<A>(a)...); });
    }
    detail::producer_ref<detail::package_state<R, A...>> state_;
};

template <class R, class... A>
packaged_task(R (*)(A...)) -> packaged_task<R(A...)>;
template <class F>
packaged_task(F) -> packaged_task<typename detail::call_signature<decltype(&F::operator())>::type>;

template <class S>
void swap(packaged_task<S>& a, packaged_task<S>& b) noexcept { a.swap(b); }

}  // namespace weft

#endif
