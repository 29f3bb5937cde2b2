// SPDX-License-Identifier: BSL-1.0
// Threads where they differ from std's: as tasks of a run, between runs and plain threads; cancellation, detaching, terminating. What
// they share with std's is in conformance_thread.cpp.
#include "core/child.hpp"
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/future/async.hpp>
#include <weft/std/jthread.hpp>
#include <weft/std/this_thread.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <memory>
#include <pthread.h>
#include <sstream>
#include <system_error>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
template <class F>
std::errc code_of(F&& f) {
    try { f(); } catch (std::system_error const& e) { return static_cast<std::errc>(e.code().value()); }
    return {};
}
}  // namespace

BOOST_AUTO_TEST_SUITE(thread)

BOOST_AUTO_TEST_CASE(it_is_a_task_of_the_root_nursery_that_starts_when_its_starter_waits) {
    run_checked([] {
        static weft::task_local<int> local{0};
        local = 7;
        std::uint64_t task = 0;
        int seen = 0;
        weft::thread t([&] { task = weft::this_task::id(); seen = local.get(); });
        BOOST_TEST(task == 0u);
        auto id = t.get_id();
        t.join();
        BOOST_TEST(task != 0u);
        BOOST_TEST(seen == 7);
        std::ostringstream text;
        text << id;
        BOOST_TEST(weft_test::contains(text.str(), "task " + std::to_string(task) + " of run"), text.str());
        BOOST_TEST(!t.joinable());
    });
}

