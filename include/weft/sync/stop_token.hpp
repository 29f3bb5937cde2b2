// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_STOP_TOKEN_HPP
#define WEFT_SYNC_STOP_TOKEN_HPP

#include <weft/sync/detail/stop_state.hpp>

#include <concepts>
#include <functional>
#include <stop_token>
#include <type_traits>

namespace weft {

using std::nostopstate_t;
using std::nostopstate;
namespace detail { struct stop_access; }

/// Says whether somebody asked to stop; std::stop_token's interface. Weft's own type, because std's tell "the same thread" by the
/// thread's id: the destructor of a std::stop_callback returns while its function is suspended in another task of the thread.
///
///     weft::jthread worker([](weft::stop_token stop) { while (!stop.stop_requested()) step(); });
///
/// Threads: any, before and outside of a run. Bridges to std's: token_of(scope), stop_bridge.
/// Memory order: request_stop() happens-before a stop_requested() that returns true. Source: std::stop_token.
class stop_token {
public:
    stop_token() noexcept = default;

    void swap(stop_token& o) noexcept { state_.swap(o.state_); }
    friend void swap(stop_token& a, stop_token& b) noexcept { a.swap(b); }
    /// Asked in a loop by a task, it lets others run now and then. Cancellation: no cancellation point.
    [[nodiscard]] bool stop_requested() const noexcept { return state_ && (state_->requested() || detail::asked_in_vain()); }
    /// Whether it was requested, or a source is left that could.
    [[nodiscard]] bool stop_possible() const noexcept { return state_ && state_->possible(); }
    [[nodiscard]] friend bool operator==(stop_token const&, stop_token const&) noexcept = default;

private:
    friend class stop_source;
    template <class> friend class stop_callback;
    friend detail::stop_access;
    explicit stop_token(detail::stop_ref s) noexcept : state_(std::move(s)) {}
    detail::stop_ref state_;
};

namespace detail {
/// Asks and never yields.
struct stop_access {
    static bool requested(stop_token const& t) noexcept { return t.state_ && t.state_->requested(); }
    static bool requested(std::stop_token const& t) noexcept { return t.stop_requested(); }
};
}  // namespace detail

/// Asks to stop; std::stop_source's interface. Throws: bad_alloc, by the default constructor alone.
class stop_source {
public:
    stop_source() : state_(detail::stop_state::make()) {}
    explicit stop_source(nostopstate_t) noexcept {}
    stop_source(stop_source const& o) noexcept : state_(o.state_) { if (state_) state_->add_source(); }
    stop_source(stop_source&& o) noexcept = default;
    stop_source& operator=(stop_source o) noexcept { swap(o); return *this; }
    ~stop_source() { if (state_) state_->drop_source(); }

    void swap(stop_source& o) noexcept { state_.swap(o.state_); }
    friend void swap(stop_source& a, stop_source& b) noexcept { a.swap(b); }
    [[nodiscard]] stop_token get_token() const noexcept { return stop_token(state_); }
    [[nodiscard]] bool stop_possible() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] bool stop_requested() const noexcept { return state_ && (state_->requested() || detail::asked_in_vain()); }
    /// True for the first request; it calls the callbacks, one after another, here. They may wait if the caller may; they are
    /// shielded from cancellation, as nothing may leave them. What one throws terminates the program. Threads: any.
    bool request_stop() const noexcept { return state_ && state_->request(); }
    [[nodiscard]] friend bool operator==(stop_source const& a, stop_source const& b) noexcept { return a.state_ == b.state_; }

private:
    detail::stop_ref state_;
};

/// Calls a function when a stop is requested, or at once if it was; std::stop_callback's interface.
///
/// The destructor waits until the function has ended, if another task or thread is inside it, shielded from cancellation; inside
/// the function itself it does not wait. In a callback (an Asio handler) that would have to wait it terminates the program.
template <class Callback>
class stop_callback : private detail::stop_callback_node {
    static_assert(std::is_nothrow_destructible_v<Callback> && std::invocable<Callback>, "a stop_callback's function takes nothing, and its destructor does not throw");

public:
    using callback_type = Callback;

    /// Throws: what constructing the function throws.
    template <class C>
        requires std::is_constructible_v<Callback, C>
    explicit stop_callback(stop_token const& token, C&& f) noexcept(std::is_nothrow_constructible_v<Callback, C>)
        : stop_callback_node(&call), function_(std::forward<C>(f)), state_(token.state_) { if (state_) state_->add(*this); }
    template <class C>
        requires std::is_constructible_v<Callback, C>
    explicit stop_callback(stop_token&& token, C&& f) noexcept(std::is_nothrow_constructible_v<Callback, C>)
        : stop_callback_node(&call), function_(std::forward<C>(f)), state_(token.state_ && token.state_->requested() ? token.state_ : std::move(token.state_)) { if (state_) state_->add(*this); }
    stop_callback(stop_callback const&) = delete;
    stop_callback& operator=(stop_callback const&) = delete;
    ~stop_callback() { if (state_) state_->remove(*this); }

private:
    static void call(stop_callback_node& n) { std::invoke(std::forward<Callback>(static_cast<stop_callback&>(n).function_)); }

    Callback function_;
    detail::stop_ref state_;
};
template <class Callback>
stop_callback(stop_token, Callback) -> stop_callback<Callback>;

/// A source of one kind that is stopped when a token of the other kind is, while the bridge lives. Either way; from std's to
/// weft's: stop_bridge b(std_token, weft_source). Never blocks, but as stop_callback's destructor does.
template <class Token, class Source>
class stop_bridge {
    struct request { Source source; void operator()() noexcept { source.request_stop(); } };
    static constexpr bool from_std = std::is_same_v<Token, std::stop_token>;

public:
    stop_bridge(Token from, Source to) : callback_(std::move(from), request{std::move(to)}) {}

private:
    std::conditional_t<from_std, std::stop_callback<request>, stop_callback<request>> callback_;
};

}  // namespace weft

#endif
