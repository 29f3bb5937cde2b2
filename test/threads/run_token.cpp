// SPDX-License-Identifier: BSL-1.0
// Calls into a run from other threads: posts, calls, and the run's end.
#include "fixture.hpp"

#include <weft/sync/event.hpp>
#include <weft/threads/run_token.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {

/// A run on a thread of its own, until stop.
struct other_run {
    weft::shared::event ready, stop;
    weft::run_token token;
    std::exception_ptr error;
    std::thread thread{[this] {
        try {
            weft::run([this] { token = weft::current_token(); ready.set(); stop.wait(); });
        } catch (...) { error = std::current_exception(); }
    }};
    other_run() { ready.wait(); }
    void end() { stop.set(); thread.join(); }
    ~other_run() { if (thread.joinable()) end(); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(run_token)

// rule 108
BOOST_AUTO_TEST_CASE(posts_of_one_thread_run_in_order_as_callbacks_on_the_run_s_thread) {
    other_run r;
    std::vector<int> seen;
    bool in_callback = false;
    std::thread::id where;
    weft::shared::event done;
    for (int i = 0; i < 100; ++i) r.token.post([&, i] { seen.push_back(i); });
    r.token.post([&] {
        where = std::this_thread::get_id();
        try { weft::checkpoint(); } catch (weft::wrong_domain_error const&) { in_callback = true; }
        done.set();
    });
    done.wait();
    BOOST_REQUIRE(seen.size() == 100u);
    for (int i = 0; i < 100; ++i) BOOST_TEST(seen[static_cast<std::size_t>(i)] == i);
    BOOST_TEST(in_callback);
    BOOST_TEST((where == r.thread.get_id()));
}

// rule 108: a post from inside the run is queued too, and never runs inside the caller
BOOST_AUTO_TEST_CASE(a_post_from_the_run_s_own_thread_runs_later) {
    run_checked([] {
        bool ran = false;
        auto t = weft::current_token();
        BOOST_TEST(t.is_this_run());
        t.post([&] { ran = true; });
        BOOST_TEST(!ran);
        while (!ran) weft::checkpoint();
        BOOST_TEST(ran);
    });
}

// rule 108
BOOST_AUTO_TEST_CASE(what_was_accepted_runs_even_if_main_has_failed_and_later_posts_are_refused) {
    std::atomic<int> ran{0};
    int accepted = 0;
    weft::run_token t;
    try {
        weft::run([&] {
            t = weft::current_token();
            for (int i = 0; i < 5; ++i) { t.post([&ran] { ++ran; }); ++accepted; }
            throw std::runtime_error("main");
        });
        BOOST_ERROR("run returned");
    } catch (std::runtime_error const& e) {
        BOOST_TEST(std::string(e.what()) == "main");
    }
    BOOST_TEST(ran == accepted);
    BOOST_TEST(!t.try_post([&ran] { ++ran; }));
    BOOST_CHECK_EXCEPTION(t.post([] {}), weft::run_finished_error, [](auto const& e) { return std::string(e.what()).find("help:") != std::string::npos; });
    BOOST_CHECK_THROW(t.call([] {}), weft::run_finished_error);
    BOOST_CHECK_THROW(weft::run_token().post([] {}), weft::run_finished_error);
    BOOST_TEST(ran == accepted);
}

// rule 61
BOOST_AUTO_TEST_CASE(a_callback_that_posts_itself_again_starves_nobody_and_does_not_keep_the_run_from_ending) {
    struct again {
        weft::run_token t;
        std::shared_ptr<int> count;
        void operator()() { ++*count; t.post(again{t, count}); }
    };
    auto count = std::make_shared<int>(0);
    weft::run([&] {
        again{weft::current_token(), count}();
        while (*count < 10) weft::checkpoint();
    });
    BOOST_TEST(*count >= 10);
    BOOST_TEST(count.use_count() == 1);
}

// rule 109
BOOST_AUTO_TEST_CASE(a_post_that_throws_ends_the_run_and_later_ones_still_run) {
    bool later = false, cancelled = false;
    try {
        run_checked([&] {
            auto t = weft::current_token();
            t.post([] { throw std::range_error("posted"); });
            t.post([&] { later = true; });
            try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { cancelled = true; throw; }
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.contains<std::range_error>());
    }
    BOOST_TEST(later);
    BOOST_TEST(cancelled);
}

BOOST_AUTO_TEST_CASE(a_thread_calls_a_function_that_blocks_as_a_task) {
    other_run r;
    BOOST_TEST(r.token.call([] { weft::this_task::sleep_for(1ms); return 42; }) == 42);
    BOOST_TEST(*r.token.call([] { return std::make_unique<int>(7); }) == 7);
    BOOST_CHECK_THROW(r.token.call([] { weft::checkpoint(); throw std::out_of_range("x"); }), std::out_of_range);
    BOOST_TEST(r.token.call([] { return std::this_thread::get_id(); }) == r.thread.get_id());
    r.end();
    BOOST_TEST(!r.error);
}

BOOST_AUTO_TEST_CASE(a_task_of_another_run_calls_and_its_siblings_go_on_meanwhile) {
    other_run r;
    weft::run([&] {
        int ticks = 0, result = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { result = r.token.call([] { weft::this_task::sleep_for(5ms); return 3; }); n.cancel(); });
            for (;;) { weft::this_task::sleep_for(1ms); ++ticks; }
        });
        BOOST_TEST(result == 3);
        BOOST_TEST(ticks >= 1);
    });
}

