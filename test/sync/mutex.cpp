// SPDX-License-Identifier: BSL-1.0
// The four mutexes of one owner: exclusion, order, hand-over, misuse, owners that end; in a run, and between threads.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>
#include <weft/sync/recursive_mutex.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <atomic>
#include <mutex>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
using all = boost::mpl::list<weft::mutex, weft::timed_mutex, weft::recursive_mutex, weft::recursive_timed_mutex,
                             weft::local::mutex, weft::local::timed_mutex, weft::local::recursive_mutex, weft::local::recursive_timed_mutex>;
using plain = boost::mpl::list<weft::mutex, weft::timed_mutex, weft::local::mutex, weft::local::timed_mutex>;
using timed = boost::mpl::list<weft::timed_mutex, weft::recursive_timed_mutex, weft::local::timed_mutex, weft::local::recursive_timed_mutex>;
using recursive = boost::mpl::list<weft::recursive_mutex, weft::recursive_timed_mutex, weft::local::recursive_mutex, weft::local::recursive_timed_mutex>;
using any_thread = boost::mpl::list<weft::mutex, weft::timed_mutex, weft::recursive_mutex, weft::recursive_timed_mutex>;
}  // namespace

BOOST_AUTO_TEST_SUITE(mutex)

// rules 81, 82
BOOST_AUTO_TEST_CASE_TEMPLATE(one_at_a_time_and_in_the_order_of_asking, M, all) {
    run_checked([] {
        M m;
        int inside = 0;
        bool overlap = false;
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& n) {
            std::unique_lock first(m);
            for (int i = 0; i < 5; ++i) {
                n.start_soon([&, i] {
                    std::lock_guard lock(m);
                    overlap = overlap || inside++ != 0;
                    order.push_back(i);
                    weft::this_task::sleep_for(1s);
                    --inside;
                });
                wt::wait_all_tasks_blocked();
            }
            BOOST_TEST(m.statistics().waiting == 5u);
            BOOST_TEST(m.statistics().owner_task == weft::this_task::id());
        });
        BOOST_TEST(!overlap);
        BOOST_TEST(order == (std::vector<int>{0, 1, 2, 3, 4}), boost::test_tools::per_element());
        BOOST_TEST(!m.statistics().locked);
    });
}

// rule 82: nobody snatches it
BOOST_AUTO_TEST_CASE_TEMPLATE(unlock_hands_over_and_try_lock_right_after_it_fails, M, all) {
    run_checked([] {
        M m;
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(m.try_lock());
            n.start_soon([&] { m.lock(); weft::checkpoint(); m.unlock(); });
            wt::wait_all_tasks_blocked();
            m.unlock();
            BOOST_TEST(!m.try_lock());
            BOOST_TEST(m.statistics().locked);
            m.lock();
            m.unlock();
        });
        BOOST_TEST(m.try_lock());
        m.unlock();
    });
}

// rule 83, and std: try_lock() by the owner is false
BOOST_AUTO_TEST_CASE_TEMPLATE(locking_twice_and_unlocking_another_s_lock_are_errors, M, plain) {
    run_checked([] {
        M m;
        BOOST_CHECK_THROW(m.unlock(), weft::misuse_error);
        std::lock_guard lock(m);
        BOOST_TEST(!m.try_lock());
        try { m.lock(); BOOST_ERROR("locked twice"); } catch (std::system_error const& e) { BOOST_TEST((e.code() == std::errc::resource_deadlock_would_occur)); }
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { BOOST_CHECK_THROW(m.unlock(), weft::misuse_error); }); });
        BOOST_TEST(m.statistics().locked);
    });
}

BOOST_AUTO_TEST_CASE(what_is_locked_sixteen_million_times_is_locked_no_more) {
    run_checked([] {
        constexpr int most = 1 << 24;
        weft::local::recursive_timed_mutex m;
        for (int i = 0; i < most; ++i) m.lock();
        BOOST_CHECK_EXCEPTION(m.lock(), std::system_error, [](auto& e) { return e.code() == std::errc::resource_unavailable_try_again; });
        BOOST_TEST(!m.try_lock());
        BOOST_TEST(!m.try_lock_for(1h));
        for (int i = 0; i < most; ++i) m.unlock();
        BOOST_TEST(!m.statistics().locked);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(recursive_ones_count_their_owner_s_locks, M, recursive) {
    run_checked([] {
        M m;
        m.lock();
        m.lock();
        BOOST_TEST(m.try_lock());
        weft::with_nursery([&](weft::nursery& n) {
            bool got = false;
            n.start_soon([&] { BOOST_TEST(!m.try_lock()); m.lock(); got = true; m.unlock(); });
            for (int i = 0; i < 3; ++i) { wt::wait_all_tasks_blocked(); BOOST_TEST(!got); m.unlock(); }
            wt::wait_all_tasks_blocked();
            BOOST_TEST(got);
        });
        BOOST_CHECK_THROW(m.unlock(), weft::misuse_error);
    });
}

// DESIGN 5: no cancellation point
BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_task_still_gets_the_lock_and_is_no_checkpoint_when_it_is_free, M, all) {
    run_checked([] {
        M m;
        wt::assert_no_checkpoints([&] { m.lock(); m.unlock(); });
        bool locked = false;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            m.lock();
            n.start_soon([&] { s.run([&] { std::lock_guard lock(m); locked = true; weft::checkpoint(); }); });
            wt::wait_all_tasks_blocked();
            s.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!locked);
            BOOST_TEST(m.statistics().waiting == 1u);
            m.unlock();
        });
        BOOST_TEST(locked);
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(!m.statistics().locked);
    });
}

