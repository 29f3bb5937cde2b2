// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/future/async.hpp>
#include <weft/future/promise.hpp>

#include <boost/asio/post.hpp>

#include <memory>
#include <optional>
#include <atomic>
#include <thread>

using namespace weft_test;

namespace {
struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
/// Sets the flag when the last copy goes.
struct at_end {
    bool* gone;
    explicit at_end(bool& g) : gone(&g) {}
    at_end(at_end&& o) noexcept : gone(std::exchange(o.gone, nullptr)) {}
    ~at_end() { if (gone) *gone = true; }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(async)

BOOST_AUTO_TEST_CASE(it_runs_in_a_task_of_its_own_that_starts_later) {
    run_checked([] {
        bool started = false;
        auto own = weft::this_task::id();
        auto f = weft::async([&](int x) { started = true; BOOST_TEST(weft::this_task::id() != own); return x + 1; }, 1);
        static_assert(std::is_same_v<decltype(f), weft::future<int>>);
        BOOST_TEST(!started);
        BOOST_TEST(f.get() == 2);
        auto g = weft::async(std::launch::async, [] { throw oops("e"); });
        BOOST_CHECK_THROW(g.get(), oops);
    });
}

BOOST_AUTO_TEST_CASE(arguments_are_copied_by_decay_and_moved_in) {
    run_checked([] {
        int x = 1;
        auto p = std::make_unique<int>(2);
        struct adder { int operator()(int& r, std::unique_ptr<int> q, char const* s) && { return ++r + *q + s[0]; } };
        auto f = weft::async(adder(), std::ref(x), std::move(p), "a");
        BOOST_TEST(f.get() == 'a' + 4);
        BOOST_TEST(x == 2);
        struct account { int balance; int& get() { return balance; } } a{5};
        auto g = weft::async(&account::get, &a);
        static_assert(std::is_same_v<decltype(g), weft::future<int&>>);
        BOOST_TEST(&g.get() == &a.balance);
    });
}

BOOST_AUTO_TEST_CASE(arguments_are_copied_or_moved_once) {
    struct counted {
        int* transfers;
        explicit counted(int& n) : transfers(&n) {}
        counted(counted const& o) : transfers(o.transfers) { ++*transfers; }
        void call() const {}
    };
    auto check = [] {
        for (auto policy : {std::launch::async, std::launch::deferred}) {
            int transfers = 0;
            auto f = weft::async(policy, &counted::call, counted(transfers));
            BOOST_TEST(transfers == 1);
            f.get();
            BOOST_TEST(transfers == 1);
        }
    };
    run_checked(check);
    check();
}

BOOST_AUTO_TEST_CASE(the_future_is_ready_when_the_function_and_its_arguments_are_gone) {
    run_checked([] {
        bool gone = false;
        auto f = weft::async([](at_end const&) {}, at_end(gone));
        f.wait();
        BOOST_TEST(gone);
    });
}

BOOST_AUTO_TEST_CASE(a_deferred_function_runs_in_whoever_waits) {
    auto f = weft::async(std::launch::deferred, [] { return std::this_thread::get_id(); });  // outside of a run
    BOOST_CHECK((f.wait_for(1h) == std::future_status::deferred));
    BOOST_CHECK((f.get() == std::this_thread::get_id()));
    run_checked([] {
        auto own = weft::this_task::id();
        int calls = 0;
        auto g = weft::async(std::launch::deferred, [&] { ++calls; weft::this_task::sleep_for(1s); return weft::this_task::id(); }).share();
        BOOST_CHECK((g.wait_until(std::chrono::system_clock::now()) == std::future_status::deferred));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::checkpoint(); g.wait(); });
            BOOST_TEST(g.get() == own);
        });
        BOOST_TEST(calls == 1);
        BOOST_CHECK((g.wait_for(0s) == std::future_status::ready));
        bool gone = false;
        { auto unused = weft::async(std::launch::deferred, [](at_end const&) { BOOST_ERROR("run"); }, at_end(gone)); }
        BOOST_TEST(gone);
        BOOST_CHECK_THROW(weft::async(std::launch::deferred, [] {}).then([](auto) {}, [](auto) {}), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_inside_a_deferred_function_is_its_caller_s) {
    run_checked([] {
        auto f = weft::async(std::launch::deferred, [] { weft::this_task::sleep_forever(); }).share();
        BOOST_TEST(!weft::move_on_after(1s, [&] { f.get(); }));
        BOOST_CHECK_THROW(f.get(), weft::task_cancelled_error);
    });
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_it_starts_a_plain_thread_that_the_last_future_awaits) {
    auto thread = [] { if (!throws<weft::not_running_error>([] { weft::checkpoint(); })) std::abort(); return std::this_thread::get_id(); };
    BOOST_CHECK((weft::async(thread).get() != std::this_thread::get_id()));
    BOOST_CHECK((weft::async(std::launch::async, thread).get() != std::this_thread::get_id()));
    std::atomic<bool> ended{false};
    auto slow = [&] { std::this_thread::sleep_for(5ms); ended = true; };
    { auto f = weft::async(slow); }
    BOOST_TEST(ended);
    ended = false;
    auto f = weft::async(slow);
    run_checked([&] { f.get(); });  // a task may wait for it
    BOOST_TEST(ended);
    BOOST_CHECK_THROW(static_cast<void>(weft::async(std::launch(), [] {})), weft::misuse_error);
}

BOOST_AUTO_TEST_CASE(the_last_future_s_destructor_waits_for_the_task) {
    run_checked([] {
        auto start = weft::current_time();
        bool ended = false;
        auto work = [&] { weft::this_task::sleep_for(1s); ended = true; };
        { auto f = weft::async(work); }
        BOOST_TEST(ended);
        ended = false;
        {
            auto f = weft::async(work).share();
            { auto copy = f; }
            BOOST_TEST(!ended);
            f = {};
            BOOST_TEST(ended);
        }
        ended = false;
        auto f = weft::async(work);
        f = weft::async([] {});  // assignment too
        BOOST_TEST(ended);
        BOOST_CHECK((weft::current_time() - start == 3s));
    });
}

BOOST_AUTO_TEST_CASE(the_destructor_s_wait_is_shielded_and_passes_a_cancellation_on) {
    run_checked([] {
        // Before the wait, during unwinding; and while it waits.
        for (bool unwinding : {true, false}) {
            bool cleaned = false;
            auto start = weft::current_time();
            bool done = weft::move_on_after(1s, [&] {
                auto f = weft::async([&] {
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                        weft::cancel_scope s;
                        s.set_shield(true);
                        s.run([&] { weft::this_task::sleep_for(2s); cleaned = true; });
                        throw;
                    }
                });
                if (unwinding) weft::this_task::sleep_forever();
            });
            BOOST_TEST(cleaned);
            BOOST_TEST(done == !unwinding);
            BOOST_CHECK((weft::current_time() - start == 3s));
        }
    });
}

