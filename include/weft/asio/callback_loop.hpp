// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_CALLBACK_LOOP_HPP
#define WEFT_ASIO_CALLBACK_LOOP_HPP

#include <weft/asio/detail/callback_executor.hpp>
#include <weft/asio/spawn.hpp>

#include <concepts>
#include <functional>
#include <string>
#include <type_traits>

namespace weft {

/// Cancels a callback that was given to a callback_loop. A default one, and one whose callback is over, cancel nothing.
/// May outlive the loop. Threads: the runtime's own.
class callback_handle {
public:
    callback_handle() = default;
    callback_handle(callback_handle const& o) noexcept : core_(o.core_), item_(o.item_) { if (item_) item_->retain(); }
    callback_handle(callback_handle&& o) noexcept : core_(std::move(o.core_)), item_(std::exchange(o.item_, nullptr)) {}
    callback_handle& operator=(callback_handle o) noexcept { std::swap(core_, o.core_); std::swap(item_, o.item_); return *this; }
    ~callback_handle() { if (item_) item_->release(); }

    /// The callback will not run; its function is destroyed at once. False if it has run, is running, or was cancelled
    /// before. Never blocks.    Throws: wrong_domain_error on another thread.
    bool cancel() { return item_ && core_->cancel(*item_); }

    callback_handle(detail::callback_core& c, detail::callback_pointer i) noexcept : core_(c), item_(i.release()) {}  ///< by callback_loop

private:
    detail::callback_core_pointer core_;
    detail::callback_item* item_{};
};

struct callback_loop_options {
    std::string name{};  ///< for dumps and messages
    /// What to do with an exception that leaves a callback or a detached task. Empty: it ends the loop's scope.
    std::function<void(std::exception_ptr)> exception_handler{};
};

/// A place for code in callback style within a run. Its callbacks, timers and the functions of its executor share one queue:
/// they run one after the other, in order, on the loop's stack, where nothing may block. Tasks run beside them.
///
///     weft::with_callback_loop([&](weft::callback_loop& loop) {
///         legacy::client client(loop.get_executor());          // any Asio I/O object
///         client.on_message([&](message m) { loop.spawn([m] { store(m); }); });
///         loop.call_later(30s, [&] { loop.stop(); });
///         loop.wait_stopped();
///     });                                                       // nothing of it is left here
///
/// A callback sees the task_local values of whoever gave it; current() is the loop it runs on. Several loops in one run are
/// independent, also when nested. On a closed loop every call that schedules something throws closed_resource_error.
///
/// Threads: the runtime's own but for post(), get_executor() and what that returns. Other threads than can outlive the
/// scope keep the executor and not a reference to the loop.    Source: trio-asyncio's open_loop and asyncio's loop.
class callback_loop {
public:
    using executor_type = callback_executor;
    callback_loop(callback_loop const&) = delete;
    callback_loop& operator=(callback_loop const&) = delete;

    /// Runs f after what is queued already, never inside this call. Never blocks.
    /// Throws: closed_resource_error; wrong_domain_error; what copying f throws.    Allocates from recycled memory.
    template <std::invocable F>
    callback_handle call_soon(F&& f) {
        auto i = detail::make_callback(std::forward<F>(f));
        core_->enqueue(*i, "callback_loop::call_soon");
        return {*core_, std::move(i)};
    }
    /// Queues f when `d` has passed on the run's clock, or at a point in time; those of one moment in the order of the calls.
    /// Timers that are left when the loop closes never run. Throws as call_soon; misuse_error if d is negative.
    template <class Rep, class Period, std::invocable F>
    callback_handle call_later(std::chrono::duration<Rep, Period> const& d, F&& f) {
        return call_at(detail::wait_deadline(detail::checked_wait(d, "callback_loop::call_later")), std::forward<F>(f));
    }
    template <std::invocable F>
    callback_handle call_at(time_point when, F&& f) {
        auto i = detail::make_callback(std::forward<F>(f));
        core_->schedule(when, *i, "callback_loop::call_at");
        return {*core_, std::move(i)};
    }
    /// call_soon from any thread, while the loop's scope lives. What was accepted runs before the scope ends.
    template <std::invocable F>
    void post(F&& f) { core_->post(detail::make_callback(std::forward<F>(f)), "callback_loop::post"); }

    /// Runs f on the loop, in its turn, and returns its result or throws its exception here: for a task that must touch what
    /// belongs to the callbacks.
    /// Blocks: until f has run.    Cancellation: f does not run, unless it has.    Throws: as call_soon; cancelled; what f throws.
    template <std::invocable F>
    auto call(F&& f) -> std::invoke_result_t<F&> {
        using R = std::invoke_result_t<F&>;
        using stored = std::conditional_t<std::is_void_v<R>, bool, R>;
        static_assert(!std::is_reference_v<R>, "return a value or a pointer from a function for callback_loop::call");
        std::optional<stored> result;
        std::exception_ptr error;
        event done;
        callback_handle h = call_soon([&] {
            try {
                if constexpr (std::is_void_v<R>) { f(); result = true; }
                else result.emplace(f());
            } catch (...) { error = std::current_exception(); }
            done.set();
        });
        wait_for(h, done);
        if (error) std::rethrow_exception(error);
        if constexpr (!std::is_void_v<R>) return std::move(*result);
    }

    /// Waits until everything that is queued now has run (and not the timers). Blocks. Cancellation: leaves nothing.
    void synchronize();

