// SPDX-License-Identifier: BSL-1.0
// Handles: the result of one child, its error, its cancellation.
#include "fixture.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
struct at_end {
    int& count;
    ~at_end() { ++count; }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(task_handle)

// rule 142
BOOST_AUTO_TEST_CASE(get_waits_for_the_task_and_returns_its_result_as_often_as_it_is_called) {
    run_checked([] {
        auto begin = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([] { weft::this_task::sleep_for(1s); return std::string("answer"); });
            BOOST_TEST(!h.done());
            BOOST_TEST(h.get() == "answer");
            BOOST_TEST((weft::current_time() - begin == 1s));
            BOOST_TEST(h.done());
            BOOST_TEST(h.get() == "answer");
            auto copy = h;
            BOOST_TEST(copy.get() == "answer");
            BOOST_TEST(copy.id() == h.id());
        });
    });
}

// rule 142
BOOST_AUTO_TEST_CASE(a_handle_outlives_its_nursery) {
    run_checked([] {
        weft::task_handle<int> h;
        weft::task_handle<void> failed;
        BOOST_CHECK_THROW(weft::with_nursery([&](weft::nursery& n) {
            h = n.spawn([] { return 3; });
            failed = n.spawn([] { throw oops("x"); });
        }), weft::exception_group);
        BOOST_TEST(h.get() == 3);
        BOOST_CHECK_THROW(failed.get(), oops);
        h.cancel();  // too late for anything
        BOOST_TEST(h.get() == 3);
    });
}

BOOST_AUTO_TEST_CASE(get_gives_a_result_that_can_only_be_moved) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto h = n.spawn([] { return std::make_unique<int>(5); });
            auto p = h.get();
            BOOST_REQUIRE(p);
            BOOST_TEST(*p == 5);
        });
    });
}

// rule 142
BOOST_AUTO_TEST_CASE(get_rethrows_the_childs_error_as_itself_and_the_nursery_fails_all_the_same) {
    run_checked([] {
        auto thrown = std::make_exception_ptr(oops("child"));
        int taken = 0;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                auto h = n.spawn([&]() -> int { weft::this_task::sleep_for(1s); std::rethrow_exception(thrown); });
                weft::cancel_scope shielded;  // the nursery is cancelled by the error
                shielded.set_shield(true);
                shielded.run([&] {
                    try { h.get(); } catch (oops const&) { taken += std::current_exception() == thrown; }
                    try { h.get(); } catch (oops const&) { taken += std::current_exception() == thrown; }
                });
                BOOST_TEST(n.scope().cancel_called());
            });
            BOOST_ERROR("the nursery did not fail");
        } catch (weft::exception_group const& g) {
            BOOST_TEST(g.leaf_count() == 1u);
            BOOST_TEST((g.exceptions()[0] == thrown));
        }
        BOOST_TEST(taken == 2);
    });
}

// rule 142: taken in another nursery
BOOST_AUTO_TEST_CASE(an_error_may_be_taken_by_a_task_outside_of_the_nursery) {
    run_checked([] {
        bool taken = false, failed = false;
        weft::with_nursery([&](weft::nursery& outside) {
            try {
                weft::with_nursery([&](weft::nursery& n) {
                    auto h = n.spawn([] { weft::this_task::sleep_for(1s); throw oops("child"); });
                    outside.start_soon([&, h] { try { h.get(); } catch (oops const&) { taken = true; } });
                });
            } catch (weft::exception_group const&) { failed = true; }
        });
        BOOST_TEST(taken);
        BOOST_TEST(failed);
    });
}

// rule 142
BOOST_AUTO_TEST_CASE(cancel_stops_the_one_task_and_the_nursery_goes_on) {
    run_checked([] {
        auto begin = weft::current_time();
        bool other_ended = false;
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn("victim", [] { weft::this_task::sleep_forever(); return 1; });
            n.start_soon([&] { weft::this_task::sleep_for(1s); other_ended = true; });
            wt::wait_all_tasks_blocked();
            h.cancel("not needed");
            h.join();
            BOOST_TEST(h.done());
            BOOST_TEST((weft::current_time() == begin));
            try { h.get(); BOOST_ERROR("nothing was thrown"); } catch (weft::task_cancelled_error const& e) {
                BOOST_TEST(std::string(e.what()).find("not needed") != std::string::npos);
            }
            BOOST_TEST(!n.scope().cancel_called());
        });
        BOOST_TEST(other_ended);
    });
}

