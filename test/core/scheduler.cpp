// SPDX-License-Identifier: BSL-1.0
// Which task runs when, and that nobody is starved. In virtual time; real timers and sockets beside busy tasks: test/asio/loop.cpp.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <utility>
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

/// A way to keep a run busy until it is told to stop.
struct load {
    char const* name;
    void (*start)(weft::nursery&, load&);
    bool stop{};
    int steps{};
    weft::lowlevel::task_ref pair[2]{};

    bool go_on() { return !stop && ++steps < 1'000'000; }
};

load const loads[]{
    {"a task that yields in a loop", [](weft::nursery& n, load& l) { n.start_soon([&l] { while (l.go_on()) weft::checkpoint(); }); }},
    {"a hundred such tasks", [](weft::nursery& n, load& l) {
        for (int i = 0; i < 100; ++i) n.start_soon([&l] { while (l.go_on()) weft::checkpoint(); });
    }},
    {"tasks that start one another", [](weft::nursery& n, load& l) {
        struct link { weft::nursery& n; load& l; void operator()() const { if (l.go_on()) n.start_soon(link{n, l}); } };
        n.start_soon(link{n, l});
    }},
    {"two tasks that wake each other", [](weft::nursery& n, load& l) {
        for (int i : {0, 1}) n.start_soon([&l, i] {
            l.pair[i] = weft::lowlevel::current_task();
            auto wake_other = [&] { if (auto other = l.pair[1 - i]; weft::lowlevel::is_parked(other)) weft::lowlevel::unpark(other); };
            while (l.go_on()) { wake_other(); weft::lowlevel::park([] {}); }
            wake_other();
        });
    }},
};

constexpr int picks_of_a_turn = 4'096, fresh_of_a_batch = 256, woken_by_a_slice = 256;  // the kernel's

// Any kernel can guard so many stacks; 100,000 with the guards of Linux 6.13: test/core/stack.cpp.
constexpr int many = WEFT_TSAN ? 1'000 : WEFT_ASAN ? 5'000 : 20'000;
constexpr std::size_t small_stack = (WEFT_ASAN || WEFT_TSAN ? 64 : 32) * 1024;

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
    int turned = 0;  // a batch that runs backwards turns the order round for the next one
    for (std::size_t i = 2; i < order.size(); i += 2) turned += order[i] != order[i - 2];
    BOOST_TEST(turned > 16);
    BOOST_TEST(turned < 48);
}

// rule 60
BOOST_AUTO_TEST_CASE(a_run_without_a_seed_draws_one_and_can_be_repeated_from_its_statistics) {
    auto a = run_checked([] { return stats().seed; });
    auto b = run_checked([] { return stats().seed; });
    BOOST_TEST(a != b);
    BOOST_TEST(run_checked(seeded(a), [] { return stats().seed; }) == a);
}

// rule 61
// A turn ends after a while, and deadlines that are due fire then: after how long must not depend on the machine.
BOOST_AUTO_TEST_CASE(in_virtual_time_the_order_does_not_depend_on_how_long_steps_take) {
    auto order = [](std::chrono::microseconds step) {
        std::vector<int> order;
        run_checked(seeded(1), [&] {
            weft::event never_set;
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 3; ++i) {
                    n.start_soon([&, i] {
                        for (int r = 0; r < 16; ++r) {
                            order.push_back(i);
                            for (auto until = std::chrono::steady_clock::now() + step; std::chrono::steady_clock::now() < until;) {}
                            if (i == 0) never_set.wait_for(0s);  // until the next turn
                            else weft::checkpoint();
                        }
                    });
                }
            });
        });
        return order;
    };
    BOOST_TEST(order(0us) == order(30us), boost::test_tools::per_element());
}

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
BOOST_AUTO_TEST_CASE(busy_tasks_cannot_hold_up_deadlines_sleeps_or_callbacks) {
    for (load l : loads) BOOST_TEST_CONTEXT(l.name) {
        ticking_clock clock;
        weft::run_options o;
        o.clock = &clock;
        run_checked(o, [&] {
            bool slept = false;
            int steps_to_callback = -1;
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                l.start(n, l);
                n.start_soon([&] { weft::this_task::sleep_for(10us); slept = true; });
                while (l.steps < 10) weft::checkpoint();
                boost::asio::post(weft::get_executor(), [&, before = l.steps] { steps_to_callback = l.steps - before; });
                s.set_deadline_after(20us);
                s.run([] { weft::this_task::sleep_forever(); });
                BOOST_TEST(slept);
                l.stop = true;
            });
            BOOST_TEST(s.cancelled_caught());
            BOOST_TEST(l.steps < 1'000'000);
            BOOST_TEST(steps_to_callback >= 0);
            BOOST_TEST(steps_to_callback <= picks_of_a_turn);
        });
    }
}

