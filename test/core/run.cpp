// SPDX-License-Identifier: BSL-1.0
// The life of a run: main's result and error, options, what may not be called outside, deadlock.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;
namespace ll = weft::lowlevel;

namespace {

bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

/// What left run(): its type's name, and its text.
struct outcome { std::string type, text; };
template <class F>
outcome ends_with(F&& f) {
    try { run_checked(f); }
    catch (weft::deadlock_error const& e) { return {"deadlock", e.what()}; }
    catch (weft::exception_group const& e) { return {"group", e.what()}; }
    catch (std::exception const& e) { return {"other", e.what()}; }
    return {"nothing", ""};
}

/// Each call that needs a run.
std::vector<std::pair<char const*, std::function<void()>>> calls_that_need_a_run() {
    static weft::task_local<int> local;
    static weft::run_local<int> of_run;
    return {
        {"checkpoint", [] { weft::checkpoint(); }},
        {"check_cancelled", [] { weft::check_cancelled(); }},
        {"yield_shielded", [] { weft::yield_shielded(); }},
        {"current_effective_deadline", [] { static_cast<void>(weft::current_effective_deadline()); }},
        {"stop_requested", [] { static_cast<void>(weft::stop_requested()); }},
        {"wait_stop_requested", [] { weft::wait_stop_requested(); }},
        {"yield", [] { weft::this_task::yield(); }},
        {"sleep_for", [] { weft::this_task::sleep_for(1s); }},
        {"sleep_until", [] { weft::this_task::sleep_until(weft::never); }},
        {"sleep_forever", [] { weft::this_task::sleep_forever(); }},
        {"id", [] { static_cast<void>(weft::this_task::id()); }},
        {"name", [] { static_cast<void>(weft::this_task::name()); }},
        {"scope", [] { static_cast<void>(weft::this_task::scope()); }},
        {"swallowed_cancellations", [] { static_cast<void>(weft::this_task::swallowed_cancellations()); }},
        {"current_task", [] { static_cast<void>(ll::current_task()); }},
        {"park", [] { ll::park([] {}); }},
        {"cancel_point", [] { ll::cancel_point(); }},
        {"raise_cancelled", [] { ll::raise_cancelled(); }},
        {"cancellation_pending", [] { static_cast<void>(ll::cancellation_pending()); }},
        {"with_nursery", [] { weft::with_nursery([](weft::nursery&) {}); }},
        {"cancel_scope::run", [] { weft::cancel_scope s; s.run([] {}); }},
        {"move_on_after", [] { weft::move_on_after(1s, [] {}); }},
        {"fail_at", [] { weft::fail_at(weft::never, [] {}); }},
        {"event::wait", [] { weft::event e; e.wait(); }},
        {"wait_all_tasks_blocked", [] { wt::wait_all_tasks_blocked(); }},
        {"task_local::get", [] { static_cast<void>(local.get()); }},
        {"task_local::set", [] { local = 1; }},
        {"task_local::scoped", [] { weft::task_local<int>::scoped s(local, 1); }},
    };
}

/// Calls that callbacks may make too.
std::vector<std::pair<char const*, std::function<void()>>> calls_that_need_only_the_loop() {
    static weft::run_local<int> of_run;
    static weft::instrument none;
    return {
        {"current_time", [] { static_cast<void>(weft::current_time()); }},
        {"current_statistics", [] { static_cast<void>(ll::current_statistics()); }},
        {"add_instrument", [] { auto i = std::make_shared<weft::instrument>(); ll::add_instrument(i); ll::remove_instrument(*i); }},
        {"remove_instrument", [] { ll::remove_instrument(none); }},
        {"run_local::get", [] { static_cast<void>(of_run.get()); }},
        {"get_executor", [] { static_cast<void>(weft::get_executor()); }},
        {"dump", [] { std::ostringstream os; weft::inspect::dump(os); }},
    };
}

/// Calls f when nothing can go on, once.
struct idle_hook final : weft::clock_source {
    std::function<void()> f;
    weft::time_point now() noexcept override { return weft::time_point(1h); }
    bool is_virtual() const noexcept override { return true; }
    bool idle(weft::time_point) noexcept override { if (f) std::exchange(f, nullptr)(); return false; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(run)

// rule 62
BOOST_AUTO_TEST_CASE(run_returns_what_main_returns) {
    BOOST_TEST(weft::run([] { return 42; }) == 42);
    BOOST_TEST(*weft::run([] { return std::make_unique<int>(7); }) == 7);
    bool ran = false;
    weft::run([&] { ran = true; });
    BOOST_TEST(ran);
}

// rule 62
BOOST_AUTO_TEST_CASE(mains_exception_leaves_run_as_it_is) {
    struct custom { int value; };
    try { weft::run([] { throw custom{5}; }); BOOST_ERROR("nothing thrown"); } catch (custom const& c) { BOOST_TEST(c.value == 5); }
    std::exception_ptr original = std::make_exception_ptr(std::runtime_error("as is")), got;
    try { weft::run([&]() -> int { weft::checkpoint(); std::rethrow_exception(original); }); } catch (...) { got = std::current_exception(); }
    BOOST_TEST((got == original));
}

// rule 62: a nursery's group is main's error like any other
BOOST_AUTO_TEST_CASE(a_group_that_leaves_main_is_not_wrapped_again) {
    try {
        run_checked([] { weft::with_nursery([](weft::nursery& n) { n.start_soon([] { throw std::logic_error("leaf"); }); }); });
        BOOST_ERROR("nothing thrown");
    } catch (weft::exception_group const& g) {
        BOOST_REQUIRE(g.exceptions().size() == 1u);
        BOOST_CHECK_THROW(std::rethrow_exception(g.exceptions()[0]), std::logic_error);
    }
}

BOOST_AUTO_TEST_CASE(a_thread_can_run_again_after_a_run_has_failed) {
    for (int i = 0; i < 3; ++i) BOOST_CHECK_THROW(run_checked([] { throw std::runtime_error("x"); }), std::runtime_error);
    BOOST_TEST(run_checked([] { return 1; }) == 1);
}

BOOST_AUTO_TEST_CASE(options_reach_the_run) {
    weft::run_options o;
    o.stack_size = 64 * 1024;
    o.seed = 77;
    o.name = "options-run";
    run_checked(o, [] {
        auto s = ll::current_statistics();
        BOOST_TEST(s.stack_size == 64u * 1024);
        BOOST_TEST(s.seed == 77u);
        std::ostringstream os;
        weft::inspect::dump(os);
        BOOST_TEST(has(os.str(), "runtime \"options-run\""));
    });
}

BOOST_AUTO_TEST_CASE(a_run_with_a_driver_of_its_own_schedules_but_has_no_executor) {
    wt::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    o.make_driver = [] { return wt::make_virtual_driver(); };
    auto passed = weft::run(o, [] {
        auto start = weft::current_time();
        weft::with_nursery([](weft::nursery& n) { n.start_soon([] { weft::this_task::sleep_for(24h); }); });
        BOOST_CHECK_THROW(weft::get_executor(), weft::not_running_error);
        return weft::current_time() - start;
    });
    BOOST_TEST((passed == 24h));
}

BOOST_AUTO_TEST_CASE(a_driver_that_cannot_be_made_leaves_the_thread_free) {
    weft::run_options o;
    o.make_driver = []() -> std::unique_ptr<weft::driver> { throw std::runtime_error("no driver"); };
    bool ran = false;
    BOOST_CHECK_THROW(weft::run(o, [&] { ran = true; }), std::runtime_error);
    BOOST_TEST(!ran);
    BOOST_TEST(run_checked([] { return 3; }) == 3);
}

// rule 63
BOOST_AUTO_TEST_CASE(a_run_inside_of_a_run_is_refused_and_the_outer_one_goes_on) {
    bool inner = false;
    run_checked([&] {
        BOOST_CHECK_EXCEPTION(weft::run([&] { inner = true; }), weft::misuse_error, [](auto const& e) { return has(e.what(), "help:"); });
        weft::checkpoint();
        weft::this_task::sleep_for(1s);
        bool refused = false;
        weft::event done;
        boost::asio::post(weft::get_executor(), [&] {
            try { weft::run([&] { inner = true; }); } catch (weft::misuse_error const&) { refused = true; }
            done.set();
        });
        done.wait();
        BOOST_TEST(refused);
    });
    BOOST_TEST(!inner);
}

// rule 63
BOOST_AUTO_TEST_CASE(calls_outside_of_a_run_say_that_there_is_none) {
    auto calls = calls_that_need_a_run();
    for (auto& c : calls_that_need_only_the_loop()) calls.push_back(c);
    for (auto& [name, call] : calls) {
        BOOST_TEST_CONTEXT(name) {
            BOOST_CHECK_EXCEPTION(call(), weft::not_running_error, [](auto const& e) { return has(e.what(), "help:"); });
        }
    }
}

// rule 63
BOOST_AUTO_TEST_CASE(calls_that_need_a_task_refuse_to_work_in_a_callback) {
    run_checked([] {
        for (auto& c : calls_that_need_a_run()) {
            std::string got = "nothing";
            weft::event done;
            boost::asio::post(weft::get_executor(), [&] {
                try { c.second(); } catch (weft::wrong_domain_error const& e) { got = e.what(); } catch (weft::error const& e) { got = std::string("other: ") + e.what(); }
                done.set();
            });
            done.wait();
            BOOST_TEST_CONTEXT(c.first) {
                BOOST_TEST(has(got, "in a callback"), got);
                BOOST_TEST(has(got, "help:"), got);
            }
        }
        for (auto& c : calls_that_need_only_the_loop()) {
            bool worked = false;
            weft::event done;
            boost::asio::post(weft::get_executor(), [&] {
                try { c.second(); worked = true; } catch (...) {}
                done.set();
            });
            done.wait();
            BOOST_TEST(worked, c.first);
        }
    });
}

// rule 67
BOOST_AUTO_TEST_CASE(the_longest_sleeps_never_end_and_are_cancelled_in_time) {
    run_checked([] {
        auto start = weft::current_time();
        auto ends = [&](auto sleep) { return weft::move_on_after(1s, [&] { sleep(); }); };
        BOOST_TEST(!ends([] { weft::this_task::sleep_for(std::chrono::hours::max()); }));
        BOOST_TEST(!ends([] { weft::this_task::sleep_for(weft::duration::max()); }));
        BOOST_TEST(!ends([] { weft::this_task::sleep_for(weft::duration::max() - 1ns); }));
        BOOST_TEST(!ends([] { weft::this_task::sleep_for(std::chrono::duration<double>(1e300)); }));
        BOOST_TEST(!ends([] { weft::this_task::sleep_for(std::chrono::duration<double>(INFINITY)); }));
        BOOST_TEST(!ends([] { weft::this_task::sleep_until(weft::never - 1ns); }));
        BOOST_TEST((weft::current_time() == start + 6s));
        weft::this_task::sleep_until(weft::always);
        BOOST_TEST(weft::move_on_after(std::chrono::hours::max(), [] { weft::this_task::sleep_for(1s); }));
        BOOST_TEST((weft::current_time() == start + 7s));
    });
}

// rule 67: the real timer does not overflow either, and is not over at once
BOOST_AUTO_TEST_CASE(a_sleep_of_two_hundred_years_waits_in_real_time_too) {
    bool woke = false;
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(200 * 365 * 24h); woke = true; });
            n.start_soon([&] { weft::this_task::sleep_until(weft::never - 1ns); woke = true; });
            weft::this_task::sleep_for(1us);
            n.cancel();
        });
    });
    BOOST_TEST(!woke);
}

