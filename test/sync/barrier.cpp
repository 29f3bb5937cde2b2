// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>
#include <weft/sync/barrier.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <atomic>
#include <sstream>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
struct count_phases {
    int* phases;
    void operator()() noexcept { ++*phases; }
};
using counting = boost::mpl::list<weft::barrier<count_phases>, weft::local::barrier<count_phases>>;
using all = boost::mpl::list<weft::barrier<>, weft::local::barrier<>>;
constinit weft::barrier<> before_main(1);  // the constructor is constexpr
static_assert(weft::barrier<>::max() > 1'000'000);
static_assert(!std::is_copy_constructible_v<weft::barrier<>::arrival_token> && std::is_nothrow_move_constructible_v<weft::barrier<>::arrival_token>);
}  // namespace

BOOST_AUTO_TEST_SUITE(barrier)

BOOST_AUTO_TEST_CASE_TEMPLATE(each_phase_ends_when_all_have_arrived_and_its_completion_runs_once, B, counting) {
    run_checked([] {
        int phases = 0, late = 0;
        B b(3, count_phases{&phases});
        std::vector<int> seen;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&, i] {
                    for (int k = 1; k <= 4; ++k) {
                        weft::this_task::sleep_for((i + k) * 1s);
                        late += phases != k - 1;
                        b.arrive_and_wait();
                        late += phases != k;
                    }
                });
            }
        });
        BOOST_TEST(late == 0);
        BOOST_TEST(phases == 4);
        auto s = b.statistics();
        BOOST_TEST(s.phase == 4u);
        BOOST_TEST(s.expected == 3);
        BOOST_TEST(s.missing == 3);
        BOOST_TEST(s.waiting == 0u);
    });
}

BOOST_AUTO_TEST_CASE(types_are_deduced_from_the_arguments) {
    weft::barrier plain(1);
    static_assert(std::is_same_v<decltype(plain), weft::barrier<>>);
    int phases = 0;
    weft::barrier b(1, [&]() noexcept { ++phases; });
    b.arrive_and_wait();
    weft::barrier named(1, [&]() noexcept { ++phases; }, "named");
    (void)named.arrive();
    weft::run([&] {
        weft::local::barrier mine(1, [&]() noexcept { ++phases; });
        mine.arrive_and_wait();
    });
    before_main.arrive_and_wait();
    BOOST_TEST(phases == 3);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_token_waits_for_the_phase_in_which_it_arrived, B, all) {
    run_checked([] {
        B b(2);
        auto first = b.arrive();
        auto moved = std::move(first);
        bool through = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { b.wait(std::move(moved)); through = true; });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!through);
            auto second = b.arrive();
            b.wait(std::move(second));  // it was the last: its phase is over
        });
        BOOST_TEST(through);
        auto both = b.arrive(2);
        (void)b.arrive(2);
        b.wait(std::move(both));
        BOOST_TEST(b.statistics().phase == 3u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(who_drops_out_is_not_expected_again, B, counting) {
    run_checked([] {
        int phases = 0;
        B b(3, count_phases{&phases});
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.start_soon([&] { b.arrive_and_wait(); b.arrive_and_wait(); });
            wt::wait_all_tasks_blocked();
            b.arrive_and_drop();
        });
        BOOST_TEST(phases == 2);
        BOOST_TEST(b.statistics().expected == 2);
        b.arrive_and_drop();
        b.arrive_and_drop();
        BOOST_TEST(phases == 3);
        BOOST_TEST(b.statistics().expected == 0);
        BOOST_CHECK_THROW(b.arrive_and_drop(), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(misuse_is_a_named_error_without_effect, B, all) {
    run_checked([] {
        B b(2), other(1);
        BOOST_CHECK_THROW((void)b.arrive(3), weft::misuse_error);
        BOOST_CHECK_THROW((void)b.arrive(0), weft::misuse_error);
        BOOST_CHECK_THROW((void)b.arrive(-1), weft::misuse_error);
        BOOST_TEST(b.statistics().missing == 2);
        auto foreign = other.arrive();
        BOOST_CHECK_THROW(b.wait(std::move(foreign)), weft::misuse_error);
        auto t = b.arrive(2);
        b.wait(std::move(t));
        BOOST_CHECK_THROW(b.wait(std::move(t)), weft::misuse_error);
        BOOST_CHECK_THROW(B(-1), weft::misuse_error);
    });
}

// rules 1, 2
BOOST_AUTO_TEST_CASE_TEMPLATE(waits_are_checkpoints_and_arrivals_are_none, B, all) {
    run_checked([] {
        B b(1);
        wt::assert_checkpoints([&] { b.arrive_and_wait(); });
        wt::assert_no_checkpoints([&] { (void)b.arrive(); });
        auto t = b.arrive();
        wt::assert_checkpoints([&] { b.wait(std::move(t)); });
        wt::assert_no_checkpoints([&] { b.arrive_and_drop(); });
    });
}

// --- cancellation ---

// rule 149
BOOST_AUTO_TEST_CASE_TEMPLATE(in_a_cancelled_scope_nobody_arrives, B, counting) {
    run_checked([] {
        int phases = 0;
        B b(1, count_phases{&phases});
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { b.arrive_and_wait(); });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(phases == 0);
        BOOST_TEST(b.statistics().missing == 1);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_waiter_that_is_cancelled_leaves_and_its_arrival_stands, B, counting) {
    run_checked([] {
        int phases = 0;
        B b(2, count_phases{&phases});
        BOOST_TEST(!weft::move_on_after(1s, [&] { b.arrive_and_wait(); }));
        BOOST_TEST(b.statistics().waiting == 0u);
        BOOST_TEST(b.statistics().missing == 1);
        b.arrive_and_wait();
        BOOST_TEST(phases == 1);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(in_every_schedule_each_phase_completes_once, B, counting) {
    auto r = wt::explore([] {
        int phases = 0, through = 0;
        B b(2, count_phases{&phases});
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                struct leave { B& b; bool in{true}; ~leave() { if (in) b.arrive_and_drop(); } } l{b};
                s.run([&] { l.in = false; b.arrive_and_wait(); ++through; });
            });
            n.start_soon([&] { (void)b.arrive(); });
            n.start_soon([&] { weft::checkpoint(); s.cancel(); });
        });
        int missing = static_cast<int>(b.statistics().missing);
        if (phases + (missing != 2) != 1 || through > phases) throw std::logic_error(std::to_string(phases) + " phases, " + std::to_string(missing) + " missing");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancel_at_any_point_leaves_no_waiter, B, all) {
    auto r = wt::cancel_everywhere([] {
        B b(3);
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(i * 1s); b.arrive_and_wait(); b.arrive_and_wait(); });
        });
    });
    BOOST_TEST(r.points >= 6u);
    BOOST_TEST(r.waits >= 6u);
}

// A `cancelled` out of a noexcept function would end the program.
BOOST_AUTO_TEST_CASE(a_completion_function_that_waits_is_shielded) {
    run_checked([] {
        bool completed = false;
        weft::local::barrier b(2, [&]() noexcept { weft::this_task::sleep_for(2s); completed = true; });
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { b.arrive_and_wait(); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { s.run([&] { b.arrive_and_wait(); }); });
            weft::this_task::sleep_for(1s);
            s.cancel();
            BOOST_TEST(b.statistics().phase == 0u);
            BOOST_CHECK_THROW((void)b.arrive(), weft::misuse_error);  // nobody is expected while it runs
        });
        BOOST_TEST(completed);
        BOOST_TEST(b.statistics().phase == 1u);
    });
}

