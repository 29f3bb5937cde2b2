// SPDX-License-Identifier: BSL-1.0
// Checks one row of doc/reference/operations.md: which cancellation types an operation obeys, what it reports then, through Asio's
// own slot and through use_fiber, and what can be done with its object afterwards.
#ifndef WEFT_TEST_ASIO_OPERATION_ROW_HPP
#define WEFT_TEST_ASIO_OPERATION_ROW_HPP

#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/asio/use_fiber.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <tuple>

namespace weft_test {

namespace asio = boost::asio;
using boost::system::error_code;

inline error_code const aborted = asio::error::operation_aborted;

/// What an operation of any signature completed with: its first error, and its first number.
struct outcome {
    error_code code;
    std::optional<std::size_t> count;

    template <class... A>
    static outcome of(A const&... a) {
        outcome o;
        bool has_code = false;
        auto look = [&](auto const& v) {
            using V = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<V, error_code>) { if (!std::exchange(has_code, true)) o.code = v; }
            else if constexpr (std::is_same_v<V, std::size_t>) { if (!o.count) o.count = v; }
            else if constexpr (std::is_same_v<V, std::exception_ptr>) { if (v) o.code = code_in(v); }
        };
        (look(a), ...);
        return o;
    }

private:
    static error_code code_in(std::exception_ptr const& e) {
        try { std::rethrow_exception(e); } catch (boost::system::system_error const& x) { return x.code(); }
    }
};

struct row {
    std::string types;             ///< the cancellation types that it obeys, as in the page: "total partial terminal" or fewer
    error_code code = aborted;     ///< what it reports then
    /// What it has moved then. Empty: it has no count, or the situation knows.
    std::optional<std::size_t> count{};
    bool leads = true;             ///< an error leads the signature, so that use_fiber raises `cancelled`; else the values are returned
};

/// A situation is built in a task. start(token) begins the operation, which then waits; release() lets one that waits complete;
/// afterwards(outcome) shows what the page says of the object, once the operation was cancelled by a scope.
template <class S>
S make_situation(weft::nursery& n) {
    if constexpr (std::constructible_from<S, weft::nursery&>) return S(n);
    else return S();
}

inline void check_outcome(row const& expected, outcome const& o) {
    BOOST_TEST(o.code == expected.code);
    if (expected.count) BOOST_TEST(o.count.value_or(~std::size_t{}) == *expected.count);
}

/// Emits one type in Asio's own way, to a handler without any weft in it.
template <class S>
void emit_to(row const& expected, asio::cancellation_type type, char const* name) {
    BOOST_TEST_CONTEXT("emitting " << name) run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            S s = make_situation<S>(n);
            asio::cancellation_signal signal;
            std::optional<outcome> got;
            s.start(asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(weft::get_executor(), [&](auto const&... a) { got = outcome::of(a...); })));
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST_REQUIRE(!got.has_value(), "the operation does not wait");
            signal.emit(type);
            weft::testing::wait_all_tasks_blocked();
            bool obeys = expected.types.find(name) != std::string::npos;
            BOOST_TEST(got.has_value() == obeys);
            if (got) check_outcome(expected, *got);
            else s.release();
            while (!got) weft::checkpoint();
        });
    });
}

/// Cancels the scope around a task that waits for it; calls what(s) in that scope.
template <class S, class F>
void cancel_scope_around(weft::nursery& n, S& s, weft::cancel_scope& scope, F what) {
    weft::event over;
    n.start_soon([&] { scope.run([&] { what(s); }); over.set(); });
    weft::testing::wait_all_tasks_blocked();
    scope.cancel("of the test");
    weft::testing::wait_all_tasks_blocked();
    if (!over.is_set()) s.release();  // it takes no notice
    over.wait();
}

template <class S>
void check_row(row const& expected) {
    emit_to<S>(expected, asio::cancellation_type::total, "total");
    emit_to<S>(expected, asio::cancellation_type::partial, "partial");
    emit_to<S>(expected, asio::cancellation_type::terminal, "terminal");
    bool obeys = expected.types.find("terminal") != std::string::npos;  // which is what a scope asks for
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            S s = make_situation<S>(n);
            weft::cancel_scope scope;
            outcome o;
            bool raised = false;
            cancel_scope_around(n, s, scope, [&](S& x) {
                o = std::apply([](auto const&... a) { return outcome::of(a...); }, x.start(asio::as_tuple(weft::use_fiber)));
                try { weft::checkpoint(); } catch (weft::cancelled const&) { raised = true; throw; }
            });
            if (obeys) check_outcome(expected, o);
            BOOST_TEST(raised);
            s.afterwards(o);
        });
    });
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            S s = make_situation<S>(n);
            weft::cancel_scope scope;
            cancel_scope_around(n, s, scope, [&](S& x) { static_cast<void>(x.start(weft::use_fiber)); });
            BOOST_TEST(scope.cancelled_caught() == (obeys && expected.leads));
        });
    });
}

}  // namespace weft_test

#endif
