// SPDX-License-Identifier: BSL-1.0
// The stop level, shutdown with a grace time, and services.
#include "fixture.hpp"

#include <algorithm>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
using strings = std::vector<std::string>;
struct at_end {
    int& count;
    ~at_end() { ++count; }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(soft_cancel)

// rule 140
BOOST_AUTO_TEST_CASE(a_stop_request_is_seen_inside_the_scope_and_raises_nothing) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        BOOST_TEST(outer.run([&] {
            BOOST_TEST(!weft::stop_requested());
            BOOST_TEST(inner.run([&] {
                outer.request_stop();
                BOOST_TEST(weft::stop_requested());
                BOOST_TEST(outer.stop_requested());
                weft::checkpoint();
                weft::this_task::sleep_for(1s);
            }));
        }));
        BOOST_TEST(!weft::stop_requested());
        BOOST_TEST(!outer.cancel_called());
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(shields_do_not_hide_a_stop_request) {
    run_checked([] {
        weft::cancel_scope outer, shielded;
        shielded.set_shield(true);
        outer.run([&] { shielded.run([&] { outer.request_stop(); BOOST_TEST(weft::stop_requested()); weft::wait_stop_requested(); }); });
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(a_stop_request_of_an_inner_scope_is_not_seen_outside) {
    run_checked([] {
        weft::cancel_scope inner;
        inner.run([&] { inner.request_stop(); });
        BOOST_TEST(!weft::stop_requested());
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(a_stop_request_wakes_all_who_wait_for_it_inside_and_nobody_else) {
    run_checked([] {
        int inside = 0, outside = 0;
        weft::with_nursery([&](weft::nursery& others) {
            others.start_soon([&] { weft::wait_stop_requested(); ++outside; });
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 3; ++i) n.start_soon([&] { weft::move_on_after(1h, [&] { weft::wait_stop_requested(); ++inside; }); });
                wt::wait_all_tasks_blocked();
                BOOST_TEST(inside == 0);
                n.scope().request_stop();
                wt::wait_all_tasks_blocked();
                BOOST_TEST(inside == 3);
                wt::assert_checkpoints([&] { n.start_soon([] { weft::wait_stop_requested(); }); weft::checkpoint(); });
                weft::wait_stop_requested();  // raised already
            });
            BOOST_TEST(outside == 0);
            others.cancel();
        });
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(a_stop_token_is_stopped_by_a_stop_request_or_a_cancellation_and_outlives_the_scope) {
    run_checked([] {
        std::stop_token asked, cancelled, neither;
        {
            weft::cancel_scope a, b, c;
            asked = token_of(a);
            cancelled = token_of(b);
            neither = c.std_stop_token();
            a.run([&] { BOOST_TEST(!asked.stop_requested()); a.request_stop(); BOOST_TEST(asked.stop_requested()); });
            b.run([&] { b.cancel(); BOOST_TEST(cancelled.stop_requested()); weft::checkpoint(); });
            c.run([] { weft::checkpoint(); });
        }
        BOOST_TEST(asked.stop_requested());
        BOOST_TEST(cancelled.stop_requested());
        BOOST_TEST(!neither.stop_requested());
    });
}

BOOST_AUTO_TEST_CASE(a_wait_for_a_stop_request_may_be_cancelled_at_every_point) {
    auto r = wt::cancel_everywhere([] {
        weft::with_nursery([](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); n.scope().request_stop(); });
            weft::wait_stop_requested();
            weft::wait_stop_requested();
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits > 0u);
}

// --- shutdown ---

// rule 140
BOOST_AUTO_TEST_CASE(shutdown_ends_as_soon_as_all_children_have_stopped) {
    run_checked([] {
        auto begin = weft::current_time();
        int ended = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 1; i <= 2; ++i) {
                n.start_soon([&, i] { weft::wait_stop_requested(); weft::this_task::sleep_for(std::chrono::seconds(i)); ++ended; });
            }
            wt::wait_all_tasks_blocked();
            auto report = n.shutdown(10s);
            BOOST_TEST(report.in_time());
            BOOST_TEST(report.late.empty());
            BOOST_TEST(ended == 2);
            BOOST_TEST(!n.is_open());
            BOOST_CHECK_THROW(n.start_soon([] {}), weft::nursery_closed_error);
            weft::checkpoint();  // nothing was cancelled
            BOOST_TEST(!n.scope().cancel_called());
        });
        BOOST_TEST((weft::current_time() - begin == 2s));
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(shutdown_cancels_what_is_left_after_the_grace_time_and_names_it) {
    run_checked([] {
        auto begin = weft::current_time();
        int ended = 0;
        bool after_shutdown = false, went_on = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("polite", [&] { weft::wait_stop_requested(); ++ended; });
            n.start_soon("stubborn", [&] { weft::this_task::sleep_forever(); });
            std::uint64_t unnamed = 0;
            n.start_soon([&] { unnamed = weft::this_task::id(); weft::this_task::sleep_forever(); });
            n.start_service("service", [] { weft::this_task::sleep_forever(); });
            wt::wait_all_tasks_blocked();
            auto report = n.shutdown(3s);
            after_shutdown = true;
            BOOST_TEST(!report.in_time());
            auto late = report.late;
            std::sort(late.begin(), late.end());
            BOOST_TEST((late == strings{"#" + std::to_string(unnamed), "stubborn"}));  // the service is not late
            BOOST_TEST((weft::current_time() - begin == 3s));
            weft::checkpoint();  // the body is cancelled too
            went_on = true;
        });
        BOOST_TEST(after_shutdown);
        BOOST_TEST(!went_on);
        BOOST_TEST(ended == 1);
        BOOST_TEST((weft::current_time() - begin == 3s));
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(shutdown_without_grace_cancels_at_once) {
    run_checked([] {
        auto begin = weft::current_time();
        strings late;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("a", [] { weft::this_task::sleep_forever(); });
            wt::wait_all_tasks_blocked();
            late = n.shutdown(0s).late;
        });
        BOOST_TEST((late == strings{"a"}));
        BOOST_TEST((weft::current_time() == begin));
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(shutdown_refuses_a_negative_grace_and_does_nothing) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            BOOST_CHECK_THROW(n.shutdown(-1s), weft::misuse_error);
            BOOST_TEST(n.is_open());
            BOOST_TEST(!n.scope().stop_requested());
        });
    });
}

// rule 140
BOOST_AUTO_TEST_CASE(shutdown_of_a_nursery_without_children_is_a_checkpoint) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            wt::assert_checkpoints([&] { BOOST_TEST(n.shutdown(1s).in_time()); });
        });
    });
}

