// SPDX-License-Identifier: BSL-1.0
// weft::shared::event, and with it the waiting that all primitives for several threads are built on.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;
using weft::shared::event;

BOOST_AUTO_TEST_SUITE(shared_event)

BOOST_AUTO_TEST_CASE(a_plain_thread_wakes_a_task_and_a_task_a_plain_thread) {
    event there, back;
    std::thread t([&] { there.wait(); back.set(); });
    run_checked([&] {
        there.set();
        back.wait();
        BOOST_TEST(back.waiters() == 0u);
    });
    t.join();
}

BOOST_AUTO_TEST_CASE(tasks_of_two_runs_wake_each_other) {
    constexpr int rounds = 200;
    std::vector<std::unique_ptr<event>> ping, pong;
    for (int i = 0; i < rounds; ++i) { ping.push_back(std::make_unique<event>()); pong.push_back(std::make_unique<event>()); }
    std::thread t([&] { weft::run([&] { for (int i = 0; i < rounds; ++i) { ping[i]->wait(); pong[i]->set(); } }); });
    weft::run([&] { for (int i = 0; i < rounds; ++i) { ping[i]->set(); pong[i]->wait(); } });
    t.join();
    BOOST_TEST(pong.back()->is_set());
}

BOOST_AUTO_TEST_CASE(an_event_may_be_destroyed_as_soon_as_a_wait_has_returned) {
    for (int i = 0; i < 500; ++i) {
        auto e = std::make_unique<event>();
        std::thread t([p = e.get()] { p->set(); });
        if (i % 2) e->wait();
        else weft::run([&] { e->wait(); });
        e.reset();
        t.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_CASE(a_wait_with_a_deadline_ends_in_tasks_and_threads) {
    event e;
    BOOST_TEST(!e.wait_for(1ms));
    run_checked([&] {
        auto start = weft::current_time();
        BOOST_TEST(!e.wait_for(1h));
        BOOST_TEST((weft::current_time() - start == 1h));
        BOOST_TEST(e.waiters() == 0u);
    });
    e.set();
    BOOST_TEST(e.wait_for(0s));
}

// rule 11: granted, cancelled or timed out, never two of them, and never lost
BOOST_AUTO_TEST_CASE(a_set_that_meets_a_cancellation_or_a_deadline_ends_each_wait_once) {
    int granted = 0, cancelled = 0, timed_out = 0;
    for (int i = 0; i < 300; ++i) {
        event e, ready;
        std::thread t([&] { ready.wait(); for (int k = i % 50; k > 0; --k) std::this_thread::yield(); e.set(); });
        weft::run([&] {
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    bool in_time = false;
                    if (s.run([&] { in_time = e.wait_for(i % 3 == 0 ? 20us : 10s); })) ++(in_time ? granted : timed_out);
                    else ++cancelled;
                });
                ready.set();
                for (int k = 0; k < i % 7; ++k) weft::checkpoint();
                if (i % 3 == 1) s.cancel();
            });
        });
        t.join();
        BOOST_TEST(e.waiters() == 0u);
    }
    BOOST_TEST(granted + cancelled + timed_out == 300);
    BOOST_TEST(granted >= 100);
}

BOOST_AUTO_TEST_CASE(many_tasks_and_threads_wait_for_one_event) {
    event e;
    std::atomic<int> woken{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { e.wait(); ++woken; });
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int k = 0; k < 100; ++k) n.start_soon([&] { e.wait(); ++woken; }); }); });
        });
    }
    while (e.waiters() < 204) std::this_thread::yield();
    e.set();
    for (auto& t : threads) t.join();
    BOOST_TEST(woken == 204);
}

#if !WEFT_TSAN  // which has a thread of its own
BOOST_AUTO_TEST_CASE(a_deadlock_is_seen_while_the_process_has_one_thread) {
    BOOST_CHECK_THROW(run_checked([] { event e; e.wait(); }), weft::deadlock_error);
}
#endif

BOOST_AUTO_TEST_CASE(a_callback_may_set_but_not_wait) {
    run_checked([] {
        event e, done;
        boost::asio::post(weft::get_executor(), [&] {
            BOOST_CHECK_THROW(e.wait(), weft::wrong_domain_error);
            e.set();
            done.set();
        });
        done.wait();
        BOOST_TEST(e.is_set());
    });
}

BOOST_AUTO_TEST_SUITE_END()
