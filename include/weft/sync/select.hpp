// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_SELECT_HPP
#define WEFT_SYNC_SELECT_HPP

#include <weft/sync/select_alternative.hpp>

#include <array>
#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

namespace detail {

inline constexpr std::size_t none_taken = static_cast<std::size_t>(-1);
/// Takes one of the n alternatives and returns its index, or none_taken if it may not wait and none is ready. `order` is scratch.
std::size_t run_select(select_alternative* const* alternatives, select_alternative** order, std::size_t n, bool may_wait);

template <class R> using selected = std::conditional_t<std::is_void_v<R>, std::monostate, std::decay_t<R>>;

/// What select returns for alternatives that return R...
template <class... R> struct select_result { using type = std::variant<selected<R>...>; };
template <class R, class... S> requires(std::same_as<R, S> && ...) struct select_result<R, S...> { using type = R; };
template <> struct select_result<> { using type = void; };

template <class R, std::size_t I, class A, class... Rest>
R complete_selected(std::size_t taken, A& a, Rest&... rest) {
    if constexpr (sizeof...(Rest) > 0) if (taken != I) return complete_selected<R, I + 1>(taken, rest...);
    if constexpr (std::is_same_v<R, typename A::result>) {
        return a.complete();
    } else if constexpr (std::is_void_v<typename A::result>) {
        a.complete();
        return R(std::in_place_index<I>);
    } else {
        return R(std::in_place_index<I>, a.complete());
    }
}

/// Ready once its time has come and nothing else is.
template <class F>
class timeout_alternative final : public select_alternative {
public:
    using result = std::invoke_result_t<F&>;
    timeout_alternative(time_point when, F f) : when_(when), f_(std::move(f)) {}
    result complete() { return std::invoke(f_); }

    bool any_thread() const noexcept override { return true; }
    bool ready() noexcept override { return false; }
    offer take() noexcept override { return offer::not_ready; }
    void list(waiter&) noexcept override {}
    void unlist(waiter&) noexcept override {}
    time_point deadline() const noexcept override { return when_; }
    char const* what() const noexcept override { return when_ == always ? "default" : "timeout"; }

private:
    time_point when_;
    F f_;
};

}  // namespace detail

/// What a select takes: made in its argument list, used once.
template <class A>
concept selectable = !std::is_reference_v<A> && std::derived_from<A, select_alternative> && requires(A& a) { a.complete(); };

/// Taken if `d` passes, from this call on, before anything else is ready. Throws: misuse_error if d is negative or no number.
template <class Rep, class Period, std::invocable F>
auto on_timeout(std::chrono::duration<Rep, Period> const& d, F f) {
    return detail::timeout_alternative<F>(detail::wait_deadline(detail::checked_wait(d, "on_timeout")), std::move(f));
}
/// The same with a point in time on the run's clock.
template <std::invocable F>
auto on_deadline(time_point when, F f) { return detail::timeout_alternative<F>(when, std::move(f)); }
/// Taken at once if nothing else is ready.
template <std::invocable F>
auto on_default(F f) { return detail::timeout_alternative<F>(always, std::move(f)); }

/// Waits until one of the alternatives is ready, takes exactly that one, and calls its function.
///
///     weft::select(rx.on_receive([&](job j) { work(j); }),
///                  tx.on_send(result, [&] { ++sent; }),
///                  stop.on_set([&] { running = false; }),
///                  weft::on_timeout(1s, [&] { report(); }));
///
/// Those not taken have no effect. Of several that are ready one is drawn at random, from the run's seed or by its oracle; timeouts
/// and the default only count if none is. An alternative whose channel was closed is ready.
///
/// Blocks:       always a checkpoint; never spins.
/// Cancellation: nothing was taken, or the function is called. The functions themselves run outside, in the caller.
/// Returns:      what the function returned if all return the same type (void too), else a std::variant with one
///               alternative for each argument, std::monostate for void: index() says which was taken.
/// Throws:       what the function throws; what the taken alternative means where there is no call for it (closed_resource_error,
///               broken_resource_error, end_of_channel); misuse_error without alternatives; cancelled; deadlock_error.
/// Complexity:   O(n log n) for n alternatives; no allocation of its own.
/// Threads:      a plain thread may select among shared objects. Locks are taken in one order, so that selects never lock each other out.
template <selectable... A>
auto select(A&&... alternatives) -> typename detail::select_result<typename A::result...>::type {
    using R = typename detail::select_result<typename A::result...>::type;
    std::array<select_alternative*, sizeof...(A)> all{&alternatives...}, order;
    std::size_t taken = detail::run_select(all.data(), order.data(), all.size(), true);
    if constexpr (sizeof...(A) > 0) return detail::complete_selected<R, 0>(taken, alternatives...);
}

/// select() without waiting: empty (false for functions that return void) if no alternative is ready; timeouts count for nothing.
/// Blocks: never, no checkpoint; may be called from callbacks. Throws: as select(), but not cancelled.
template <selectable... A>
auto try_select(A&&... alternatives) {
    using R = typename detail::select_result<typename A::result...>::type;
    std::array<select_alternative*, sizeof...(A)> all{&alternatives...}, order;
    std::size_t taken = detail::run_select(all.data(), order.data(), all.size(), false);
    if constexpr (std::is_void_v<R>) {
        if (taken == detail::none_taken) return false;
        if constexpr (sizeof...(A) > 0) detail::complete_selected<R, 0>(taken, alternatives...);
        return true;
    } else {
        using result = std::optional<std::decay_t<R>>;
        if (taken == detail::none_taken) return result();
        return result(detail::complete_selected<R, 0>(taken, alternatives...));
    }
}

}  // namespace weft

#endif