// rule 140: called by a child, which does not wait for itself
BOOST_AUTO_TEST_CASE(a_child_may_shut_its_own_nursery_down) {
    run_checked([] {
        auto begin = weft::current_time();
        bool in_time = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::wait_stop_requested(); weft::this_task::sleep_for(1s); });
            n.start_soon("closer", [&] { in_time = n.shutdown(10s).in_time(); });
        });
        BOOST_TEST(in_time);
        BOOST_TEST((weft::current_time() - begin == 1s));
    });
}

// rule 140: called from a grandchild: its branch is not waited for, nor named
BOOST_AUTO_TEST_CASE(a_grandchild_may_shut_the_nursery_down) {
    run_checked([] {
        auto begin = weft::current_time();
        strings late{"not set"};
        bool stopped = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("stubborn", [] { weft::this_task::sleep_forever(); });
            n.start_soon("branch", [&] {
                weft::with_nursery([&](weft::nursery& m) {
                    m.start_soon([&] { late = n.shutdown(2s).late; try { weft::checkpoint(); } catch (weft::cancelled const&) { stopped = true; throw; } });
                });
            });
        });
        BOOST_TEST((late == strings{"stubborn"}));
        BOOST_TEST(stopped);
        BOOST_TEST((weft::current_time() - begin == 2s));
    });
}

// rule 140: from another task, while the owner waits at the exit
BOOST_AUTO_TEST_CASE(another_task_may_shut_the_nursery_down_while_its_owner_waits_at_the_exit) {
    run_checked([] {
        auto begin = weft::current_time();
        bool reported = false;
        strings late;
        weft::with_nursery([&](weft::nursery& others) {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("stubborn", [] { weft::this_task::sleep_forever(); });
                n.start_soon("polite", [] { weft::wait_stop_requested(); weft::this_task::sleep_for(1s); });
                others.start_soon([&] {
                    weft::this_task::sleep_for(1s);
                    late = n.shutdown(2s).late;
                    weft::checkpoint();  // the caller is not in the nursery: it is not cancelled
                    reported = true;
                });
            });
            BOOST_TEST((weft::current_time() - begin == 3s));
        });
        BOOST_TEST((late == strings{"stubborn"}));
        BOOST_TEST(reported);
    });
}

