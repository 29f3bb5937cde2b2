// SPDX-License-Identifier: BSL-1.0
// Who may enter a scope, how often, who is inside it then, and how deep scopes may nest.
#include "fixture.hpp"

#include <functional>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(scope_entry)

// rule 25
BOOST_AUTO_TEST_CASE(a_child_lives_under_the_scopes_of_its_nursery_not_of_the_call_that_starts_it) {
    run_checked([] {
        int ended = 0;
        weft::with_nursery([&](weft::nursery& n) {
            weft::cancel_scope around_the_call;
            around_the_call.run([&] {
                n.start_soon([&] { weft::this_task::sleep_for(1s); ++ended; });
                around_the_call.cancel();
                weft::checkpoint();
            });
            BOOST_TEST(around_the_call.cancelled_caught());
        });
        BOOST_TEST(ended == 1);
    });
}

// rule 25
BOOST_AUTO_TEST_CASE(a_cancel_reaches_all_descendants_at_once) {
    run_checked([] {
        weft::cancel_scope s;
        std::vector<weft::lowlevel::task_ref> tasks;
        std::function<void(int)> tree = [&](int depth) {
            if (depth == 0) {
                tasks.push_back(weft::lowlevel::current_task());
                weft::this_task::sleep_forever();
            }
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 2; ++i) n.start_soon([&, depth] { weft::move_on_after(1h, [&] { tree(depth - 1); }); });
            });
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { tree(4); }); });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(tasks.size() == 16u);
            for (auto t : tasks) BOOST_TEST(weft::lowlevel::is_parked(t));
            s.cancel();
            for (auto t : tasks) BOOST_TEST(!weft::lowlevel::is_parked(t));
        });
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 26
BOOST_AUTO_TEST_CASE(a_scope_may_be_made_and_cancelled_before_another_task_enters_it) {
    run_checked([] {
        weft::cancel_scope before, during;
        auto nap = [](weft::cancel_scope& s) { s.run([] { weft::this_task::sleep_forever(); }); };
        before.cancel();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { nap(before); });
            n.start_soon([&] { nap(during); });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(before.cancelled_caught());
            during.cancel();
        });
        BOOST_TEST(during.cancelled_caught());
    });
}

// rule 26: a shield set before entry counts from entry on
BOOST_AUTO_TEST_CASE(a_scope_may_be_shielded_before_it_is_entered) {
    run_checked([] {
        weft::cancel_scope outer, shielded;
        shielded.set_shield(true);
        bool slept = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { outer.run([&] { shielded.run([&] { weft::this_task::sleep_for(1s); slept = true; }); weft::checkpoint(); }); });
            wt::wait_all_tasks_blocked();
            outer.cancel();
        });
        BOOST_TEST(slept);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 26: made outside of any run, and cancelled there
BOOST_AUTO_TEST_CASE(a_scope_may_be_made_and_cancelled_before_the_run) {
    weft::cancel_scope s;
    s.cancel("early");
    run_checked([&] { BOOST_TEST(!s.run([] { weft::checkpoint(); })); });
    BOOST_TEST(s.reason() == "early");
}

// rule 27
BOOST_AUTO_TEST_CASE(a_scope_is_entered_once_in_its_life) {
    run_checked([] {
        weft::cancel_scope s;
        s.run([&] { BOOST_CHECK_THROW(s.run([] {}), weft::misuse_error); });   // re-entry
        BOOST_CHECK_THROW(s.run([] {}), weft::misuse_error);                   // reuse
        weft::cancel_scope shared;                                             // two tasks
        bool refused = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { shared.run([] { weft::this_task::sleep_for(1s); }); });
            wt::wait_all_tasks_blocked();
            try { shared.run([] {}); } catch (weft::misuse_error const&) { refused = true; }
        });
        BOOST_TEST(refused);
        BOOST_CHECK_NO_THROW(weft::checkpoint());  // the refused entries left nothing behind
    });
    weft::cancel_scope outside;
    BOOST_CHECK_THROW(outside.run([] {}), weft::not_running_error);
}

// rule 27: from another thread
BOOST_AUTO_TEST_CASE(a_scope_that_is_in_use_cannot_be_touched_from_another_thread) {
    run_checked([] {
        weft::cancel_scope s;
        int refused = 0;
        s.run([&] {
            std::thread([&] {
                auto expect = [&](auto f) { try { f(); } catch (weft::wrong_domain_error const&) { ++refused; } };
                expect([&] { s.cancel(); });
                expect([&] { s.set_shield(true); });
                expect([&] { s.set_deadline(weft::never); });
                expect([&] { s.request_stop(); });
            }).join();
        });
        BOOST_TEST(refused == 4);
        BOOST_TEST(!s.cancel_called());
    });
}

// rule 30
BOOST_AUTO_TEST_CASE(five_thousand_nested_scopes_are_cancelled_from_the_outermost) {
    weft::run_options o;
    o.stack_size = 64 << 20;
    run_checked(o, [] {
        constexpr int depth = 5'000;
        weft::cancel_scope outermost;
        int entered = 0, caught = 0, passed = 0;
        auto nest = [&](auto& self, int left) -> void {
            if (left == 0) {
                weft::this_task::sleep_forever();
            }
            weft::cancel_scope s;
            struct look { weft::cancel_scope& s; int& caught; ~look() { caught += s.cancelled_caught(); } } l{s, caught};
            ++entered;
            s.run([&] { self(self, left - 1); });
            ++passed;
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { outermost.run([&] { nest(nest, depth); }); });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(entered == depth);
            outermost.cancel();
        });
        BOOST_TEST(outermost.cancelled_caught());
        BOOST_TEST(caught == 0);
        BOOST_TEST(passed == 0);
    });
}

BOOST_AUTO_TEST_SUITE_END()
