// SPDX-License-Identifier: BSL-1.0
// pthread's conditions, what is made once, and locks in callbacks, in a program that is linked with weft_posix.
#include "core/child.hpp"
#include "posix/os_mutex.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(interposed_condition)

BOOST_AUTO_TEST_CASE(a_task_waits_and_has_the_lock_again_when_it_goes_on) {
    run_checked([] {
        os_mutex m;
        pthread_cond_t c = PTHREAD_COND_INITIALIZER;
        std::string came, order;
        int ready = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (char name : {'a', 'b', 'c'}) n.start_soon([&, name] {
                m.lock();
                came += name;
                while (ready == 0) BOOST_TEST(::pthread_cond_wait(&c, &m.m) == 0);
                --ready;
                order += name;
                BOOST_TEST(m.try_lock() == EBUSY);
                m.unlock();
            });
            weft::testing::wait_all_tasks_blocked();
            m.lock();
            ready = 1;
            ::pthread_cond_signal(&c);
            weft::this_task::sleep_for(1s);
            BOOST_TEST(order == "");  // the lock is not free
            m.unlock();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(order == came.substr(0, 1));
            m.lock();
            ready = 2;
            ::pthread_cond_broadcast(&c);
            m.unlock();
        });
        BOOST_TEST(order.size() == 3u);
        ::pthread_cond_destroy(&c);
    });
}

BOOST_AUTO_TEST_CASE(the_timed_waits_give_up_by_the_run_s_clock_and_know_the_condition_s) {
    run_checked([] {
        os_mutex m;
        for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
            pthread_cond_t c;
            pthread_condattr_t a;
            ::pthread_condattr_init(&a);
            ::pthread_condattr_setclock(&a, clock);
            ::pthread_cond_init(&c, &a);
            m.lock();
            auto start = weft::current_time();
            timespec t = from_now(clock, 10s);
            BOOST_TEST(::pthread_cond_timedwait(&c, &m.m, &t) == ETIMEDOUT);
            BOOST_TEST(waited_about(start, 10s));
            BOOST_TEST(m.try_lock() == EBUSY);
            t = from_now(CLOCK_MONOTONIC, 5s);
            BOOST_TEST(::pthread_cond_clockwait(&c, &m.m, CLOCK_MONOTONIC, &t) == ETIMEDOUT);
            BOOST_TEST(waited_about(start, 15s));
            t.tv_nsec = -1;
            BOOST_TEST(::pthread_cond_timedwait(&c, &m.m, &t) == EINVAL);
            m.unlock();
            ::pthread_cond_destroy(&c);
        }
    });
}

BOOST_AUTO_TEST_CASE(tasks_and_plain_threads_wake_each_other_through_std_s_condition) {
    constexpr int rounds = 200;
    std::mutex m;
    std::condition_variable c;
    int turn = 0;  // 0: the thread's; 1, 2: the tasks'
    auto play = [&](int me) {
        for (int i = 0; i < rounds; ++i) {
            std::unique_lock lock(m);
            c.wait(lock, [&] { return turn == me; });
            turn = (me + 1) % 3;
            c.notify_all();
        }
    };
    std::thread thread([&] { play(0); });
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { play(1); });
            n.start_soon([&] { play(2); });
        });
    });
    thread.join();
    BOOST_TEST(turn == 0);
}

BOOST_AUTO_TEST_CASE(notify_one_wakes_one_of_tasks_and_threads) {
    std::mutex m;
    std::condition_variable c;
    int permits = 0, done = 0;
    auto take = [&] { std::unique_lock lock(m); c.wait(lock, [&] { return permits > 0; }); --permits; ++done; };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(take);
    std::thread giver([&] { for (int i = 0; i < 6; ++i) { std::this_thread::sleep_for(1ms); std::lock_guard lock(m); ++permits; c.notify_one(); } });
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 3; ++i) n.start_soon(take); });
    });
    giver.join();
    for (auto& t : threads) t.join();
    BOOST_TEST(done == 6);
    BOOST_TEST(permits == 0);
}

BOOST_AUTO_TEST_CASE(a_wait_is_no_cancellation_point) {
    run_checked([] {
        os_mutex m;
        pthread_cond_t c = PTHREAD_COND_INITIALIZER;
        weft::cancel_scope s;
        bool open = false, through = false, after = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    m.lock();
                    while (!open) BOOST_TEST(::pthread_cond_wait(&c, &m.m) == 0);
                    through = true;
                    m.unlock();
                    weft::checkpoint();
                    after = true;
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::this_task::sleep_for(1s);
            m.lock();
            open = true;
            ::pthread_cond_signal(&c);
            m.unlock();
        });
        BOOST_TEST((through && !after));
    });
}