// rule 140: the same in time: the last child's end wakes the owner and the one who shuts down
BOOST_AUTO_TEST_CASE(the_owner_at_the_exit_and_the_one_who_shuts_down_wake_together) {
    run_checked([] {
        auto begin = weft::current_time();
        bool in_time = false;
        weft::with_nursery([&](weft::nursery& others) {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([] { weft::wait_stop_requested(); weft::this_task::sleep_for(1s); });
                others.start_soon([&] { in_time = n.shutdown(10s).in_time(); });
                wt::wait_all_tasks_blocked();
            });
            BOOST_TEST((weft::current_time() - begin == 1s));
        });
        BOOST_TEST(in_time);
        BOOST_TEST((weft::current_time() - begin == 1s));
    });
}

// rule 140: two at once
BOOST_AUTO_TEST_CASE(two_tasks_may_shut_the_nursery_down_at_once) {
    run_checked([] {
        auto begin = weft::current_time();
        std::vector<strings> late(2);
        std::vector<weft::duration> took(2);
        weft::with_nursery([&](weft::nursery& others) {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("a", [] { weft::wait_stop_requested(); weft::this_task::sleep_for(2s); });
                n.start_soon("b", [] { weft::this_task::sleep_forever(); });
                for (int i = 0; i < 2; ++i) {
                    others.start_soon([&, i] {
                        late[i] = n.shutdown(std::chrono::seconds(i == 0 ? 5 : 1)).late;
                        took[i] = weft::current_time() - begin;
                    });
                }
                wt::wait_all_tasks_blocked();
            });
        });
        std::sort(late[1].begin(), late[1].end());
        BOOST_TEST((late[1] == strings{"a", "b"}));  // the shorter grace decides
        BOOST_TEST(late[0].empty());                 // to the longer one nothing was late
        BOOST_TEST((took[0] == 1s && took[1] == 1s));
    });
}

// rule 140: from a service, which counts as no child
BOOST_AUTO_TEST_CASE(a_service_may_shut_its_nursery_down) {
    run_checked([] {
        auto begin = weft::current_time();
        strings late;
        bool went_on = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("stubborn", [] { weft::this_task::sleep_forever(); });
            n.start_service("watchdog", [&] {
                late = n.shutdown(2s).late;
                weft::checkpoint();  // services are shielded from the nursery's cancellation
                went_on = true;
            });
        });
        BOOST_TEST((late == strings{"stubborn"}));
        BOOST_TEST(went_on);
        BOOST_TEST((weft::current_time() - begin == 2s));
    });
}

// rule 140: a shutdown that is cancelled leaves the children running
BOOST_AUTO_TEST_CASE(a_cancelled_shutdown_cancels_no_child) {
    run_checked([] {
        bool ended = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(5s); ended = true; });
            BOOST_TEST(!weft::move_on_after(1s, [&] { n.shutdown(3s); }));
            BOOST_TEST(!n.scope().cancel_called());
            BOOST_TEST(n.scope().stop_requested());
        });
        BOOST_TEST(ended);
    });
}

BOOST_AUTO_TEST_CASE(a_shutdown_may_be_cancelled_at_every_point) {
    int began = 0, ended = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { ++began; at_end e{ended}; weft::wait_stop_requested(); weft::this_task::sleep_for(1s); });
            n.start_soon([&] { ++began; at_end e{ended}; weft::this_task::sleep_forever(); });
            weft::checkpoint();
            n.shutdown(2s);
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits > 0u);
    BOOST_TEST(began > 0);
    BOOST_TEST(began == ended);
}

// --- services ---

