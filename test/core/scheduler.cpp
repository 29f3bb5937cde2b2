// SPDX-License-Identifier: BSL-1.0
// Which task runs when, what a turn of the loop does, and that nobody is starved.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {

weft::run_options seeded(std::uint64_t seed) { weft::run_options o; o.seed = seed; return o; }
weft::run_statistics stats() { return weft::lowlevel::current_statistics(); }

/// Virtual time that passes by itself, a little with each look at it: for loops that are never idle.
struct ticking_clock final : weft::clock_source {
    weft::time_point t{1h};
    weft::time_point now() noexcept override { return t += 1us; }
    bool is_virtual() const noexcept override { return true; }
    bool idle(weft::time_point next) noexcept override { if (next == weft::never) return false; t = std::max(t, next); return true; }
};

/// The order in which n tasks, started together, go on over some rounds.
std::vector<int> order_of(std::uint64_t seed, int n, int rounds) {
    std::vector<int> order;
    run_checked(seeded(seed), [&] {
        weft::event gate;
        weft::with_nursery([&](weft::nursery& nu) {
            for (int i = 0; i < n; ++i) {
                nu.start_soon([&, i] {
                    gate.wait();
                    for (int r = 0; r < rounds; ++r) { order.push_back(i); weft::checkpoint(); }
                });
            }
            wt::wait_all_tasks_blocked();
            gate.set();
        });
    });
    return order;
}

#if WEFT_TSAN
constexpr int many = 5'000;  // TSan allows 8,128 fibers
#else
constexpr int many = 20'000;
#endif

}  // namespace

BOOST_AUTO_TEST_SUITE(scheduler)

// rule 59
BOOST_AUTO_TEST_CASE(each_task_of_a_batch_runs_once_before_any_of_them_runs_again) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        auto order = order_of(seed, 5, 10);
        BOOST_REQUIRE(order.size() == 50u);
        for (std::size_t at = 0; at < order.size(); at += 5) {
            std::set<int> batch(order.begin() + static_cast<long>(at), order.begin() + static_cast<long>(at) + 5);
            BOOST_TEST(batch.size() == 5u);
        }
    }
}

// rule 59
BOOST_AUTO_TEST_CASE(a_task_woken_during_a_batch_waits_for_the_next_one) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::string order;
        run_checked(seeded(seed), [&] {
            weft::event gate;
            weft::lowlevel::task_ref sleeper;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    sleeper = weft::lowlevel::current_task();
                    weft::lowlevel::park([] {});
                    order += 'P';
                });
                for (char c : {'A', 'X', 'Y', 'Z'}) {
                    n.start_soon([&, c] {
                        gate.wait();
                        order += c;
                        if (c == 'A') weft::lowlevel::unpark(sleeper);
                    });
                }
                wt::wait_all_tasks_blocked();
                gate.set();
            });
        });
        BOOST_TEST(order.size() == 5u);
        BOOST_TEST(order.back() == 'P', "seed " << seed << ": " << order);
    }
}

// rule 59
BOOST_AUTO_TEST_CASE(a_task_started_during_a_batch_waits_for_the_next_one) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::string order;
        run_checked(seeded(seed), [&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (char c : {'A', 'B', 'C'}) {
                    n.start_soon([&, c] { order += c; n.start_soon([&] { order += 'n'; }); });
                }
            });
        });
        BOOST_TEST(order.substr(3) == "nnn", "seed " << seed << ": " << order);
    }
}

// rule 60
BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_order) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        auto first = order_of(seed, 4, 8), again = order_of(seed, 4, 8);
        BOOST_TEST(first == again, boost::test_tools::per_element());
    }
}

// rule 60
BOOST_AUTO_TEST_CASE(both_directions_of_a_batch_occur_over_some_seeds) {
    int forwards = 0, backwards = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        auto order = order_of(seed, 3, 1);
        if (order == std::vector<int>{0, 1, 2}) ++forwards;
        if (order == std::vector<int>{2, 1, 0}) ++backwards;
    }
    BOOST_TEST(forwards > 2);
    BOOST_TEST(backwards > 2);
    BOOST_TEST(forwards + backwards == 20);
}

// rule 60: also within one run
BOOST_AUTO_TEST_CASE(the_direction_is_drawn_anew_for_each_batch) {
    auto order = order_of(7, 2, 64);
    int forwards = 0;
    for (std::size_t i = 0; i + 1 < order.size(); i += 2) forwards += order[i] == 0;
    BOOST_TEST(forwards > 16);
    BOOST_TEST(forwards < 48);
}

