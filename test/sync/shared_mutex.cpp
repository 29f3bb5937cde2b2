// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/sync/once.hpp>
#include <weft/sync/shared_mutex.hpp>

#include <boost/mpl/list.hpp>

#include <atomic>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;
using kinds = boost::mpl::list<weft::shared_mutex, weft::local::shared_timed_mutex>;
using flags = boost::mpl::list<weft::once_flag, weft::local::once_flag>;

BOOST_AUTO_TEST_SUITE(shared_mutex)

// rules 81, 82
BOOST_AUTO_TEST_CASE_TEMPLATE(readers_together_writers_alone_in_the_order_of_asking, M, kinds) {
    run_checked([] {
        M m;
        std::string log;
        int readers = 0, writers = 0;
        bool wrong = false;
        weft::with_nursery([&](weft::nursery& n) {
            m.lock();
            for (char kind : std::string("rrwrrw")) {
                n.start_soon([&, kind] {
                    if (kind == 'r') {
                        std::shared_lock lock(m);
                        ++readers;
                        wrong = wrong || writers != 0;
                        log += 'r';
                        weft::this_task::sleep_for(1s);
                        --readers;
                    } else {
                        std::unique_lock lock(m);
                        ++writers;
                        wrong = wrong || writers != 1 || readers != 0;
                        log += 'w';
                        weft::this_task::sleep_for(1s);
                        --writers;
                    }
                });
                wt::wait_all_tasks_blocked();
            }
            BOOST_TEST(m.statistics().waiting == 6u);
            auto start = weft::current_time();
            m.unlock();
            BOOST_TEST(m.statistics().readers == 2u);
            BOOST_TEST(!m.try_lock());
            BOOST_TEST(!m.try_lock_shared());  // a writer waits
            weft::this_task::sleep_for(4s + 1ms);
            BOOST_TEST((weft::current_time() == start + 4s + 1ms));
            BOOST_TEST(log == "rrwrrw");
        });
        BOOST_TEST(!wrong);
        BOOST_TEST(log == "rrwrrw");
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(readers_behind_a_writer_that_gives_up_go_on, M, kinds) {
    run_checked([] {
        M m;
        bool read = false;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            m.lock_shared();
            n.start_soon([&] { BOOST_TEST(!m.try_lock_for(2s)); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { std::shared_lock lock(m); read = true; });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!read);
            weft::this_task::sleep_for(3s);
            BOOST_TEST(read);
            read = false;
            n.start_soon([&] { s.run([&] { m.lock_cancellable(); m.unlock(); }); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { std::shared_lock lock(m); read = true; });
            wt::wait_all_tasks_blocked();
            s.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(read);
            m.unlock_shared();
        });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(m.statistics().waiting == 0u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(misuse_is_named_and_plain_locks_are_no_cancellation_points, M, kinds) {
    run_checked([] {
        M m;
        BOOST_CHECK_THROW(m.unlock(), weft::misuse_error);
        BOOST_CHECK_THROW(m.unlock_shared(), weft::misuse_error);
        m.lock();
        BOOST_CHECK_THROW(m.lock(), std::system_error);
        BOOST_CHECK_THROW(m.lock_shared(), std::system_error);
        m.unlock();
        weft::cancel_scope s;
        s.cancel();
        bool locked = false, past = false;
        s.run([&] { { std::unique_lock lock(m); locked = true; } { std::shared_lock lock(m); } m.lock_shared_cancellable(); past = true; });
        BOOST_TEST(locked);
        BOOST_TEST(!past);
        BOOST_TEST(m.try_lock_shared_for(1s));
        BOOST_TEST(m.try_lock_shared_until(std::chrono::system_clock::now() - 1h));
        BOOST_TEST(!m.try_lock_until(weft::current_time() + 1s));
        m.unlock_shared();
        m.unlock_shared();
    });
}

BOOST_AUTO_TEST_CASE(threads_and_tasks_read_together_and_write_alone) {
    weft::shared_mutex m;
    long value = 0;
    std::atomic<int> readers{0}, wrong{0};
    auto work = [&](int n) {
        for (int i = 0; i < n; ++i) {
            if (i % 4 == 0) { std::unique_lock lock(m); wrong += readers != 0; ++value; }
            else { std::shared_lock lock(m); ++readers; long v = value; wrong += v != value; --readers; }
        }
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) threads.emplace_back([&] { work(400); });
    threads.emplace_back([&] { weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 10; ++i) n.start_soon([&] { work(40); }); }); }); });
    for (auto& t : threads) t.join();
    BOOST_TEST(wrong == 0);
    BOOST_TEST(value == 400);
}

// --- call_once ---

BOOST_AUTO_TEST_CASE_TEMPLATE(a_function_runs_once_and_the_others_wait_for_it, F, flags) {
    run_checked([] {
        F flag;
        int runs = 0, through = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) n.start_soon([&] { weft::call_once(flag, [&](int by) { weft::this_task::sleep_for(1s); runs += by; }, 1); BOOST_TEST(runs == 1); ++through; });
        });
        BOOST_TEST(through == 4);
        wt::assert_no_checkpoints([&] { weft::call_once(flag, [&] { ++runs; }); });
        BOOST_TEST(runs == 1);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(after_an_exception_or_a_cancellation_the_next_in_line_runs_its_own, F, flags) {
    run_checked([] {
        F flag;
        std::string log;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(weft::call_once(flag, [&] { weft::checkpoint(); log += 'a'; throw 1; }), int); });
            wt::wait_all_tasks_blocked();
        });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { weft::call_once(flag, [&] { log += 'b'; weft::this_task::sleep_forever(); }); }); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { weft::call_once(flag, [&] { weft::checkpoint(); log += 'c'; }); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { weft::call_once(flag, [&] { log += 'd'; }); });
            wt::wait_all_tasks_blocked();
            s.cancel();
        });
        BOOST_TEST(log == "abc");
        BOOST_CHECK_THROW(([] { F f; weft::call_once(f, [&] { weft::call_once(f, [] {}); }); }()), std::system_error);
    });
}

BOOST_AUTO_TEST_CASE(threads_and_tasks_call_once_together) {
    for (int i = 0; i < 50; ++i) {
        weft::once_flag flag;
        std::atomic<int> runs{0}, failures{0};
        auto go = [&] { try { weft::call_once(flag, [&] { if (runs++ == 0) throw 1; }); } catch (int) { ++failures; } };
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) threads.emplace_back(go);
        threads.emplace_back([&] { weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int k = 0; k < 3; ++k) n.start_soon(go); }); }); });
        for (auto& t : threads) t.join();
        BOOST_TEST(runs == 2);
        BOOST_TEST(failures == 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
