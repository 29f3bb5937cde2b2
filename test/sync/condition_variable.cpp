// SPDX-License-Identifier: BSL-1.0
// Conditions: order, cancellation, deadlines, stop tokens; in a run, and between threads.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/recursive_mutex.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <atomic>
#include <deque>
#include <stop_token>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
template <class M, class C> struct pair_of { using mutex = M; using condition = C; };
using kinds = boost::mpl::list<pair_of<weft::mutex, weft::condition_variable>, pair_of<weft::mutex, weft::condition_variable_any>,
                               pair_of<weft::recursive_mutex, weft::condition_variable_any>, pair_of<weft::local::mutex, weft::local::condition_variable>,
                               pair_of<weft::local::timed_mutex, weft::local::condition_variable_any>>;
}  // namespace

BOOST_AUTO_TEST_SUITE(condition_variable)

// rule 86
BOOST_AUTO_TEST_CASE_TEMPLATE(notify_one_wakes_in_the_order_of_waiting_and_the_woken_one_needs_the_lock, K, kinds) {
    run_checked([] {
        typename K::mutex m;
        typename K::condition c;
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&, i] { std::unique_lock lock(m); c.wait(lock); BOOST_TEST(lock.owns_lock()); order.push_back(i); weft::checkpoint(); });
                wt::wait_all_tasks_blocked();
            }
            {
                std::unique_lock lock(m);
                c.notify_one();
                wt::wait_all_tasks_blocked();
                BOOST_TEST(order.empty());
            }
            wt::wait_all_tasks_blocked();
            BOOST_TEST(order.size() == 1u);
            BOOST_TEST(c.waiters() == 2u);
            c.notify_one();
            wt::wait_all_tasks_blocked();
            c.notify_all();
        });
        BOOST_TEST(order == (std::vector<int>{0, 1, 2}), boost::test_tools::per_element());
        c.notify_one();  // nobody waits: nothing
    });
}

// rule 85
BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_waiter_locks_again_before_it_raises, K, kinds) {
    run_checked([] {
        typename K::mutex m;
        typename K::condition c;
        bool raised = false, held = false;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    std::unique_lock lock(m);
                    try { c.wait(lock); } catch (weft::cancelled const&) { raised = true; held = lock.owns_lock() && m.statistics().owner_task == weft::this_task::id(); throw; }
                });
            });
            wt::wait_all_tasks_blocked();
            {
                std::unique_lock lock(m);
                s.cancel();
                wt::wait_all_tasks_blocked();
                BOOST_TEST(!raised);
                BOOST_TEST(c.waiters() == 0u);
            }
        });
        BOOST_TEST(raised);
        BOOST_TEST(held);
        BOOST_TEST(!m.statistics().locked);
    });
}

// rule 11: notified or cancelled, and a notification is never lost
BOOST_AUTO_TEST_CASE(a_notification_that_meets_a_cancellation_wakes_this_waiter_or_the_next) {
    int first_notified = 0, first_cancelled = 0;
    auto r = wt::explore([&] {
        weft::local::mutex m;
        weft::local::condition_variable c;
        weft::cancel_scope s;
        bool first = false, second = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { std::unique_lock lock(m); c.wait(lock); first = true; }); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { std::unique_lock lock(m); c.wait(lock); second = true; });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { s.cancel(); });
            n.start_soon([&] { c.notify_one(); });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(first != second);
            BOOST_TEST(c.waiters() == (first ? 1u : 0u));
            c.notify_all();
        });
        BOOST_TEST(second);
        ++(first ? first_notified : first_cancelled);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(first_notified > 0);
    BOOST_TEST(first_cancelled > 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(timed_waits_end_at_their_time_holding_the_lock, K, kinds) {
    run_checked([] {
        typename K::mutex m;
        typename K::condition c;
        std::unique_lock lock(m);
        auto start = weft::current_time();
        BOOST_TEST((c.wait_for(lock, 2s) == std::cv_status::timeout));
        BOOST_TEST((weft::current_time() == start + 2s));
        BOOST_TEST(!c.wait_until(lock, start + 3s, [] { return false; }));
        BOOST_TEST(c.wait_for(lock, -1s, [] { return true; }));
        BOOST_TEST((c.wait_until(lock, std::chrono::system_clock::now() - 1h) == std::cv_status::timeout));
        BOOST_TEST(lock.owns_lock());
        BOOST_TEST(c.waiters() == 0u);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); std::unique_lock l(m); c.notify_one(); });
            BOOST_TEST((c.wait_for(lock, 10s) == std::cv_status::no_timeout));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_predicate_is_asked_with_the_lock_until_it_holds) {
    run_checked([] {
        weft::mutex m;
        weft::condition_variable c;
        std::deque<int> items;
        int sum = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&] {
                    for (int k = 0; k < 10; ++k) {
                        std::unique_lock lock(m);
                        c.wait(lock, [&] { return !items.empty(); });
                        sum += items.front();
                        items.pop_front();
                    }
                });
            }
            for (int i = 1; i <= 30; ++i) {
                { std::lock_guard lock(m); items.push_back(i); }
                c.notify_one();
                if (i % 4 == 0) weft::checkpoint();
            }
        });
        BOOST_TEST(sum == 465);
    });
}

