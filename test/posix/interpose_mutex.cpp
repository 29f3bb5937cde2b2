// SPDX-License-Identifier: BSL-1.0
// pthread's mutexes in tasks, in a program that is linked with weft_posix: one that is held over a wait excludes the other tasks of the thread, too.
#include "posix/os_mutex.hpp"

#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(interposed_mutex)

BOOST_AUTO_TEST_CASE(one_that_is_held_over_a_wait_makes_the_other_tasks_wait_in_their_order_and_not_the_thread) {
    for (int kind : {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP}) {
        run_checked([&] {
            os_mutex m(kind);
            int inside = 0, most = 0, ticks = 0;
            std::string came, had;
            weft::with_nursery([&](weft::nursery& n) {
                for (char c : {'a', 'b', 'c', 'd'}) n.start_soon([&, c] {
                    came += c;
                    BOOST_TEST(m.lock() == 0);
                    most = std::max(most, ++inside);
                    weft::this_task::sleep_for(1s);
                    had += c;
                    --inside;
                    BOOST_TEST(m.unlock() == 0);
                });
                n.start_soon([&] { for (; ticks < 40; ++ticks) weft::this_task::sleep_for(100ms); });
            });
            BOOST_TEST(most == 1);
            BOOST_TEST(had == came);
            BOOST_TEST(ticks == 40);
            BOOST_TEST(m.try_lock() == 0);
            BOOST_TEST(m.unlock() == 0);
        });
    }
}

BOOST_AUTO_TEST_CASE(a_recursive_one_belongs_to_one_task_until_it_was_unlocked_as_often_as_locked) {
    run_checked([] {
        os_mutex m(PTHREAD_MUTEX_RECURSIVE);
        bool free = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                for (int i = 0; i < 3; ++i) BOOST_TEST((i % 2 ? m.try_lock() : m.lock()) == 0);
                for (int i = 0; i < 3; ++i) {
                    weft::this_task::sleep_for(1s);
                    free = i == 2;
                    BOOST_TEST(m.unlock() == 0);
                }
            });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon([&] {
                BOOST_TEST(m.try_lock() == EBUSY);
                BOOST_TEST(m.lock() == 0);
                BOOST_TEST(free);
                BOOST_TEST(m.unlock() == 0);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(what_would_be_for_ever_or_undefined_is_an_error) {
    run_checked([] {
        for (int kind : {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK}) {
            os_mutex m(kind);
            BOOST_TEST(m.lock() == 0);
            BOOST_TEST(m.lock() == EDEADLK);
            BOOST_TEST(m.try_lock() == EBUSY);
            weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { BOOST_TEST(m.unlock() == EPERM); }); });
            BOOST_TEST(m.unlock() == 0);
        }
        std::mutex s;
        std::lock_guard lock(s);
        BOOST_CHECK_THROW(s.lock(), std::system_error);
    });
}

BOOST_AUTO_TEST_CASE(two_tasks_that_wait_for_each_other_s_are_told) {
    os_mutex a, b;
    int told = 0;
    BOOST_CHECK_THROW(run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (auto [first, second] : {std::pair(&a, &b), std::pair(&b, &a)}) n.start_soon([&, first = first, second = second] {
                BOOST_TEST(first->lock() == 0);
                weft::this_task::sleep_for(1s);
                int e = second->lock();
                if (e == 0) second->unlock();
                else told += e == EDEADLK;
                first->unlock();
            });
        });
    }), weft::deadlock_error);
    BOOST_TEST(told >= 1);
    BOOST_TEST((a.try_lock() == 0 && b.try_lock() == 0));
    a.unlock();
    b.unlock();
}