// rule 60
BOOST_AUTO_TEST_CASE(a_run_without_a_seed_draws_one_and_can_be_repeated_from_its_statistics) {
    auto a = run_checked([] { return stats().seed; });
    auto b = run_checked([] { return stats().seed; });
    BOOST_TEST(a != b);
    BOOST_TEST(run_checked(seeded(a), [] { return stats().seed; }) == a);
}

// rule 61
BOOST_AUTO_TEST_CASE(tasks_in_tight_checkpoint_loops_get_equal_shares) {
    run_checked([] {
        std::vector<int> steps(5);
        weft::with_nursery([&](weft::nursery& n) {
            for (int& s : steps) n.start_soon([&] { for (;;) { ++s; weft::checkpoint(); } });
            for (int i = 0; i < 500; ++i) weft::checkpoint();
            n.cancel();
        });
        auto [least, most] = std::minmax_element(steps.begin(), steps.end());
        BOOST_TEST(*least > 490);
        BOOST_TEST(*most - *least <= 2);
    });
}

// rule 61
BOOST_AUTO_TEST_CASE(a_tight_checkpoint_loop_cannot_hold_up_deadlines_and_sleeps) {
    ticking_clock clock;
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        bool slept = false;
        weft::cancel_scope s;
        s.set_deadline_after(20us);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 1'000'000; ++i) weft::checkpoint(); BOOST_ERROR("never stopped"); });
            n.start_soon([&] { weft::this_task::sleep_for(10us); slept = true; });
            s.run([] { weft::this_task::sleep_forever(); });
            BOOST_TEST(slept);
            n.cancel();
        });
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 61
BOOST_AUTO_TEST_CASE(a_tight_checkpoint_loop_cannot_hold_up_callbacks) {
    run_checked([] {
        bool called = false;
        boost::asio::post(weft::get_executor(), [&] { called = true; });
        int loops = 0;
        while (!called && loops < 1'000'000) { ++loops; weft::checkpoint(); }
        BOOST_TEST(called);
        BOOST_TEST(loops <= 2 * 4'096);  // a turn's picks
    });
}

// rule 61
BOOST_AUTO_TEST_CASE(a_callback_that_posts_itself_again_cannot_hold_up_tasks) {
    bool stop = false;  // outlives the run, which drains its last callbacks after main
    int calls = 0;
    std::function<void()> again = [&] { if (++calls < 1'000'000 && !stop) boost::asio::post(weft::get_executor(), again); };
    run_checked([&] {
        boost::asio::post(weft::get_executor(), again);
        for (int i = 0; i < 20; ++i) weft::checkpoint();
        weft::with_nursery([](weft::nursery& n) { n.start_soon([] { weft::checkpoint(); }); });
        weft::this_task::sleep_for(0s);
        BOOST_TEST(calls < 1'000);
        stop = true;
    });
}

// rule 61: a hundred thousand tasks started at once do not stand between a deadline and whom it wakes
BOOST_AUTO_TEST_CASE(a_deadline_is_not_delayed_by_a_hundred_thousand_fresh_tasks) {
    wt::mock_clock clock(false);
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        int ran = 0, ran_before = -1;
        std::uint64_t jumped_at = 0, woken_at = 0;
        constexpr int fresh = 100'000;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); woken_at = stats().turns; ran_before = ran; });
            wt::wait_all_tasks_blocked();
            for (int i = 0; i < fresh; ++i) n.start_soon([&] { ++ran; });
            clock.jump(2s);
            jumped_at = stats().turns;
        });
        BOOST_TEST(ran == fresh);
        BOOST_TEST(ran_before >= 0);
        BOOST_TEST(ran_before <= 4'096 + 2 * 256);  // the rest of that turn, and a batch's share of fresh ones
        BOOST_TEST(woken_at <= jumped_at + 2);
    });
}