BOOST_AUTO_TEST_CASE(several_threads_run_at_once_without_seeing_each_other) {
    constexpr int threads = 4;
    std::vector<int> sums(threads);
    std::vector<std::size_t> most(threads);
    std::vector<std::thread> all;
    std::atomic<int> inside{0};
    for (int t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
            wt::mock_clock clock;
            weft::run_options o;
            o.clock = &clock;
            sums[static_cast<std::size_t>(t)] = weft::run(o, [&] {
                ++inside;
                while (inside < threads) std::this_thread::yield();  // all are in a run now
                int sum = 0;
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 50; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(std::chrono::seconds(i + 1)); sum += i + t; });
                    wt::wait_all_tasks_blocked();
                    most[static_cast<std::size_t>(t)] = ll::current_statistics().living;
                });
                return sum;
            });
        });
    }
    for (auto& t : all) t.join();
    for (int t = 0; t < threads; ++t) {
        BOOST_TEST(sums[static_cast<std::size_t>(t)] == 49 * 50 / 2 + 50 * t);
        BOOST_TEST(most[static_cast<std::size_t>(t)] == 51u);
    }
}

BOOST_AUTO_TEST_CASE(a_deadlock_is_raised_in_mains_own_wait_and_can_be_handled_there) {
    int handled = 0;
    auto o = ends_with([&] {
        weft::event nobody;
        try { nobody.wait(); } catch (weft::deadlock_error const& e) {
            ++handled;
            BOOST_TEST(has(e.what(), "1 task waits"));
            BOOST_TEST(has(e.what(), "main  waiting  event"), e.what());
            BOOST_TEST(has(e.what(), "help:"));
        }
        BOOST_TEST(nobody.waiters() == 0u);
        weft::this_task::sleep_for(1s);  // the run goes on
    });
    BOOST_TEST(handled == 1);
    BOOST_TEST(o.type == "nothing", o.text);
}

