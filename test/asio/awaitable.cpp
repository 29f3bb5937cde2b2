// SPDX-License-Identifier: BSL-1.0
// C++20 coroutines of Asio's and tasks, both ways: a task awaits a coroutine, a coroutine awaits a task.
#include "asio/operation_row.hpp"

#include <weft/asio/spawn.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <thread>

using namespace weft_test;
using asio::awaitable;
using asio::use_awaitable;

namespace {

awaitable<void> sleep_in_coroutine(weft::duration d) {
    asio::steady_timer t(co_await asio::this_coro::executor, d);
    co_await t.async_wait(use_awaitable);
}

awaitable<int> twice(int v) {
    co_await sleep_in_coroutine(0s);
    co_return 2 * v;
}

template <class T = void>
awaitable<T> fail() {
    co_await sleep_in_coroutine(0s);
    throw std::range_error("in a coroutine");
}

struct waits_in_a_coroutine {
    asio::steady_timer t{weft::get_executor(), 1h};
    void release() { t.expires_after(0s); t.cancel(); }
    void afterwards(outcome const&) { BOOST_TEST(t.cancel() == 0u); }
};

struct coroutine : waits_in_a_coroutine {
    template <class Token>
    auto start(Token&& token) {
        return asio::co_spawn(weft::get_executor(), [this]() -> awaitable<void> { co_await t.async_wait(use_awaitable); }, std::forward<Token>(token));
    }
};

#if !WEFT_TSAN && !WEFT_ASAN  // which follow only the switches that are announced to them; Asio announces none
/// One of Asio's own stackful coroutines.
struct stackful_coroutine : waits_in_a_coroutine {
    template <class Token>
    auto start(Token&& token) {
        return asio::spawn(weft::get_executor(), [this](asio::yield_context yield) { t.async_wait(yield); }, std::forward<Token>(token));
    }
};
#endif

/// Sets a flag when it goes: of a frame, that it was unwound.
struct at_end {
    bool& b;
    explicit at_end(bool& x) : b(x) {}
    ~at_end() { b = true; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(awaitables)

// --- a task awaits a coroutine ---

BOOST_AUTO_TEST_CASE(asio_co_spawn) { check_row<coroutine>({"terminal"}); }

#if !WEFT_TSAN && !WEFT_ASAN
BOOST_AUTO_TEST_CASE(asio_spawn) { check_row<stackful_coroutine>({"terminal"}); }

// A coroutine of Asio's on its own stack and a task on weft's switch in turn; what each has in flight stays its own.
BOOST_AUTO_TEST_CASE(a_task_has_the_result_of_asio_spawn_and_its_exception) {
    run_checked([] {
        auto ex = weft::get_executor();
        auto wait = [](asio::yield_context yield, int result) {
            asio::steady_timer t(yield.get_executor(), 1ms);
            try { throw std::range_error("held over the switch"); }
            catch (std::range_error const&) { t.async_wait(yield); }
            if (result < 0) throw std::range_error("of the coroutine");
            return result;
        };
        int got = 0;
        bool thrown = false, unwound = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { got = asio::spawn(ex, [&](asio::yield_context y) { return wait(y, 7); }, weft::use_fiber); });
            n.start_soon([&] {
                try { static_cast<void>(asio::spawn(ex, [&](asio::yield_context y) { return wait(y, -1); }, weft::use_fiber)); }
                catch (std::range_error const&) { thrown = true; }
            });
            n.start_soon([&] {
                weft::move_on_after(1s, [&] {
                    asio::spawn(ex, [&](asio::yield_context y) {
                        at_end e(unwound);
                        asio::steady_timer t(y.get_executor(), 1h);
                        t.async_wait(y);
                    }, weft::use_fiber);
                });
            });
        });
        BOOST_TEST(got == 7);
        BOOST_TEST(thrown);
        BOOST_TEST(unwound);
    });
}
#endif

