// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_SPAWN_HPP
#define WEFT_ASIO_SPAWN_HPP

#include <weft/asio/executor.hpp>
#include <weft/task/nursery.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/system/system_error.hpp>

#include <memory>
#include <optional>
#include <type_traits>

namespace weft {

namespace detail {

template <class R>
struct spawn_signature {
    // The value that accompanies an error: a default one, or none.
    using value_type = std::conditional_t<std::is_default_constructible_v<R>, R, std::optional<R>>;
    using type = void(std::exception_ptr, value_type);
};
template <>
struct spawn_signature<void> { using type = void(std::exception_ptr); };

/// Whether an executor takes functions for later: any_completion_executor does not, it only dispatches.
template <class E>
inline constexpr bool can_be_posted_to = boost::asio::can_require<E, boost::asio::execution::blocking_t::never_t>::value || boost::asio::is_executor<E>::value;

/// The handler of one spawn. On the run's own loop its nursery does not end before it has been called; work of the loop
/// it is not, or a deadlock could not be told from waiting. On another executor it counts as work there until it is called.
template <class R, class Handler, class Default>
struct spawn_completion {
    using executor_type = boost::asio::associated_executor_t<Handler, Default>;
    using work_type = std::decay_t<decltype(boost::asio::prefer(std::declval<executor_type const&>(), boost::asio::execution::outstanding_work.tracked))>;
    Handler handler;
    executor_type executor;
    std::optional<work_type> foreign_work;
    std::optional<nursery_hold> hold;
    cancel_scope scope;

    spawn_completion(Handler&& h, nursery& n, Default const& by_default) : handler(std::move(h)), executor(boost::asio::get_associated_executor(handler, by_default)) {
        bool here = runs_on_this_loop(executor);
        if (here || !can_be_posted_to<executor_type>) hold.emplace(n.record());
        if (!here) foreign_work.emplace(boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked));
    }

private:
    template <class E>
    static bool runs_on_this_loop(E const& e) {
        auto own = weft::get_executor();
        if constexpr (std::is_same_v<E, decltype(own)>) return e == own;
        else if constexpr (requires { boost::asio::query(e, boost::asio::execution::context); })
            return static_cast<void const*>(std::addressof(boost::asio::query(e, boost::asio::execution::context))) == std::addressof(own.context());
        else return false;
    }
};

/// Runs fn in the completion's scope; the handler is posted, on its own executor, once fn and its frames are gone.
template <class R, class Handler, class Default, class F>
void run_spawned(std::shared_ptr<spawn_completion<R, Handler, Default>> c, std::optional<F>& fn) {
    std::exception_ptr error;
    std::conditional_t<std::is_void_v<R>, std::optional<bool>, std::optional<R>> value;
    std::exception_ptr outer;  // a cancellation of the nursery: it goes on to it after the token was told
    try {
        if constexpr (std::is_void_v<R>) { if (c->scope.run(*fn)) value = true; }
        else value = c->scope.run(*fn);
    } catch (cancelled const&) {
        outer = std::current_exception();
    } catch (...) {
        error = std::current_exception();
    }
    fn.reset();
    if (!error && !value) {
        error = std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted, "weft::spawn: the task was cancelled"));
    }
    auto slot = boost::asio::get_associated_cancellation_slot(c->handler);
    if (slot.is_connected()) slot.clear();
    auto executor = c->executor;
    [[maybe_unused]] auto* completion = c.get();
    auto call = [c = std::move(c), error, value = std::move(value)]() mutable {
        Handler h = std::move(c->handler);  // the rest of *c holds the nursery, or the handler's executor, until h has returned
        if constexpr (std::is_void_v<R>) std::move(h)(error);
        else if constexpr (std::is_default_constructible_v<R>) std::move(h)(error, value ? std::move(*value) : R());
        else std::move(h)(error, std::move(value));
    };
    if constexpr (can_be_posted_to<decltype(executor)>) {
        boost::asio::post(executor, std::move(call));
    } else {  // never inside this task
        boost::asio::post(weft::get_executor(), [completion, executor, call = std::move(call)]() mutable {
            std::optional<nursery_hold> until_passed_on;
            if (completion->foreign_work) {  // the last to let go of it may be another thread
                until_passed_on.emplace(std::move(*completion->hold));
                completion->hold.reset();
            }
            boost::asio::dispatch(executor, std::move(call));
        });
    }
    if (outer) std::rethrow_exception(outer);
}

/// weft::spawn for any token but detached, whose handler runs on by_default if it has no executor of its own.
template <class F, class Default, class Token>
auto spawn_on(nursery& n, Default const& by_default, F&& fn, Token&& token) {
    using R = std::invoke_result_t<std::decay_t<F>&>;
    return boost::asio::async_initiate<Token, typename spawn_signature<R>::type>(
        [&n, by_default](auto handler, auto f) {
            using handler_type = decltype(handler);
            auto c = std::make_shared<spawn_completion<R, handler_type, Default>>(std::move(handler), n, by_default);
            auto slot = boost::asio::get_associated_cancellation_slot(c->handler);
            if (slot.is_connected()) {
                slot.assign([w = std::weak_ptr(c)](boost::asio::cancellation_type) {
                    if (auto s = w.lock()) s->scope.cancel("by the completion token's cancellation slot");
                });
            }
            using function = decltype(f);
            n.start_soon([c, f = std::optional<function>(std::in_place, std::move(f))]() mutable { run_spawned<R>(std::move(c), f); });
        },
        token, std::decay_t<F>(std::forward<F>(fn)));
}

}  // namespace detail

/// From a callback (or a task): runs fn as a child task of n, and completes `token` when the task has really ended, with
/// `(exception_ptr)` or `(exception_ptr, R)`; R becomes std::optional<R> if it has no default.
///
///     weft::spawn(n, [&] { return query(); }, [](std::exception_ptr e, int rows) { … });
///
/// The token's cancellation slot cancels the task's scope; a cancelled task completes with operation_aborted. An error
/// goes to the token and not to the nursery, unless the token is asio::detached: then it fails the nursery, as no error
/// may be lost.
/// Blocks: never (with use_fiber as token, until the task has ended).    Threads: the runtime's own.
/// Throws: nursery_closed_error, wrong_domain_error, would_block as nursery::start_soon.
template <class F, class Token>
auto spawn(nursery& n, F&& fn, Token&& token) {
    if constexpr (std::is_same_v<std::decay_t<Token>, boost::asio::detached_t>) {
        n.start_soon(std::forward<F>(fn));
    } else {
        return detail::spawn_on(n, weft::get_executor(), std::forward<F>(fn), std::forward<Token>(token));
    }
}

}  // namespace weft

#endif
