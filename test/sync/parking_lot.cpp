// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>
#include <weft/sync/parking_lot.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;
using weft::lowlevel::task_ref;

namespace {

/// Tasks 0 to count - 1 park in order; what wakes them is written to `log`, -1 - i for one that was broken off.
struct parkers {
    std::vector<int> log;
    std::vector<task_ref> who;

    void start(weft::nursery& n, weft::parking_lot& lot, int count) {
        for (int i = 0; i < count; ++i) {
            int id = static_cast<int>(who.size());
            n.start_soon("parker " + std::to_string(id), [this, &lot, id] {
                who.push_back(weft::lowlevel::current_task());
                try { lot.park(); log.push_back(id); } catch (weft::broken_resource_error const&) { log.push_back(-1 - id); }
            });
            wt::wait_all_tasks_blocked();
        }
    }
};

std::string broken_text(weft::parking_lot& lot) {
    try { lot.park(); } catch (weft::broken_resource_error const& e) { return e.what(); }
    return "";
}

using ints = std::vector<int>;
}  // namespace

BOOST_AUTO_TEST_SUITE(parking_lot)

// rule 77
BOOST_AUTO_TEST_CASE(tasks_are_woken_in_the_order_in_which_they_came_and_returned) {
    run_checked([] {
        weft::parking_lot lot;
        parkers p;
        BOOST_TEST(!lot.unpark());
        BOOST_TEST(lot.unpark(3).empty());
        weft::with_nursery([&](weft::nursery& n) {
            p.start(n, lot, 5);
            BOOST_TEST(lot.size() == 5u);
            BOOST_TEST(lot.statistics().waiting == 5u);
            BOOST_TEST((lot.unpark() == p.who[0]));
            BOOST_TEST(lot.unpark(0).empty());
            auto two = lot.unpark(2);
            BOOST_REQUIRE(two.size() == 2u);
            BOOST_TEST((two[0] == p.who[1] && two[1] == p.who[2]));
            BOOST_TEST(p.log.empty());  // they run in a later batch
            wt::wait_all_tasks_blocked();
            BOOST_TEST(p.log.size() == 3u);
            BOOST_TEST(lot.unpark(10).size() == 2u);
            BOOST_TEST(lot.empty());
            wt::wait_all_tasks_blocked();
            p.start(n, lot, 2);
            BOOST_TEST(lot.unpark_all().size() == 2u);
        });
        BOOST_TEST(p.log.size() == 7u);
    });
}

// rules 1, 2
BOOST_AUTO_TEST_CASE(a_park_is_a_checkpoint_and_the_other_operations_are_none) {
    run_checked([] {
        weft::parking_lot lot, other;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                weft::this_task::sleep_for(1s);
                wt::assert_no_checkpoints([&] { lot.repark(other); other.unpark(); other.repark_all(lot); lot.break_lot(); });
            });
            wt::assert_checkpoints([&] { lot.park(); });
        });
    });
}

// rule 78
BOOST_AUTO_TEST_CASE(a_cancelled_task_leaves_and_the_others_keep_their_order) {
    run_checked([] {
        weft::parking_lot lot;
        ints order;
        weft::cancel_scope second;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) {
                n.start_soon([&, i] { if (i == 1) second.run([&] { lot.park(); order.push_back(i); }); else { lot.park(); order.push_back(i); } });
                wt::wait_all_tasks_blocked();
            }
            second.cancel();
            BOOST_TEST(lot.size() == 3u);
            while (lot.unpark()) wt::wait_all_tasks_blocked();
        });
        BOOST_TEST(order == (ints{0, 2, 3}), boost::test_tools::per_element());
    });
}

BOOST_AUTO_TEST_CASE(a_park_in_a_cancelled_scope_raises_at_once) {
    run_checked([] {
        weft::parking_lot lot;
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { lot.park(); });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(!weft::move_on_after(1s, [&] { lot.park(); }));
        BOOST_TEST(lot.empty());
    });
}

// rule 11
BOOST_AUTO_TEST_CASE(in_every_schedule_a_task_is_unparked_or_cancelled_and_never_both) {
    auto r = wt::explore([] {
        weft::parking_lot lot, other;
        weft::cancel_scope s;
        int got = 0, given = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { lot.park(); ++got; }); });
            n.start_soon([&] { lot.repark(other); given += static_cast<bool>(other.unpark()); });
            n.start_soon([&] { given += static_cast<bool>(lot.unpark()); s.cancel(); });
        });
        if (got != given || lot.size() + other.size() != 0) throw std::logic_error("got " + std::to_string(got) + " of " + std::to_string(given));
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nobody_behind) {
    int left = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::parking_lot lot, other;
        struct count { weft::parking_lot &a, &b; int& left; ~count() { left += static_cast<int>(a.size() + b.size() + a.statistics().breakers); } } at_end{lot, other, left};
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { lot.park(); });
            n.start_soon([&] {
                lot.add_breaker(weft::lowlevel::current_task());
                weft::this_task::sleep_for(1s);
                lot.repark(other, 2);
                weft::this_task::sleep_for(1s);
                lot.unpark_all();
                other.unpark_all();
                lot.remove_breaker(weft::lowlevel::current_task());
            });
        });
    });
    BOOST_TEST(left == 0);
    BOOST_TEST(r.waits >= 4u);
}