// --- domains and threads ---

BOOST_AUTO_TEST_CASE(a_callback_may_arrive_but_not_wait) {
    run_checked([] {
        int phases = 0;
        weft::barrier b(2, count_phases{&phases});
        bool refused = false;
        boost::asio::post(weft::get_executor(), [&] {
            refused = throws<weft::wrong_domain_error>([&] { b.arrive_and_wait(); });  // and has not arrived
            (void)b.arrive();
        });
        b.arrive_and_wait();
        BOOST_TEST(refused);
        BOOST_TEST(phases == 1);
    });
    weft::local::barrier mine(1);
    BOOST_CHECK_THROW(mine.arrive_and_wait(), weft::not_running_error);
    BOOST_TEST(mine.statistics().missing == 1);
}

BOOST_AUTO_TEST_CASE(the_tree_tells_how_many_are_to_come) {
    run_checked([] {
        weft::local::barrier b(3, weft::detail::no_completion(), "meeting");
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { b.arrive_and_wait(); });
            wt::wait_all_tasks_blocked();
            std::ostringstream out;
            weft::inspect::dump(out);
            BOOST_TEST(out.str().find("meeting 2 to come") != std::string::npos, out.str());
            n.cancel();
        });
    });
}

BOOST_AUTO_TEST_CASE(tasks_of_two_runs_and_threads_go_through_many_phases_together) {
    constexpr int rounds = 60;
    int phases = 0;  // no atomic: the barrier orders it
    std::atomic<int> wrong{0};
    weft::barrier b(2 + 2 * 3, count_phases{&phases});
    auto take_part = [&] {
        for (int k = 0; k < rounds; ++k) {
            wrong += phases != 2 * k;
            b.arrive_and_wait();
            wrong += phases != 2 * k + 1;
            b.arrive_and_wait();
        }
        b.arrive_and_drop();
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back(take_part);
        threads.emplace_back([&] { weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 3; ++i) n.start_soon(take_part); }); }); });
    }
    for (auto& t : threads) t.join();
    BOOST_TEST(wrong == 0);
    BOOST_TEST(phases == 2 * rounds + 1);
}

BOOST_AUTO_TEST_CASE(a_barrier_may_be_destroyed_by_who_is_woken_last) {
    for (int i = 0; i < 300; ++i) {
        auto* b = new weft::barrier<>(2);
        std::atomic<bool> waits{false};
        std::thread t([&] { while (!waits) std::this_thread::yield(); if (i % 2) (void)b->arrive(); else b->arrive_and_wait(); });
        auto token = b->arrive();
        waits = true;
        if (i % 3) b->wait(std::move(token));
        else weft::run([&] { b->wait(std::move(token)); });
        delete b;  // the last to arrive may still be leaving
        t.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_SUITE_END()
