// SPDX-License-Identifier: BSL-1.0
// The virtual clock and wait_all_tasks_blocked.
#include "fixture.hpp"

using namespace weft_test;
using weft::testing::wait_all_tasks_blocked;

// rule 119
BOOST_AUTO_TEST_CASE(a_day_of_sleep_passes_at_once_and_exactly) {
    auto real = std::chrono::steady_clock::now();
    run_checked([] {
        auto start = weft::current_time();
        for (int i = 0; i < 24; ++i) weft::this_task::sleep_for(1h);
        BOOST_TEST((weft::current_time() - start == 24h));
    });
    BOOST_TEST((std::chrono::steady_clock::now() - real < 5s));
}

// rule 119
BOOST_AUTO_TEST_CASE(it_jumps_to_the_next_deadline_and_no_further) {
    run_checked([] {
        auto start = weft::current_time();
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& n) {
            for (int s : {3, 1, 2}) n.start_soon([&, s] {
                weft::this_task::sleep_for(std::chrono::seconds(s));
                BOOST_TEST((weft::current_time() - start == std::chrono::seconds(s)));
                order.push_back(s);
            });
        });
        BOOST_TEST((order == std::vector{1, 2, 3}));
    });
}

// rule 119
BOOST_AUTO_TEST_CASE(without_autojump_only_jump_moves_it) {
    weft::testing::mock_clock clock(false);
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        bool woken = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(10s); woken = true; });
            wait_all_tasks_blocked();
            clock.jump(9s);
            wait_all_tasks_blocked();
            BOOST_TEST(!woken);
            clock.jump(1s);
            wait_all_tasks_blocked();
            BOOST_TEST(woken);
        });
    });
}

// rules 118, 119: it wins over the clock's jump
BOOST_AUTO_TEST_CASE(wait_all_tasks_blocked_comes_before_the_jump) {
    run_checked([] {
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            wait_all_tasks_blocked();
            BOOST_TEST((weft::current_time() == start));
        });
        BOOST_TEST((weft::current_time() - start == 1s));
    });
}

// rule 118
BOOST_AUTO_TEST_CASE(it_returns_only_when_nobody_else_can_run) {
    run_checked([] {
        int steps = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 50; ++i) { weft::checkpoint(); ++steps; } });
            wait_all_tasks_blocked();
            BOOST_TEST(steps == 50);
        });
    });
}

// rule 118
BOOST_AUTO_TEST_CASE(the_smallest_cushion_goes_first) {
    run_checked([] {
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { wait_all_tasks_blocked(2ms); order.push_back(2); });
            n.start_soon([&] { wait_all_tasks_blocked(1ms); order.push_back(1); });
            n.start_soon([&] { wait_all_tasks_blocked(); order.push_back(0); });
        });
        BOOST_TEST((order == std::vector{0, 1, 2}));
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_for_idleness_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::with_nursery([](weft::nursery& n) {
            n.start_soon([] { weft::checkpoint(); weft::checkpoint(); });
            wait_all_tasks_blocked();
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits > 0u);
}

// rule 120
BOOST_AUTO_TEST_CASE(a_sequencer_runs_blocks_in_their_order) {
    run_checked([] {
        std::vector<int> order;
        weft::testing::sequencer seq;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { seq.run(0, [&] { order.push_back(0); }); seq.run(3, [&] { order.push_back(3); }); });
            n.start_soon([&] { seq.run(2, [&] { order.push_back(2); }); });
            n.start_soon([&] { seq.run(1, [&] { weft::this_task::sleep_for(1s); order.push_back(1); }); });
        });
        BOOST_TEST((order == std::vector{0, 1, 2, 3}));
    });
}

// rule 120
BOOST_AUTO_TEST_CASE(cancelling_one_breaks_the_sequence_for_all) {
    run_checked([] {
        weft::testing::sequencer seq;
        int broken = 0;
        auto expect_broken = [&](int position) {
            try { seq.run(position, [] {}); } catch (weft::broken_resource_error const&) { ++broken; }
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::move_on_after(1s, [&] { seq.run(1, [] {}); }); });
            n.start_soon([&] { expect_broken(2); });
            weft::this_task::sleep_for(2s);
            expect_broken(3);
        });
        BOOST_TEST(broken == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_position_is_used_once) {
    run_checked([] {
        weft::testing::sequencer seq;
        seq.run(0, [] {});
        BOOST_CHECK_THROW(seq.run(0, [] {}), weft::misuse_error);
    });
}