// rule 79
BOOST_AUTO_TEST_CASE(reparking_moves_in_order_and_wakes_nobody) {
    run_checked([] {
        weft::parking_lot lot, other;
        parkers p;
        weft::with_nursery([&](weft::nursery& n) {
            p.start(n, other, 1);
            p.start(n, lot, 4);
            BOOST_TEST(lot.repark(other) == 1u);
            BOOST_TEST(lot.repark(other, 2) == 2u);
            BOOST_TEST(lot.repark(other, 0) == 0u);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(p.log.empty());
            BOOST_TEST(lot.size() == 1u);
            BOOST_TEST(other.size() == 4u);
            for (int i = 0; i < 4; ++i) { other.unpark(); wt::wait_all_tasks_blocked(); }
            BOOST_TEST(p.log == (ints{0, 1, 2, 3}), boost::test_tools::per_element());
            BOOST_TEST(lot.repark_all(other) == 1u);
            BOOST_TEST(lot.repark_all(other) == 0u);
            other.unpark_all();
        });
        BOOST_TEST(p.log.size() == 5u);
    });
}

// rules 78, 79
BOOST_AUTO_TEST_CASE(a_task_that_was_reparked_is_cancelled_where_it_waits_now) {
    run_checked([] {
        weft::parking_lot other("second lot");
        auto lot = std::make_unique<weft::parking_lot>("first lot");
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { lot->park(); }); });
            wt::wait_all_tasks_blocked();
            lot->repark_all(other);
            lot.reset();
            std::ostringstream out;
            weft::inspect::dump(out);
            BOOST_TEST(out.str().find("second lot") != std::string::npos, out.str());
            BOOST_TEST(out.str().find("first lot") == std::string::npos, out.str());
            s.cancel();
            BOOST_TEST(other.empty());
        });
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(reparking_into_the_same_lot_moves_to_its_end) {
    run_checked([] {
        weft::parking_lot lot;
        parkers p;
        weft::with_nursery([&](weft::nursery& n) {
            p.start(n, lot, 3);
            BOOST_TEST(lot.repark(lot) == 1u);
            while (lot.unpark()) wt::wait_all_tasks_blocked();
        });
        BOOST_TEST(p.log == (ints{1, 2, 0}), boost::test_tools::per_element());
    });
}

// rule 80
BOOST_AUTO_TEST_CASE(breaking_a_lot_ends_all_waits_and_refuses_later_ones) {
    run_checked([] {
        weft::parking_lot lot("assembly hall"), other;
        parkers p;
        weft::with_nursery([&](weft::nursery& n) {
            p.start(n, lot, 2);
            p.start(n, other, 1);
            lot.break_lot();
            BOOST_TEST(lot.broken());
            BOOST_TEST(lot.empty());
            wt::wait_all_tasks_blocked();
            std::sort(p.log.begin(), p.log.end());
            BOOST_TEST(p.log == (ints{-2, -1}), boost::test_tools::per_element());
            std::string text = broken_text(lot);
            BOOST_TEST(text.find("assembly hall was broken, in task #1 \"main\"") != std::string::npos, text);
            BOOST_TEST(text.find("help: ") != std::string::npos, text);
            lot.break_lot();
            BOOST_TEST(lot.unpark_all().empty());
            BOOST_TEST(other.repark_all(lot) == 1u);  // nobody gets lost in a broken one
            BOOST_TEST(lot.empty());
        });
        BOOST_TEST(p.log.back() == -3);
        BOOST_TEST(lot.statistics().broken);
        BOOST_TEST(!other.broken());
    });
}

// rule 11: who was unparked stays so
BOOST_AUTO_TEST_CASE(a_task_that_was_unparked_before_the_break_goes_on) {
    run_checked([] {
        weft::parking_lot lot;
        parkers p;
        weft::with_nursery([&](weft::nursery& n) {
            p.start(n, lot, 2);
            lot.unpark();
            lot.break_lot();
        });
        std::sort(p.log.begin(), p.log.end());
        BOOST_TEST(p.log == (ints{-2, 0}), boost::test_tools::per_element());
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_goes_before_a_broken_lot) {
    run_checked([] {
        weft::parking_lot lot;
        lot.break_lot();
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { lot.park(); });
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(callbacks_may_unpark_and_break_but_not_park) {
    run_checked([] {
        weft::parking_lot lot;
        bool refused = false;
        boost::asio::post(weft::get_executor(), [&] {
            refused = throws<weft::wrong_domain_error>([&] { lot.park(); });
            lot.unpark();
        });
        lot.park();
        BOOST_TEST(refused);
        boost::asio::post(weft::get_executor(), [&] { lot.break_lot(); });
        BOOST_CHECK_THROW(lot.park(), weft::broken_resource_error);
    });
    weft::parking_lot lot;
    BOOST_CHECK_THROW(lot.park(), weft::not_running_error);
}

BOOST_AUTO_TEST_CASE(another_thread_is_told_that_it_may_not) {
    run_checked([] {
        weft::parking_lot lot;
        parkers p;
        weft::with_nursery([&](weft::nursery& n) {
            p.start(n, lot, 1);
            bool refused = false;
            std::thread([&] {
                refused = throws<weft::wrong_domain_error>([&] { lot.unpark(); }) && throws<weft::wrong_domain_error>([&] { lot.unpark_all(); }) &&
                          throws<weft::wrong_domain_error>([&] { lot.break_lot(); });
            }).join();
            BOOST_TEST(refused);
            BOOST_TEST(lot.size() == 1u);
            BOOST_TEST(!lot.broken());
            lot.unpark();
        });
        BOOST_TEST(p.log == ints{0}, boost::test_tools::per_element());
    });
}

BOOST_AUTO_TEST_CASE(a_deadlock_names_the_lot_and_leaves_nobody_in_it) {
    weft::parking_lot lot("empty street");
    std::string text;
    try { run_checked([&] { lot.park(); }); } catch (weft::deadlock_error const& e) { text = e.what(); }
    BOOST_TEST(text.find("empty street") != std::string::npos, text);
    BOOST_TEST(lot.empty());
}

BOOST_AUTO_TEST_SUITE_END()
