// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_GUEST_RUN_HPP
#define WEFT_ASIO_GUEST_RUN_HPP

#include <weft/asio/spawn.hpp>
#include <weft/core/run.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace weft {

struct guest_options {
    run_options run{};        ///< without make_driver
    /// Tasks run on a thread of their own instead of the host's: for an io_context that several threads run.
    bool own_thread{false};
};

namespace detail {

/// What a guest run is to do, and whom to tell.
class guest_body {
public:
    virtual ~guest_body() = default;
    virtual void run() = 0;                                       ///< main
    virtual void complete(std::exception_ptr error) noexcept = 0; ///< posts the handler
    virtual void connect(void (*cancel)(void*), void* arg) = 0;   ///< the token's cancellation slot, to be told of a cancel
    virtual void disconnect() noexcept = 0;
};

void start_guest(boost::asio::io_context& host, guest_options options, std::unique_ptr<guest_body> body);

template <class R, class Handler, class F>
class bound_guest final : public guest_body {
    using executor_type = boost::asio::associated_executor_t<Handler, boost::asio::io_context::executor_type>;
    using work_type = std::decay_t<decltype(boost::asio::prefer(std::declval<executor_type const&>(), boost::asio::execution::outstanding_work.tracked))>;

public:
    bound_guest(boost::asio::io_context& host, Handler h, F f)
        : handler_(std::move(h)), fn_(std::in_place, std::move(f)), executor_(boost::asio::get_associated_executor(handler_, host.get_executor())),
          work_(boost::asio::prefer(executor_, boost::asio::execution::outstanding_work.tracked)) {}

    void run() override {
        struct end { std::optional<F>& f; ~end() { f.reset(); } } then{fn_};  // its captures go with main
        if constexpr (std::is_void_v<R>) { (*fn_)(); value_ = true; }
        else value_.emplace((*fn_)());
    }
    void complete(std::exception_ptr error) noexcept override {
        auto executor = executor_;
        boost::asio::post(executor, [error, h = std::move(handler_), value = std::move(value_), work = std::move(work_)]() mutable {
            if constexpr (std::is_void_v<R>) std::move(h)(error);
            else if constexpr (std::is_default_constructible_v<R>) std::move(h)(error, value && !error ? std::move(*value) : R());
            else std::move(h)(error, error ? std::optional<R>() : std::move(value));
        });
    }
    void connect(void (*cancel)(void*), void* arg) override {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.assign([cancel, arg](boost::asio::cancellation_type) { cancel(arg); });
    }
    void disconnect() noexcept override {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
    }

private:
    Handler handler_;
    std::optional<F> fn_;
    executor_type executor_;
    work_type work_;
    std::conditional_t<std::is_void_v<R>, std::optional<bool>, std::optional<R>> value_;
};

}  // namespace detail

/// Starts a run inside a program that owns its io_context and calls run() on it: fn is the main task, and `token` is completed
/// when the run has ended, with `(exception_ptr)` or `(exception_ptr, R)`; R becomes std::optional<R> if it has no default.
///
///     int main() {
///         boost::asio::io_context io;                       // and what the program does with it
///         weft::start_guest_run(io, [&] { serve(); return 0; }, [&](std::exception_ptr e, int) { … });
///         io.run();                                         // callbacks and tasks, on this thread
///     }
///
/// Called on the thread that runs the io_context. When it returns, the run exists: callbacks of the program on this thread may
/// wake tasks, cancel scopes, start children and call weft::get_executor(), which is the host's; blocking they may not. main
/// has not begun. Until the token is completed the guest is outstanding work of the io_context, and this thread has no other run.
///
/// With guest_options::own_thread tasks run on one thread of their own, and the handler on its executor: for an io_context that
/// several threads run, or that another thread runs than the caller. Tasks may use I/O objects of the host all the same.
///
/// Cancellation:  the token's slot cancels main and what it has started; a run that ended by that completes with operation_aborted.
/// Throws:        misuse_error if this thread has a run already, or for options out of range. A handler of a guest that runs on another
///                thread than the caller's throws wrong_domain_error out of that thread's io_context::run().
/// Not found:     deadlocks, as the program may wake a task at any time.
/// If the io_context is destroyed first, a warning is printed, what is left is cancelled and gets a second to end; a run that
/// does not is ended with the process.    Source: Trio's start_guest_run.
template <class F, class Token>
auto start_guest_run(boost::asio::io_context& host, guest_options options, F&& fn, Token&& token) {
    using R = std::invoke_result_t<std::decay_t<F>&>;
    static_assert(!std::is_reference_v<R>, "main's result outlives the run: return a value, not a reference");
    return boost::asio::async_initiate<Token, typename detail::spawn_signature<R>::type>(
        [&host](auto handler, auto f, guest_options o) {
            using body = detail::bound_guest<R, decltype(handler), decltype(f)>;
            detail::start_guest(host, std::move(o), std::make_unique<body>(host, std::move(handler), std::move(f)));
        },
        token, std::decay_t<F>(std::forward<F>(fn)), std::move(options));
}
template <class F, class Token>
auto start_guest_run(boost::asio::io_context& host, F&& fn, Token&& token) {
    return weft::start_guest_run(host, guest_options{}, std::forward<F>(fn), std::forward<Token>(token));
}

}  // namespace weft

#endif
