// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_USE_FIBER_HPP
#define WEFT_ASIO_USE_FIBER_HPP

#include <weft/asio/detail/operation.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <optional>
#include <tuple>
#include <utility>
#include <variant>

namespace boost::asio::detail {
template <typename Executor> class initiate_co_spawn;
template <typename Executor> class initiate_spawn;
}  // namespace boost::asio::detail

namespace weft {

/// The completion token that makes any asynchronous operation a blocking call of the running task.
///
///     std::size_t n = socket.async_read_some(buffer, weft::use_fiber);        // throws boost::system::system_error
///     std::size_t n = socket.async_read_some(buffer, weft::use_fiber[ec]);    // reports in ec
///
/// Returns what the operation's signature carries after a leading error_code or exception_ptr: nothing, one value, or a
/// tuple; a variant of these if the operation has several signatures. Works under as_tuple, redirect_error, bind_executor,
/// and as a default token (use_fiber.as_default_on(socket)).
///
/// Blocks:        always a checkpoint; one that completes inside its initiation yields now and then.
/// Cancellation:  raised before the operation starts if the scope is cancelled already. Afterwards the operation's slot
///                is told `terminal` and the handler decides: a success or another error is returned as it is, and the
///                next cancellation point raises; "operation aborted" becomes `cancelled`. In the [ec] form ec is set to it
///                and the next point raises, so that a partial count is not lost.
/// Throws:        system_error; the exception_ptr of the signature; cancelled; abandoned_error if the handler was destroyed
///                uncalled; wrong_domain_error in a callback; not_running_error.
/// Complexity:    handler memory is recycled: no allocation once warm. No system call of its own.
/// Threads:       the runtime's own; the I/O object may belong to another thread's context: the result comes home.
struct use_fiber_t {
    constexpr use_fiber_t() = default;

    struct with_error { boost::system::error_code* code; };
    /// The form that reports the error instead of throwing it.
    constexpr with_error operator[](boost::system::error_code& code) const noexcept { return {&code}; }

    /// An executor whose I/O objects have use_fiber as their default token.
    template <class Inner>
    struct executor_with_default : Inner {
        using default_completion_token_type = use_fiber_t;
        template <class I>
            requires(!std::is_same_v<std::decay_t<I>, executor_with_default> && std::is_convertible_v<I const&, Inner>)
        executor_with_default(I const& inner) noexcept : Inner(inner) {}
    };
    template <class T>
    using as_default_on_t = typename T::template rebind_executor<executor_with_default<typename T::executor_type>>::other;
    template <class T>
    static as_default_on_t<std::decay_t<T>> as_default_on(T&& object) {
        return as_default_on_t<std::decay_t<T>>(std::forward<T>(object));
    }
};

inline constexpr use_fiber_t use_fiber{};

namespace detail {

template <> struct recycling_allocator<void> {
    using value_type = void;
    recycling_allocator() = default;
    template <class U> recycling_allocator(recycling_allocator<U> const&) noexcept {}
    template <class U> struct rebind { using other = recycling_allocator<U>; };
    template <class U> bool operator==(recycling_allocator<U> const&) const noexcept { return true; }
};

template <class Signature> struct signature;

/// What one completion signature stores, reports and returns.
template <class... A>
struct signature<void(A...)> {
    using stored = std::tuple<std::decay_t<A>...>;
    template <class First, class... Rest>
    static constexpr bool leads = std::is_same_v<std::decay_t<First>, boost::system::error_code> ||
                                  std::is_same_v<std::decay_t<First>, std::exception_ptr>;
    static constexpr bool has_error = [] { if constexpr (sizeof...(A) > 0) return leads<A...>; else return false; }();
    static constexpr bool has_code = [] {
        if constexpr (sizeof...(A) > 0) return std::is_same_v<std::tuple_element_t<0, stored>, boost::system::error_code>;
        else return false;
    }();
    static constexpr std::size_t skip = has_error ? 1 : 0;
    static constexpr std::size_t values = sizeof...(A) - skip;

    /// What is left after the error: nothing, the value, or a tuple.
    static auto result(stored&& s) {
        if constexpr (values == 0) return;
        else if constexpr (values == 1) return std::get<skip>(std::move(s));
        else return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return std::tuple<std::tuple_element_t<I + skip, stored>...>(std::get<I + skip>(std::move(s))...);
        }(std::make_index_sequence<values>());
    }
    using result_type = decltype(result(std::declval<stored>()));
};
template <class... A> struct signature<void(A...) noexcept> : signature<void(A...)> {};
template <class... A> struct signature<void(A...) &> : signature<void(A...)> {};
template <class... A> struct signature<void(A...) &&> : signature<void(A...)> {};
template <class... A> struct signature<void(A...) & noexcept> : signature<void(A...)> {};
template <class... A> struct signature<void(A...) && noexcept> : signature<void(A...)> {};

template <class R> using not_void = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
template <class... S> struct result_of_signatures { using type = std::variant<not_void<typename signature<S>::result_type>...>; };
template <class S> struct result_of_signatures<S> { using type = typename signature<S>::result_type; };

template <class... S>
struct typed_operation : operation {
    using operation::operation;
    std::variant<std::monostate, typename signature<S>::stored...> stored;

