// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_ASYNC_STATE_HPP
#define WEFT_FUTURE_DETAIL_ASYNC_STATE_HPP

#include <weft/core/detail/spawn.hpp>
#include <weft/future/detail/result.hpp>
#include <weft/task/cancel_scope.hpp>

#include <functional>
#include <tuple>

namespace weft::detail {

class run_port;

/// How the futures of an async task, in whatever thread, reach the task.
class async_control : private remote_node {
public:
    async_control() = default;
    async_control(async_control const&) = delete;
    ~async_control();

    /// Starts t, a child of the run's root; from now on the task holds s, until it has ended and s is published.
    void start(task_record& t, future_state& s) noexcept;
    /// Cancels the task, if it has not ended; once. Any thread.
    void cancel_task() noexcept;

protected:
    cancel_scope scope_;    ///< the task's own; its run's thread only, once it has started

private:
    static void ended(task_record& t, std::exception_ptr const& error, bool was_cancelled);

    future_state* state_{};
    spin_lock lock_;        // guards port_ and sent_
    run_port* port_{};      // held; null once the task has ended
    bool sent_{};
};

/// The root nursery of this thread's run; null outside of one.
nursery_record* async_home() noexcept;
/// Throws system_error if there is no thread to be had; nothing was called then.
void start_plain_thread(void (*f)(void*) noexcept, void* arg);

/// A decayed function with its decayed arguments, called once.
template <class F, class... A>
struct bound_call {
    std::tuple<F, A...> parts;
    template <class... T>
    explicit bound_call(std::in_place_t, T&&... t) : parts(std::forward<T>(t)...) {}
    std::invoke_result_t<F, A...> operator()() {
        return std::apply([](F& f, A&... a) -> std::invoke_result_t<F, A...> { return std::invoke(std::move(f), std::move(a)...); }, parts);
    }
};

/// A result and the call that makes it. The function and its arguments are copied once, to here.
template <class R, class Call>
struct called_result : future_result<R> {
    std::optional<Call> call;

    template <class... T>
    explicit called_result(T&&... t) : future_result<R>(true), call(std::in_place, std::in_place, std::forward<T>(t)...) {}
    void store_result() { this->store_result_of(*call); }
};

/// Of a task: ready when the task has really ended, its frames and its function gone.
template <class R, class Call>
struct async_state final : called_result<R, Call>, async_control {
    template <class... T>
    explicit async_state(T&&... t) : called_result<R, Call>(std::forward<T>(t)...) { this->set_askable(); }

    void run() noexcept {
        try {
            if (!scope_.run([this] { this->store_result(); })) this->store_cancelled();
        } catch (...) {  // a cancellation of the run's: the task may end normally after it
            this->store_cancelled();
        }
        this->call.reset();
    }

private:
    void ask_producer() override { cancel_task(); }
    void last_consumer_gone() noexcept override { this->join(); }
};

/// Where there is no run: of a plain thread.
template <class R, class Call>
struct plain_async_state final : called_result<R, Call> {
    using called_result<R, Call>::called_result;
    /// Throws: system_error, and the state is as before.
    void start() {
        this->retain();
        start_plain_thread([](void* p) noexcept {
            auto& s = *static_cast<plain_async_state*>(p);
            s.store_result();
            s.call.reset();
            s.publish();
            s.release();
        }, this);
    }

private:
    void last_consumer_gone() noexcept override { this->join(); }
};

/// Of a function that waits for somebody who wants its result.
template <class R, class Call>
struct deferred_state final : called_result<R, Call> {
    using called_result<R, Call>::called_result;
    std::atomic<bool> taken{false};

    bool deferred() const noexcept override { return true; }

private:
    void run_deferred() override {
        if (taken.exchange(true)) return;  // somebody runs it: wait as for any
        struct published { deferred_state& s; ~published() { s.call.reset(); s.publish(); } } at_end{*this};
        this->store_result();
    }
};

}  // namespace weft::detail

#endif
