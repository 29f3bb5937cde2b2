// SPDX-License-Identifier: BSL-1.0
// When a deadline fires, what changing it does, and that it costs the heap nothing.
#include "fixture.hpp"

#include <memory>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
weft::run_options with(wt::mock_clock& c) { weft::run_options o; o.clock = &c; return o; }
std::size_t armed() { return weft::lowlevel::current_statistics().deadlines; }
}  // namespace

BOOST_AUTO_TEST_SUITE(deadlines)

// rule 32
BOOST_AUTO_TEST_CASE(a_deadline_past_at_entry_cancels_at_the_first_blocking_point) {
    run_checked([] {
        for (auto past : {weft::current_time(), weft::current_time() - 1h, weft::always}) {
            bool entered = false, passed = false;
            weft::cancel_scope s;
            s.set_deadline(past);
            s.run([&] { entered = true; weft::this_task::sleep_for(0s); passed = true; });
            BOOST_TEST(entered);
            BOOST_TEST(!passed);
            BOOST_TEST(s.cancelled_caught());
        }
    });
}

// rule 32
BOOST_AUTO_TEST_CASE(a_deadline_that_passes_after_exit_does_nothing) {
    run_checked([] {
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        BOOST_TEST(s.run([] { weft::checkpoint(); }));
        weft::this_task::sleep_for(2s);
        BOOST_TEST(!s.cancel_called());
        BOOST_TEST(!s.cancelled_caught());
    });
}

// rule 32
BOOST_AUTO_TEST_CASE(a_body_that_ends_before_the_deadline_ends_normally) {
    run_checked([] {
        auto start = weft::current_time();
        BOOST_TEST(weft::move_on_after(3s, [] { weft::this_task::sleep_for(2s); }));
        BOOST_TEST(!weft::move_on_after(3s, [] { weft::this_task::sleep_for(4s); }));
        BOOST_TEST((weft::current_time() - start == 5s));
    });
}

// rule 33
BOOST_AUTO_TEST_CASE(moving_the_deadline_of_an_active_scope_applies_at_once_both_ways) {
    run_checked([] {
        auto slept_under = [](auto change) {
            auto start = weft::current_time();
            weft::cancel_scope s;
            s.set_deadline_after(10s);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { weft::this_task::sleep_for(1s); change(s, start); });
                s.run([] { weft::this_task::sleep_for(1h); });
            });
            return std::chrono::duration_cast<std::chrono::seconds>(weft::current_time() - start).count();
        };
        BOOST_TEST(slept_under([](auto& s, auto t) { s.set_deadline(t + 5s); }) == 5);      // earlier
        BOOST_TEST(slept_under([](auto& s, auto t) { s.set_deadline(t + 20s); }) == 20);    // later
        BOOST_TEST(slept_under([](auto& s, auto t) { s.set_deadline(t); }) == 1);           // into the past
        BOOST_TEST(slept_under([](auto& s, auto) { s.set_deadline(weft::never); }) == 3600);  // away
        BOOST_TEST(slept_under([](auto& s, auto) { s.set_deadline_after(7s); }) == 8);      // relative: counts from now
    });
}

// rule 33: from inside, before the next blocking point
BOOST_AUTO_TEST_CASE(a_scope_can_move_its_own_deadline_while_it_runs) {
    run_checked([] {
        auto start = weft::current_time();
        weft::cancel_scope s;
        bool done = s.run([&] {
            weft::this_task::sleep_for(2s);
            s.set_deadline_after(3s);
            weft::this_task::sleep_forever();
        });
        BOOST_TEST(!done);
        BOOST_TEST((weft::current_time() - start == 5s));
    });
}

// rule 34
BOOST_AUTO_TEST_CASE(a_deadline_that_fired_stays_fired_when_it_is_moved_out) {
    run_checked([] {
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        bool done = s.run([&] {
            try { weft::this_task::sleep_for(2s); } catch (weft::cancelled const&) {}
            s.set_deadline(weft::never);
            BOOST_TEST(s.cancel_called());
            weft::checkpoint();
        });
        BOOST_TEST(!done);
        BOOST_TEST(s.cancel_called());
    });
}

// rule 34
BOOST_AUTO_TEST_CASE(a_scope_that_was_not_entered_reads_cancelled_once_its_deadline_passed) {
    run_checked([] {
        weft::cancel_scope s;
        s.set_deadline(weft::current_time() + 1s);
        BOOST_TEST(!s.cancel_called());
        weft::this_task::sleep_for(1s);
        BOOST_TEST(s.cancel_called());
        BOOST_TEST(!s.run([] { weft::checkpoint(); }));
    });
}

// rule 35
BOOST_AUTO_TEST_CASE(all_deadlines_that_passed_fire_before_any_task_runs) {
    wt::mock_clock clock(false);
    run_checked(with(clock), [&] {
        std::vector<int> seen;
        std::vector<std::unique_ptr<weft::cancel_scope>> scopes;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                auto& s = *scopes.emplace_back(std::make_unique<weft::cancel_scope>());
                s.set_deadline_after(std::chrono::seconds(i + 1));
                n.start_soon([&] {
                    s.run([&] {
                        try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                            int n_cancelled = 0;
                            for (auto& o : scopes) n_cancelled += o->info() != nullptr;  // info() does not ask the clock
                            seen.push_back(n_cancelled);
                            throw;
                        }
                    });
                });
            }
            wt::wait_all_tasks_blocked();
            clock.jump(5s);
        });
        BOOST_TEST(seen == (std::vector<int>{3, 3, 3}), boost::test_tools::per_element());
    });
}

