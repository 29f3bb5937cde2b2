// SPDX-License-Identifier: BSL-1.0
// nursery::start: where the child lives before and after started(), and who gets its error.
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

BOOST_AUTO_TEST_SUITE(start)

// rule 49
BOOST_AUTO_TEST_CASE(start_returns_what_the_child_reports_and_the_child_goes_on) {
    run_checked([] {
        auto begin = weft::current_time();
        bool ended = false;
        weft::with_nursery([&](weft::nursery& n) {
            int port = n.start("server", [&](weft::task_status<int>& s) {
                weft::this_task::sleep_for(1s);
                BOOST_TEST(n.child_count() == 0u);
                s.started(8080);
                BOOST_TEST(n.child_count() == 1u);
                weft::this_task::sleep_for(2s);
                ended = true;
            });
            BOOST_TEST(port == 8080);
            BOOST_TEST((weft::current_time() - begin == 1s));
            BOOST_TEST(!ended);
            BOOST_TEST(n.child_count() == 1u);
        });
        BOOST_TEST(ended);
        BOOST_TEST((weft::current_time() - begin == 3s));
    });
}

// rule 49: the form without a value
BOOST_AUTO_TEST_CASE(start_without_a_value_returns_when_the_child_reports) {
    run_checked([] {
        bool ready = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start([&](weft::task_status<>& s) { weft::checkpoint(); ready = true; s.started(); });
            BOOST_TEST(ready);
        });
    });
}

// rule 49
BOOST_AUTO_TEST_CASE(start_hands_over_a_value_that_can_only_be_moved) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto p = n.start([](weft::task_status<std::unique_ptr<int>>& s) { s.started(std::make_unique<int>(7)); weft::checkpoint(); });
            BOOST_REQUIRE(p);
            BOOST_TEST(*p == 7);
        });
    });
}

// rule 49: a child that reports as its last act
BOOST_AUTO_TEST_CASE(start_returns_the_value_of_a_child_that_ends_at_once_after_reporting) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            BOOST_TEST(n.start([](weft::task_status<std::string>& s) { s.started("done"); }) == "done");
        });
    });
}

// rule 49
BOOST_AUTO_TEST_CASE(before_it_reports_the_child_lives_under_the_callers_scopes) {
    run_checked([] {
        auto begin = weft::current_time();
        int ended = 0;
        bool after = false;
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(!weft::move_on_after(1s, [&] {
                n.start([&](weft::task_status<>& s) { at_end e{ended}; weft::this_task::sleep_for(1h); s.started(); });
            }));
            BOOST_TEST(ended == 1);
            weft::checkpoint();  // the nursery was not hit
            after = true;
        });
        BOOST_TEST(after);
        BOOST_TEST((weft::current_time() - begin == 1s));
    });
}

// rule 49: and the target's do not reach it yet
BOOST_AUTO_TEST_CASE(before_it_reports_the_childs_nursery_cannot_cancel_it) {
    run_checked([] {
        bool reported = false, went_on = false;
        weft::with_nursery([&](weft::nursery& callers) {
            weft::with_nursery([&](weft::nursery& target) {
                callers.start_soon([&] {
                    int v = target.start([&](weft::task_status<int>& s) {
                        weft::this_task::sleep_for(1s);  // the target is cancelled meanwhile
                        reported = true;
                        s.started(3);
                        weft::checkpoint();
                        went_on = true;
                    });
                    BOOST_TEST(v == 3);
                });
                wt::wait_all_tasks_blocked();
                target.cancel();
            });
        });
        BOOST_TEST(reported);
        BOOST_TEST(!went_on);
    });
}

// rule 49
BOOST_AUTO_TEST_CASE(after_it_reported_the_child_lives_under_its_nurserys_scopes) {
    run_checked([] {
        auto begin = weft::current_time();
        bool slept = false;
        weft::with_nursery([&](weft::nursery& n) {
            weft::cancel_scope around_the_call;
            BOOST_TEST(!around_the_call.run([&] {
                weft::move_on_after(1s, [&] {
                    n.start([&](weft::task_status<>& s) { s.started(); weft::this_task::sleep_for(5s); slept = true; });
                });
                around_the_call.cancel();
                weft::checkpoint();
            }));
        });
        BOOST_TEST(slept);
        BOOST_TEST((weft::current_time() - begin == 5s));
    });
}