// rules 11, 88
BOOST_AUTO_TEST_CASE(lock_cancellable_is_cancelled_before_during_or_at_completion_and_leaves_nothing) {
    int locked = 0, cancelled = 0;
    auto r = wt::explore([&] {
        weft::local::mutex m;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            m.lock();
            n.start_soon([&] {
                if (s.run([&] { m.lock_cancellable(); m.unlock(); })) ++locked;
                else ++cancelled;
            });
            n.start_soon([&] { s.cancel(); });
            weft::checkpoint();
            m.unlock();
        });
        BOOST_TEST(m.statistics().waiting == 0u);
        BOOST_TEST(!m.statistics().locked);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(locked > 0);
    BOOST_TEST(cancelled > 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(timed_forms_give_up_at_their_time_and_take_a_free_lock_however_late_it_is, M, timed) {
    run_checked([] {
        M m;
        auto start = weft::current_time();
        BOOST_TEST(m.try_lock_until(weft::always));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_TEST(!m.try_lock_for(-1s));
                BOOST_TEST(!m.try_lock_for(0s));
                BOOST_TEST((weft::current_time() == start));
                BOOST_TEST(!m.try_lock_for(3s));
                BOOST_TEST((weft::current_time() == start + 3s));
                BOOST_TEST(m.statistics().waiting == 0u);
                BOOST_TEST(m.try_lock_for(10s));
                BOOST_TEST((weft::current_time() == start + 5s));
                m.unlock();
            });
            weft::this_task::sleep_for(5s);
            m.unlock();
        });
        BOOST_TEST(m.try_lock_until(std::chrono::system_clock::now() - 1h));
        m.unlock();
    });
}

// rule 84
BOOST_AUTO_TEST_CASE_TEMPLATE(a_lock_whose_task_ended_is_broken_for_those_who_wait_and_for_later_ones, M, all) {
    run_checked([] {
        M m;
        int broken = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("careless", [&] { m.lock(); weft::this_task::sleep_for(1s); });
            for (int i = 0; i < 2; ++i) n.start_soon([&] { weft::this_task::sleep_for(500ms); BOOST_CHECK_THROW(m.lock(), weft::broken_resource_error); ++broken; });
        });
        BOOST_TEST(broken == 2);
        BOOST_CHECK_THROW(m.lock(), weft::broken_resource_error);
        M later;
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { later.lock(); }); });
        BOOST_CHECK_EXCEPTION(later.lock(), weft::broken_resource_error, [](auto const& e) { return std::string(e.what()).find("help:") != std::string::npos; });
        BOOST_TEST(!later.try_lock());
    });
}

// rule 84: ownership moves with the hand-over
BOOST_AUTO_TEST_CASE(the_heir_of_a_lock_may_end_with_it_too) {
    run_checked([] {
        weft::mutex m;
        bool broken = false;
        weft::with_nursery([&](weft::nursery& n) {
            m.lock();
            n.start_soon([&] { m.lock(); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { BOOST_CHECK_THROW(m.lock(), weft::broken_resource_error); broken = true; });
            wt::wait_all_tasks_blocked();
            m.unlock();
        });
        BOOST_TEST(broken);
    });
}

BOOST_AUTO_TEST_CASE(std_lock_and_scoped_lock_take_several_in_any_order) {
    run_checked([] {
        weft::mutex a, b;
        weft::local::mutex c;
        int rounds = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 20; ++i) { std::scoped_lock lock(a, b, c); weft::checkpoint(); ++rounds; } });
            n.start_soon([&] { for (int i = 0; i < 20; ++i) { std::scoped_lock lock(c, b, a); weft::checkpoint(); ++rounds; } });
        });
        BOOST_TEST(rounds == 40);
    });
}