// rule 141
BOOST_AUTO_TEST_CASE(services_end_after_body_and_children_one_by_one_the_last_started_first) {
    run_checked([] {
        auto begin = weft::current_time();
        strings order;
        weft::with_nursery([&](weft::nursery& n) {
            for (auto* name : {"one", "two", "three"}) {
                n.start_service(name, [&order, name] {
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const& c) {
                        BOOST_TEST((c.source() == weft::cancel_source::nursery_ended));
                        weft::cancel_scope s;
                        s.set_shield(true);
                        s.run([] { weft::this_task::sleep_for(1s); });  // the next waits for this
                        order.push_back(name);
                        throw;
                    }
                });
            }
            n.start_soon([&] { weft::this_task::sleep_for(2s); order.push_back("child"); });
            order.push_back("body");
        });
        BOOST_TEST((order == strings{"body", "child", "three", "two", "one"}));
        BOOST_TEST((weft::current_time() - begin == 5s));
    });
}

// rule 141
BOOST_AUTO_TEST_CASE(a_service_is_not_cancelled_before_the_ordinary_children_have_ended) {
    run_checked([] {
        weft::cancel_scope outer;
        int served = 0;
        bool child_cleaned = false, service_saw_it = false;
        outer.run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_service([&] {
                    try { for (;;) { weft::this_task::sleep_for(1s); ++served; } }
                    catch (weft::cancelled const&) { service_saw_it = child_cleaned; throw; }
                });
                n.start_soon([&] {
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                        weft::cancel_scope s;
                        s.set_shield(true);
                        s.run([] { weft::this_task::sleep_for(3500ms); });  // its cleanup needs the service
                        child_cleaned = true;
                        throw;
                    }
                });
                wt::wait_all_tasks_blocked();
                n.cancel();
                outer.cancel();
            });
        });
        BOOST_TEST(served == 3);
        BOOST_TEST(child_cleaned);
        BOOST_TEST(service_saw_it);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 141
BOOST_AUTO_TEST_CASE(a_service_that_ends_by_itself_is_no_matter) {
    run_checked([] {
        bool ended = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { ended = true; });
            weft::this_task::sleep_for(1s);
            BOOST_TEST(ended);
            weft::checkpoint();
        });
    });
}

// rule 141, 42
BOOST_AUTO_TEST_CASE(a_failing_service_fails_the_nursery) {
    run_checked([] {
        bool woken = false;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_service([] { weft::this_task::sleep_for(1s); throw oops("service"); });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { woken = true; throw; }
            });
            BOOST_ERROR("nothing was thrown");
        } catch (weft::exception_group const& g) { BOOST_TEST(g.contains<oops>()); BOOST_TEST(g.leaf_count() == 1u); }
        BOOST_TEST(woken);
    });
}

// rule 141, 43
BOOST_AUTO_TEST_CASE(an_error_in_a_services_cleanup_is_collected_and_the_others_still_end) {
    run_checked([] {
        bool other = false;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_service([&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { other = true; throw; } });
                n.start_service([] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("cleanup"); } });
                wt::wait_all_tasks_blocked();
            });
            BOOST_ERROR("nothing was thrown");
        } catch (weft::exception_group const& g) { BOOST_TEST(g.contains<oops>()); BOOST_TEST(g.leaf_count() == 1u); }
        BOOST_TEST(other);
    });
}

// rule 141: children that a service starts while it ends are ordinary ones
BOOST_AUTO_TEST_CASE(children_that_an_ending_service_starts_are_awaited) {
    run_checked([] {
        strings order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] {
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                    n.start_soon([&] { weft::this_task::sleep_for(1s); order.push_back("last words"); });
                    order.push_back("service");
                    throw;
                }
            });
            wt::wait_all_tasks_blocked();
        });
        BOOST_TEST((order == strings{"service", "last words"}));
    });
}

// rules 140, 141: a service sees the stop level
BOOST_AUTO_TEST_CASE(a_service_is_shielded_from_cancellation_but_sees_a_stop_request) {
    run_checked([] {
        bool seen = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { weft::wait_stop_requested(); seen = true; });
            wt::wait_all_tasks_blocked();
            n.scope().request_stop();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(seen);
        });
    });
}

BOOST_AUTO_TEST_CASE(services_may_be_cancelled_at_every_point) {
    int began = 0, ended = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.start_service([&] { ++began; at_end e{ended}; weft::this_task::sleep_forever(); });
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            weft::this_task::sleep_for(2s);
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits > 0u);
    BOOST_TEST(began > 0);
    BOOST_TEST(began == ended);
}

BOOST_AUTO_TEST_SUITE_END()