// rule 142
BOOST_AUTO_TEST_CASE(a_task_cancelled_before_its_first_step_meets_it_at_its_first_checkpoint) {
    run_checked([] {
        bool began = false, went_on = false;
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([&] { began = true; weft::checkpoint(); went_on = true; });
            h.cancel();
            BOOST_CHECK_THROW(h.get(), weft::task_cancelled_error);
        });
        BOOST_TEST(began);
        BOOST_TEST(!went_on);
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_was_told_to_stop_but_ended_by_itself_has_its_result) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto h = n.spawn([] { return 8; });
            h.cancel();
            BOOST_TEST(h.get() == 8);
        });
    });
}

BOOST_AUTO_TEST_CASE(get_of_a_task_that_its_nursery_cancelled_says_so) {
    run_checked([] {
        weft::task_handle<int> h;
        weft::with_nursery([&](weft::nursery& n) {
            h = n.spawn([] { weft::this_task::sleep_forever(); return 1; });
            wt::wait_all_tasks_blocked();
            n.cancel();
        });
        BOOST_CHECK_THROW(h.get(), weft::task_cancelled_error);
    });
}

BOOST_AUTO_TEST_CASE(join_returns_however_the_task_ended) {
    run_checked([] {
        weft::task_handle<void> ok, bad, cancelled;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                ok = n.spawn([] {});
                cancelled = n.spawn([] { weft::this_task::sleep_forever(); });
                bad = n.spawn([] { weft::this_task::sleep_for(1s); throw oops("x"); });
                weft::cancel_scope shielded;
                shielded.set_shield(true);
                shielded.run([&] {
                    BOOST_CHECK_NO_THROW(ok.join());
                    BOOST_CHECK_NO_THROW(bad.join());
                    BOOST_CHECK_NO_THROW(cancelled.join());
                });
            });
            BOOST_ERROR("nothing was thrown");
        } catch (weft::exception_group const& g) { BOOST_TEST(g.leaf_count() == 1u); }
        BOOST_TEST((ok.done() && bad.done() && cancelled.done()));
    });
}

BOOST_AUTO_TEST_CASE(join_wakes_all_who_wait_and_only_after_the_callable_is_gone) {
    run_checked([] {
        int woken = 0;
        auto token = std::make_shared<int>();
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([token] { weft::this_task::sleep_for(1s); });
            for (int i = 0; i < 3; ++i) n.start_soon([&, h] { h.join(); woken += token.use_count() == 1; });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(woken == 0);
        });
        BOOST_TEST(woken == 3);
    });
}

BOOST_AUTO_TEST_CASE(join_and_get_are_checkpoints_also_when_the_task_has_ended) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto h = n.spawn([] { return 1; });
            h.join();
            wt::assert_checkpoints([&] { h.join(); });
            wt::assert_checkpoints([&] { h.get(); });
            wt::assert_no_checkpoints([&] { h.done(); h.id(); h.cancel(); });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_leaves_the_task_alone_and_may_be_repeated) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto h = n.spawn([] { weft::this_task::sleep_for(3s); return 2; });
            BOOST_TEST(!weft::move_on_after(1s, [&] { h.join(); }));
            BOOST_TEST(!weft::move_on_after(1s, [&] { return h.get(); }).has_value());
            BOOST_TEST(!h.done());
            BOOST_TEST(h.get() == 2);
        });
    });
}

BOOST_AUTO_TEST_CASE(an_empty_handle_is_refused) {
    run_checked([] {
        weft::task_handle<int> h;
        BOOST_TEST(!h);
        BOOST_CHECK_THROW(h.get(), weft::misuse_error);
        BOOST_CHECK_THROW(h.join(), weft::misuse_error);
        BOOST_CHECK_THROW(h.cancel(), weft::misuse_error);
        BOOST_CHECK_THROW(h.done(), weft::misuse_error);
        weft::with_nursery([&](weft::nursery& n) { h = n.spawn([] { return 1; }); BOOST_TEST(!!h); });
    });
}

BOOST_AUTO_TEST_CASE(a_handle_need_not_be_kept) {
    run_checked([] {
        int ended = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.spawn([&] { at_end e{ended}; weft::this_task::sleep_for(1s); return 1; });
        });
        BOOST_TEST(ended == 1);
    });
}

BOOST_AUTO_TEST_CASE(join_and_get_may_be_cancelled_at_every_point) {
    int began = 0, ended = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([&] { ++began; at_end e{ended}; weft::this_task::sleep_for(1s); return 4; });
            auto h2 = n.spawn([&] { weft::this_task::sleep_for(2s); });
            BOOST_TEST(h.get() == 4);
            h2.join();
            h.join();
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits >= 2u);
    BOOST_TEST(began > 0);
    BOOST_TEST(began == ended);
}

BOOST_AUTO_TEST_SUITE_END()
