// SPDX-License-Identifier: BSL-1.0
// The one suspension primitive: park, abort functions, unpark.
#include "fixture.hpp"

#include <weft/inspect/dump.hpp>

#include <sstream>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;
namespace ll = weft::lowlevel;

namespace {

/// A task that parks in a scope of its own, and what became of it.
struct waiter {
    ll::abort answer{ll::abort::succeeded};
    weft::cancel_scope scope;
    ll::task_ref task;
    int aborts{};
    bool returned{}, next_raised{}, raised{};

    void operator()() {
        task = ll::current_task();
        scope.run([&] {
            try { ll::park([&] { ++aborts; return answer; }); } catch (weft::cancelled const&) { raised = true; throw; }
            returned = true;
            try { weft::checkpoint(); } catch (weft::cancelled const&) { next_raised = true; throw; }
        });
    }
};

std::string error_text(std::exception_ptr const& e) {
    try { std::rethrow_exception(e); } catch (std::exception const& x) { return x.what(); }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(park)

// rule 71
BOOST_AUTO_TEST_CASE(an_abort_function_is_called_at_most_once_however_many_scopes_are_cancelled) {
    run_checked([] {
        for (auto answer : {ll::abort::succeeded, ll::abort::failed}) {
            weft::cancel_scope outer, middle;
            waiter w;
            w.answer = answer;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { outer.run([&] { middle.run([&] { w(); }); }); });
                wt::wait_all_tasks_blocked();
                middle.set_deadline(weft::current_time() + 1s);
                BOOST_TEST(w.aborts == 0);
                w.scope.cancel("first");
                BOOST_TEST(w.aborts == 1);
                outer.cancel("second");
                w.scope.cancel("third");
                middle.set_deadline(weft::always);
                n.cancel("fourth");
                if (answer == ll::abort::failed) ll::unpark(w.task);
            });
            BOOST_TEST(w.aborts == 1);
            BOOST_TEST(w.raised == (answer == ll::abort::succeeded));
        }
    });
}

// rule 71
BOOST_AUTO_TEST_CASE(an_abort_function_runs_inside_the_cancellers_call) {
    run_checked([] {
        weft::cancel_scope s;
        std::uint64_t ran_in = 0;
        bool came_back = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] { ll::park([&] { ran_in = weft::this_task::id(); }); });
                came_back = true;
            });
            wt::wait_all_tasks_blocked();
            s.cancel();
            BOOST_TEST(ran_in == weft::this_task::id());
            BOOST_TEST(!came_back);
        });
        BOOST_TEST(came_back);
    });
}

// rule 71: the leak of trio#2649
BOOST_AUTO_TEST_CASE(a_cancelled_task_does_not_pick_up_the_cancellers_exception) {
    run_checked([] {
        weft::cancel_scope s;
        bool foreign_in_task = true, still_mine = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    try { ll::park([] {}); } catch (weft::cancelled const&) {}
                    foreign_in_task = std::current_exception() != nullptr || std::uncaught_exceptions() != 0;
                });
            });
            wt::wait_all_tasks_blocked();
            try { throw std::runtime_error("the canceller's"); } catch (std::runtime_error const&) {
                s.cancel();
                weft::checkpoint();
                still_mine = error_text(std::current_exception()) == "the canceller's";
            }
        });
        BOOST_TEST(!foreign_in_task);
        BOOST_TEST(still_mine);
    });
}

// rule 72
BOOST_AUTO_TEST_CASE(after_a_failed_abort_the_task_stays_until_it_is_unparked_and_the_next_point_raises) {
    run_checked([] {
        waiter w;
        w.answer = ll::abort::failed;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { w(); });
            wt::wait_all_tasks_blocked();
            w.scope.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(w.aborts == 1);
            BOOST_TEST(!w.returned);
            BOOST_TEST(ll::is_parked(w.task));
            ll::unpark(w.task);
        });
        BOOST_TEST(w.returned);
        BOOST_TEST(w.next_raised);
        BOOST_TEST(w.scope.cancelled_caught());
    });
}

// rule 72: the foreign side reported that it had stopped
BOOST_AUTO_TEST_CASE(after_a_failed_abort_the_waker_may_choose_to_raise) {
    run_checked([] {
        weft::cancel_scope s;
        bool stopped = false, passed = false;
        ll::task_ref task;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                task = ll::current_task();
                s.run([&] {
                    ll::park([] { return ll::abort::failed; });
                    if (stopped) ll::raise_cancelled();
                    passed = true;
                });
            });
            wt::wait_all_tasks_blocked();
            s.cancel("enough");
            stopped = true;
            ll::unpark(task);
        });
        BOOST_TEST(!passed);
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(s.reason() == "enough");
    });
}

