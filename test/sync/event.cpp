// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

using namespace weft_test;

// rule 89
BOOST_AUTO_TEST_CASE(set_wakes_all_current_waiters_and_lets_later_ones_through) {
    run_checked([] {
        weft::event e;
        int woken = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { e.wait(); ++woken; });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(e.waiters() == 3u);
            BOOST_TEST(woken == 0);
            e.set();
            BOOST_TEST(e.waiters() == 0u);
            BOOST_TEST(woken == 0);  // they run in a later batch
        });
        BOOST_TEST(woken == 3);
        e.wait();
        BOOST_TEST(e.is_set());
    });
}

// rules 1, 89
BOOST_AUTO_TEST_CASE(wait_is_a_checkpoint_set_or_not) {
    run_checked([] {
        weft::event e;
        weft::testing::assert_no_checkpoints([&] { e.set(); });
        weft::testing::assert_checkpoints([&] { e.wait(); });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_waiter_leaves_no_waiter_and_the_others_stay) {
    run_checked([] {
        weft::event e;
        int woken = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { e.wait(); ++woken; });
            n.start_soon([&] { weft::move_on_after(1s, [&] { e.wait(); ++woken; }); });
            n.start_soon([&] { e.wait(); ++woken; });
            weft::this_task::sleep_for(2s);
            BOOST_TEST(e.waiters() == 2u);
            e.set();
        });
        BOOST_TEST(woken == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_wait_in_a_cancelled_scope_raises_even_if_set) {
    run_checked([] {
        weft::event e;
        e.set();
        weft::cancel_scope s;
        s.cancel();
        bool reached = false;
        s.run([&] { e.wait(); reached = true; });
        BOOST_TEST(!reached);
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(in_every_schedule_a_wait_is_woken_or_cancelled_and_never_both) {
    auto r = weft::testing::explore([] {
        weft::event e;
        weft::cancel_scope s;
        int outcomes = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { auto done = s.run([&] { e.wait(); ++outcomes; }); if (!done) ++outcomes; });
            n.start_soon([&] { e.set(); });
            n.start_soon([&] { s.cancel(); });
        });
        if (outcomes != 1) throw std::logic_error("outcomes: " + std::to_string(outcomes));
        if (e.waiters() != 0) throw std::logic_error("a waiter is left");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_of_a_hand_shake_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::event ping, pong;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { ping.wait(); pong.set(); });
            weft::this_task::sleep_for(1s);
            ping.set();
            pong.wait();
        });
    });
    BOOST_TEST(r.points >= 3u);
    BOOST_TEST(r.waits >= 2u);
}