BOOST_AUTO_TEST_CASE(a_thousand_sleep_at_once) {
    run_checked([] {
        std::vector<weft::thread> all;
        int done = 0;
        auto start = weft::current_time();
        for (int i = 0; i < 1000; ++i) all.emplace_back([&] { weft::this_thread::sleep_for(1s); ++done; });
        for (auto& t : all) t.join();
        BOOST_TEST(done == 1000);
        BOOST_TEST((weft::current_time() - start == 1s));
    });
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_it_is_a_plain_thread_that_a_task_may_join) {
    std::atomic<bool> plain{false};
    weft::thread::id inside;
    weft::thread t([&] { plain = throws<weft::not_running_error>([] { weft::checkpoint(); }); inside = weft::this_thread::get_id(); });
    auto id = t.get_id();
    run_checked([&] { t.join(); });
    BOOST_TEST(plain);
    BOOST_TEST((inside == id));
    BOOST_TEST((id != weft::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(one_of_another_run_may_be_joined_by_a_plain_thread_or_a_task) {
    for (bool task : {false, true}) {
        weft::thread t;
        weft::event* stop = nullptr;
        std::atomic<bool> started{false};
        std::optional<weft::run_token> token;
        std::thread other([&] {
            weft::run([&] {
                weft::event e;
                stop = &e;
                token = weft::current_token();
                t = weft::thread([&] { weft::this_thread::sleep_for(1ms); });
                started = true;
                e.wait();
            });
        });
        while (!started) std::this_thread::yield();
        auto join = [&] { t.join(); token->post([&] { stop->set(); }); };
        if (task) weft::run(join);
        else join();
        other.join();
        BOOST_TEST(!t.joinable());
    }
}

BOOST_AUTO_TEST_CASE(a_cancelled_join_leaves_it_joinable_and_the_unwinding_owner_cancels_and_awaits_it) {
    run_checked([] {
        bool ended = false, joined = false;
        auto late = [&] {
            try { weft::this_thread::sleep_for(1h); } catch (weft::cancelled const&) { weft::cancel_scope s; s.set_shield(true); s.run([] { weft::this_task::sleep_for(2s); }); ended = true; throw; }
        };
        bool done = weft::move_on_after(1s, [&] {
            weft::thread t(late);
            try { t.join(); joined = true; } catch (weft::cancelled const&) { BOOST_TEST(t.joinable()); throw; }
        });
        BOOST_TEST(!done);
        BOOST_TEST(!joined);
        BOOST_TEST(ended);
    });
}

BOOST_AUTO_TEST_CASE(a_join_is_a_cancellation_point_though_the_thread_has_ended) {
    run_checked([] {
        weft::thread t([] {});
        weft::this_task::sleep_for(1s);
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { t.join(); }));
        BOOST_TEST(t.joinable());
        t.join();
    });
}

BOOST_AUTO_TEST_CASE(misuse_has_std_s_codes) {
    run_checked([] {
        weft::thread none;
        BOOST_TEST((code_of([&] { none.join(); }) == std::errc::invalid_argument));
        BOOST_TEST((code_of([&] { none.detach(); }) == std::errc::invalid_argument));
        weft::thread self;
        std::errc code{};
        self = weft::thread([&] { code = code_of([&] { self.join(); }); });
        weft::this_thread::sleep_for(1s);
        BOOST_TEST((code == std::errc::resource_deadlock_would_occur));
        self.join();
        weft::thread t([] {});
        bool wrong = false;
        boost::asio::post(weft::get_executor(), [&] { wrong = throws<weft::wrong_domain_error>([&] { t.join(); }); });
        weft::this_task::sleep_for(1s);
        BOOST_TEST(wrong);
        t.join();
    });
}

BOOST_AUTO_TEST_CASE(it_may_be_started_in_a_callback) {
    run_checked([] {
        weft::thread t;
        bool ran = false;
        boost::asio::post(weft::get_executor(), [&] { t = weft::thread([&] { weft::this_thread::yield(); ran = true; }); weft::this_thread::yield(); });
        weft::this_task::sleep_for(1s);
        t.join();
        BOOST_TEST(ran);
    });
}

BOOST_AUTO_TEST_CASE(a_join_returns_after_the_thread_s_end_actions) {
    run_checked([] {
        for (int i = 0; i < 2; ++i) {
            weft::promise<void> p;
            auto f = p.get_future();
            weft::thread t([&] { p.set_value_at_thread_exit(); if (i) weft::checkpoint(); });
            t.join();
            BOOST_TEST((f.wait_for(0s) == std::future_status::ready));
        }
    });
    weft::promise<void> p;
    auto f = p.get_future();
    weft::thread t([&] { p.set_value_at_thread_exit(); });
    t.join();
    BOOST_TEST((f.wait_for(0s) == std::future_status::ready));
}

// --- detached ---

BOOST_AUTO_TEST_CASE(a_detached_thread_may_end_within_the_grace_time_or_is_cancelled_then_and_always_awaited) {
    bool in_time = false, late = false, cancelled = false, asked = false;
    weft::testing::mock_clock clock;
    weft::run_options options;
    options.clock = &clock;
    weft::run(options, [&] {
        weft::thread([&] { weft::this_thread::sleep_for(50ms); in_time = true; }).detach();
        weft::thread([&] { weft::wait_stop_requested(); asked = true; }).detach();
        weft::thread([&] {
            try { weft::this_thread::sleep_for(1h); late = true; } catch (weft::cancelled const&) { cancelled = true; throw; }
        }).detach();
    });
    BOOST_TEST(in_time);
    BOOST_TEST(asked);
    BOOST_TEST(!late);
    BOOST_TEST(cancelled);
}

BOOST_AUTO_TEST_CASE(a_thread_may_be_detached_by_another_thread) {
    std::atomic<bool> detached{false};
    bool ended = false;
    weft::run([&] {
        weft::thread t([&] { weft::this_thread::sleep_for(20ms); ended = true; });
        std::thread([&] { t.detach(); detached = true; }).join();
        BOOST_TEST(detached);
        weft::this_task::sleep_for(1ms);  // what another thread sent arrives
    });
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(the_grace_time_is_set_for_the_process) {
    auto before = weft::thread_grace();
    weft::set_thread_grace(10s);
    BOOST_CHECK_THROW(weft::set_thread_grace(-1s), weft::misuse_error);
    bool ended = false;
    weft::testing::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    weft::run(o, [&] { weft::thread([&] { weft::this_thread::sleep_for(9s); ended = true; }).detach(); });
    weft::set_thread_grace(before);
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(the_end_of_the_run_cancels_a_thread_that_main_leaves_to_somebody_else) {
    weft::thread t;
    bool cancelled = false;
    weft::run([&] { t = weft::thread([&] { try { weft::this_thread::sleep_for(1h); } catch (weft::cancelled const&) { cancelled = true; throw; } }); weft::checkpoint(); });
    BOOST_TEST(cancelled);
    t.join();
}

// --- jthread ---

BOOST_AUTO_TEST_CASE(a_cancelled_scope_asks_its_jthreads_to_stop) {
    run_checked([] {
        int steps = 0;
        bool done = weft::move_on_after(1s, [&] {
            weft::jthread t([&](weft::stop_token stop) { while (!stop.stop_requested()) { weft::this_thread::sleep_for(90ms); ++steps; } });
            weft::this_thread::sleep_for(1h);
        });
        BOOST_TEST(!done);
        BOOST_TEST(steps == 12);  // within the grace time
    });
}

BOOST_AUTO_TEST_CASE(a_soft_stop_of_the_scope_stops_its_jthreads) {
    run_checked([] {
        weft::cancel_scope s;
        BOOST_TEST(s.run([&] {
            bool stopped = false;
            weft::jthread t([&](weft::stop_token stop) {
                weft::mutex m;
                weft::condition_variable_any never;
                std::unique_lock lock(m);
                never.wait(lock, stop, [] { return false; });
                stopped = true;
            });
            weft::checkpoint();
            s.request_stop();
            t.join();
            BOOST_TEST(stopped);
        }));
    });
}

BOOST_AUTO_TEST_CASE(a_stop_callback_may_wait_though_a_deadline_fired_on_the_loop) {
    run_checked([] {
        bool waited = false;
        weft::move_on_after(1s, [&] {
            weft::jthread t([&](weft::stop_token stop) {
                weft::stop_callback c(stop, [&] { weft::this_task::sleep_for(10ms); waited = true; });
                while (!waited) weft::this_thread::sleep_for(1ms);
            });
            weft::this_thread::sleep_for(1h);
        });
        BOOST_TEST(waited);
    });
}

BOOST_AUTO_TEST_CASE(a_jthread_that_does_not_stop_is_cancelled_after_the_grace_time_if_its_owner_is_cancelled) {
    run_checked([] {
        auto start = weft::current_time();
        bool cancelled = false;
        weft::move_on_after(1s, [&] {
            weft::jthread t([&] { try { weft::this_thread::sleep_for(1h); } catch (weft::cancelled const&) { cancelled = true; throw; } });
            weft::this_thread::sleep_for(1h);
        });
        BOOST_TEST(cancelled);
        BOOST_TEST((weft::current_time() - start == 1s + weft::thread_grace()));
        // On a normal path, too, when the cancellation arrives during the destructor's wait.
        cancelled = false;
        start = weft::current_time();
        weft::move_on_after(1s, [&] {
            { weft::jthread t([&] { try { weft::this_thread::sleep_for(1h); } catch (weft::cancelled const&) { cancelled = true; throw; } }); }
            BOOST_TEST((weft::current_time() - start == 1s + weft::thread_grace()));
        });
        BOOST_TEST(cancelled);
    });
}

BOOST_AUTO_TEST_CASE(a_jthread_s_destructor_waits_however_long_otherwise) {
    run_checked([] {
        auto start = weft::current_time();
        { weft::jthread t([] { weft::this_thread::sleep_for(1h); }); }
        BOOST_TEST((weft::current_time() - start == 1h));
    });
}

BOOST_AUTO_TEST_CASE(threads_are_cancelled_at_every_point) {
    auto result = weft::testing::cancel_everywhere([] {
        weft::mutex m;
        int n = 0;
        weft::jthread a([&] { std::lock_guard lock(m); ++n; weft::this_thread::yield(); });
        weft::jthread b([&](weft::stop_token) { std::lock_guard lock(m); ++n; });
        weft::thread c([&] { weft::this_thread::sleep_for(1ms); });
        c.join();
        a.join();
    });
    BOOST_TEST(result.points > 0u);
}

// Two runs and two plain threads start threads, and join, detach, stop and destroy each other's.
BOOST_AUTO_TEST_CASE(threads_of_runs_and_plain_threads_race) {
    constexpr int each = 40;
    auto ran = std::make_shared<std::atomic<int>>(0);  // a plain detached thread may end late
    weft::mutex m;
    weft::condition_variable_any changed;
    std::vector<weft::jthread> shared;  // guarded by m
    auto play = [&] {
        for (int i = 0; i < each; ++i) {
            weft::jthread mine([&](weft::stop_token stop) {
                ++*ran;
                if (stop.stop_possible()) weft::this_thread::yield();
                std::unique_lock lock(m);
                changed.wait(lock, stop, [] { return false; });
            });
            weft::jthread taken;
            {
                std::lock_guard lock(m);
                shared.push_back(std::move(mine));
                if (i % 3 != 0) { taken = std::move(shared.front()); shared.erase(shared.begin()); }
            }
            if (i % 3 == 1) { taken.request_stop(); taken.join(); }
            weft::thread([ran] { ++*ran; }).detach();
            weft::thread t([&] { ++*ran; });
            t.join();
        }
    };
    std::thread a(play), b([&] { weft::run(play); });
    weft::run([&] {
        weft::thread c(play), d(play);
        c.join();
        d.join();
        std::vector<weft::jthread> rest;
        { std::lock_guard lock(m); rest.swap(shared); }
        for (auto& t : rest) t.request_stop();
    });
    a.join();
    b.join();
    for (auto& t : shared) t.request_stop();
    shared.clear();
    BOOST_TEST(*ran >= 2 * 4 * each);
}

// --- ends of the program ---

BOOST_AUTO_TEST_CASE(joinable_threads_and_exceptions_terminate_and_name_the_task) {
    for (std::string scenario : {"destroyed", "assigned", "plain destroyed", "unwound by an error"}) {
        outcome o = run_child("thread_child", scenario);
        BOOST_TEST(o.signal == SIGABRT, scenario << ": " << o.text);
        BOOST_TEST(contains(o.text, "while it was joinable"), scenario << ": " << o.text);
        BOOST_TEST(contains(o.text, scenario == "plain destroyed" ? "a plain thread" : "task #2"), scenario << ": " << o.text);
    }
    for (std::string scenario : {"threw", "threw in a group"}) {
        outcome o = run_child("thread_child", scenario);
        BOOST_TEST(o.signal == SIGABRT, scenario << ": " << o.text);
        BOOST_TEST(contains(o.text, "left a thread's function, in task #2 \"thread\""), scenario << ": " << o.text);
        BOOST_TEST(contains(o.text, "what went wrong"), scenario << ": " << o.text);
    }
    outcome o = run_child("thread_child", "plain threw");
    BOOST_TEST(o.signal == SIGABRT);
    BOOST_TEST(contains(o.text, "what went wrong"), o.text);
}

BOOST_AUTO_TEST_CASE(pthread_exit_and_pthread_cancel_are_fatal_by_name) {
    for (std::string scenario : {"exit of task", "exit of main", "exit in scope", "exit of thread", "exit of async", "cancel"}) {
        if (WEFT_TSAN && scenario != "cancel") continue;  // ThreadSanitizer dies of pthread_exit on a fiber before it unwinds
        outcome o = run_child("thread_child", scenario);
        BOOST_TEST(o.signal == SIGABRT, scenario);
        BOOST_TEST(contains(o.text, "fatal[W112]: pthread_exit or pthread_cancel"), scenario << ": " << o.text);
        if (scenario == "exit of task") BOOST_TEST(contains(o.text, "\"old\""), o.text);
    }
}

BOOST_AUTO_TEST_CASE(a_deadlock_of_threads_ends_the_run_with_its_tree) {
    outcome o = run_child("thread_child", "deadlock");
    BOOST_TEST(o.signal == 0, o.text);
    BOOST_TEST(o.code == 7, o.text);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(thread_child, * boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(scenario) {
    auto raise = [] { throw std::runtime_error("what went wrong"); };
    as_child({
        {"destroyed", [] { weft::run([] { weft::thread t([] {}); }); }},
        {"assigned", [] { weft::run([] { weft::thread t([] {}); t = weft::thread(); }); }},
        {"unwound by an error", [&] { weft::run([&] { try { weft::thread t([] {}); raise(); } catch (std::runtime_error const&) {} }); }},
        {"plain destroyed", [] { weft::thread t([] {}); }},
        {"threw", [&] { weft::run([&] { weft::thread(raise).join(); }); }},
        {"threw in a group", [&] { weft::run([&] { weft::thread([&] { weft::with_nursery([&](weft::nursery& n) { n.start_soon(raise); weft::this_task::sleep_forever(); }); }).join(); }); }},
        {"plain threw", [&] { weft::thread(raise).join(); }},
        {"exit of task", [] { weft::run([] { weft::with_nursery([](weft::nursery& n) { n.start_soon("old", [] { ::pthread_exit(nullptr); }); }); }); }},
        {"exit of main", [] { weft::run([] { ::pthread_exit(nullptr); }); }},
        {"exit in scope", [] { weft::run([] { weft::cancel_scope().run([] { ::pthread_exit(nullptr); }); }); }},
        {"exit of thread", [] { weft::run([] { weft::thread([] { ::pthread_exit(nullptr); }).join(); }); }},
        {"exit of async", [] { weft::run([] { weft::async(std::launch::async, [] { ::pthread_exit(nullptr); }).get(); }); }},
        {"cancel", [] { weft::run([] { weft::thread t([] { weft::this_thread::sleep_for(1h); }); ::pthread_cancel(t.native_handle()); t.join(); }); }},
        {"deadlock", [] {
            try {
                weft::run([] { weft::mutex m; m.lock(); weft::thread t([&] { m.lock(); }); t.join(); });
            } catch (weft::deadlock_error const&) { ::_exit(7); }
        }},
    });
}
BOOST_AUTO_TEST_SUITE_END()