BOOST_AUTO_TEST_CASE(a_deadlock_in_a_nursery_leaves_run_bare_with_the_tree) {
    auto o = ends_with([] {
        weft::event nobody;
        weft::with_nursery({.name = "workers"}, [&](weft::nursery& n) {
            n.start_soon("left hand", [&] { nobody.wait(); });
            n.start_soon("right hand", [&] { ll::park([] {}, {"the left hand"}); });
        });
    });
    BOOST_TEST(o.type == "deadlock", o.text);
    BOOST_TEST(has(o.text, "3 tasks wait"));
    for (auto part : {"left hand  waiting  event", "right hand  waiting  the left hand", "main  waiting  nursery exit", "workers", "help:"}) {
        BOOST_TEST(has(o.text, part), part << " in " << o.text);
    }
}

BOOST_AUTO_TEST_CASE(a_deadlock_inside_nested_nurseries_leaves_run_bare) {
    auto o = ends_with([] {
        weft::event nobody;
        weft::with_nursery([&](weft::nursery&) {
            weft::with_nursery([&](weft::nursery& inner) {
                inner.start_soon("outer child", [&] {
                    weft::with_nursery([&](weft::nursery& n) { n.start_soon("deep child", [&] { nobody.wait(); }); });
                });
            });
        });
    });
    BOOST_TEST(o.type == "deadlock", o.text);
    BOOST_TEST(has(o.text, "deep child  waiting  event"), o.text);
}

