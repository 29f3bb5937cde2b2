// SPDX-License-Identifier: BSL-1.0
// What a shield hides, what it does not, and what happens when it is raised or lowered.
#include "fixture.hpp"

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(shield)

// rule 21
BOOST_AUTO_TEST_CASE(a_shield_hides_the_cancellation_of_all_outer_scopes) {
    run_checked([] {
        weft::cancel_scope outer, middle, shielded;
        bool inside = false, outside = false;
        outer.run([&] {
            middle.run([&] {
                outer.cancel();
                middle.cancel();
                shielded.set_shield(true);
                shielded.run([&] {
                    weft::checkpoint();
                    weft::this_task::sleep_for(1s);
                    weft::cancel_scope further;
                    further.run([] { weft::checkpoint(); });
                    inside = true;
                });
                weft::checkpoint();
                outside = true;
            });
        });
        BOOST_TEST(inside);
        BOOST_TEST(!outside);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 21
BOOST_AUTO_TEST_CASE(a_shield_hides_outer_deadlines) {
    run_checked([] {
        auto start = weft::current_time();
        weft::cancel_scope shielded;
        shielded.set_shield(true);
        bool inside = false;
        bool done = weft::move_on_after(1s, [&] {
            shielded.run([&] { weft::this_task::sleep_for(5s); inside = true; });
            weft::checkpoint();
        });
        BOOST_TEST(inside);
        BOOST_TEST(!done);
        BOOST_TEST((weft::current_time() - start == 5s));
    });
}

// rule 21
BOOST_AUTO_TEST_CASE(a_shield_hides_them_from_child_tasks_too) {
    run_checked([] {
        weft::cancel_scope outer, shielded;
        shielded.set_shield(true);
        int ended = 0;
        outer.run([&] {
            shielded.run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 3; ++i) n.start_soon([&] { weft::move_on_after(1h, [&] { weft::this_task::sleep_for(1s); ++ended; }); });
                    wt::wait_all_tasks_blocked();
                    outer.cancel();
                });
            });
            weft::checkpoint();
        });
        BOOST_TEST(ended == 3);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 21
BOOST_AUTO_TEST_CASE(a_shield_may_be_raised_and_lowered_at_will) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        int raised = 0;
        auto pending = [&] { raised += weft::lowlevel::cancellation_pending(); };
        outer.run([&] {
            inner.run([&] {
                outer.cancel();
                for (int i = 0; i < 3; ++i) {
                    pending();
                    inner.set_shield(true);
                    BOOST_TEST(inner.shield());
                    BOOST_TEST(!weft::lowlevel::cancellation_pending());
                    BOOST_CHECK_NO_THROW(weft::checkpoint());
                    inner.set_shield(false);
                }
                weft::checkpoint();
            });
        });
        BOOST_TEST(raised == 3);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 22
BOOST_AUTO_TEST_CASE(a_shield_does_not_protect_from_the_scopes_own_cancel_or_deadline) {
    run_checked([] {
        weft::cancel_scope called, timed;
        called.set_shield(true);
        BOOST_TEST(!called.run([&] { called.cancel(); weft::checkpoint(); }));
        BOOST_TEST(called.cancelled_caught());
        timed.set_shield(true);
        timed.set_deadline_after(1s);
        BOOST_TEST(!timed.run([] { weft::this_task::sleep_forever(); }));
        BOOST_TEST(timed.cancelled_caught());
    });
}

// rule 22
BOOST_AUTO_TEST_CASE(a_shield_does_not_protect_from_scopes_inside_it) {
    run_checked([] {
        weft::cancel_scope shielded, inner;
        bool after = false;
        shielded.set_shield(true);
        shielded.run([&] {
            inner.run([&] { inner.cancel(); weft::checkpoint(); });
            BOOST_TEST(!weft::move_on_after(1s, [] { weft::this_task::sleep_forever(); }));
            after = true;
        });
        BOOST_TEST(inner.cancelled_caught());
        BOOST_TEST(after);
    });
}

// rule 23
BOOST_AUTO_TEST_CASE(lowering_a_shield_wakes_those_who_sleep_inside_at_once) {
    run_checked([] {
        weft::cancel_scope outer, shielded;
        shielded.set_shield(true);
        weft::lowlevel::task_ref owner, child;
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                outer.run([&] {
                    shielded.run([&] {
                        weft::with_nursery([&](weft::nursery& m) {
                            m.start_soon([&] { child = weft::lowlevel::current_task(); weft::this_task::sleep_forever(); });
                            owner = weft::lowlevel::current_task();
                            weft::this_task::sleep_forever();
                        });
                    });
                });
            });
            wt::wait_all_tasks_blocked();
            outer.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(weft::lowlevel::is_parked(owner));
            BOOST_TEST(weft::lowlevel::is_parked(child));
            shielded.set_shield(false);
            BOOST_TEST(!weft::lowlevel::is_parked(owner));
            BOOST_TEST(!weft::lowlevel::is_parked(child));
        });
        BOOST_TEST(outer.cancelled_caught());
        BOOST_TEST(!shielded.cancelled_caught());
        BOOST_TEST((weft::current_time() == start));
    });
}

// rule 23: a deadline that passed behind the shield is seen when it is lowered
BOOST_AUTO_TEST_CASE(lowering_a_shield_lets_a_deadline_in_that_passed_meanwhile) {
    run_checked([] {
        weft::cancel_scope shielded;
        shielded.set_shield(true);
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_TEST(!weft::move_on_after(1s, [&] { shielded.run([] { weft::this_task::sleep_forever(); }); }));
            });
            weft::this_task::sleep_for(3s);
            shielded.set_shield(false);
        });
        BOOST_TEST((weft::current_time() - start == 3s));
    });
}

// rule 24
BOOST_AUTO_TEST_CASE(a_shield_raised_after_a_slow_abort_began_does_not_take_it_back) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        weft::lowlevel::task_ref waiter;
        int aborts = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                outer.run([&] {
                    inner.run([&] {
                        waiter = weft::lowlevel::current_task();
                        weft::lowlevel::park([&] { ++aborts; return weft::lowlevel::abort::failed; });
                        weft::lowlevel::raise_cancelled();  // the foreign side says that it has stopped
                    });
                });
            });
            wt::wait_all_tasks_blocked();
            outer.cancel();
            BOOST_TEST(aborts == 1);
            inner.set_shield(true);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(weft::lowlevel::is_parked(waiter));  // still waiting for the foreign side
            weft::lowlevel::unpark(waiter);
        });
        BOOST_TEST(aborts == 1);
        BOOST_TEST(outer.cancelled_caught());
        BOOST_TEST(!inner.cancelled_caught());
    });
}

// rule 24: nor does it take back a wake-up that has happened
BOOST_AUTO_TEST_CASE(a_shield_raised_after_the_wait_was_aborted_does_not_take_it_back) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        bool slept = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { outer.run([&] { inner.run([&] { weft::this_task::sleep_for(1s); slept = true; }); }); });
            wt::wait_all_tasks_blocked();
            outer.cancel();
            inner.set_shield(true);
        });
        BOOST_TEST(!slept);
        BOOST_TEST(outer.cancelled_caught());
        BOOST_TEST(!inner.cancelled_caught());
    });
}

BOOST_AUTO_TEST_SUITE_END()