// rule 106
BOOST_AUTO_TEST_CASE(a_call_from_the_run_s_own_thread_or_a_callback_is_refused) {
    run_checked([] {
        auto t = weft::current_token();
        BOOST_CHECK_THROW(t.call([] {}), weft::misuse_error);
        weft::event done;
        t.post([&] { BOOST_CHECK_THROW(t.call([] {}), weft::misuse_error); done.set(); });
        done.wait();
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_caller_cancels_the_task_over_there_and_waits_for_it) {
    other_run r;
    weft::run([&] {
        std::atomic<bool> started{false}, cleaned{false};
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_TEST(!s.run([&] {
                    r.token.call([&] {
                        started = true;
                        try { weft::this_task::sleep_forever(); }
                        catch (weft::cancelled const&) {
                            weft::cancel_scope shield;
                            shield.set_shield(true);
                            shield.run([&] { weft::this_task::sleep_for(2ms); cleaned = true; });
                            throw;
                        }
                    });
                }));
                BOOST_TEST(cleaned.load());
            });
            while (!started) weft::this_task::sleep_for(100us);
            s.cancel();
        });
        BOOST_TEST(s.cancelled_caught());
    });
}

// rules 11, 101
BOOST_AUTO_TEST_CASE(what_a_cancelled_task_returns_or_throws_in_the_end_wins) {
    other_run r;
    weft::run([&] {
        auto ignore = [](auto end) { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {} return end(); };
        weft::cancel_scope s;
        int got = 0;
        bool next = false;
        s.set_deadline_after(1ms);
        s.run([&] { got = r.token.call([&] { return ignore([] { return 5; }); }); weft::checkpoint(); next = true; });
        BOOST_TEST(got == 5);
        BOOST_TEST(!next);
        BOOST_CHECK_THROW(weft::move_on_after(1ms, [&] { r.token.call([&] { return ignore([]() -> int { throw std::logic_error("late"); }); }); }), std::logic_error);
    });
}

// rule 102
BOOST_AUTO_TEST_CASE(a_call_in_a_cancelled_scope_starts_nothing) {
    other_run r;
    std::atomic<bool> ran{false};
    weft::run([&] {
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { r.token.call([&] { ran = true; }); });
        BOOST_TEST(s.cancelled_caught());
    });
    r.end();
    BOOST_TEST(!ran.load());
}

// rule 107
BOOST_AUTO_TEST_CASE(calls_under_way_when_the_run_ends_end_with_an_error_and_none_hangs) {
    for (int round = 0; round < 20; ++round) {
        other_run r;
        std::atomic<int> ended{0}, ok{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                try {
                    for (;;) { r.token.call([] { weft::this_task::sleep_for(50us); }); ++ok; }
                } catch (weft::run_finished_error const&) { ++ended; }
                catch (weft::task_cancelled_error const&) { ++ended; }
            });
        }
        std::this_thread::sleep_for(1ms);
        r.end();
        for (auto& t : threads) t.join();
        BOOST_TEST(ended == 4);
    }
}

// rule 108: massive, from many threads
BOOST_AUTO_TEST_CASE(many_threads_post_at_once_and_nothing_is_lost_or_doubled) {
    other_run r;
    int sum = 0;  // the run's thread only
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { for (int i = 0; i < 2'000; ++i) r.token.post([&] { ++sum; }); });
    for (auto& t : threads) t.join();
    BOOST_TEST(r.token.call([&] { return sum; }) == 8'000);
}

BOOST_AUTO_TEST_CASE(a_token_may_be_destroyed_while_the_run_ends_or_after) {
    for (int i = 0; i < 200; ++i) {
        auto r = std::make_unique<other_run>();
        std::thread t([token = r->token] { for (int k = 0; k < 3; ++k) static_cast<void>(token.try_post([] {})); });
        r.reset();
        t.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_SUITE_END()
