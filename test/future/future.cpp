// SPDX-License-Identifier: BSL-1.0
// Waiting for a future: checkpoints, times, clocks, cancellation without a handler.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/future/promise.hpp>

#include <boost/asio/post.hpp>

#include <thread>
#include <vector>

using namespace weft_test;

namespace {

/// A clock that the test sets.
struct hand_clock {
    using rep = long;
    using period = std::milli;
    using duration = std::chrono::duration<rep, period>;
    using time_point = std::chrono::time_point<hand_clock>;
    static inline std::atomic<long> ms{0};
    static time_point now() noexcept { return time_point(duration(ms.load())); }
};

constexpr auto ready = std::future_status::ready, timeout = std::future_status::timeout;
#define CHECK_STATUS(e, s) BOOST_CHECK((e) == (s))

}  // namespace

BOOST_AUTO_TEST_SUITE(future)

// rule 1
BOOST_AUTO_TEST_CASE(every_wait_is_a_checkpoint_also_for_a_ready_result_and_fulfilling_is_none) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future().share();
        weft::testing::assert_no_checkpoints([&] { p.set_value(1); });
        weft::testing::assert_checkpoints([&] { f.wait(); });
        weft::testing::assert_checkpoints([&] { static_cast<void>(f.wait_for(0s)); });
        weft::testing::assert_checkpoints([&] { f.get(); });
        weft::promise<int> q;
        auto g = q.get_future();
        weft::testing::assert_checkpoints([&] { CHECK_STATUS(g.wait_for(0s), timeout); });
    });
}

BOOST_AUTO_TEST_CASE(timed_waits_end_on_the_run_s_clock) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        auto start = weft::current_time();
        CHECK_STATUS(f.wait_for(1h), timeout);
        BOOST_CHECK((weft::current_time() - start == 1h));
        CHECK_STATUS(f.wait_until(start + 2h), timeout);
        BOOST_CHECK((weft::current_time() - start == 2h));
        CHECK_STATUS(f.wait_until(start), timeout);
        CHECK_STATUS(f.wait_for(-1s), timeout);  // as std: over already
        CHECK_STATUS(f.wait_for(std::chrono::duration<double>(0.5)), timeout);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); p.set_value(1); });
            CHECK_STATUS(f.wait_for((std::chrono::hours::max)()), ready);
        });
        CHECK_STATUS(f.wait_until(std::chrono::steady_clock::time_point()), ready);
        BOOST_TEST(f.get() == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_callback_may_ask_a_future_and_must_not_wait_for_it) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        bool asked = false;
        boost::asio::post(weft::get_executor(), [&] {
            BOOST_TEST((f.wait_for(0s) == std::future_status::timeout));
            BOOST_CHECK_THROW(f.wait_for(1ms), weft::wrong_domain_error);
            p.set_value(1);
            BOOST_TEST((f.wait_for(0s) == std::future_status::ready));
            asked = true;
        });
        BOOST_TEST(f.get() == 1);
        BOOST_TEST(asked);
    });
}

BOOST_AUTO_TEST_CASE(timed_waits_end_in_plain_threads) {
    weft::promise<int> p;
    auto f = p.get_future();
    CHECK_STATUS(f.wait_for(1ms), timeout);
    CHECK_STATUS(f.wait_until(std::chrono::system_clock::now() + 1ms), timeout);
    std::thread t([&] { p.set_value(1); });
    CHECK_STATUS(f.wait_for(1min), ready);
    t.join();
}

// A timeout is one by the clock that was given, which may have been set back meanwhile.
BOOST_AUTO_TEST_CASE(a_wait_by_another_clock_looks_at_that_clock_again) {
    run_checked([] {
        hand_clock::ms = 1000;
        weft::promise<int> p;
        auto f = p.get_future();
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(50ms); hand_clock::ms = 500; });
            n.start_soon([] { weft::this_task::sleep_for(150ms); hand_clock::ms = 2000; });
            CHECK_STATUS(f.wait_until(hand_clock::now() + 100ms), timeout);
        });
        BOOST_CHECK((weft::current_time() - start == 700ms));  // 100, then the 600 that were left
    });
}

// rule 11
BOOST_AUTO_TEST_CASE(a_cancelled_wait_leaves_the_future_valid_and_no_waiter) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        BOOST_TEST(!weft::move_on_after(1s, [&] { return f.get(); }));
        BOOST_TEST(!weft::move_on_after(1s, [&] { f.wait(); }));
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { f.get(); }));  // before it waits
        BOOST_TEST(f.valid());
        p.set_value(1);
        weft::cancel_scope t;
        t.cancel();
        BOOST_TEST(!t.run([&] { f.get(); }));  // and although it is there
        BOOST_TEST(f.get() == 1);
    });
}

// rule 11
BOOST_AUTO_TEST_CASE(in_every_schedule_a_get_returns_or_is_cancelled_and_the_value_is_there_once) {
    auto r = weft::testing::explore([] {
        weft::promise<int> p;
        auto f = p.get_future();
        weft::cancel_scope s;
        int got = 0, cancelled = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { if (auto v = s.run([&] { return f.get(); })) got += *v; else ++cancelled; });
            n.start_soon([&] { p.set_value(10); });
            n.start_soon([&] { s.cancel(); });
        });
        if (got + cancelled != (got ? 10 : 1)) throw std::logic_error("both or neither");
        if (cancelled && (!f.valid() || f.get() != 10)) throw std::logic_error("lost");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

// rule 147
BOOST_AUTO_TEST_CASE(a_wait_in_a_destructor_during_unwinding_completes) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        int got = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                weft::move_on_after(1s, [&] {
                    struct at_exit { weft::future<int>& f; int& got; ~at_exit() { got = f.get(); } } a{f, got};
                    weft::this_task::sleep_forever();
                });
            });
            weft::this_task::sleep_for(2s);
            p.set_value(3);
        });
        BOOST_TEST(got == 3);
    });
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::promise<int> p, q;
        auto f = p.get_future(), g = q.get_future();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { q.set_value(f.get()); });
            weft::this_task::sleep_for(1s);
            p.set_value(1);
            static_cast<void>(g.wait_for(1s));
            g.get();
        });
    });
    BOOST_TEST(r.points >= 4u);
    BOOST_TEST(r.waits >= 2u);
}

#if !WEFT_TSAN  // which has a thread of its own
BOOST_AUTO_TEST_CASE(a_promise_that_nobody_can_fulfil_is_a_deadlock_that_names_the_wait) {
    try {
        run_checked([] { weft::promise<int> p; p.get_future().get(); });
        BOOST_ERROR("no deadlock_error");
    } catch (weft::deadlock_error const& e) {
        BOOST_TEST(std::string(e.what()).find("future") != std::string::npos);
    }
}
#endif

BOOST_AUTO_TEST_SUITE_END()