// rule 36
BOOST_AUTO_TEST_CASE(a_relative_deadline_counts_from_entry) {
    run_checked([] {
        weft::cancel_scope s;
        s.set_deadline_after(5s);
        weft::this_task::sleep_for(100s);
        BOOST_TEST(!s.cancel_called());
        auto entry = weft::current_time();
        s.run([&] {
            BOOST_TEST((s.deadline() == entry + 5s));
            weft::this_task::sleep_forever();
        });
        BOOST_TEST((weft::current_time() == entry + 5s));
    });
}

// rule 36: in weft an absolute deadline may replace a relative one before entry; reading it is the misuse
BOOST_AUTO_TEST_CASE(a_relative_deadline_cannot_be_read_before_entry) {
    run_checked([] {
        weft::cancel_scope s;
        s.set_deadline_after(5s);
        BOOST_CHECK_THROW(s.deadline(), weft::misuse_error);
        auto when = weft::current_time() + 1s;
        s.set_deadline(when);
        BOOST_TEST((s.deadline() == when));
    });
}

// rule 37
BOOST_AUTO_TEST_CASE(cancel_called_asks_the_clock_itself) {
    wt::mock_clock clock;
    run_checked(with(clock), [&] {
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        s.run([&] {
            clock.jump(2s);
            BOOST_TEST(!s.info());  // no turn of the loop has passed
            BOOST_TEST(s.cancel_called());
            BOOST_TEST(weft::lowlevel::cancellation_pending());
        });
        BOOST_TEST(!s.cancelled_caught());
    });
}

// rule 37: waiting tasks learn of a deadline from the loop, once a turn
BOOST_AUTO_TEST_CASE(a_deadline_reaches_a_waiting_task_in_the_next_turn_of_the_loop) {
    wt::mock_clock clock(false);
    run_checked(with(clock), [&] {
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([] { weft::this_task::sleep_forever(); }); });
            wt::wait_all_tasks_blocked();
            clock.jump(1s);
            BOOST_TEST(!s.info());
            wt::wait_all_tasks_blocked();
            BOOST_TEST(s.cancelled_caught());
        });
    });
}

// rule 149
BOOST_AUTO_TEST_CASE(a_deadline_already_over_raises_before_the_operation_has_any_effect) {
    wt::mock_clock clock;
    run_checked(with(clock), [&] {
        weft::event set;
        set.set();
        bool started = false;
        auto over = [&](auto operation) {
            weft::cancel_scope s;
            s.set_deadline_after(1s);
            return !s.run([&] {
                clock.jump(2s);
                auto steps = weft::lowlevel::current_statistics().switches;
                try { operation(); } catch (weft::cancelled const&) {
                    BOOST_TEST(weft::lowlevel::current_statistics().switches == steps);  // at once, not after a wait
                    throw;
                }
            });
        };
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([] { return 1; });
            h.join();
            BOOST_TEST(over([] { weft::this_task::sleep_for(0s); }));
            BOOST_TEST(over([] { weft::this_task::sleep_for(1s); }));
            BOOST_TEST(over([&] { set.wait(); }));
            BOOST_TEST(over([&] { h.join(); }));
            BOOST_TEST(over([] { wt::wait_all_tasks_blocked(); }));
            BOOST_TEST(over([&] { n.shutdown(1s); }));
        });
        weft::with_nursery({.name = "full", .max_children = 1}, [&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            BOOST_TEST(over([&] { n.start_soon([&] { started = true; }); }));
        });
        BOOST_TEST(!started);
    });
}

// rule 149: the deadline passes between an operation's own test and its park
BOOST_AUTO_TEST_CASE(a_deadline_that_passes_right_before_a_park_cancels_it_once) {
    run_checked([] {
        for (auto answer : {weft::lowlevel::abort::succeeded, weft::lowlevel::abort::failed}) {
            weft::cancel_scope s;
            s.set_deadline(weft::current_time());
            int aborts = 0;
            weft::with_nursery([&](weft::nursery& n) {
                auto me = weft::lowlevel::current_task();
                if (answer == weft::lowlevel::abort::failed) n.start_soon([=] { weft::lowlevel::unpark(me); });
                bool parked = false;
                s.run([&] { weft::lowlevel::park([&] { ++aborts; return answer; }); parked = true; weft::checkpoint(); });
                BOOST_TEST(parked == (answer == weft::lowlevel::abort::failed));
            });
            BOOST_TEST(aborts == 1);
            BOOST_TEST(s.cancelled_caught());
        }
    });
}

// rule 40
BOOST_AUTO_TEST_CASE(moving_a_deadline_thousands_of_times_does_not_grow_the_heap) {
    run_checked([] {
        std::size_t before = armed();
        weft::cancel_scope s;
        s.set_deadline_after(1h);
        s.run([&] {
            weft::checkpoint();
            BOOST_TEST(armed() == before + 1);
            for (int i = 0; i < 10'000; ++i) {
                s.set_deadline_after(std::chrono::seconds(1 + i % 100));
                if (i % 1000 == 0) s.set_deadline(weft::never);
                if (i % 500 == 0) weft::checkpoint();
            }
            BOOST_TEST(armed() == before + 1);
        });
        BOOST_TEST(armed() == before);
        for (int i = 0; i < 1'000; ++i) weft::move_on_after(1h, [] { weft::checkpoint(); });
        BOOST_TEST(armed() == before);
    });
}

// rule 40
BOOST_AUTO_TEST_CASE(a_scope_that_never_waits_never_enters_the_heap) {
    run_checked([] {
        std::size_t before = armed();
        weft::move_on_after(1h, [&] { BOOST_TEST(armed() == before); });
    });
}

BOOST_AUTO_TEST_SUITE_END()