BOOST_AUTO_TEST_CASE(two_locks_in_opposite_orders_are_reported_as_a_deadlock_with_their_holders) {
    std::string text;
    try {
        run_checked([] {
            static weft::local::mutex a("ledger"), b("index");
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("left", [&] { std::lock_guard x(a); weft::this_task::sleep_for(1s); std::lock_guard y(b); });
                n.start_soon("right", [&] { std::lock_guard x(b); weft::this_task::sleep_for(1s); std::lock_guard y(a); });
            });
        });
    } catch (weft::deadlock_error const& e) { text = e.what(); } catch (std::exception const& e) { text = std::string("other: ") + e.what(); }
    BOOST_TEST(text.find("waiting  ledger held by #") != std::string::npos, text);
    BOOST_TEST(text.find("waiting  index held by #") != std::string::npos, text);
    BOOST_TEST(text.find("deadlock") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(a_callback_may_lock_a_free_mutex_and_must_not_wait_for_another) {
    run_checked([] {
        weft::mutex m, taken;
        taken.lock();
        weft::event done;
        bool refused = false, locked = false;
        boost::asio::post(weft::get_executor(), [&] {
            { std::lock_guard lock(m); locked = true; }
            refused = throws<weft::wrong_domain_error>([&] { taken.lock(); });
            done.set();
        });
        done.wait();
        taken.unlock();
        BOOST_TEST(locked);
        BOOST_TEST(refused);
        BOOST_TEST(!taken.statistics().locked);
    });
}

BOOST_AUTO_TEST_CASE(a_lock_taken_during_unwinding_waits_its_turn) {
    run_checked([] {
        weft::local::mutex m;
        bool cleaned = false;
        weft::with_nursery([&](weft::nursery& n) {
            m.lock();
            n.start_soon([&] {
                weft::move_on_after(1s, [&] {
                    struct cleanup { weft::local::mutex& m; bool& done; ~cleanup() { std::lock_guard lock(m); done = true; } } c{m, cleaned};
                    weft::this_task::sleep_forever();
                });
            });
            weft::this_task::sleep_for(2s);
            BOOST_TEST(!cleaned);
            m.unlock();
        });
        BOOST_TEST(cleaned);
    });
}

// --- threads ---

BOOST_AUTO_TEST_CASE_TEMPLATE(threads_before_and_outside_of_a_run_exclude_each_other, M, any_thread) {
    static M m;
    long sum = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { for (int i = 0; i < 2'000; ++i) { std::lock_guard lock(m); ++sum; } });
    for (auto& t : threads) t.join();
    BOOST_TEST(sum == 8'000);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(tasks_of_two_runs_and_threads_exclude_each_other, M, any_thread) {
    M m;
    long sum = 0, expected = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            weft::run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 10; ++i) {
                        n.start_soon([&] { for (int k = 0; k < 100; ++k) { std::lock_guard lock(m); long v = sum; if (k % 10 == 0) weft::checkpoint(); sum = v + 1; } });
                    }
                });
            });
        });
        expected += 1'000;
    }
    for (int t = 0; t < 2; ++t) { threads.emplace_back([&] { for (int i = 0; i < 500; ++i) { std::lock_guard lock(m); ++sum; } }); expected += 500; }
    for (auto& t : threads) t.join();
    BOOST_TEST(sum == expected);
}

BOOST_AUTO_TEST_CASE(timed_locks_race_with_unlocks_between_threads) {
    weft::timed_mutex m;
    long got = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 300; ++i) if (m.try_lock_for(std::chrono::microseconds(i % 40))) { ++got; if (i % 8 == 0) std::this_thread::sleep_for(20us); m.unlock(); }
        });
    }
    for (auto& t : threads) t.join();
    BOOST_TEST(got > 0);
    BOOST_TEST(m.try_lock());
    m.unlock();
}

// The first owner is no task, so none of the run had to be watched before.
BOOST_AUTO_TEST_CASE(a_lock_that_came_from_a_plain_thread_is_handed_on_between_tasks) {
    weft::mutex m;
    m.lock();
    std::atomic<bool> waiting{false};
    int passed = 0;
    std::thread other([&] {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 3; ++i) n.start_soon([&] { std::lock_guard lock(m); ++passed; });
                n.start_soon([&] { while (m.statistics().waiting < 3) weft::checkpoint(); waiting = true; });
            });
        });
    });
    while (!waiting) std::this_thread::yield();
    m.unlock();
    other.join();
    BOOST_TEST(passed == 3);
}

BOOST_AUTO_TEST_SUITE_END()
