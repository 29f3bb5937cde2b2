// SPDX-License-Identifier: BSL-1.0
// Blocking functions on threads, and back into the run.
#include "fixture.hpp"

#include <weft/sync/event.hpp>
#include <weft/threads/to_thread.hpp>

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

using namespace weft_test;

namespace {

/// A gate for plain threads.
struct gate {
    std::mutex m;
    std::condition_variable c;
    bool open = false;
    void wait() { std::unique_lock l(m); c.wait(l, [&] { return open; }); }
    void set() { std::lock_guard l(m); open = true; c.notify_all(); }
};

/// Calls `f(begun)` on a thread and cancels the caller once `f` has set `begun`, however long the thread took to start. Says whether the caller was cancelled.
template <class F>
bool cancelled_in_thread(F f, weft::to_thread_options o = {}) {
    weft::cancel_scope s;
    auto begun = std::make_shared<std::atomic<bool>>(false);
    weft::with_nursery([&](weft::nursery& n) {
        n.start_soon([&] {
            while (!*begun) weft::this_task::sleep_for(100us);
            s.cancel();
        });
        s.run([&] { weft::to_thread([f, begun] { return f(*begun); }, o); });
    });
    return s.cancelled_caught();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(to_thread)

BOOST_AUTO_TEST_CASE(a_function_runs_on_another_thread_and_its_result_or_error_comes_back) {
    weft::run([] {
        auto home = std::this_thread::get_id();
        BOOST_TEST((weft::to_thread([] { return std::this_thread::get_id(); }) != home));
        BOOST_TEST(*weft::to_thread([p = std::make_unique<int>(6)]() mutable { return std::move(p); }) == 6);
        BOOST_CHECK_THROW(weft::to_thread([] { throw std::domain_error("x"); }), std::domain_error);
        weft::testing::assert_checkpoints([] { weft::to_thread([] {}); });
        char name[16] = {};
        weft::to_thread([&] { pthread_getname_np(pthread_self(), name, sizeof name); }, {.name = "a-long-thread-name"});
        BOOST_TEST(std::string(name) == "a-long-thread-n");
    });
}

BOOST_AUTO_TEST_CASE(other_tasks_go_on_while_threads_work_and_threads_are_used_again) {
    weft::run([] {
        std::set<std::thread::id> used;
        for (int i = 0; i < 10; ++i) used.insert(weft::to_thread([] { return std::this_thread::get_id(); }));
        BOOST_TEST(used.size() <= 2u);  // one may still be on its way back to the cache
        gate g;
        int ticks = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::to_thread([&] { g.wait(); }); });
            n.start_soon([&] { for (; ticks < 10; ++ticks) weft::checkpoint(); g.set(); });
        });
        BOOST_TEST(ticks == 10);
    });
}

// rule 102
BOOST_AUTO_TEST_CASE(in_a_cancelled_scope_no_thread_is_started) {
    weft::run([] {
        std::atomic<bool> ran{false};
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { weft::to_thread([&] { ran = true; }); });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(!ran);
    });
}

// rule 101
BOOST_AUTO_TEST_CASE(a_cancelled_caller_waits_and_the_result_stands_and_the_next_point_raises) {
    weft::run([] {
        gate g;
        weft::cancel_scope s;
        int got = 0;
        bool next = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { got = weft::to_thread([&] { g.wait(); return 3; }); weft::checkpoint(); next = true; }); });
            weft::this_task::sleep_for(1ms);
            s.cancel();
            weft::this_task::sleep_for(1ms);
            BOOST_TEST(got == 0);
            g.set();
        });
        BOOST_TEST(got == 3);
        BOOST_TEST(!next);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 103
BOOST_AUTO_TEST_CASE(an_abandoned_thread_s_caller_leaves_at_once_and_its_token_comes_back_when_it_ends) {
    weft::run([] {
        auto g = std::make_shared<gate>();
        weft::capacity_limiter limiter(1);
        BOOST_TEST(cancelled_in_thread([g](auto& begun) { begun = true; g->wait(); }, {.limiter = &limiter, .abandon_on_cancel = true}));
        BOOST_TEST(limiter.borrowed_tokens() == 1u);
        BOOST_CHECK_THROW(limiter.acquire_nowait(), weft::would_block);
        g->set();
        limiter.acquire();  // once the thread has ended
        BOOST_TEST(limiter.borrowed_tokens() == 1u);
        limiter.release();
    });
}

// rule 103
BOOST_AUTO_TEST_CASE(an_abandoned_thread_may_end_after_the_run) {
    auto g = std::make_shared<gate>();
    auto ended = std::make_shared<gate>();
    weft::run([&] {
        BOOST_TEST(cancelled_in_thread([g, ended](auto& begun) { begun = true; g->wait(); ended->set(); return std::string(1000, 'x'); }, {.abandon_on_cancel = true}));
    });
    g->set();
    ended->wait();
    BOOST_TEST(true);  // the sanitizers say whether
}