    /// From a callback or a task: runs f as a task of this loop. Its end completes the token on the loop, as weft::spawn does.
    /// Without a token an exception goes to the exception handler. At the end of the scope such tasks are cancelled and
    /// awaited, and those that are spawned from then on start cancelled; a cancellation around the scope reaches the body alone, and these only through whoever waits for them.
    /// Blocks: never (with use_fiber as token, until the task has ended). Throws: as call_soon.
    template <std::invocable F, class Token = boost::asio::detached_t>
    auto spawn(F&& f, Token&& token = {}) {
        auto& n = core_->tasks("callback_loop::spawn");
        if constexpr (std::is_same_v<std::decay_t<Token>, boost::asio::detached_t>) {
            n.start_soon([c = detail::callback_task(*core_), f = std::decay_t<F>(std::forward<F>(f))]() mutable {
                c->enter_task();
                try { static_cast<void>(f()); }
                catch (cancelled const&) { throw; }
                catch (...) { c->task_failed(std::current_exception()); }
            });
        } else {
            return detail::spawn_on(n, get_executor(), [c = detail::callback_task(*core_), f = std::decay_t<F>(std::forward<F>(f))]() mutable {
                c->enter_task();
                return f();
            }, std::forward<Token>(token));
        }
    }

    /// Calls f whenever fd can be read (written) without blocking, until it is removed or replaced by another. The descriptor
    /// stays the caller's. Adding again replaces; no call of the former f comes after that. Never blocks.
    /// Throws: as call_soon; system_error (a descriptor that cannot be waited for, such as a regular file).
    template <std::invocable F>
    void add_reader(int fd, F&& f) { detail::watch_descriptor(*core_, fd, false, std::forward<F>(f), "callback_loop::add_reader"); }
    template <std::invocable F>
    void add_writer(int fd, F&& f) { detail::watch_descriptor(*core_, fd, true, std::forward<F>(f), "callback_loop::add_writer"); }
    /// False if there was none.
    bool remove_reader(int fd) { return detail::unwatch_descriptor(*core_, fd, false, "callback_loop::remove_reader"); }
    bool remove_writer(int fd) { return detail::unwatch_descriptor(*core_, fd, true, "callback_loop::remove_writer"); }

    /// For I/O objects, timers and asio::post: the functions queue here. It may outlive the loop; what it is given then is
    /// destroyed unrun, as by an io_context that has gone.
    executor_type get_executor() const noexcept { return executor_type(*core_); }

    /// Lets wait_stopped() return, now and later; the loop goes on until its scope ends. Never blocks.
    void stop() noexcept { core_->stop(); }
    void wait_stopped() { core_->stopped().wait(); }  ///< Blocks; a cancellation point.

    /// What to do with an exception that leaves a callback or a detached task; called on the loop. One that leaves the handler,
    /// and all if there is none, end the scope: with_callback_loop throws them in an exception_group.
    void set_exception_handler(std::function<void(std::exception_ptr)> h) { core_->handler = std::move(h); }
    cancel_scope& scope() noexcept { return core_->outer().scope(); }  ///< of the body
    std::string const& name() const noexcept { return core_->name(); }
    callback_loop_statistics statistics() const noexcept { return core_->statistics(); }

    /// The loop whose callback runs, or whose body or task the running task is or was started by; null if there is none.
    static callback_loop* current() noexcept;

    callback_loop(nursery& outer, callback_loop_options o);  ///< by with_callback_loop
    ~callback_loop();
    void open() { core_->open(*this); }
    void close(std::exception_ptr body_error) { core_->close(std::move(body_error)); }

private:
    static void wait_for(callback_handle& h, event& done);
    detail::callback_core* core_;
};

/// Opens a callback loop around body(loop). On the way out, in this order: the spawned tasks are cancelled and awaited while
/// the loop goes on; queued callbacks run, until none is left and no operation of the loop's I/O objects is pending; timers
/// and readers are dropped, and the loop is closed.
///
/// Blocks:        always a checkpoint.
/// Cancellation:  reaches the body, then as above, but that pending operations are not awaited: a handler that comes later
///                is destroyed unrun.
/// Throws:        exception_group of what the body and callbacks threw; cancelled; as with_nursery. not_running_error in a run
///                without an io_context.
template <class F>
auto with_callback_loop(callback_loop_options options, F&& body, source_place place = source_place::current()) -> std::invoke_result_t<F&, callback_loop&> {
    using R = std::invoke_result_t<F&, callback_loop&>;
    nursery_options no;
    no.name = options.name.empty() ? std::string("callback loop") : options.name;
    return with_nursery(std::move(no), [&](nursery& outer) -> R {
        callback_loop loop(outer, std::move(options));
        loop.open();
        typename detail::scope_result<R>::type result{};
        std::exception_ptr error;
        try {
            if constexpr (std::is_void_v<R>) { body(loop); result = true; }
            else result.emplace(body(loop));
        } catch (...) { error = std::current_exception(); }
        loop.close(std::move(error));
        if constexpr (!std::is_void_v<R>) return std::move(*result);
    }, place);
}
template <class F>
auto with_callback_loop(F&& body, source_place place = source_place::current()) -> std::invoke_result_t<F&, callback_loop&> {
    return with_callback_loop(callback_loop_options{}, std::forward<F>(body), place);
}

}  // namespace weft

#endif