BOOST_AUTO_TEST_CASE(a_task_has_the_result_of_a_coroutine_on_any_executor) {
    asio::thread_pool pool(2);
    asio::steady_timer first(pool);  // opens the pool's descriptors now, before anybody counts
    run_checked([&] {
        auto home = std::this_thread::get_id();
        auto ex = weft::get_executor();
        BOOST_TEST(asio::co_spawn(ex, twice(21), weft::use_fiber) == 42);
        BOOST_TEST(asio::co_spawn(asio::make_strand(ex), twice(22), weft::use_fiber) == 44);
        BOOST_TEST(asio::co_spawn(pool, twice(23), weft::use_fiber) == 46);
        BOOST_TEST(asio::co_spawn(asio::make_strand(pool), twice(24), weft::use_fiber) == 48);
        auto text = asio::co_spawn(ex, []() -> awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(7); }, weft::use_fiber);
        BOOST_TEST(*text == 7);
        BOOST_TEST((std::this_thread::get_id() == home));
    });
    pool.join();
}

// rule 128
BOOST_AUTO_TEST_CASE(an_exception_of_a_coroutine_is_thrown_in_the_task_as_itself) {
    asio::thread_pool pool(1);
    asio::steady_timer first(pool);
    run_checked([&] {
        BOOST_CHECK_THROW(asio::co_spawn(weft::get_executor(), fail<>(), weft::use_fiber), std::range_error);
        BOOST_CHECK_THROW(asio::co_spawn(pool, fail<int>(), weft::use_fiber), std::range_error);
        weft::checkpoint();
    });
    pool.join();
}

// rule 125
BOOST_AUTO_TEST_CASE(cancelling_the_task_cancels_the_coroutine_and_waits_until_it_has_unwound) {
    asio::thread_pool pool(1);
    asio::steady_timer first(pool);
    run_checked([&] {
        for (bool elsewhere : {false, true}) {
            bool unwound = false, waited = false;
            auto wait = [&]() -> awaitable<void> {
                at_end e(unwound);
                co_await sleep_in_coroutine(1h);
            };
            BOOST_TEST(!weft::move_on_after(1s, [&] {
                try {
                    if (elsewhere) asio::co_spawn(pool, wait, weft::use_fiber);
                    else asio::co_spawn(weft::get_executor(), wait, weft::use_fiber);
                } catch (weft::cancelled const&) { waited = unwound; throw; }
            }));
            BOOST_TEST(waited);
        }
    });
    pool.join();
}

// rules 125, 127
BOOST_AUTO_TEST_CASE(what_a_cancelled_coroutine_returns_or_throws_in_the_end_wins) {
    run_checked([] {
        auto stubborn = [](bool fails) -> awaitable<int> {
            co_await asio::this_coro::throw_if_cancelled(false);
            error_code ec;
            asio::steady_timer t(co_await asio::this_coro::executor, 1h);
            co_await t.async_wait(asio::redirect_error(use_awaitable, ec));
            if (fails) throw std::range_error("later");
            co_return ec == aborted ? 42 : 0;
        };
        int got = 0;
        bool failed = false, raised = false;
        weft::move_on_after(1s, [&] {
            got = asio::co_spawn(weft::get_executor(), stubborn(false), weft::use_fiber);
            try { weft::checkpoint(); } catch (weft::cancelled const&) { raised = true; throw; }
        });
        weft::move_on_after(1s, [&] {
            try { asio::co_spawn(weft::get_executor(), stubborn(true), weft::use_fiber); } catch (std::range_error const&) { failed = true; }
        });
        BOOST_TEST(got == 42);
        BOOST_TEST(raised);
        BOOST_TEST(failed);
    });
}

// rule 126
BOOST_AUTO_TEST_CASE(a_coroutine_that_was_cancelled_by_others_fails_with_operation_aborted) {
    run_checked([] {
        asio::steady_timer t(weft::get_executor(), 1h);
        weft::cancel_scope s;
        error_code got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    try { asio::co_spawn(weft::get_executor(), [&]() -> awaitable<void> { co_await t.async_wait(use_awaitable); }, weft::use_fiber); }
                    catch (boost::system::system_error const& e) { got = e.code(); }
                });
            });
            weft::testing::wait_all_tasks_blocked();
            t.cancel();
        });
        BOOST_TEST(got == aborted);
        BOOST_TEST(!s.cancel_called());
    });
}

// --- a coroutine awaits a task ---

