// SPDX-License-Identifier: BSL-1.0
// The sequencer: blocks of several tasks in a fixed order.
#include "fixture.hpp"

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(sequencer)

BOOST_AUTO_TEST_CASE(blocks_run_in_their_order_whatever_the_order_of_the_tasks) {
    std::size_t schedules = 0;
    auto r = wt::explore([&] {
        ++schedules;
        wt::sequencer seq;
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { seq.run(2, [&] { order += 'c'; }); });
            n.start_soon([&] { seq.run(0, [&] { order += 'a'; }); seq.run(3, [&] { order += 'd'; }); });
            n.start_soon([&] { seq.run(1, [&] { order += 'b'; }); });
        });
        BOOST_TEST(order == "abcd");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(schedules > 6u);
}

BOOST_AUTO_TEST_CASE(a_block_may_wait_and_the_next_one_starts_only_when_it_has_ended) {
    run_checked([] {
        wt::sequencer seq;
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { seq.run(0, [&] { weft::this_task::sleep_for(1h); order += 'a'; }); });
            n.start_soon([&] { seq.run(1, [&] { order += 'b'; }); });
        });
        BOOST_TEST(order == "ab");
    });
}

BOOST_AUTO_TEST_CASE(a_block_that_throws_passes_the_turn_on) {
    run_checked([] {
        wt::sequencer seq;
        BOOST_CHECK_THROW(seq.run(0, [] { throw std::runtime_error("mine"); }), std::runtime_error);
        bool ran = false;
        seq.run(1, [&] { ran = true; });
        BOOST_TEST(ran);
    });
}

// rule 1: also where it need not wait
BOOST_AUTO_TEST_CASE(each_turn_is_a_checkpoint) {
    run_checked([] {
        wt::sequencer seq;
        for (int i = 0; i < 3; ++i) BOOST_CHECK_NO_THROW(wt::assert_checkpoints([&] { seq.run(i, [] {}); }));
    });
}

BOOST_AUTO_TEST_CASE(a_position_used_twice_is_misuse) {
    run_checked([] {
        wt::sequencer seq;
        seq.run(0, [] {});
        BOOST_CHECK_THROW(seq.run(0, [] {}), weft::misuse_error);
        bool ran = false;
        seq.run(1, [&] { ran = true; });
        BOOST_TEST(ran);
    });
}

// rule 120
BOOST_AUTO_TEST_CASE(a_cancelled_waiter_breaks_the_sequence_for_all_that_wait_and_all_that_come) {
    run_checked([] {
        wt::sequencer seq;
        std::string ran;
        int broken = 0;
        auto expect_broken = [&](int position) {
            try { seq.run(position, [&] { ran += 'x'; }); }
            catch (weft::broken_resource_error const& e) {
                ++broken;
                BOOST_TEST(std::string(e.what()).find("a task was cancelled while it waited for its turn") != std::string::npos);
            }
        };
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { seq.run(1, [&] { ran += 'b'; }); }); });
            n.start_soon([&] { expect_broken(2); });
            n.start_soon([&] { expect_broken(3); });
            wt::wait_all_tasks_blocked();
            s.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(s.cancelled_caught());
            BOOST_TEST(broken == 2);
            expect_broken(0);
            expect_broken(4);
        });
        BOOST_TEST(broken == 4);
        BOOST_TEST(ran == "");
    });
}

// rule 120: the first one waits for nobody, but others wait for it
BOOST_AUTO_TEST_CASE(a_first_block_that_is_cancelled_before_its_turn_breaks_the_sequence_too) {
    run_checked([] {
        wt::sequencer seq;
        bool ran = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(seq.run(1, [&] { ran = true; }), weft::broken_resource_error); });
            weft::cancel_scope s;
            s.cancel();
            s.run([&] { seq.run(0, [&] { ran = true; }); });
            BOOST_TEST(s.cancelled_caught());
        });
        BOOST_TEST(!ran);
    });
}

// rule 120: in a block that has its turn, a cancellation breaks nothing
BOOST_AUTO_TEST_CASE(a_block_that_is_cancelled_in_its_turn_passes_it_on) {
    run_checked([] {
        wt::sequencer seq;
        bool ran = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::move_on_after(1s, [&] { seq.run(0, [] { weft::this_task::sleep_forever(); }); }); });
            n.start_soon([&] { seq.run(1, [&] { ran = true; }); });
        });
        BOOST_TEST(ran);
    });
}

BOOST_AUTO_TEST_CASE(it_leaves_nothing_behind_wherever_it_is_cancelled) {
    auto r = wt::cancel_everywhere([] {
        wt::sequencer seq;
        weft::with_nursery([&](weft::nursery& n) {
            auto step = [&seq](int i) { try { seq.run(i, [] { weft::checkpoint(); }); } catch (weft::broken_resource_error const&) {} };
            for (int i : {2, 0, 1}) n.start_soon([step, i] { step(i); });
        });
    });
    BOOST_TEST(r.points > 3u);
}

BOOST_AUTO_TEST_SUITE_END()
