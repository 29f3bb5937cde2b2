// SPDX-License-Identifier: BSL-1.0
// What a checkpoint is, and which calls are one.
#include "fixture.hpp"

using namespace weft_test;
namespace wt = weft::testing;

namespace {
/// Runs f and says whether `cancelled` came out of it; swallows it.
template <class F>
bool raises_cancelled(F&& f) {
    try { f(); } catch (weft::cancelled const&) { return true; }
    return false;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint)

// rule 1
BOOST_AUTO_TEST_CASE(every_blocking_call_is_a_checkpoint_even_when_it_need_not_wait) {
    run_checked([] {
        auto expect = [](char const* name, auto f) {
            BOOST_TEST_CONTEXT(name) { BOOST_CHECK_NO_THROW(wt::assert_checkpoints(f)); }
        };
        expect("checkpoint", [] { weft::checkpoint(); });
        expect("yield", [] { weft::this_task::yield(); });
        expect("sleep_for(0)", [] { weft::this_task::sleep_for(0s); });
        expect("sleep_for(1s)", [] { weft::this_task::sleep_for(1s); });
        expect("sleep_until(the past)", [] { weft::this_task::sleep_until(weft::current_time() - 1h); });
        expect("wait_all_tasks_blocked", [] { wt::wait_all_tasks_blocked(); });
        weft::event set;
        set.set();
        expect("event::wait, set", [&] { set.wait(); });
        weft::with_nursery([&](weft::nursery& n) {
            weft::event e;
            n.start_soon([&] { e.set(); });
            expect("event::wait, unset", [&] { e.wait(); });
            auto h = n.spawn([] { return 1; });
            expect("join", [&] { h.join(); });
            expect("join, ended", [&] { h.join(); });
            expect("get, ended", [&] { static_cast<void>(h.get()); });
            n.scope().request_stop();
            expect("wait_stop_requested, requested", [] { weft::wait_stop_requested(); });
        });
    });
}

// rule 1
BOOST_AUTO_TEST_CASE(shutdown_of_an_empty_nursery_is_a_checkpoint_too) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            BOOST_CHECK_NO_THROW(wt::assert_checkpoints([&] { n.shutdown(1s); }));
        });
    });
}

// rule 2
BOOST_AUTO_TEST_CASE(synchronous_calls_are_no_checkpoints) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            BOOST_CHECK_NO_THROW(wt::assert_no_checkpoints([&] {
                weft::cancel_scope s("sync");
                s.set_deadline_after(1h);
                s.run([&] {
                    s.set_deadline(weft::current_time() + 2h);
                    s.set_shield(true);
                    s.set_shield(false);
                    static_cast<void>(s.cancel_called());
                    static_cast<void>(weft::current_effective_deadline());
                    static_cast<void>(weft::this_task::id());
                    static_cast<void>(weft::stop_requested());
                    weft::event e;
                    e.set();
                    s.cancel();
                });
                n.start_soon([] {});
                auto h = n.spawn([] {});
                h.cancel();
                static_cast<void>(h.done());
                static_cast<void>(weft::lowlevel::current_statistics());
            }));
        });
    });
}

// rule 2: the assertion itself can fail, both ways
BOOST_AUTO_TEST_CASE(the_checkpoint_assertions_see_the_difference) {
    run_checked([] {
        BOOST_CHECK_THROW(wt::assert_no_checkpoints([] { weft::checkpoint(); }), wt::assertion_error);
        BOOST_CHECK_THROW(wt::assert_no_checkpoints([] { weft::check_cancelled(); }), wt::assertion_error);
        BOOST_CHECK_THROW(wt::assert_no_checkpoints([] { weft::yield_shielded(); }), wt::assertion_error);
        BOOST_CHECK_THROW(wt::assert_checkpoints([] {}), wt::assertion_error);
    });
}

// rule 3
BOOST_AUTO_TEST_CASE(an_operation_that_raises_need_not_have_been_a_checkpoint) {
    run_checked([] {
        auto refused = [] { weft::this_task::sleep_for(-1s); };
        BOOST_CHECK_THROW(wt::assert_checkpoints(refused), weft::misuse_error);  // no complaint about the checkpoint
        BOOST_CHECK_NO_THROW(wt::assert_no_checkpoints([&] { BOOST_CHECK_THROW(refused(), weft::misuse_error); }));
    });
}