// rules 73, 65
BOOST_AUTO_TEST_CASE(an_abort_function_that_throws_ends_the_run_with_an_internal_error) {
    std::vector<std::string> texts;
    bool child_cancelled = false, main_cancelled = false;
    try {
        run_checked([&] {
            weft::cancel_scope s;
            try {
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon("broken", [&] {
                        s.run([&] {
                            try { ll::park([] { throw std::runtime_error("bad abort"); }); }
                            catch (weft::cancelled const&) { child_cancelled = true; throw; }
                        });
                    });
                    wt::wait_all_tasks_blocked();
                    BOOST_CHECK_NO_THROW(s.cancel());  // the canceller does not get it
                    weft::this_task::sleep_forever();
                });
            } catch (weft::cancelled const&) {
                main_cancelled = true;
                throw;
            }
        });
    } catch (weft::internal_error const& e) {
        texts.push_back(e.what());
    } catch (weft::exception_group const& g) {
        g.for_each_leaf([&](std::exception_ptr const& e) {
            try { std::rethrow_exception(e); } catch (weft::internal_error const& x) { texts.push_back(x.what()); }
        });
    }
    BOOST_TEST(child_cancelled);
    BOOST_TEST(main_cancelled);
    BOOST_REQUIRE(texts.size() == 1u);
    BOOST_TEST(texts[0].find("\"broken\" threw") != std::string::npos);
    BOOST_TEST(texts[0].find("help:") != std::string::npos);
}

// rule 74
BOOST_AUTO_TEST_CASE(a_task_is_unparked_exactly_once_for_each_park) {
    run_checked([] {
        ll::task_ref task;
        int wakes = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                task = ll::current_task();
                for (int i = 0; i < 2; ++i) { ll::park([] {}); ++wakes; }
            });
            for (int i = 0; i < 2; ++i) {
                wt::wait_all_tasks_blocked();
                BOOST_TEST(ll::is_parked(task));
                ll::unpark(task);
                BOOST_TEST(!ll::is_parked(task));
                BOOST_CHECK_THROW(ll::unpark(task), weft::misuse_error);
            }
        });
        BOOST_TEST(wakes == 2);
        BOOST_CHECK_THROW(ll::unpark(task), weft::misuse_error);  // has ended
        BOOST_CHECK_THROW(ll::unpark(ll::current_task()), weft::misuse_error);  // runs
        BOOST_CHECK_THROW(ll::unpark(ll::task_ref()), weft::misuse_error);
    });
}

// rule 74: the records of ended tasks are used again
BOOST_AUTO_TEST_CASE(a_reference_to_an_ended_task_does_not_wake_the_one_that_has_its_record_now) {
    run_checked([] {
        ll::task_ref old, current;
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { old = ll::current_task(); }); });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { current = ll::current_task(); ll::park([] {}); });
            wt::wait_all_tasks_blocked();
            BOOST_TEST((old.record() == current.record()));
            BOOST_TEST(!ll::is_parked(old));
            BOOST_CHECK_THROW(ll::unpark(old), weft::misuse_error);
            BOOST_TEST(ll::is_parked(current));
            ll::unpark(current);
        });
    });
}

// rule 74
BOOST_AUTO_TEST_CASE(a_reference_from_an_earlier_run_wakes_nobody) {
    ll::task_ref old;
    run_checked([&] { old = ll::current_task(); });
    run_checked([&] {
        BOOST_TEST(!ll::is_parked(old));
        BOOST_CHECK_THROW(ll::unpark(old), weft::error);
    });
}

// rule 74
BOOST_AUTO_TEST_CASE(a_thread_without_a_run_cannot_unpark) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            waiter w;
            n.start_soon([&] { w(); });
            wt::wait_all_tasks_blocked();
            std::string text;
            bool parked_there = true;
            std::thread([&] {
                parked_there = ll::is_parked(w.task);
                try { ll::unpark(w.task); } catch (weft::wrong_domain_error const& e) { text = e.what(); }
            }).join();
            BOOST_TEST(!parked_there);
            BOOST_TEST(text.find("help:") != std::string::npos);
            BOOST_TEST(ll::is_parked(w.task));
            ll::unpark(w.task);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(w.returned);
        });
    });
}

