// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace weft_test;
namespace ll = weft::lowlevel;

BOOST_AUTO_TEST_SUITE(statistics)

// rule 68
BOOST_AUTO_TEST_CASE(counts_follow_the_tasks_through_their_states) {
    run_checked([] {
        auto expect = [](std::size_t ready, std::size_t parked) {
            auto s = ll::current_statistics();
            BOOST_TEST(s.ready == ready);
            BOOST_TEST(s.parked == parked);
            BOOST_TEST(s.running == 1u);
            BOOST_TEST(s.ready + s.parked + s.running + s.foreign == s.living);
        };
        expect(0, 0);
        weft::event e;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { e.wait(); weft::this_task::sleep_for(1s); });
            expect(3, 0);
            weft::testing::wait_all_tasks_blocked();
            expect(0, 3);
            e.set();
            expect(3, 0);
            weft::testing::wait_all_tasks_blocked();
            expect(0, 3);
            BOOST_TEST(ll::current_statistics().deadlines == 3u);
        });
        expect(0, 0);
        BOOST_TEST(ll::current_statistics().deadlines == 0u);
    });
}

// rule 68
BOOST_AUTO_TEST_CASE(the_next_deadline_is_the_earliest_that_somebody_waits_under) {
    run_checked([] {
        auto start = weft::current_time();
        BOOST_TEST((ll::current_statistics().next_deadline == weft::never));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(5s); });
            n.start_soon([] { weft::move_on_after(2s, [] { weft::this_task::sleep_forever(); }); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST((ll::current_statistics().next_deadline == start + 2s));
            weft::this_task::sleep_for(3s);
            BOOST_TEST((ll::current_statistics().next_deadline == start + 5s));
        });
    });
}

// rule 68
BOOST_AUTO_TEST_CASE(stacks_turns_steps_and_spawns_are_counted) {
    weft::run_options o;
    o.seed = 4;
    run_checked(o, [] {
        auto before = ll::current_statistics();
        weft::with_nursery([](weft::nursery& n) {
            for (int i = 0; i < 10; ++i) n.start_soon([] {});
            for (int i = 0; i < 4; ++i) n.start_soon([] { weft::this_task::sleep_for(1s); });
        });
        auto after = ll::current_statistics();
        BOOST_TEST(after.spawned - before.spawned == 14u);
        BOOST_TEST(after.switches > before.switches);
        BOOST_TEST(after.turns > before.turns);
        BOOST_TEST(after.fibers <= 6u);  // tasks that never wait share one
        BOOST_TEST(after.fibers - after.idle_fibers == 1u);
        BOOST_TEST(after.stack_size == 256u * 1024);
        BOOST_TEST(after.seed == 4u);
    });
}

// rule 68: also where a task is on its way from one state to the next
BOOST_AUTO_TEST_CASE(counts_add_up_inside_every_hook_of_an_instrument) {
    struct asks : weft::instrument {
        std::vector<std::string> wrong;
        int asked = 0;
        void ask(char const* hook) {
            auto s = ll::current_statistics();
            ++asked;
            bool fits = s.ready <= s.living && s.parked <= s.living && s.running <= 1 && s.foreign == 0;
            if (!fits || s.ready + s.parked + s.running != s.living) wrong.push_back(hook);
        }
        void before_run() override { ask("before_run"); }
        void after_run() override { ask("after_run"); }
        void task_spawned(weft::task_info const&) override { ask("task_spawned"); }
        void task_scheduled(weft::task_info const&) override { ask("task_scheduled"); }
        void before_task_step(weft::task_info const&) override { ask("before_task_step"); }
        void after_task_step(weft::task_info const&) override { ask("after_task_step"); }
        void task_exited(weft::task_info const&) override { ask("task_exited"); }
        void before_io_wait(weft::duration) override { ask("before_io_wait"); }
        void after_io_wait(weft::duration) override { ask("after_io_wait"); }
    };
    auto i = std::make_shared<asks>();
    weft::run_options o;
    o.instruments.push_back(i);
    weft::run(o, [] {
        weft::event e;
        weft::checkpoint();
        weft::with_nursery([&](weft::nursery& n) {
            for (int k = 0; k < 2; ++k) n.start_soon([&] { weft::checkpoint(); e.wait(); });
            weft::this_task::sleep_for(100us);
            e.set();
        });
    });
    BOOST_TEST(i->asked > 20);
    BOOST_TEST(i->wrong == std::vector<std::string>{}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_callback_may_ask_and_no_task_runs_then) {
    run_checked([] {
        weft::event done;
        std::size_t running = 9, living = 9;
        boost::asio::post(weft::get_executor(), [&] { running = ll::current_statistics().running; living = ll::current_statistics().living; done.set(); });
        done.wait();
        BOOST_TEST(running == 0u);
        BOOST_TEST(living == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