// rule 8
BOOST_AUTO_TEST_CASE(checkpoint_yields_first_so_it_sees_what_happened_meanwhile) {
    wt::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        weft::with_nursery([&](weft::nursery& n) {
            bool jumped = false;
            n.start_soon([&] { clock.jump(2s); jumped = true; });
            s.run([&] { while (!jumped) weft::checkpoint(); });  // the one during which it jumps must raise
        });
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 8: the same for a cancel by another task, in every order
BOOST_AUTO_TEST_CASE(checkpoint_raises_what_another_task_cancelled_while_it_yielded) {
    int raised = 0;
    auto r = wt::explore([&] {
        weft::cancel_scope s;
        bool other_ran = false;
        bool caught = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.cancel(); other_ran = true; });
            caught = !s.run([&] { weft::checkpoint(); BOOST_TEST(!other_ran); });
        });
        BOOST_TEST(other_ran);
        if (caught) ++raised;
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(raised > 0);
}

// rule 9
BOOST_AUTO_TEST_CASE(check_cancelled_raises_if_cancelled_and_never_yields) {
    run_checked([] {
        weft::cancel_scope s;
        auto before = weft::lowlevel::current_statistics().switches;
        s.run([&] {
            weft::check_cancelled();
            s.cancel();
            BOOST_TEST(raises_cancelled([] { weft::check_cancelled(); }));
        });
        BOOST_TEST(weft::lowlevel::current_statistics().switches == before);
    });
}

// rule 9
BOOST_AUTO_TEST_CASE(yield_shielded_yields_and_never_raises) {
    run_checked([] {
        weft::cancel_scope s;
        s.run([&] {
            s.cancel();
            auto before = weft::lowlevel::current_statistics().switches;
            BOOST_TEST(!raises_cancelled([] { weft::yield_shielded(); }));
            BOOST_TEST(weft::lowlevel::current_statistics().switches == before + 1);
        });
    });
}

// rule 9: together the two halves are one checkpoint
BOOST_AUTO_TEST_CASE(the_two_halves_together_are_one_checkpoint) {
    run_checked([] {
        BOOST_CHECK_THROW(wt::assert_checkpoints([] { weft::check_cancelled(); }), wt::assertion_error);
        BOOST_CHECK_THROW(wt::assert_checkpoints([] { weft::yield_shielded(); }), wt::assertion_error);
        BOOST_CHECK_NO_THROW(wt::assert_checkpoints([] { weft::yield_shielded(); weft::check_cancelled(); }));
    });
}

// rule 6
BOOST_AUTO_TEST_CASE(cancelling_the_own_scope_raises_nothing_until_the_next_checkpoint) {
    run_checked([] {
        weft::cancel_scope s;
        bool after_cancel = false, after_checkpoint = false;
        s.run([&] {
            wt::assert_no_checkpoints([&] { s.cancel(); });
            after_cancel = true;
            weft::checkpoint();
            after_checkpoint = true;
        });
        BOOST_TEST(after_cancel);
        BOOST_TEST(!after_checkpoint);
    });
}

// rule 11: a result that has arrived beats a later cancel, in every order of the three tasks
BOOST_AUTO_TEST_CASE(a_wait_completes_or_is_cancelled_never_both) {
    int completed = 0, cancelled = 0;
    wt::explore_options few;
    few.max_schedules = 1'000;
    auto r = wt::explore([&] {
        weft::cancel_scope s;
        bool returned = false, woken = false, next_raised = false;
        weft::with_nursery([&](weft::nursery& n) {
            weft::lowlevel::task_ref waiter;
            bool withdrawn = false;
            n.start_soon([&] {
                s.run([&] {
                    waiter = weft::lowlevel::current_task();
                    weft::lowlevel::park([&] { withdrawn = true; return weft::lowlevel::abort::succeeded; });
                    returned = true;
                    next_raised = raises_cancelled([] { weft::check_cancelled(); });
                });
            });
            n.start_soon([&] {
                while (!waiter) weft::checkpoint();
                if (weft::lowlevel::is_parked(waiter)) { weft::lowlevel::unpark(waiter); woken = true; }
            });
            n.start_soon([&] {
                while (!waiter) weft::checkpoint();
                s.cancel();
            });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(returned == woken);
            BOOST_TEST(returned == !withdrawn);
            BOOST_TEST(returned == next_raised);
            ++(returned ? completed : cancelled);
        });
    }, few);
    BOOST_TEST(r.schedules > 10u);
    BOOST_TEST(completed > 0);
    BOOST_TEST(cancelled > 0);
}

// rule 11
BOOST_AUTO_TEST_CASE(a_cancel_after_the_wake_up_cannot_take_it_back_and_the_next_point_raises) {
    run_checked([] {
        weft::event e;
        weft::cancel_scope s;
        bool returned = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] { e.wait(); returned = true; weft::checkpoint(); BOOST_ERROR("not reached"); });
            });
            wt::wait_all_tasks_blocked();
            e.set();
            s.cancel();
        });
        BOOST_TEST(returned);
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_SUITE_END()