// rule 74
BOOST_AUTO_TEST_CASE(a_thread_with_a_run_of_its_own_cannot_unpark_a_task_of_another_run) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            waiter w;
            n.start_soon([&] { w(); });
            wt::wait_all_tasks_blocked();
            bool parked_there = true, wrong_domain = false, other = false;
            std::thread([&] {
                weft::run([&] {
                    parked_there = ll::is_parked(w.task);
                    try { ll::unpark(w.task); } catch (weft::wrong_domain_error const&) { wrong_domain = true; }
                    catch (weft::error const&) { other = true; }
                });
            }).join();
            BOOST_TEST(!parked_there);
            BOOST_TEST(wrong_domain);
            BOOST_TEST(!other);
            BOOST_TEST(ll::is_parked(w.task));
            ll::unpark(w.task);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(w.returned);
        });
    });
}

// rule 75
BOOST_AUTO_TEST_CASE(the_reason_of_a_wait_is_gone_when_the_wait_is_over) {
    run_checked([] {
        auto tree = [] { std::ostringstream os; weft::inspect::dump(os); return os.str(); };
        auto shows = [&](char const* what) { return tree().find(what) != std::string::npos; };
        ll::task_ref task;
        bool inside = true;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                task = ll::current_task();
                int object = 42;
                ll::wait_reason reason{"a white rabbit", &object, [](void const* o) { return "no. " + std::to_string(*static_cast<int const*>(o)); }};
                ll::park([] {}, reason);
                inside = shows("rabbit");
                ll::park([] {});
                s.run([&] { ll::park([] {}, reason); });
                ll::park([] {});
            });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(shows("a white rabbit no. 42"));
            ll::unpark(task);
            BOOST_TEST(!shows("rabbit"));
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!inside);
            BOOST_TEST(!shows("rabbit"));
            BOOST_TEST(shows("parked"));
            ll::unpark(task);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(shows("rabbit"));
            s.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!shows("rabbit"));
            ll::unpark(task);
        });
    });
}

// rules 5, 71
BOOST_AUTO_TEST_CASE(a_park_in_a_scope_cancelled_before_is_aborted_at_once) {
    run_checked([] {
        waiter w;
        w.scope.cancel();
        w();
        BOOST_TEST(w.aborts == 1);
        BOOST_TEST(w.raised);
        BOOST_TEST(!w.returned);
    });
}

BOOST_AUTO_TEST_CASE(a_park_is_cancelled_by_a_sibling_and_by_a_deadline) {
    run_checked([] {
        waiter by_sibling, by_deadline;
        auto start = weft::current_time();
        by_deadline.scope.set_deadline_after(2s);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { by_sibling(); });
            n.start_soon([&] { by_deadline(); });
            n.start_soon([&] { weft::this_task::sleep_for(1s); by_sibling.scope.cancel(); });
        });
        for (auto* w : {&by_sibling, &by_deadline}) {
            BOOST_TEST(w->aborts == 1);
            BOOST_TEST(w->raised);
            BOOST_TEST(w->scope.cancelled_caught());
        }
        BOOST_TEST((weft::current_time() == start + 2s));
        BOOST_TEST((by_deadline.scope.info()->source == weft::cancel_source::deadline));
    });
}

// rule 11
BOOST_AUTO_TEST_CASE(a_sleep_that_ends_with_its_deadline_is_over_or_cancelled_in_every_order) {
    int slept = 0, cancelled = 0;
    auto r = wt::explore([&] {
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        bool woke = false;
        bool done = s.run([&] {
            weft::this_task::sleep_for(1s);
            woke = true;
        });
        BOOST_TEST(done == woke);
        ++(done ? slept : cancelled);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(slept > 0);
    BOOST_TEST(cancelled > 0);
}

// rules 11, 72: unpark and cancel in the same turn, with both answers, in every order
BOOST_AUTO_TEST_CASE(a_park_cancelled_as_it_completes_ends_once_and_in_one_way) {
    for (auto answer : {ll::abort::succeeded, ll::abort::failed}) {
        int completed = 0, aborted = 0;
        auto r = wt::explore([&] {
            waiter w;
            w.answer = answer;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { w(); });
                wt::wait_all_tasks_blocked();
                n.start_soon([&] { if (ll::is_parked(w.task)) ll::unpark(w.task); });
                n.start_soon([&] { w.scope.cancel(); });
            });
            BOOST_TEST(w.returned != w.raised);
            BOOST_TEST(w.aborts <= 1);
            if (answer == ll::abort::failed) BOOST_TEST(w.returned);
            else BOOST_TEST(w.raised == (w.aborts == 1));
            ++(w.returned ? completed : aborted);
        });
        BOOST_TEST(r.complete);
        BOOST_TEST(completed > 0);
        BOOST_TEST((aborted > 0) == (answer == ll::abort::succeeded));
    }
}

BOOST_AUTO_TEST_SUITE_END()