// rules 87, 104
BOOST_AUTO_TEST_CASE(the_limiter_bounds_how_many_threads_work_at_once) {
    weft::run([] {
        weft::capacity_limiter limiter(2);
        std::atomic<int> at_once{0}, most{0};
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 10; ++i) {
                n.start_soon([&] {
                    weft::to_thread([&] {
                        int now = ++at_once;
                        for (int m = most; now > m && !most.compare_exchange_weak(m, now);) {}
                        while (most < 2) std::this_thread::yield();  // two come in, however slow the machine is
                        std::this_thread::sleep_for(200us);          // and there is time for a third
                        --at_once;
                    }, {.limiter = &limiter});
                });
            }
        });
        BOOST_TEST(most == 2);
        BOOST_TEST(limiter.borrowed_tokens() == 0u);
        BOOST_CHECK_THROW(weft::to_thread([] { throw 1; }, {.limiter = &limiter}), int);
        BOOST_TEST(limiter.borrowed_tokens() == 0u);
        BOOST_TEST(weft::default_thread_limiter().total_tokens() == 40u);
    });
}

// rule 105
BOOST_AUTO_TEST_CASE(from_thread_runs_in_the_task_that_waits) {
    weft::run([] {
        static weft::task_local<int> v{0};
        v = 4;
        auto me = weft::this_task::id();
        auto home = std::this_thread::get_id();
        int local = 0;
        std::uint64_t id = 0;
        std::thread::id where;
        int r = weft::to_thread([&] {
            local = v;  // rule 110
            v = 5;
            return weft::from_thread::run([&] {
                id = weft::this_task::id();
                where = std::this_thread::get_id();
                weft::this_task::sleep_for(1ms);
                return v.get() * 10;
            });
        });
        BOOST_TEST(local == 4);
        BOOST_TEST(r == 40);
        BOOST_TEST(v.get() == 4);
        BOOST_TEST(id == me);
        BOOST_TEST((where == home));
        BOOST_CHECK_THROW(weft::to_thread([] { weft::from_thread::run([] { throw std::out_of_range("task"); }); }), std::out_of_range);
    });
}

// rule 105
BOOST_AUTO_TEST_CASE(a_thread_learns_that_its_caller_is_cancelled) {
    weft::run([] {
        weft::cancel_scope s;
        std::atomic<int> stage{0};
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    weft::to_thread([&] {
                        weft::from_thread::check_cancelled();
                        stage = 1;
                        try {
                            for (;;) { weft::from_thread::check_cancelled(); std::this_thread::sleep_for(50us); }
                        } catch (weft::cancelled const& c) {
                            stage = c.reason() == "enough" ? 2 : 3;
                            throw;
                        }
                    });
                    stage = 9;
                });
            });
            while (stage == 0) weft::this_task::sleep_for(100us);
            s.cancel("enough");
        });
        BOOST_TEST(stage == 2);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 105
BOOST_AUTO_TEST_CASE(what_a_thread_runs_in_a_cancelled_task_is_cancelled_and_so_is_the_thread_s_call) {
    weft::run([] {
        bool in_thread = false;
        BOOST_TEST(cancelled_in_thread([&](auto& begun) {
            try { weft::from_thread::run([&] { begun = true; weft::this_task::sleep_forever(); }); } catch (weft::cancelled const&) { in_thread = true; throw; }
        }));
        BOOST_TEST(in_thread);
    });
}

BOOST_AUTO_TEST_CASE(an_abandoned_thread_that_calls_back_is_cancelled_or_told_that_the_run_has_ended) {
    auto g = std::make_shared<gate>();
    auto second = std::make_shared<gate>();
    auto over = std::make_shared<gate>();
    auto results = std::make_shared<std::atomic<int>>(0);
    weft::run([&] {
        BOOST_TEST(cancelled_in_thread([=](auto& begun) {
            begun = true;
            g->wait();
            if (throws<weft::cancelled>([] { weft::from_thread::run([] {}); })) ++*results;
            if (throws<weft::cancelled>([] { weft::from_thread::check_cancelled(); })) ++*results;
            second->wait();
            if (throws<weft::run_finished_error>([] { weft::from_thread::run([] {}); })) ++*results;
            over->set();
        }, {.abandon_on_cancel = true}));
        g->set();
        while (*results < 2) weft::this_task::sleep_for(100us);
    });
    second->set();
    over->wait();
    BOOST_TEST(*results == 3);
}

// rule 106
BOOST_AUTO_TEST_CASE(from_thread_elsewhere_is_misuse) {
    BOOST_CHECK_THROW(weft::from_thread::run([] {}), weft::misuse_error);
    BOOST_CHECK_THROW(weft::from_thread::check_cancelled(), weft::misuse_error);
    weft::run([] {
        BOOST_CHECK_THROW(weft::from_thread::run([] {}), weft::misuse_error);
        bool nested = weft::to_thread([] { return weft::run([] { return throws<weft::misuse_error>([] { weft::from_thread::run([] {}); }); }); });
        BOOST_TEST(nested);
    });
    BOOST_CHECK_THROW(weft::to_thread([] {}), weft::not_running_error);
}

BOOST_AUTO_TEST_CASE(many_tasks_and_threads_call_back_and_forth) {
    weft::run([] {
        int sum = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 20; ++i) {
                n.start_soon([&] {
                    for (int k = 0; k < 10; ++k) sum += weft::to_thread([&] { return weft::from_thread::run([] { weft::checkpoint(); return 1; }); });
                });
            }
        });
        BOOST_TEST(sum == 200);
    });
}

BOOST_AUTO_TEST_SUITE_END()