// rules 125, 126
BOOST_AUTO_TEST_CASE(a_cancelled_only_waiter_cancels_the_task_and_takes_its_answer) {
    run_checked([] {
        bool ended = false;
        auto f = weft::async([&] { struct e { bool& b; ~e() { b = true; } } g{ended}; weft::this_task::sleep_forever(); return 1; });
        BOOST_TEST(!weft::move_on_after(1s, [&] { return f.get(); }));
        BOOST_TEST(ended);
        auto g = weft::async([&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {} return 2; });
        BOOST_TEST(weft::move_on_after(1s, [&] { return g.get(); }).value() == 2);
        auto h = weft::async([&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("late"); } });
        BOOST_CHECK_THROW(weft::move_on_after(1s, [&] { h.get(); }), oops);
        auto w = weft::async([&] { weft::this_task::sleep_for(5s); return 4; });
        BOOST_CHECK((w.wait_for(1s) == std::future_status::timeout));  // gives up the waiting only
        BOOST_TEST(w.get() == 4);
    });
}

BOOST_AUTO_TEST_CASE(its_error_is_the_future_s_and_not_the_run_s) {
    run_checked([] {
        { auto f = weft::async([] { throw oops("dropped"); }); }
        weft::checkpoint();
    });
}

// What is left at the end of main is cancelled and awaited; the future outlives the run.
BOOST_AUTO_TEST_CASE(the_end_of_the_run_cancels_the_task) {
    std::optional<weft::future<int>> f, g;
    weft::run([&] {
        f = weft::async([] { weft::this_task::sleep_forever(); return 1; });
        g = weft::async([] { return 2; });
        weft::testing::wait_all_tasks_blocked();
    });
    BOOST_CHECK((f->wait_for(0s) == std::future_status::ready));
    BOOST_CHECK_THROW(f->get(), weft::task_cancelled_error);
    BOOST_TEST(g->get() == 2);
}

BOOST_AUTO_TEST_CASE(in_a_callback_a_future_may_be_made_and_dropped) {
    run_checked([] {
        weft::event done;
        boost::asio::post(weft::get_executor(), [&] { auto f = weft::async([&] { weft::this_task::sleep_for(1s); done.set(); }); });
        done.wait();
        weft::checkpoint();
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(futures_of_one_run_are_waited_for_cancelled_and_dropped_in_another_and_in_threads) {
    for (int i = 0; i < 30; ++i) {
        weft::promise<weft::future<int>> a, b, c;
        auto fa = a.get_future(), fb = b.get_future(), fc = c.get_future();
        weft::shared::event stop;
        std::thread host([&] {
            weft::run([&] {
                a.set_value(weft::async([] { weft::checkpoint(); return 1; }));
                b.set_value(weft::async([] { weft::this_task::sleep_forever(); return 2; }));
                c.set_value(weft::async([] { weft::this_task::sleep_for(1ms); return 3; }));
                stop.wait();
            });
        });
        std::thread dropper([&] { auto f = fc.get(); });
        weft::run([&] {
            BOOST_TEST(fa.get().get() == 1);
            auto f = fb.get();
            BOOST_TEST(!weft::move_on_after(1us, [&] { f.get(); }));  // cancels it over there, and waits
        });
        dropper.join();
        stop.set();
        host.join();
    }
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        auto f = weft::async([] { weft::this_task::sleep_for(1s); return 1; });
        auto g = weft::async([&] { return f.get() + 1; });
        g.get();
        auto h = weft::async([] { weft::this_task::sleep_for(1s); });
    });
    BOOST_TEST(r.waits >= 2u);
}

#if !WEFT_TSAN
BOOST_AUTO_TEST_CASE(a_deadlock_while_a_destructor_waits_ends_the_run_with_that_error) {
    BOOST_CHECK_THROW(run_checked([] {
        weft::event never_set;
        auto f = weft::async([&] { never_set.wait(); });
    }), weft::deadlock_error);
}
#endif

BOOST_AUTO_TEST_SUITE_END()
