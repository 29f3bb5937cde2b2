// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_NURSERY_HPP
#define WEFT_TASK_NURSERY_HPP

#include <weft/config.hpp>
#include <weft/core/detail/spawn.hpp>
#include <weft/core/source_place.hpp>
#include <weft/task/cancel_scope.hpp>
#include <weft/task/task_handle.hpp>
#include <weft/task/task_status.hpp>

#include <concepts>
#include <string>
#include <vector>

namespace weft {

struct nursery_options {
    std::string name{};           ///< for the dump; empty: the place of with_nursery
    std::size_t max_children{};   ///< ordinary children at once; a task that starts one more waits. 0: no limit
};

/// What nursery::shutdown found.
struct shutdown_report {
    std::vector<std::string> late;  ///< names of the tasks that had not ended when the grace time was over
    bool in_time() const noexcept { return late.empty(); }
};

namespace detail {
template <class T> struct status_of;
template <class R, class C, class T> struct status_of<R (C::*)(task_status<T>&) const> { using type = T; };
template <class R, class C, class T> struct status_of<R (C::*)(task_status<T>&)> { using type = T; };
template <class R, class T> struct status_of<R (*)(task_status<T>&)> { using type = T; };
template <class F, class = void> struct status_value : status_of<F> {};
template <class F> struct status_value<F, std::void_t<decltype(&F::operator())>> : status_of<decltype(&F::operator())> {};
}  // namespace detail

/// The place where child tasks live. with_nursery does not return before all of them have ended.
///
///     weft::with_nursery([&](weft::nursery& n) {
///         n.start_soon("reader", [&] { read(); });
///         n.start_soon("writer", [&] { write(); });
///     });                                          // both have ended here; their errors leave as an exception_group
///
/// The first error, of the body or a child, cancels the rest. Children run under the nursery's scopes, not under those
/// around the call that starts them. Children may be started from any task or callback of the runtime's thread.
class nursery {
public:
    nursery(nursery const&) = delete;
    nursery& operator=(nursery const&) = delete;

    /// Starts f as a child. It runs later, never inline. What it returns is ignored; see spawn.
    ///
    /// Blocks:  never, but for a nursery with max_children that is full: then until a child ends (cancellation point).
    /// Throws:  nursery_closed_error if the block has ended or close() was called; wrong_domain_error from another
    ///          thread; would_block from a callback if full; what copying f throws. Guarantee: strong.
    /// Complexity: O(1); allocates only for an f above 64 bytes or a name above 22.
    template <std::invocable F>
    void start_soon(std::string_view name, F&& f, source_place place = source_place::current()) {
        room needed(*this);
        detail::start_child(detail::make_child(record_, name, place, std::forward<F>(f)));
    }
    template <std::invocable F>
    void start_soon(F&& f, source_place place = source_place::current()) {
        start_soon(std::string_view(), std::forward<F>(f), place);
    }

    /// Starts f as a child with a scope of its own, and returns a handle to join it, take its result, or cancel it alone.
    /// Blocks and throws as start_soon. Allocates the state that task and handle share.
    template <std::invocable F>
    auto spawn(std::string_view name, F&& f, source_place place = source_place::current())
        -> task_handle<std::invoke_result_t<std::decay_t<F>&>> {
        using R = std::invoke_result_t<std::decay_t<F>&>;
        static_assert(!std::is_reference_v<R>, "a task's result outlives it: return a value, not a reference");
        room needed(*this);
        auto s = std::make_shared<detail::handle_result<R>>();
        auto body = [s, f = std::forward<F>(f)]() mutable {
            if constexpr (std::is_void_v<R>) s->cancelled = !s->scope.run(f);
            else { s->value = s->scope.run(f); s->cancelled = !s->value; }
        };
        detail::task_record& t = detail::make_child(record_, name, place, std::move(body));
        adopt(t, s);
        detail::start_child(t);
        return task_handle<R>(std::move(s));
    }
    template <std::invocable F>
    auto spawn(F&& f, source_place place = source_place::current()) {
        return spawn(std::string_view(), std::forward<F>(f), place);
    }

    /// Starts f(status) and waits until it calls status.started(v); returns v. Until then the child lives under the
    /// caller's scopes, and its error leaves start() as itself; from then on it is an ordinary child of this nursery.
    ///
    /// Blocks:  until started() is called or the child ends.    Cancellation: cancels the child, waits for its end.
    /// Throws:  what the child throws before started(); misuse_error if it ends without started(); nursery_closed_error;
    ///          cancelled.    Source: Trio's nursery.start.
    template <class F>
    auto start(std::string_view name, F&& f, source_place place = source_place::current())
        -> typename detail::status_value<std::decay_t<F>>::type {
        using T = typename detail::status_value<std::decay_t<F>>::type;
        // The child may outlive this frame once it has moved, so it keeps the state alive too.
        auto s = std::make_shared<detail::start_value<T>>();
        run_start(*s, name, place, [s, f = std::forward<F>(f)]() mutable { task_status<T> status(*s); static_cast<void>(f(status)); });
        if constexpr (!std::is_void_v<T>) return std::move(*s->value);
    }
    template <class F>
    auto start(F&& f, source_place place = source_place::current()) ->
        typename detail::status_value<std::decay_t<F>>::type {
        return start(std::string_view(), std::forward<F>(f), place);
    }