BOOST_AUTO_TEST_CASE(the_timed_ones_give_up_by_the_run_s_clock) {
    run_checked([] {
        os_mutex m;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { m.lock(); weft::this_task::sleep_for(1h); m.unlock(); });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon([&] {
                auto start = weft::current_time();
                timespec t = from_now(CLOCK_REALTIME, 10s);
                BOOST_TEST(::pthread_mutex_timedlock(&m.m, &t) == ETIMEDOUT);
                BOOST_TEST(waited_about(start, 10s));
                start = weft::current_time();
                t = from_now(CLOCK_MONOTONIC, 20s);
                BOOST_TEST(::pthread_mutex_clocklock(&m.m, CLOCK_MONOTONIC, &t) == ETIMEDOUT);
                BOOST_TEST(waited_about(start, 20s));
                t = from_now(CLOCK_MONOTONIC, -1s);
                BOOST_TEST(::pthread_mutex_clocklock(&m.m, CLOCK_MONOTONIC, &t) == ETIMEDOUT);
                t = from_now(CLOCK_MONOTONIC, 24h);
                BOOST_TEST(::pthread_mutex_clocklock(&m.m, CLOCK_MONOTONIC, &t) == 0);
                BOOST_TEST(waited_about(start, 1h - 10s));
                m.unlock();
                t.tv_nsec = 1'000'000'000;
                m.lock();
                BOOST_TEST(::pthread_mutex_timedlock(&m.m, &t) == EINVAL);
                m.unlock();
            });
        });
        std::timed_mutex s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { std::lock_guard lock(s); weft::this_task::sleep_for(10s); });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon([&] { BOOST_TEST(!s.try_lock_for(2s)); });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_lock_is_no_cancellation_point_and_what_was_waited_for_is_had) {
    run_checked([] {
        os_mutex m;
        weft::cancel_scope s;
        bool had = false, after = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { m.lock(); weft::this_task::sleep_for(5s); m.unlock(); });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon([&] { s.run([&] { had = m.lock() == 0; m.unlock(); weft::checkpoint(); after = true; }); });
            weft::this_task::sleep_for(1s);
            s.cancel();
        });
        BOOST_TEST((had && !after && s.cancelled_caught()));
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_ends_with_one_leaves_an_error_and_not_a_hang) {
    static os_mutex left;
    run_checked([] {
        int got = -1;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { left.lock(); weft::this_task::sleep_for(1s); });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon([&] { got = left.lock(); });
        });
        BOOST_TEST(got == EDEADLK);
        BOOST_TEST(left.lock() == EDEADLK);
    });
}

// More than are held at once anywhere: all are told apart, and found again.
BOOST_AUTO_TEST_CASE(many_are_held_at_once) {
    run_checked([] {
        std::vector<os_mutex> all(200);
        weft::with_nursery([&](weft::nursery& n) {
            for (auto& m : all) n.start_soon([&] { BOOST_TEST(m.lock() == 0); weft::this_task::sleep_for(1s); BOOST_TEST(m.unlock() == 0); });
            weft::testing::wait_all_tasks_blocked();
            for (auto& m : all) BOOST_TEST(m.try_lock() == EBUSY);
        });
        for (auto& m : all) BOOST_TEST((m.try_lock() == 0 && m.unlock() == 0));
    });
}

BOOST_AUTO_TEST_CASE(tasks_of_several_runs_and_plain_threads_exclude_each_other) {
    os_mutex normal, recursive(PTHREAD_MUTEX_RECURSIVE);
    long n_count = 0, r_count = 0;
    constexpr int each = 200;
    auto step = [&](bool task) {
        normal.lock();
        long n = n_count;
        std::this_thread::yield();
        n_count = n + 1;
        normal.unlock();
        recursive.lock();
        recursive.lock();
        long r = r_count;
        if (task) weft::checkpoint();
        r_count = r + 1;
        recursive.unlock();
        recursive.unlock();
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) threads.emplace_back([&] { for (int i = 0; i < each; ++i) step(false); });
    for (int t = 0; t < 2; ++t) threads.emplace_back([&] {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int k = 0; k < 4; ++k) n.start_soon([&] { for (int i = 0; i < each; ++i) step(true); });
            });
        });
    });
    for (auto& t : threads) t.join();
    BOOST_TEST(n_count == 10 * each);
    BOOST_TEST(r_count == 10 * each);
}

BOOST_AUTO_TEST_SUITE_END()