// rule 49: with scopes and nurseries of its own open at the move, a deadline of the target counts from then on
BOOST_AUTO_TEST_CASE(a_child_that_reports_from_inside_its_own_scopes_takes_them_along) {
    run_checked([] {
        auto begin = weft::current_time();
        int cancelled = 0;
        bool done = weft::move_on_after(10s, [&] {
            weft::with_nursery([&](weft::nursery& n) {
                weft::move_on_after(5s, [&] {
                    n.start([&](weft::task_status<>& s) {
                        weft::move_on_after(1h, [&] {
                            weft::with_nursery([&](weft::nursery& m) {
                                m.start_soon([&] { at_end e{cancelled}; weft::this_task::sleep_forever(); });
                                weft::checkpoint();
                                s.started();
                                weft::this_task::sleep_forever();
                            });
                        });
                    });
                });
            });
        });
        BOOST_TEST(!done);
        BOOST_TEST(cancelled == 1);
        BOOST_TEST((weft::current_time() - begin == 10s));
    });
}

// rule 50
BOOST_AUTO_TEST_CASE(an_error_before_the_report_leaves_start_as_itself_and_spares_the_nursery) {
    run_checked([] {
        auto thrown = std::make_exception_ptr(oops("early"));
        bool after = false;
        weft::with_nursery([&](weft::nursery& n) {
            try {
                n.start([&](weft::task_status<int>&) { weft::checkpoint(); std::rethrow_exception(thrown); });
                BOOST_ERROR("nothing was thrown");
            } catch (oops const&) { BOOST_TEST((std::current_exception() == thrown)); }
            weft::checkpoint();
            BOOST_TEST(!n.scope().cancel_called());
            after = true;
        });
        BOOST_TEST(after);
    });
}

// rule 50: with its cause
BOOST_AUTO_TEST_CASE(an_error_before_the_report_keeps_its_cause) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            try {
                n.start([](weft::task_status<>&) {
                    try { throw oops("cause"); } catch (...) { std::throw_with_nested(oops("effect")); }
                });
                BOOST_ERROR("nothing was thrown");
            } catch (oops const& e) {
                BOOST_TEST(std::string(e.what()) == "effect");
                BOOST_CHECK_EXCEPTION(std::rethrow_if_nested(e), oops, [](oops const& c) { return std::string(c.what()) == "cause"; });
            }
        });
    });
}

// rule 50: a group that the child throws is not opened
BOOST_AUTO_TEST_CASE(a_group_thrown_before_the_report_leaves_start_as_that_group) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            try {
                n.start([](weft::task_status<>&) { weft::with_nursery([](weft::nursery& m) { m.start_soon([] { throw oops("x"); }); }); });
                BOOST_ERROR("nothing was thrown");
            } catch (weft::exception_group const& g) {
                BOOST_TEST(g.exceptions().size() == 1u);
                BOOST_CHECK_THROW(std::rethrow_exception(g.exceptions()[0]), oops);
            }
        });
    });
}

// rule 50
BOOST_AUTO_TEST_CASE(start_in_a_closed_nursery_throws_at_once) {
    run_checked([] {
        bool ran = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.close();
            wt::assert_no_checkpoints([&] {
                BOOST_CHECK_THROW(n.start([&](weft::task_status<>& s) { ran = true; s.started(); }), weft::nursery_closed_error);
            });
        });
        BOOST_TEST(!ran);
    });
}

// rule 50: after the report the error is the nursery's
BOOST_AUTO_TEST_CASE(an_error_after_the_report_is_the_nurserys) {
    run_checked([] {
        int value = 0;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                value = n.start([](weft::task_status<int>& s) { s.started(1); throw oops("late"); });
                weft::this_task::sleep_forever();
            });
            BOOST_ERROR("nothing was thrown");
        } catch (weft::exception_group const& g) {
            BOOST_TEST(g.leaf_count() == 1u);
            BOOST_TEST(g.contains<oops>());
        }
        BOOST_TEST(value == 1);
    });
}

// rule 51
BOOST_AUTO_TEST_CASE(a_child_that_ends_without_a_report_is_a_misuse_that_start_throws) {
    run_checked([] {
        bool after = false;
        weft::with_nursery([&](weft::nursery& n) {
            try {
                n.start([](weft::task_status<int>&) { weft::checkpoint(); });
                BOOST_ERROR("nothing was thrown");
            } catch (weft::misuse_error const& e) { BOOST_TEST(std::string(e.what()).find("started()") != std::string::npos); }
            weft::checkpoint();
            after = true;
        });
        BOOST_TEST(after);
    });
}

// rule 51
BOOST_AUTO_TEST_CASE(a_second_report_is_a_misuse) {
    run_checked([] {
        bool refused = false;
        weft::with_nursery([&](weft::nursery& n) {
            int v = n.start([&](weft::task_status<int>& s) {
                s.started(1);
                try { s.started(2); } catch (weft::misuse_error const&) { refused = true; }
            });
            BOOST_TEST(v == 1);
        });
        BOOST_TEST(refused);
    });
}

