// SPDX-License-Identifier: BSL-1.0
// Who may end a park, and how often.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <thread>

using namespace weft_test;
namespace wt = weft::testing;
namespace ll = weft::lowlevel;

BOOST_AUTO_TEST_SUITE(unpark)

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

// rule 74: a later run has the same ids again, and most likely the same records
BOOST_AUTO_TEST_CASE(a_reference_from_an_earlier_run_wakes_nobody) {
    ll::task_ref old, current;
    auto run_with_child = [&](auto body, ll::task_ref& child) {
        run_checked([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { child = ll::current_task(); ll::park([] {}); });
                wt::wait_all_tasks_blocked();
                body();
                ll::unpark(child);
            });
        });
    };
    run_with_child([] {}, old);
    run_with_child([&] {
        BOOST_TEST(old.id() == current.id());
        BOOST_TEST((old != current));
        BOOST_TEST(!ll::is_parked(old));
        BOOST_CHECK_THROW(ll::unpark(old), weft::error);
        BOOST_TEST(ll::is_parked(current));
    }, current);
}

// rule 74
BOOST_AUTO_TEST_CASE(another_thread_cannot_unpark_whether_it_has_a_run_of_its_own_or_not) {
    for (bool with_run : {false, true}) run_checked([&] {
        ll::task_ref task;
        bool woken = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { task = ll::current_task(); ll::park([] {}); woken = true; });
            wt::wait_all_tasks_blocked();
            bool parked_there = true, other_error = false;
            std::string text;
            auto foreign = [&] {
                parked_there = ll::is_parked(task);
                try { ll::unpark(task); } catch (weft::wrong_domain_error const& e) { text = e.what(); }
                catch (weft::error const&) { other_error = true; }
            };
            std::thread([&] { if (with_run) weft::run(foreign); else foreign(); }).join();
            BOOST_TEST(!parked_there);
            BOOST_TEST(!other_error);
            BOOST_TEST(text.find(with_run ? "another run" : "without a run") != std::string::npos);
            BOOST_TEST(text.find("help:") != std::string::npos);
            BOOST_TEST(ll::is_parked(task));
            ll::unpark(task);
        });
        BOOST_TEST(woken);
    });
}

// rules 72, 74, 148; 76 as far as it means anything here: the wait is in the hands of somebody else
BOOST_AUTO_TEST_CASE(another_thread_posts_the_unpark_and_a_cancellation_meanwhile_waits_for_it) {
    for (bool cancelled_meanwhile : {false, true}) run_checked([&] {
        ll::task_ref task;
        weft::cancel_scope s;
        int aborts = 0;
        auto const home = std::this_thread::get_id();
        std::thread::id woken_on;
        bool refused_twice = false, returned = false, next_raised = false;
        std::thread other;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                task = ll::current_task();
                s.run([&] {
                    ll::park([&] { ++aborts; return ll::abort::failed; });
                    returned = true;
                    try { weft::checkpoint(); } catch (weft::cancelled const&) { next_raised = true; throw; }
                });
            });
            wt::wait_all_tasks_blocked();
            if (cancelled_meanwhile) s.cancel();
            BOOST_TEST(aborts == cancelled_meanwhile);
            other = std::thread([&, work = boost::asio::make_work_guard(weft::get_executor())] {
                boost::asio::post(work.get_executor(), [&] {
                    ll::unpark(task);
                    woken_on = std::this_thread::get_id();
                    try { ll::unpark(task); } catch (weft::misuse_error const&) { refused_twice = true; }
                });
            });
        });
        other.join();
        BOOST_TEST((woken_on == home));
        BOOST_TEST(refused_twice);
        BOOST_TEST(returned);
        BOOST_TEST(next_raised == cancelled_meanwhile);
    });
}

BOOST_AUTO_TEST_SUITE_END()
