// SPDX-License-Identifier: BSL-1.0
// The one suspension primitive: park and its abort functions. Unpark: unpark.cpp.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>

#include <boost/asio/post.hpp>

#include <functional>
#include <sstream>

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
    struct at_exit { std::function<void()> f; ~at_exit() { f(); } };
    auto in_catch = [](auto f) { try { throw std::runtime_error("the canceller's"); } catch (...) { f(); throw; } };
    auto in_unwinding = [](auto f) { at_exit e{f}; throw std::runtime_error("the canceller's"); };
    auto check = [](auto const& throwing) {
        weft::cancel_scope s;
        int aborts = 0, uncaught_there = -1;
        bool foreign_in_task = true;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    try { ll::park([&] { ++aborts; }); } catch (weft::cancelled const&) { uncaught_there = std::uncaught_exceptions(); }
                    foreign_in_task = std::current_exception() != nullptr;
                });
            });
            wt::wait_all_tasks_blocked();
            std::string mine;
            try { throwing([&] { s.cancel(); wt::wait_all_tasks_blocked(); }); } catch (std::runtime_error const& e) { mine = e.what(); }
            BOOST_TEST(mine == "the canceller's");
            BOOST_TEST(aborts == 1);
            BOOST_TEST(uncaught_there == 0);  // it ran while ours was under way
            BOOST_TEST(!foreign_in_task);
        });
    };
    run_checked([&] { check(in_catch); check(in_unwinding); });
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

// rules 73, 65: whoever cancels does not get it; the run ends with it
BOOST_AUTO_TEST_CASE(an_abort_function_that_throws_ends_the_run_with_an_internal_error) {
    using canceller = void (*)(weft::cancel_scope&);
    canceller const by_task = [](weft::cancel_scope& s) { wt::wait_all_tasks_blocked(); BOOST_CHECK_NO_THROW(s.cancel()); };
    canceller const by_callback = [](weft::cancel_scope& s) {
        wt::wait_all_tasks_blocked();
        boost::asio::post(weft::get_executor(), [&s] { s.cancel(); });
    };
    canceller const by_deadline = [](weft::cancel_scope& s) { s.set_deadline_after(1s); };
    canceller const before = [](weft::cancel_scope& s) { s.cancel(); };
    for (auto cancel : {by_task, by_callback, by_deadline, before}) {
        weft::cancel_scope s;
        bool child_cancelled = false, main_cancelled = false;
        std::string text;
        auto main = [&] {
            try {
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon("broken", [&] {
                        s.run([&] {
                            try { ll::park([] { throw 42; }); } catch (weft::cancelled const&) { child_cancelled = true; throw; }
                        });
                    });
                    cancel(s);
                    weft::this_task::sleep_forever();
                });
            } catch (weft::cancelled const&) { main_cancelled = true; throw; }
        };
        try { run_checked(main); } catch (weft::internal_error const& e) { text = e.what(); }
        BOOST_TEST(child_cancelled);
        BOOST_TEST(main_cancelled);
        BOOST_TEST(text.find("\"broken\" threw") != std::string::npos);
        BOOST_TEST(text.find("help:") != std::string::npos);
    }
}

// rules 73, 43, 19
BOOST_AUTO_TEST_CASE(an_abort_function_that_throws_does_not_hide_mains_error) {
    auto main = [] {
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([] { ll::park([] { throw std::runtime_error("bad abort"); }); }); });
            wt::wait_all_tasks_blocked();
            s.cancel();
            throw std::runtime_error("main's own");
        });
    };
    int mains = 0, internal = 0, others = 0;
    try { run_checked(main); } catch (weft::exception_group const& g) {
        g.for_each_leaf([&](std::exception_ptr const& e) {
            try { std::rethrow_exception(e); } catch (weft::internal_error const&) { ++internal; } catch (std::runtime_error const&) { ++mains; }
            catch (...) { ++others; }
        });
    }
    BOOST_TEST(mains == 1);
    BOOST_TEST(internal == 1);
    BOOST_TEST(others == 0);  // the child's `cancelled` does not leave the run
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

// rules 5, 71, 72
BOOST_AUTO_TEST_CASE(a_park_in_a_scope_cancelled_before_is_aborted_at_once) {
    run_checked([] {
        for (auto answer : {ll::abort::succeeded, ll::abort::failed}) {
            bool const failed = answer == ll::abort::failed;
            waiter w;
            w.answer = answer;
            w.scope.cancel();
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { w(); });
                wt::wait_all_tasks_blocked();
                BOOST_TEST(w.aborts == 1);
                BOOST_TEST(w.raised == !failed);
                BOOST_TEST(ll::is_parked(w.task) == failed);
                if (failed) ll::unpark(w.task);
            });
            BOOST_TEST(w.aborts == 1);
            BOOST_TEST(w.returned == failed);
            BOOST_TEST(w.next_raised == failed);
            BOOST_TEST(w.scope.cancelled_caught());
        }
    });
}

// rules 11, 71, 72: as an operation does that completes while it is being cancelled
BOOST_AUTO_TEST_CASE(a_wait_that_its_abort_function_completes_has_completed_whatever_it_answers) {
    run_checked([] {
        for (auto answer : {ll::abort::succeeded, ll::abort::failed}) for (bool before : {false, true}) {
            weft::cancel_scope s;
            bool returned = false, next_raised = false;
            if (before) s.cancel();
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    s.run([&] {
                        ll::park([&, self = ll::current_task()] { ll::unpark(self); return answer; });
                        returned = true;
                        try { weft::checkpoint(); } catch (weft::cancelled const&) { next_raised = true; throw; }
                    });
                });
                wt::wait_all_tasks_blocked();
                s.cancel();
            });
            BOOST_TEST(returned);
            BOOST_TEST(next_raised);
        }
    });
}

// rule 71
BOOST_AUTO_TEST_CASE(an_abort_function_may_cancel_another_scope) {
    run_checked([] {
        waiter first, second;
        weft::cancel_scope s;
        int aborts = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { first(); });
            n.start_soon([&] { s.run([&] { ll::park([&] { ++aborts; first.scope.cancel(); second.scope.cancel(); }); }); });
            n.start_soon([&] { second(); });
            wt::wait_all_tasks_blocked();
            s.cancel();
            BOOST_TEST(first.aborts == 1);
            BOOST_TEST(second.aborts == 1);
        });
        BOOST_TEST(aborts == 1);
        BOOST_TEST(s.cancelled_caught());
        for (auto* w : {&first, &second}) BOOST_TEST(w->scope.cancelled_caught());
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