// rule 61: each time that the loop comes round, everybody in it gets one turn
BOOST_AUTO_TEST_CASE(a_callback_that_posts_itself_again_cannot_hold_up_tasks_or_other_callbacks) {
    struct chain {  // the last of it is destroyed unrun when the run has ended
        bool stop{};
        int calls{};
        static void post(std::shared_ptr<chain> c) {
            boost::asio::post(weft::get_executor(), [c] { if (!c->stop && ++c->calls < 1'000'000) post(c); });
        }
    };
    auto c = std::make_shared<chain>();
    run_checked([&] {
        chain::post(c);
        for (int i = 0; i < 100; ++i) {
            weft::event answered;
            boost::asio::post(weft::get_executor(), [&] { answered.set(); });
            answered.wait();
        }
        BOOST_TEST(c->calls >= 100);
        BOOST_TEST(c->calls <= 400);
        c->stop = true;
    });
    BOOST_TEST(c.use_count() == 1);
}

// rule 61: a hundred thousand tasks started at once do not stand between a deadline and whom it wakes
BOOST_AUTO_TEST_CASE(a_deadline_is_not_delayed_by_a_hundred_thousand_fresh_tasks) {
    wt::mock_clock clock(false);
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        int ran = 0, ran_before = -1;
        constexpr int fresh = 100'000;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); ran_before = ran; });
            wt::wait_all_tasks_blocked();
            for (int i = 0; i < fresh; ++i) n.start_soon([&] { ++ran; });
            clock.jump(2s);
        });
        BOOST_TEST(ran == fresh);
        BOOST_TEST(ran_before >= 0);
        BOOST_TEST(ran_before <= picks_of_a_turn + 2 * fresh_of_a_batch);  // the turn under way, then two batches' share
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

// rules 150, 61: main's stack is small, so that a recursion would overflow it
BOOST_AUTO_TEST_CASE(thousands_of_blocked_children_are_cancelled_without_recursion_and_in_slices) {
    weft::run_options o;
    o.stack_size = small_stack;
    run_checked(o, [] {
        int blocked = 0, unwound = 0, at_callback = -1, at_step = 0, longest_wait = 0;
        bool stop = false;
        weft::with_nursery([&](weft::nursery& outer) {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < many; ++i) n.start_soon([&] {
                    ++blocked;
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++unwound; throw; }
                });
                wt::wait_all_tasks_blocked();
                BOOST_TEST(stats().parked == static_cast<std::size_t>(many));
                outer.start_soon([&] {
                    while (!stop) {
                        longest_wait = std::max(longest_wait, unwound - std::exchange(at_step, unwound));
                        weft::checkpoint();
                    }
                });
                boost::asio::post(weft::get_executor(), [&] { at_callback = unwound; });
                n.cancel();
            });
            stop = true;
        });
        BOOST_TEST(blocked == many);
        BOOST_TEST(unwound == many);
        BOOST_TEST(longest_wait <= 2 * woken_by_a_slice);
        BOOST_TEST(at_callback >= 0);
        BOOST_TEST(at_callback <= 2 * woken_by_a_slice);
    });
}

// rules 150, 41: the walk goes down all levels, and they unwind from the innermost
BOOST_AUTO_TEST_CASE(a_tree_hundreds_of_levels_deep_is_cancelled_without_recursion_and_ends_from_its_leaf_up) {
    constexpr int depth = WEFT_TSAN ? 300 : 1'000;
    weft::run_options o;
    o.stack_size = small_stack;
    run_checked(o, [&] {
        int raised = 0;
        std::vector<int> ended;
        std::function<void(int)> level = [&](int d) {
            struct note { std::vector<int>& to; int d; ~note() { to.push_back(d); } } at_end{ended, d};
            weft::with_nursery([&](weft::nursery& n) {
                if (d < depth) n.start_soon([&, d] { level(d + 1); });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++raised; throw; }
            });
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { level(1); });
            wt::wait_all_tasks_blocked();
            n.cancel();
        });
        BOOST_TEST(raised == depth);
        BOOST_TEST(ended.size() == static_cast<std::size_t>(depth));
        BOOST_TEST(std::is_sorted(ended.rbegin(), ended.rend()));
    });
}

BOOST_AUTO_TEST_SUITE_END()