BOOST_AUTO_TEST_CASE(a_coroutine_has_the_result_of_a_task) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto ask = [&]() -> awaitable<int> {
                int a = co_await weft::spawn(n, [] { weft::this_task::sleep_for(1s); return 40; }, use_awaitable);
                co_await weft::spawn(n, [] { weft::checkpoint(); }, use_awaitable);
                std::unique_ptr<int> p = co_await weft::spawn(n, [] { return std::make_unique<int>(2); }, use_awaitable);
                co_return a + *p;
            };
            BOOST_TEST(asio::co_spawn(weft::get_executor(), ask, weft::use_fiber) == 42);
            BOOST_TEST(asio::co_spawn(asio::make_strand(weft::get_executor()), ask, weft::use_fiber) == 42);
        });
    });
}

// rule 127
BOOST_AUTO_TEST_CASE(cancelling_the_coroutine_cancels_the_task_and_waits_for_its_end) {
    run_checked([] {
        asio::cancellation_signal signal;
        std::string order;
        error_code got;
        weft::with_nursery([&](weft::nursery& n) {
            auto wait = [&]() -> awaitable<void> {
                try {
                    co_await weft::spawn(n, [&] {
                        try { weft::this_task::sleep_forever(); }
                        catch (weft::cancelled const&) {
                            for (int i = 0; i < 3; ++i) weft::yield_shielded();
                            order += 't';
                            throw;
                        }
                    }, use_awaitable);
                } catch (boost::system::system_error const& e) { got = e.code(); }
                order += 'c';
            };
            asio::co_spawn(weft::get_executor(), wait, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { order += 'h'; }));
            weft::testing::wait_all_tasks_blocked();
            signal.emit(asio::cancellation_type::terminal);
            BOOST_TEST(order == "");
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(!n.scope().cancel_called());
        });
        BOOST_TEST(order == "tch");
        BOOST_TEST(got == aborted);
    });
}

// Before that it runs inside of the call, on whatever called it.
BOOST_AUTO_TEST_CASE(a_coroutine_that_blocks_once_it_has_been_suspended_gets_wrong_domain_error) {
    run_checked([] {
        auto block = []() -> awaitable<void> {
            co_await sleep_in_coroutine(0s);
            weft::this_task::sleep_for(1s);
        };
        BOOST_CHECK_THROW(asio::co_spawn(weft::get_executor(), block, weft::use_fiber), weft::wrong_domain_error);
    });
}

// --- several layers ---

namespace {
/// A task that awaits a coroutine that awaits a task, and so on; f at the bottom, as a task.
template <class F>
void in_layers(weft::nursery& n, int depth, F const& f) {
    if (depth == 0) { f(); return; }
    asio::co_spawn(weft::get_executor(), [&]() -> awaitable<void> {
        co_await weft::spawn(n, [&] { in_layers(n, depth - 1, f); }, use_awaitable);
    }, weft::use_fiber);
}
}  // namespace

// rule 128
BOOST_AUTO_TEST_CASE(an_error_crosses_alternating_layers_of_tasks_and_coroutines_unchanged) {
    run_checked([] {
        auto original = std::make_exception_ptr(std::range_error("deep"));
        std::exception_ptr seen;
        weft::with_nursery([&](weft::nursery& n) {
            try { in_layers(n, 4, [&] { std::rethrow_exception(original); }); } catch (std::range_error const&) { seen = std::current_exception(); }
            weft::checkpoint();
        });
        BOOST_TEST((seen == original));
    });
}

// rules 125, 127
BOOST_AUTO_TEST_CASE(a_cancellation_crosses_alternating_layers_of_tasks_and_coroutines) {
    run_checked([] {
        bool unwound = false;
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(!weft::move_on_after(1s, [&] { in_layers(n, 4, [&] { at_end e(unwound); weft::this_task::sleep_forever(); }); }));
            BOOST_TEST(unwound);
            BOOST_TEST(!n.scope().cancel_called());
        });
    });
}

BOOST_AUTO_TEST_CASE(layers_of_tasks_and_coroutines_can_be_cancelled_everywhere) {
    weft::testing::cancel_everywhere_options o;
    o.may_swallow = true;  // a coroutine has no `cancelled`: the task below it ends, and the one above raises its own
    auto r = weft::testing::cancel_everywhere([] {
        weft::with_nursery([&](weft::nursery& n) { in_layers(n, 2, [] { weft::this_task::sleep_for(1s); weft::checkpoint(); }); });
    }, o);
    BOOST_TEST(r.waits >= 3u);
}

BOOST_AUTO_TEST_SUITE_END()
