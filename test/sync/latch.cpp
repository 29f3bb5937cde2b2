// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>
#include <weft/sync/latch.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <atomic>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
using all = boost::mpl::list<weft::latch, weft::local::latch>;
constinit weft::latch before_main(1, "static");  // the constructor is constexpr
static_assert(weft::latch::max() > 1'000'000);
}  // namespace

BOOST_AUTO_TEST_SUITE(latch)

BOOST_AUTO_TEST_CASE_TEMPLATE(it_opens_at_zero_for_all_who_wait_and_stays_open, L, all) {
    run_checked([] {
        L l(3);
        int through = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) n.start_soon([&] { l.wait(); ++through; });
            wt::wait_all_tasks_blocked();
            l.count_down();
            l.count_down(0);
            BOOST_TEST(!l.try_wait());
            wt::wait_all_tasks_blocked();
            BOOST_TEST(through == 0);
            l.count_down(2);
            BOOST_TEST(l.try_wait());
            BOOST_TEST(through == 0);  // they run in a later batch
        });
        BOOST_TEST(through == 4);
        l.wait();
    });
    L none(0);
    BOOST_TEST(none.try_wait());
    BOOST_TEST(!before_main.try_wait());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(arrive_and_wait_meets_the_others, L, all) {
    run_checked([] {
        L l(4);
        int before = 0, after = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 1; i <= 2; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(i * 1s); ++before; l.arrive_and_wait(2); after += before; });
        });
        BOOST_TEST(after == 4);
    });
}

// rules 1, 2
BOOST_AUTO_TEST_CASE_TEMPLATE(waits_are_checkpoints_open_or_not_and_the_other_operations_are_none, L, all) {
    run_checked([] {
        L l(2);
        wt::assert_no_checkpoints([&] { l.count_down(); (void)l.try_wait(); });
        wt::assert_checkpoints([&] { l.arrive_and_wait(); });
        wt::assert_checkpoints([&] { l.wait(); });
        wt::assert_checkpoints([&] { l.arrive_and_wait(0); });
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(counting_below_zero_is_a_named_error_without_effect, L, all) {
    run_checked([] {
        L l(2);
        BOOST_CHECK_THROW(l.count_down(3), weft::misuse_error);
        BOOST_CHECK_THROW(l.count_down(-1), weft::misuse_error);
        BOOST_CHECK_THROW(l.arrive_and_wait(3), weft::misuse_error);
        l.count_down(2);
        BOOST_TEST(l.try_wait());
        BOOST_CHECK_THROW(l.count_down(), weft::misuse_error);
        BOOST_CHECK_THROW(L(-1), weft::misuse_error);
    });
}

// rule 149
BOOST_AUTO_TEST_CASE_TEMPLATE(in_a_cancelled_scope_nothing_is_counted, L, all) {
    run_checked([] {
        L l(1);
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { l.arrive_and_wait(); });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(!l.try_wait());
        l.count_down();
        weft::cancel_scope late;
        late.cancel();
        late.run([&] { l.wait(); });
        BOOST_TEST(late.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_waiter_that_is_cancelled_leaves_and_its_count_stands, L, all) {
    run_checked([] {
        L l(2);
        bool through = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { l.wait(); through = true; });
            BOOST_TEST(!weft::move_on_after(1s, [&] { l.arrive_and_wait(); }));
            l.count_down();
            BOOST_TEST(l.try_wait());
        });
        BOOST_TEST(through);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(in_every_schedule_a_wait_ends_once, L, all) {
    auto r = wt::explore([] {
        L l(2);
        weft::cancel_scope s;
        int outcomes = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { l.arrive_and_wait(); ++outcomes; }) || ++outcomes; });
            n.start_soon([&] { l.count_down(); });
            n.start_soon([&] { s.cancel(); });
        });
        if (outcomes != 1) throw std::logic_error("outcomes: " + std::to_string(outcomes));
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancel_at_any_point_leaves_no_waiter, L, all) {
    auto r = wt::cancel_everywhere([] {
        L start(3), done(2);
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.start_soon([&] { start.arrive_and_wait(); done.count_down(); });
            weft::this_task::sleep_for(1s);
            start.count_down();
            done.wait();
        });
    });
    BOOST_TEST(r.points >= 4u);
    BOOST_TEST(r.waits >= 3u);
}

BOOST_AUTO_TEST_CASE(the_tree_tells_how_many_are_to_come) {
    run_checked([] {
        weft::local::latch l(3, "start line");
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { l.arrive_and_wait(); });
            wt::wait_all_tasks_blocked();
            std::ostringstream out;
            weft::inspect::dump(out);
            BOOST_TEST(out.str().find("start line 2 to come") != std::string::npos, out.str());
            n.cancel();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_callback_may_count_but_not_wait) {
    run_checked([] {
        weft::latch l(1);
        bool refused = false, refused_arrival = false;
        boost::asio::post(weft::get_executor(), [&] {
            refused = throws<weft::wrong_domain_error>([&] { l.wait(); });
            refused_arrival = throws<weft::wrong_domain_error>([&] { l.arrive_and_wait(); });  // and has not counted
            l.count_down();
        });
        l.wait();
        BOOST_TEST(refused);
        BOOST_TEST(refused_arrival);
    });
    weft::local::latch mine(1);
    BOOST_CHECK_THROW(mine.wait(), weft::not_running_error);
}

// --- threads ---

BOOST_AUTO_TEST_CASE(tasks_of_two_runs_and_threads_wait_for_each_other) {
    weft::latch l(2 * 20 + 4), done(1);
    std::atomic<int> early{0}, through{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { l.arrive_and_wait(); early += !l.try_wait(); ++through; });
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            weft::run([&] {
                weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 20; ++i) n.start_soon([&] { l.arrive_and_wait(); early += !l.try_wait(); ++through; }); });
            });
        });
    }
    for (auto& t : threads) t.join();
    BOOST_TEST(early == 0);
    BOOST_TEST(through == 44);
}

BOOST_AUTO_TEST_CASE(a_latch_may_be_destroyed_by_who_is_woken_last) {
    for (int i = 0; i < 300; ++i) {
        auto l = std::make_unique<weft::latch>(2);
        std::thread a([p = l.get()] { p->count_down(); }), b([p = l.get()] { p->count_down(); });
        if (i % 3 == 0) l->wait();
        else if (i % 3 == 1) while (!l->try_wait()) std::this_thread::yield();
        else weft::run([&] { l->wait(); });
        l.reset();
        a.join();
        b.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_CASE(what_was_written_before_a_count_is_seen_after_the_wait) {
    for (int i = 0; i < 50; ++i) {
        weft::latch l(3);
        int values[3] = {};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) threads.emplace_back([&, t] { values[t] = t + 1; l.count_down(); });
        l.wait();
        BOOST_TEST(values[0] + values[1] + values[2] == 6);
        for (auto& t : threads) t.join();
    }
}

BOOST_AUTO_TEST_SUITE_END()