    /// Throws or reports the error, and returns the rest.
    typename result_of_signatures<S...>::type take(boost::system::error_code* report) {
        if constexpr (sizeof...(S) == 1) {
            return take_one<S..., 1>(report);
        } else {
            using V = typename result_of_signatures<S...>::type;
            return [&]<std::size_t... I>(std::index_sequence<I...>) -> V {
                std::optional<V> v;
                (void)((stored.index() == I + 1 && (fill<S, I>(v, report), true)) || ...);
                return std::move(*v);
            }(std::index_sequence_for<S...>());
        }
    }

private:
    template <class Sig, std::size_t Index>
    auto take_one(boost::system::error_code* report) {
        auto& s = std::get<Index>(stored);
        using G = signature<Sig>;
        if constexpr (G::has_code) {
            if (report) *report = std::get<0>(s);
            else check(std::get<0>(s));
        } else if constexpr (G::has_error) {
            check(std::get<0>(s));
        }
        return G::result(std::move(s));
    }
    template <class Sig, std::size_t I, class V>
    void fill(std::optional<V>& v, boost::system::error_code* report) {
        if constexpr (std::is_void_v<typename signature<Sig>::result_type>) {
            take_one<Sig, I + 1>(report);
            v.emplace(std::in_place_index<I>);
        } else {
            v.emplace(std::in_place_index<I>, take_one<Sig, I + 1>(report));
        }
    }
};

/// Move-only; one pointer. Destroyed uncalled, it wakes the task with abandoned_error.
template <class... S>
class fiber_handler {
public:
    using operation_type = typed_operation<S...>;
    using executor_type = operation::executor_type;
    using allocator_type = recycling_allocator<void>;
    using cancellation_slot_type = boost::asio::cancellation_slot;

    explicit fiber_handler(operation_type& op) noexcept : op_(&op), home_(op.home()) {}
    fiber_handler(fiber_handler&& other) noexcept : op_(std::exchange(other.op_, nullptr)), home_(other.home_) {}
    fiber_handler& operator=(fiber_handler&&) = delete;
    ~fiber_handler() { if (op_) op_->abandon(); }

    executor_type get_executor() const noexcept { return home_; }
    allocator_type get_allocator() const noexcept { return {}; }
    cancellation_slot_type get_cancellation_slot() const noexcept { return op_ ? op_->slot() : cancellation_slot_type(); }

    template <class... A>
    void operator()(A&&... args) {
        operation_type* op = std::exchange(op_, nullptr);
        try {
            emplace(*op, std::forward<A>(args)...);
        } catch (...) {  // copying the result threw: the task must not wait for ever
            op->abandon();
            throw;
        }
        op->complete();
    }

private:
    template <class... A>
    static void emplace(operation_type& op, A&&... args) {
        if constexpr (sizeof...(S) == 1) op.stored.template emplace<1>(std::forward<A>(args)...);
        else emplace_matching<0>(op, std::forward<A>(args)...);
    }
    template <std::size_t I, class... A>
    static void emplace_matching(operation_type& op, A&&... args) {
        using stored = typename signature<typename std::tuple_element_t<I, std::tuple<std::type_identity<S>...>>::type>::stored;
        if constexpr (std::is_same_v<stored, std::tuple<std::decay_t<A>...>>) op.stored.template emplace<I + 1>(std::forward<A>(args)...);
        else if constexpr (I + 1 < sizeof...(S)) emplace_matching<I + 1>(op, std::forward<A>(args)...);
        else static_assert(I + 1 < sizeof...(S), "the operation completed with arguments of none of its signatures");
    }

    operation_type* op_;
    executor_type home_;
};

template <class Initiation>
inline constexpr bool starts_coroutine = false;
template <class Executor>
inline constexpr bool starts_coroutine<boost::asio::detail::initiate_co_spawn<Executor>> = true;
template <class Executor>
inline constexpr bool starts_coroutine<boost::asio::detail::initiate_spawn<Executor>> = true;

/// asio::co_spawn and asio::spawn pass a request to stop to the coroutine's executor with a plain pointer to what goes when the coroutine has
/// ended (Asio 1.26). On another context's thread a second request may come too late; a coroutine remembers the first one.
template <class Initiation>
bool must_ask_once(Initiation const& i, operation::executor_type const& home) {
    if constexpr (starts_coroutine<Initiation>) {
        return &boost::asio::query(i.get_executor(), boost::asio::execution::context) != &boost::asio::query(home, boost::asio::execution::context);
    }
    return false;
}

template <class... S>
struct fiber_initiation {
    using return_type = typename result_of_signatures<S...>::type;

    template <class Initiation, class... Args>
    static return_type start(boost::system::error_code* report, Initiation&& initiation, Args&&... args) {
        typed_operation<S...> op("async operation");
        if (must_ask_once(initiation, op.home())) op.ask_once();
        std::forward<Initiation>(initiation)(fiber_handler<S...>(op), std::forward<Args>(args)...);
        op.wait();
        return op.take(report);
    }
};

}  // namespace detail
}  // namespace weft

namespace boost::asio {

template <class... Signatures>
class async_result<weft::use_fiber_t, Signatures...> {
public:
    using return_type = typename weft::detail::fiber_initiation<Signatures...>::return_type;
    template <class Initiation, class... Args>
    static return_type initiate(Initiation&& initiation, weft::use_fiber_t, Args&&... args) {
        return weft::detail::fiber_initiation<Signatures...>::start(nullptr, std::forward<Initiation>(initiation), std::forward<Args>(args)...);
    }
};

template <class... Signatures>
class async_result<weft::use_fiber_t::with_error, Signatures...> {
public:
    using return_type = typename weft::detail::fiber_initiation<Signatures...>::return_type;
    template <class Initiation, class... Args>
    static return_type initiate(Initiation&& initiation, weft::use_fiber_t::with_error token, Args&&... args) {
        return weft::detail::fiber_initiation<Signatures...>::start(token.code, std::forward<Initiation>(initiation), std::forward<Args>(args)...);
    }
};

}  // namespace boost::asio

#endif