BOOST_AUTO_TEST_CASE(one_that_nobody_will_signal_is_told) {
    os_mutex m;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    int got = -1;
    BOOST_CHECK_THROW(run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { m.lock(); got = ::pthread_cond_wait(&c, &m.m); m.unlock(); }); });
    }), weft::deadlock_error);
    BOOST_TEST(got == EDEADLK);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_once)

BOOST_AUTO_TEST_CASE(call_once_waits_in_the_task_for_a_function_that_waits) {
    run_checked([] {
        std::once_flag f;
        int calls = 0, through = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] {
                std::call_once(f, [&] { weft::this_task::sleep_for(1s); ++calls; });
                BOOST_TEST(calls == 1);
                ++through;
            });
        });
        BOOST_TEST(through == 3);
    });
}

namespace {
int made = 0;
int made_slowly() { weft::this_task::sleep_for(1s); return ++made; }
int made_once() { static int const value = made_slowly(); return value; }
int made_after_an_error() {
    static int const value = [] { weft::this_task::sleep_for(1s); if (++made < 3) throw std::runtime_error("no"); return made; }();
    return value;
}
}  // namespace

BOOST_AUTO_TEST_CASE(a_function_local_static_whose_initialiser_waits_is_made_once) {
    run_checked([] {
        made = 0;
        weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 3; ++i) n.start_soon([] { BOOST_TEST(made_once() == 1); }); });
        made = 0;
        int errors = 0, values = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) n.start_soon([&] { try { values += made_after_an_error(); } catch (std::runtime_error const&) { ++errors; } });
        });
        BOOST_TEST(errors == 2);
        BOOST_TEST(values == 6);
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_locks_child, *boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(scenario) {
    as_child({{"callback", [] {
        weft::run([] {
            os_mutex m;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { m.lock(); weft::this_task::sleep_for(1h); m.unlock(); });
                weft::testing::wait_all_tasks_blocked();
                boost::asio::post(weft::get_executor(), [&] { m.lock(); });
                weft::this_task::sleep_for(1h);
            });
        });
    }}, {"held over a wait", [] {
        weft::run([] {
            os_mutex m;
            m.lock();
            for (int i = 0; i < 3; ++i) weft::this_task::sleep_for(1ms);
            m.unlock();
            m.lock();
            m.unlock();
            weft::this_task::sleep_for(1ms);
        });
    }}});
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_locks_strict)

BOOST_AUTO_TEST_CASE(with_WEFT_STRICT_a_task_that_waits_while_it_holds_a_lock_is_reported_once_and_where_it_locked) {
    BOOST_TEST(run_child("interposed_locks_child", "held over a wait").text == "");
    ::setenv("WEFT_STRICT", "1", 1);
    outcome o = run_child("interposed_locks_child", "held over a wait");
    ::unsetenv("WEFT_STRICT");
    BOOST_TEST(o.code == 0);
    BOOST_TEST(contains(o.text, "W106"));
    BOOST_TEST(contains(o.text, "gives way to others (sleep) in a no_yield_scope, at child+0x"));
    BOOST_TEST(contains(o.text, "a lock of the operating system's is held"));
    BOOST_TEST(o.text.find("W106") == o.text.rfind("W106"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_locks_in_callbacks)

BOOST_AUTO_TEST_CASE(one_that_a_task_holds_ends_the_program_with_a_message_and_not_with_a_hang) {
    outcome o = run_child("interposed_locks_child", "callback");
    BOOST_TEST(o.signal == SIGABRT);
    BOOST_TEST(contains(o.text, "W107"));
    BOOST_TEST(contains(o.text, "pthread_mutex_lock in a callback"));
}

BOOST_AUTO_TEST_CASE(one_that_nobody_holds_is_locked_as_ever) {
    run_checked([] {
        os_mutex m;
        bool done = false;
        boost::asio::post(weft::get_executor(), [&] { done = m.lock() == 0 && m.unlock() == 0; });
        weft::this_task::sleep_for(1s);
        BOOST_TEST(done);
    });
}

BOOST_AUTO_TEST_SUITE_END()