// rule 51: also while start() still waits, in a cancelled caller
BOOST_AUTO_TEST_CASE(a_second_report_in_a_cancelled_start_is_a_misuse_too) {
    run_checked([] {
        weft::cancel_scope s;
        bool refused = false;
        weft::with_nursery([&](weft::nursery& n) {
            s.run([&] {
                s.cancel();
                n.start([&](weft::task_status<>& st) {
                    st.started();
                    try { st.started(); } catch (weft::misuse_error const&) { refused = true; }
                });
            });
        });
        BOOST_TEST(refused);
    });
}

// rule 52
BOOST_AUTO_TEST_CASE(in_a_cancelled_caller_the_child_stays_under_start_and_is_cancelled_with_it) {
    run_checked([] {
        weft::cancel_scope s;
        bool reported = false, went_on = false, returned = false;
        int ended = 0;
        weft::with_nursery([&](weft::nursery& n) {
            s.run([&] {
                s.cancel();
                n.start([&](weft::task_status<>& st) {
                    at_end e{ended};
                    st.started();
                    reported = true;
                    BOOST_TEST(n.child_count() == 0u);
                    weft::checkpoint();
                    went_on = true;
                });
                returned = true;
            });
            BOOST_TEST(ended == 1);
        });
        BOOST_TEST(reported);
        BOOST_TEST(!went_on);
        BOOST_TEST(!returned);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 52
BOOST_AUTO_TEST_CASE(in_a_cancelled_caller_start_returns_if_the_child_ended_without_a_checkpoint) {
    run_checked([] {
        weft::cancel_scope s;
        int value = 0;
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(s.run([&] { s.cancel(); value = n.start([](weft::task_status<int>& st) { st.started(9); }); }));
        });
        BOOST_TEST(value == 9);
        BOOST_TEST(!s.cancelled_caught());
    });
}

// rule 52
BOOST_AUTO_TEST_CASE(in_a_cancelled_caller_an_error_after_the_report_still_leaves_start) {
    run_checked([] {
        weft::cancel_scope s;
        bool after = false;
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_CHECK_THROW(s.run([&] { s.cancel(); n.start([](weft::task_status<>& st) { st.started(); throw oops("late"); }); }), oops);
            weft::checkpoint();
            after = true;
        });
        BOOST_TEST(after);
    });
}

// rule 53
BOOST_AUTO_TEST_CASE(a_pending_start_keeps_the_nursery_open_past_its_body) {
    run_checked([] {
        auto begin = weft::current_time();
        bool ended = false;
        weft::with_nursery([&](weft::nursery& callers) {
            weft::with_nursery([&](weft::nursery& n) {
                callers.start_soon([&] {
                    n.start([&](weft::task_status<>& s) {
                        weft::this_task::sleep_for(1s);
                        s.started();
                        weft::this_task::sleep_for(1s);
                        ended = true;
                    });
                });
                weft::checkpoint();
            });
            BOOST_TEST(ended);
            BOOST_TEST((weft::current_time() - begin == 2s));
        });
    });
}

// rule 53: one that comes to nothing lets it go
BOOST_AUTO_TEST_CASE(a_pending_start_that_fails_lets_the_waiting_nursery_end) {
    run_checked([] {
        auto begin = weft::current_time();
        bool failed = false;
        weft::with_nursery([&](weft::nursery& callers) {
            weft::with_nursery([&](weft::nursery& n) {
                callers.start_soon([&] {
                    try { n.start([](weft::task_status<>&) { weft::this_task::sleep_for(1s); throw oops("x"); }); } catch (oops const&) { failed = true; }
                    weft::this_task::sleep_for(1s);
                });
                weft::checkpoint();
            });
            BOOST_TEST(failed);
            BOOST_TEST((weft::current_time() - begin == 1s));
        });
    });
}

// rule 53: close() refuses new starts, not one that is under way
BOOST_AUTO_TEST_CASE(a_start_that_was_under_way_when_the_nursery_was_closed_is_completed) {
    run_checked([] {
        int value = 0;
        bool ended = false;
        weft::with_nursery([&](weft::nursery& callers) {
            weft::with_nursery([&](weft::nursery& n) {
                callers.start_soon([&] {
                    value = n.start([&](weft::task_status<int>& s) { weft::this_task::sleep_for(1s); s.started(4); weft::this_task::sleep_for(1s); ended = true; });
                });
                wt::wait_all_tasks_blocked();
                n.close();
            });
            BOOST_TEST(ended);
        });
        BOOST_TEST(value == 4);
    });
}

