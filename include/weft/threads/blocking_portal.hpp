// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_BLOCKING_PORTAL_HPP
#define WEFT_THREADS_BLOCKING_PORTAL_HPP

#include <weft/core/run.hpp>
#include <weft/threads/run_token.hpp>

#include <future>
#include <memory>

namespace weft {

/// A way into a nursery for threads that know nothing of weft: they call functions as its child tasks.
///
///     weft::with_nursery([&](weft::nursery& n) {
///         weft::blocking_portal portal(n);
///         library.start([&] { return portal.call([&] { return lookup(); }); });    // its own threads call this
///         …
///     });
///
/// Made by a task of the run, inside the nursery's block; destroyed there too, on the run's thread. Later calls, and those that
/// had not reached the run by then, throw closed_resource_error. Calls under way are children of the nursery, which waits for them.
/// Threads: call, start_soon any; the rest the runtime's own.    Source: AnyIO's BlockingPortal.
class blocking_portal {
public:
    /// Throws: wrong_domain_error for a nursery of another run; not_running_error.
    explicit blocking_portal(nursery& n);
    blocking_portal(blocking_portal const&) = delete;
    ~blocking_portal() { close(); }

    /// No further calls. Never blocks.
    void close() noexcept { home_->nursery = nullptr; }

    /// Runs f as a child task of the nursery; returns or throws what it does. Errors go to the caller, not to the nursery.
    /// Blocks and throws as run_token::call, and closed_resource_error once the portal is closed.
    template <class F>
    auto call(F&& f) -> std::invoke_result_t<std::remove_reference_t<F>&> {
        detail::remote_call c(run_, home_, "blocking_portal::call");
        return detail::call_remotely<std::invoke_result_t<std::remove_reference_t<F>&>>(c, f);
    }

    /// Starts f as a child task of the nursery and does not wait; its result or error is in the future. A task that was
    /// cancelled leaves task_cancelled_error there; a call after the portal was closed, closed_resource_error.
    /// Blocks: never. Throws: run_finished_error; what moving f throws.
    template <class F>
    auto start_soon(F&& f) -> std::future<std::invoke_result_t<std::decay_t<F>&>> {
        using R = std::invoke_result_t<std::decay_t<F>&>;
        auto promise = std::make_shared<std::promise<R>>();
        auto future = promise->get_future();
        run_token(run_).post([home = home_, promise, f = std::decay_t<F>(std::forward<F>(f))]() mutable { start_here(*home, *promise, [promise, f = std::move(f)]() mutable { fulfil(*promise, f); }); });
        return future;
    }

    blocking_portal(detail::run_ref run, std::shared_ptr<detail::call_home> home) noexcept : run_(std::move(run)), home_(std::move(home)) {}

private:
    template <class R, class F>
    static void start_here(detail::call_home& home, std::promise<R>& p, F&& body) {
        try {
            if (!home.nursery) throw_closed();
            detail::start_child(detail::make_child(*home.nursery, "blocking_portal::start_soon", source_place::current(), std::forward<F>(body)));
        } catch (...) {
            p.set_exception(std::current_exception());
        }
    }
    template <class R, class F>
    static void fulfil(std::promise<R>& p, F& f) {
        try {
            if constexpr (std::is_void_v<R>) { f(); p.set_value(); }
            else p.set_value(f());
        } catch (cancelled const& c) {
            p.set_exception(cancelled_error(c));
            throw;
        } catch (...) {
            p.set_exception(std::current_exception());
        }
    }
    [[noreturn]] static void throw_closed();
    static std::exception_ptr cancelled_error(cancelled const& c);

    detail::run_ref run_;
    std::shared_ptr<detail::call_home> home_;
};

/// A runtime on a thread of its own, for programs that have none: everything goes through its portal.
///
///     weft::portal_thread weft_side;
///     int n = weft_side.call([] { return query(); });
///
/// The destructor cancels what still runs there, waits for it, and joins the thread; that blocks the calling thread with all tasks
/// on it. An error that ended the run is lost then, unless stop() was called.
/// Threads: any, but call() not on its own; stop() and the destructor one.
class portal_thread {
public:
    /// Starts the thread and waits until its run is up. Throws what weft::run throws for bad options; std::system_error.
    explicit portal_thread(run_options options = {});
    portal_thread(portal_thread const&) = delete;
    ~portal_thread();

    /// As blocking_portal's.
    template <class F> auto call(F&& f) { return portal().call(std::forward<F>(f)); }
    template <class F> auto start_soon(F&& f) { return portal().start_soon(std::forward<F>(f)); }
    blocking_portal& portal() noexcept;

    /// Cancels what runs there and waits for its end; rethrows what ended the run, if it failed. At most once. Calls that come
    /// later throw closed_resource_error or run_finished_error. Blocks: the thread.
    void stop();

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace weft

#endif