BOOST_AUTO_TEST_CASE(a_stop_request_ends_a_wait_before_during_and_not_at_all) {
    run_checked([] {
        weft::mutex m;
        weft::condition_variable_any c;
        std::stop_source before, during, other;
        before.request_stop();
        std::unique_lock lock(m);
        BOOST_TEST(!c.wait(lock, before.get_token(), [] { return false; }));
        BOOST_TEST(c.wait(lock, before.get_token(), [] { return true; }));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); during.request_stop(); });
            auto start = weft::current_time();
            BOOST_TEST(!c.wait(lock, during.get_token(), [] { return false; }));
            BOOST_TEST((weft::current_time() == start + 1s));
            BOOST_TEST(!c.wait_for(lock, other.get_token(), 5s, [] { return false; }));
            BOOST_TEST((weft::current_time() == start + 6s));
        });
        BOOST_TEST(c.waiters() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_lock_whose_unlock_notifies_and_waits_is_no_problem) {
    struct odd {
        weft::local::mutex m;
        weft::local::condition_variable_any* notify = nullptr;
        void lock() { m.lock(); }
        void unlock() { m.unlock(); if (notify) { notify->notify_all(); weft::this_task::sleep_for(1s); } }
    };
    run_checked([] {
        odd m;
        weft::local::condition_variable_any c;
        std::unique_lock lock(m);
        m.notify = &c;
        auto start = weft::current_time();
        c.wait(lock);
        m.notify = nullptr;
        BOOST_TEST((weft::current_time() == start + 1s));
    });
}

BOOST_AUTO_TEST_CASE(waiting_without_the_lock_or_in_a_callback_is_an_error) {
    run_checked([] {
        weft::mutex m;
        weft::condition_variable c;
        std::unique_lock lock(m, std::defer_lock);
        BOOST_CHECK_THROW(c.wait(lock), weft::misuse_error);
        weft::event done;
        bool refused = false;
        boost::asio::post(weft::get_executor(), [&] {
            std::unique_lock mine(m);
            refused = throws<weft::wrong_domain_error>([&] { c.wait(mine); });
            mine.unlock();
            c.notify_all();
            done.set();
        });
        done.wait();
        BOOST_TEST(refused);
    });
}

// --- threads ---

BOOST_AUTO_TEST_CASE(threads_and_tasks_of_two_runs_pass_items_through_one_condition) {
    weft::mutex m;
    weft::condition_variable c;
    std::deque<int> items;
    std::atomic<long> sum{0};
    std::atomic<int> left{400};
    auto take = [&] {
        std::unique_lock lock(m);
        c.wait(lock, [&] { return !items.empty(); });
        int v = items.front();
        items.pop_front();
        return v;
    };
    auto consume = [&](int n) { for (int i = 0; i < n; ++i) { sum += take(); --left; } };
    std::vector<std::thread> threads;
    threads.emplace_back([&] { weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 10; ++i) n.start_soon([&] { consume(10); }); }); }); });
    threads.emplace_back([&] { weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 10; ++i) n.start_soon([&] { consume(10); }); }); }); });
    for (int t = 0; t < 2; ++t) threads.emplace_back([&] { consume(100); });
    for (int i = 1; i <= 400; ++i) {
        { std::lock_guard lock(m); items.push_back(i); }
        if (i % 2) c.notify_one();
        else c.notify_all();
    }
    for (auto& t : threads) t.join();
    BOOST_TEST(sum == 400 * 401 / 2);
}

BOOST_AUTO_TEST_CASE(stop_requests_and_notifications_of_other_threads_race_with_waits) {
    for (int i = 0; i < 200; ++i) {
        weft::mutex m;
        weft::condition_variable_any c;
        std::stop_source stop;
        std::thread a([&] { stop.request_stop(); });
        std::thread b([&] { c.notify_one(); });
        auto wait = [&] { std::unique_lock lock(m); c.wait(lock, stop.get_token(), [] { return false; }); };
        if (i % 2) wait();
        else weft::run(wait);
        a.join();
        b.join();
        BOOST_TEST(c.waiters() == 0u);
    }
}

BOOST_AUTO_TEST_SUITE_END()