BOOST_AUTO_TEST_CASE(a_deadlock_in_a_body_inside_nurseries_can_be_handled_and_leaves_them_bare) {
    auto o = ends_with([] {
        weft::event nobody;
        weft::with_nursery([&](weft::nursery&) {
            weft::with_nursery([&](weft::nursery&) {
                nobody.wait();
            });
        });
    });
    BOOST_TEST(o.type == "deadlock", o.text);
}

BOOST_AUTO_TEST_CASE(a_second_deadlock_ends_the_run) {
    bool first = false, passed = false;
    auto o = ends_with([&] {
        weft::event nobody;
        try { nobody.wait(); } catch (weft::deadlock_error const&) { first = true; }
        nobody.wait();
        passed = true;
    });
    BOOST_TEST(first);
    BOOST_TEST(!passed);
    BOOST_TEST(o.type == "deadlock", o.text);
}

BOOST_AUTO_TEST_CASE(a_deadlock_is_not_raised_in_a_destructor_during_unwinding) {
    bool destructor_done = false;
    std::exception_ptr got;
    try {
        run_checked([&] {
            weft::event rescued, nobody;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { try { nobody.wait(); } catch (...) { rescued.set(); throw; } });
                struct waits { weft::event& e; bool& done; ~waits() { e.wait(); done = true; } } w{rescued, destructor_done};
                throw std::runtime_error("on its way");
            });
        });
    } catch (...) {
        got = std::current_exception();
    }
    BOOST_TEST(destructor_done);
    BOOST_REQUIRE(got);
    try { std::rethrow_exception(got); } catch (weft::exception_group const& g) {
        BOOST_TEST(g.contains<std::runtime_error>());
        BOOST_TEST(has(g.what(), "on its way"));
        BOOST_TEST(g.contains<weft::deadlock_error>());
    }
}

BOOST_AUTO_TEST_CASE(a_childs_error_and_a_deadlock_are_reported_together) {
    auto o = ends_with([] {
        weft::event nobody;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("failing", [] { throw std::runtime_error("a child's own"); });
            n.start_soon("stuck", [&] {
                weft::cancel_scope s;
                s.set_shield(true);
                s.run([&] { nobody.wait(); });
            });
        });
    });
    BOOST_TEST(o.type == "group", o.text);
    BOOST_TEST(has(o.text, "a child's own"), o.text);
    BOOST_TEST(has(o.text, "deadlock"), o.text);
    BOOST_TEST(has(o.text, "stuck  waiting  event"), o.text);
}

BOOST_AUTO_TEST_CASE(a_run_that_may_wait_for_ever_is_woken_by_another_thread) {
    idle_hook clock;
    weft::run_options o;
    o.clock = &clock;
    o.deadlock = weft::deadlock_policy::wait;
    std::thread other;
    bool woken = false;
    weft::run(o, [&] {
        weft::event e;
        auto executor = weft::get_executor();
        clock.f = [&] { other = std::thread([&] { boost::asio::post(executor, [&] { e.set(); }); }); };
        e.wait();
        woken = true;
    });
    other.join();
    BOOST_TEST(woken);
}

BOOST_AUTO_TEST_SUITE_END()