    /// Starts a child that lives as long as the body and the ordinary children, whatever is cancelled around it, and is
    /// cancelled after them; services end one by one, the last started first. Blocks never; throws as start_soon.
    template <std::invocable F>
    void start_service(std::string_view name, F&& f, source_place place = source_place::current()) {
        auto s = std::make_shared<detail::handle_result<void>>();
        s->scope.set_shield(true);
        detail::task_record& t = detail::make_child(record_, name, place, [s, f = std::forward<F>(f)]() mutable { s->scope.run(f); });
        adopt_service(t, s);
        detail::start_child(t);
    }
    template <std::invocable F>
    void start_service(F&& f, source_place place = source_place::current()) {
        start_service(std::string_view(), std::forward<F>(f), place);
    }

    /// Cancels the body and all children. Never a checkpoint.
    void cancel(std::string_view reason = {}) { scope_.cancel(reason); }
    /// Accepts no further children (those of start_soon, spawn, start and start_service). Never blocks.
    void close() noexcept;
    /// Soft cancel with a time limit: closes the nursery, raises the stop level, waits up to `grace` for the children
    /// (but for the caller), then cancels what is left and names it.
    /// Blocks: up to grace. Throws: cancelled; misuse_error for a negative grace.
    template <class Rep, class Period>
    shutdown_report shutdown(std::chrono::duration<Rep, Period> grace) {
        return do_shutdown(detail::checked_wait(grace, "nursery::shutdown"));
    }

    cancel_scope& scope() noexcept { return scope_; }
    std::size_t child_count() const noexcept { return record_.child_count; }
    bool is_open() const noexcept { return record_.open; }

    /// Used by with_nursery.
    nursery(nursery_options options, source_place place);
    ~nursery();
    void body_failed(std::exception_ptr e, bool was_cancelled);
    void finish();
    detail::nursery_record& record() noexcept { return record_; }

private:
    /// Room for one child, waited for at construction.
    struct room {
        nursery& n;
        explicit room(nursery& nn) : n(nn) { if (n.record_.max_children != 0) [[unlikely]] n.wait_for_room(); }
        ~room() { if (n.record_.max_children != 0) [[unlikely]] n.offer_room(); }
    };
    void wait_for_room();
    void offer_room() noexcept;
    void adopt(detail::task_record& t, std::shared_ptr<detail::handle_state> s);
    void adopt_service(detail::task_record& t, std::shared_ptr<detail::handle_state> s);
    template <class F>
    void run_start(detail::start_state& s, std::string_view name, source_place place, F&& f) {
        detail::nursery_hold pending = hold_for_start(name, place);
        room needed(*this);
        nursery hidden({}, place);
        begin_start(s, hidden, detail::make_child(hidden.record_, name, place, std::forward<F>(f)));
        finish_start(s, hidden);
    }
    detail::nursery_hold hold_for_start(std::string_view name, source_place place);
    void begin_start(detail::start_state& s, nursery& hidden, detail::task_record& t);
    void finish_start(detail::start_state& s, nursery& hidden);
    void wait_children(std::size_t count);
    void end_services();
    shutdown_report do_shutdown(duration grace);

    detail::nursery_record record_;
    cancel_scope scope_;
    std::vector<std::shared_ptr<detail::handle_state>> services_;  // in order of start
    std::vector<detail::task_record*> room_;                       // wait for room, first come first served
    bool finished_{};
};

namespace detail {
[[noreturn]] WEFT_COLD void throw_body_cancelled(nursery& n);
}

/// Opens a nursery around body(n), waits for all its children, and returns what the body returns.
///
/// Blocks:        until the children have ended; always a schedule point, the wait itself is no cancellation point.
/// Cancellation:  of an outer scope reaches the body and all children; they are awaited all the same.
/// Throws:        exception_group of all errors, also of a single one; cancelled of an outer scope;
///                task_cancelled_error if the body was to return a value and the nursery's own cancellation stopped it.
/// Source:        Trio's open_nursery (strict groups).
template <class F>
WEFT_NOINLINE auto with_nursery(nursery_options options, F&& body, source_place place = source_place::current())
    -> std::invoke_result_t<F&, nursery&> {
    using R = std::invoke_result_t<F&, nursery&>;
    static_assert(!std::is_reference_v<R>, "return a value or a pointer from a nursery's body, not a reference");
    nursery n(std::move(options), place);
    typename detail::scope_result<R>::type result{};
    std::exception_ptr error;
    bool was_cancelled = false;
    try {
        if constexpr (std::is_void_v<R>) { body(n); result = true; }
        else result.emplace(body(n));
    } catch (cancelled const&) {
        error = std::current_exception();
        was_cancelled = true;
    } catch (...) {
        error = detail::caught_error();
    }
    if (error) n.body_failed(std::move(error), was_cancelled);
    n.finish();
    if constexpr (!std::is_void_v<R>) {
        if (!result) detail::throw_body_cancelled(n);
        return std::move(*result);
    }
}

template <class F>
auto with_nursery(F&& body, source_place place = source_place::current()) -> std::invoke_result_t<F&, nursery&> {
    return with_nursery(nursery_options{}, std::forward<F>(body), place);
}

}  // namespace weft

#endif