// rule 68
BOOST_AUTO_TEST_CASE(statistics_count_tasks_by_what_they_do) {
    run_checked([] {
        auto sums_up = [](weft::run_statistics const& s) { return s.ready + s.parked + s.running + s.foreign == s.living; };
        auto before = stats();
        BOOST_TEST(before.living == 1u);
        BOOST_TEST(before.running == 1u);
        BOOST_TEST(before.parked == 0u);
        BOOST_TEST(sums_up(before));
        weft::with_nursery([&](weft::nursery& n) {
            weft::event e;
            for (int i = 0; i < 3; ++i) n.start_soon([&] { e.wait(); });
            auto fresh = stats();
            BOOST_TEST(fresh.living == 4u);
            BOOST_TEST(fresh.ready == 3u);
            BOOST_TEST(fresh.spawned == before.spawned + 3);
            BOOST_TEST(sums_up(fresh));
            wt::wait_all_tasks_blocked();
            auto blocked = stats();
            BOOST_TEST(blocked.ready == 0u);
            BOOST_TEST(blocked.parked == 3u);
            BOOST_TEST(blocked.switches > before.switches);
            BOOST_TEST(blocked.turns > before.turns);
            BOOST_TEST(sums_up(blocked));
            e.set();
            BOOST_TEST(stats().ready == 3u);
            BOOST_TEST(stats().parked == 0u);
        });
        BOOST_TEST(stats().living == 1u);
        BOOST_TEST(stats().spawned == before.spawned + 3);
        BOOST_TEST(stats().foreign == 0u);
    });
}

// rule 68
BOOST_AUTO_TEST_CASE(statistics_name_the_next_deadline) {
    run_checked([] {
        BOOST_TEST((stats().next_deadline == weft::never));
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(5s); });
            n.start_soon([] { weft::move_on_after(3s, [] { weft::this_task::sleep_forever(); }); });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(stats().deadlines == 2u);
            BOOST_TEST((stats().next_deadline == start + 3s));
            weft::this_task::sleep_for(4s);
            BOOST_TEST(stats().deadlines == 1u);
            BOOST_TEST((stats().next_deadline == start + 5s));
        });
        BOOST_TEST((stats().next_deadline == weft::never));
    });
}

// rule 68
BOOST_AUTO_TEST_CASE(statistics_asked_in_a_callback_count_no_running_task) {
    run_checked([] {
        weft::run_statistics seen;
        weft::event done;
        boost::asio::post(weft::get_executor(), [&] { seen = stats(); done.set(); });
        done.wait();
        BOOST_TEST(seen.running == 0u);
        BOOST_TEST(seen.living == 1u);
        BOOST_TEST(seen.parked == 1u);
    });
}

// rule 148
BOOST_AUTO_TEST_CASE(a_task_never_changes_threads_and_a_thread_local_is_never_torn) {
    static thread_local int counter;
    static thread_local int pair[2];
    run_checked([] {
        counter = 0;
        pair[0] = pair[1] = 0;
        auto const home = std::this_thread::get_id();
        int* const where = &counter;
        int moved = 0, torn = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int t = 0; t < 50; ++t) {
                n.start_soon([&] {
                    for (int i = 0; i < 20; ++i) {
                        ++counter;
                        if (pair[0] != pair[1]) ++torn;
                        ++pair[0];
                        ++pair[1];
                        weft::checkpoint();
                        moved += std::this_thread::get_id() != home || &counter != where;
                    }
                });
            }
        });
        BOOST_TEST(counter == 1'000);
        BOOST_TEST(moved == 0);
        BOOST_TEST(torn == 0);
    });
}

// rule 150
BOOST_AUTO_TEST_CASE(twenty_thousand_blocked_children_are_cancelled) {
    run_checked([] {
        int blocked = 0, unwound = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < many; ++i) {
                n.start_soon([&] {
                    ++blocked;
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++unwound; throw; }
                });
            }
            wt::wait_all_tasks_blocked();
            BOOST_TEST(stats().parked == static_cast<std::size_t>(many));
            n.cancel();
        });
        BOOST_TEST(blocked == many);
        BOOST_TEST(unwound == many);
    });
}

// rule 150: a recursion a level, in the walk or in the unwinding, would overflow main's small stack
BOOST_AUTO_TEST_CASE(a_tree_a_thousand_levels_deep_is_cancelled_without_recursion) {
    weft::run_options o;
    o.stack_size = 32 * 1024;
    run_checked(o, [] {
        int deepest = 0, unwound = 0;
        std::function<void(int)> level = [&](int depth) {
            deepest = std::max(deepest, depth);
            struct count { int& n; ~count() { ++n; } } c{unwound};
            weft::with_nursery([&](weft::nursery& n) {
                if (depth < 1'000) n.start_soon([&, depth] { level(depth + 1); });
                weft::this_task::sleep_forever();
            });
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { level(1); });
            wt::wait_all_tasks_blocked();
            n.cancel();
        });
        BOOST_TEST(deepest == 1'000);
        BOOST_TEST(unwound == 1'000);
    });
}

BOOST_AUTO_TEST_SUITE_END()
