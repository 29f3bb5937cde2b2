// SPDX-License-Identifier: BSL-1.0
// Bridges between weft's futures and std's, and others of that shape: boost::fibers::future.
#ifndef WEFT_FUTURE_STD_FUTURE_HPP
#define WEFT_FUTURE_STD_FUTURE_HPP

#include <weft/future/future.hpp>

#include <chrono>
#include <concepts>
#include <utility>

namespace weft {

namespace detail {
template <class F> inline constexpr bool is_weft_future = false;
template <class R> inline constexpr bool is_weft_future<future<R>> = true;
template <class R> inline constexpr bool is_weft_future<shared_future<R>> = true;

/// Other people's futures with std's members, and durations of std: those of Boost.Fiber.
template <class F>
concept foreign_future = requires(F& f, F const& c) {
    { c.valid() } -> std::convertible_to<bool>;
    { c.wait_for(std::chrono::milliseconds(1)) == std::decay_t<decltype(c.wait_for(std::chrono::milliseconds(1)))>::ready } -> std::convertible_to<bool>;
    f.get();
} && !is_weft_future<F>;

template <class F>
using foreign_status = std::decay_t<decltype(std::declval<F const&>().wait_for(std::chrono::milliseconds(1)))>;
/// Waits until look(f, d), which waits for up to d, is true: on a helper thread, unless the caller is no task.
void wait_on_thread(bool (*look)(void const* f, std::chrono::milliseconds d), void const* f);

template <class F>
void wait_foreign(F const& f) {
    if (!f.valid()) throw_future_error(std::future_errc::no_state);
    using status = foreign_status<F>;
    if constexpr (requires { status::deferred; }) {
        if (f.wait_for(std::chrono::milliseconds(0)) == status::deferred) { f.wait(); return; }  // runs its function, here
    }
    wait_on_thread([](void const* p, std::chrono::milliseconds d) { return static_cast<F const*>(p)->wait_for(d) == status::ready; }, &f);
}

struct future_access {
    /// Of a ready future: its result, without a checkpoint, wherever the caller is.
    template <class R>
    static R take(future<R>&& f) {
        auto taken = std::move(f.ref_);
        taken->throw_if_failed();
        return taken->take();
    }
};
}  // namespace detail

/// Waits for a future that the standard library's threads fulfil (std::async, std::promise, a library), as a task: a helper
/// thread waits meanwhile. A deferred one's function is called here.
/// Blocks:        always a checkpoint; a plain thread blocks.
/// Cancellation:  the future stays as it is. The helper thread is awaited, which takes up to 10 ms.
/// Throws:        cancelled; std::future_error of no_state; std::system_error if there is no thread to be had; wrong_domain_error.
template <class R>
void wait(std::future<R> const& f) { detail::wait_foreign(f); }
template <class R>
void wait(std::shared_future<R> const& f) { detail::wait_foreign(f); }

/// wait(f), then f.get(). If it is cancelled, f still has its result. Blocks as wait(). Throws: as that; what f holds.
template <class R>
R await(std::future<R>&& f) {
    weft::wait(f);
    return f.get();
}
template <class R>
decltype(auto) await(std::shared_future<R> const& f) {
    weft::wait(f);
    return f.get();
}

/// The same for the futures of others that have std's members: boost::fibers::future, whose own get() works in tasks too, but
/// cannot be cancelled.
template <detail::foreign_future F>
void wait(F const& f) { detail::wait_foreign(f); }
template <detail::foreign_future F>
    requires(!std::is_lvalue_reference_v<F>)
decltype(auto) await(F&& f) {
    weft::wait(std::as_const(f));
    return f.get();
}

/// f's result or exception goes to p when it is there: std::promise, boost::fibers::promise, or any type with set_value() and
/// set_exception(std::exception_ptr). f is empty then. p's functions are called where f is fulfilled, and must not block.
/// Throws: misuse_error for a deferred function; std::future_error of no_state.
template <class R, class Promise>
void forward_to(future<R>&& f, Promise p) {
    f.then([](auto call) { call(); }, [p = std::move(p)](future<R> ready) mutable {
        try {
            if constexpr (std::is_void_v<R>) { detail::future_access::take(std::move(ready)); p.set_value(); }
            else p.set_value(detail::future_access::take(std::move(ready)));
        } catch (...) {
            p.set_exception(std::current_exception());
        }
    });
}

/// A std::future for code that takes one; its get() blocks the whole thread. This future is empty then.
/// Throws: misuse_error for a deferred function; std::future_error of no_state.
template <class R>
std::future<R> to_std_future(future<R>&& f) {
    std::promise<R> p;
    std::future<R> result = p.get_future();
    forward_to(std::move(f), std::move(p));
    return result;
}

}  // namespace weft

#endif