// rule 54
BOOST_AUTO_TEST_CASE(a_child_that_reports_into_a_cancelled_nursery_is_cancelled_with_its_sleeping_descendants) {
    run_checked([] {
        auto begin = weft::current_time();
        weft::event go;
        int aborted = 0;
        weft::with_nursery([&](weft::nursery& callers) {
            weft::with_nursery([&](weft::nursery& target) {
                callers.start_soon([&] {
                    target.start([&](weft::task_status<>& s) {
                        weft::with_nursery([&](weft::nursery& m) {
                            for (int i = 0; i < 3; ++i) m.start_soon([&] { at_end e{aborted}; weft::this_task::sleep_for(1h); });
                            go.wait();
                            s.started();
                            at_end e{aborted};
                            weft::this_task::sleep_for(1h);
                        });
                    });
                });
                wt::wait_all_tasks_blocked();
                target.cancel();
                weft::cancel_scope shielded;  // the body is cancelled too
                shielded.set_shield(true);
                shielded.run([&] { wt::wait_all_tasks_blocked(); });
                BOOST_TEST(aborted == 0);  // still the caller's
                go.set();
            });
        });
        BOOST_TEST(aborted == 4);
        BOOST_TEST((weft::current_time() == begin));
    });
}

// rule 54: cancelled after the move
BOOST_AUTO_TEST_CASE(a_moved_child_and_its_descendants_are_cancelled_with_their_nursery) {
    run_checked([] {
        auto begin = weft::current_time();
        int aborted = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start([&](weft::task_status<>& s) {
                weft::with_nursery([&](weft::nursery& m) {
                    m.start_soon([&] { at_end e{aborted}; weft::this_task::sleep_for(1h); });
                    weft::checkpoint();
                    s.started();
                    at_end e{aborted};
                    weft::this_task::sleep_for(1h);
                });
            });
            wt::wait_all_tasks_blocked();
            n.cancel();
        });
        BOOST_TEST(aborted == 2);
        BOOST_TEST((weft::current_time() == begin));
    });
}

// rules 49, 140: the stop level of the nursery reaches the child when it moves
BOOST_AUTO_TEST_CASE(a_child_that_moves_meets_the_stop_level_of_its_nursery) {
    run_checked([] {
        std::vector<bool> seen;
        int woken = 0;
        weft::with_nursery([&](weft::nursery& callers) {
            weft::with_nursery([&](weft::nursery& target) {
                target.scope().request_stop();
                callers.start_soon([&] {
                    target.start([&](weft::task_status<>& s) {
                        weft::with_nursery([&](weft::nursery& m) {
                            m.start_soon([&] { weft::wait_stop_requested(); ++woken; });
                            wt::wait_all_tasks_blocked();
                            seen.push_back(weft::stop_requested());
                            BOOST_TEST(woken == 0);
                            s.started();
                            seen.push_back(weft::stop_requested());
                            weft::wait_stop_requested();
                            ++woken;
                        });
                    });
                    BOOST_TEST(!weft::stop_requested());
                });
                weft::checkpoint();
            });
        });
        BOOST_TEST((seen == std::vector<bool>{false, true}));
        BOOST_TEST(woken == 2);
    });
}

// rule 48
BOOST_AUTO_TEST_CASE(a_started_child_has_its_callers_task_locals) {
    weft::task_local<int> v{0};
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            v = 5;
            BOOST_TEST(n.start([&](weft::task_status<int>& s) { s.started(v.get()); }) == 5);
        });
    });
}

BOOST_AUTO_TEST_CASE(start_waits_for_room_in_a_full_nursery) {
    run_checked([] {
        auto begin = weft::current_time();
        weft::nursery_options o;
        o.max_children = 1;
        weft::with_nursery(o, [&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            n.start([](weft::task_status<>& s) { s.started(); weft::this_task::sleep_for(1s); });
            BOOST_TEST((weft::current_time() - begin == 1s));
            BOOST_TEST(n.child_count() == 1u);
        });
    });
}

BOOST_AUTO_TEST_CASE(start_of_a_callable_whose_copy_throws_leaves_nothing) {
    struct copy_throws {
        copy_throws() = default;
        copy_throws(copy_throws const&) { throw oops("copy"); }
        void operator()(weft::task_status<>& s) const { s.started(); }
    };
    run_checked([] {
        bool after = false;
        weft::with_nursery([&](weft::nursery& n) {
            copy_throws f;
            BOOST_CHECK_THROW(n.start(f), oops);
            BOOST_TEST(n.child_count() == 0u);
            weft::checkpoint();
            after = true;
        });
        BOOST_TEST(after);
    });
}

BOOST_AUTO_TEST_CASE(start_may_be_cancelled_at_every_point) {
    int began = 0, ended = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::with_nursery([&](weft::nursery& n) {
            int v = n.start([&](weft::task_status<int>& s) {
                at_end e{ended};
                ++began;
                weft::this_task::sleep_for(1s);
                s.started(6);
                weft::this_task::sleep_for(1s);
            });
            BOOST_TEST(v == 6);
            weft::checkpoint();
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits > 0u);
    BOOST_TEST(began > 0);
    BOOST_TEST(began == ended);
}

BOOST_AUTO_TEST_SUITE_END()
