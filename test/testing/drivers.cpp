// SPDX-License-Identifier: BSL-1.0
// The oracle's drivers and cancel_everywhere: that they find what they are for.
#include "fixture.hpp"

#include <cstdlib>
#include <set>

using namespace weft_test;
using weft::testing::cancel_everywhere;
using weft::testing::explore;
using weft::testing::explore_options;

BOOST_AUTO_TEST_CASE(exhaustive_exploration_sees_every_order) {
    std::set<std::string> orders;
    auto r = explore([&] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            for (char c : {'a', 'b', 'c'}) n.start_soon([&, c] { order += c; });
        });
        orders.insert(order);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(orders.size() == 6u);
}

namespace {
// Two tasks read, let others run, and write back: an update is lost in some schedules only.
void lost_update() {
    int value = 0;
    weft::with_nursery([&](weft::nursery& n) {
        for (int i = 0; i < 2; ++i) n.start_soon([&] { int v = value; weft::checkpoint(); value = v + 1; });
    });
    if (value != 2) throw std::runtime_error("lost update");
}
}  // namespace

BOOST_AUTO_TEST_CASE(exploration_finds_a_lost_update) {
    explore_options o;
    o.quiet = true;
    BOOST_CHECK_THROW(explore(lost_update, o), std::runtime_error);
    o.how = explore_options::mode::seeded;
    BOOST_CHECK_THROW(explore(lost_update, o), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_schedule_replays) {
    // The first of all schedules keeps running at each checkpoint when told so: 1 is "keep".
    ::setenv("WEFT_SCHEDULE", "0.1.1.1.1.1.1.1", 1);
    ::setenv("WEFT_SEED", "1", 1);
    int runs = 0;
    std::string first, second;
    auto record = [&](std::string& order) {
        explore([&] {
            ++runs;
            weft::with_nursery([&](weft::nursery& n) {
                for (char c : {'a', 'b'}) n.start_soon([&, c] { order += c; weft::checkpoint(); order += c; });
            });
        });
    };
    record(first);
    record(second);
    ::unsetenv("WEFT_SCHEDULE");
    ::unsetenv("WEFT_SEED");
    BOOST_TEST(runs == 2);
    BOOST_TEST(first == second);
    BOOST_TEST(first.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_test_may_make_choices_of_its_own) {
    std::set<std::size_t> seen;
    auto r = explore([&] { seen.insert(weft::testing::choose(5)); });
    BOOST_TEST(r.complete);
    BOOST_TEST(seen.size() == 5u);
}

BOOST_AUTO_TEST_CASE(timer_ties_are_choices) {
    std::set<std::string> orders;
    auto r = explore([&] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            for (char c : {'a', 'b'}) n.start_soon([&, c] { weft::this_task::sleep_for(1s); order += c; });
        });
        orders.insert(order);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(orders.size() == 2u);
}

BOOST_AUTO_TEST_CASE(cancel_everywhere_counts_points_and_runs_each) {
    int entered = 0;
    auto r = cancel_everywhere([&] {
        ++entered;
        weft::checkpoint();
        weft::this_task::sleep_for(1s);
        weft::check_cancelled();
    });
    BOOST_TEST(r.points == 3u);
    BOOST_TEST(r.waits == 1u);
    BOOST_TEST(r.runs == 5u);
    BOOST_TEST(entered == 5);
}

BOOST_AUTO_TEST_CASE(cancel_everywhere_finds_a_descriptor_that_leaks_when_cancelled) {
    auto leaky = [] {
        FILE* f = std::fopen("/dev/null", "r");
        weft::checkpoint();  // not exception-safe: what a real program would get wrong
        std::fclose(f);
    };
    BOOST_CHECK_THROW(cancel_everywhere(leaky), weft::testing::assertion_error);
}

BOOST_AUTO_TEST_CASE(cancel_everywhere_reports_an_error_that_only_a_cancellation_brings_about) {
    auto careless = [] {
        bool done = false;
        struct check { bool& done; } c{done};
        try { weft::checkpoint(); done = true; } catch (weft::cancelled const&) {}
        if (!c.done) throw std::runtime_error("half done");
    };
    BOOST_CHECK_THROW(cancel_everywhere(careless), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(the_ledger_names_what_is_left) {
    run_checked([] {
        weft::testing::ledger l;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            weft::testing::wait_all_tasks_blocked();
            std::string d = l.difference();
            BOOST_TEST(d.find("tasks: 1 before, 2 after") != std::string::npos);
            BOOST_TEST(d.find("deadlines: 0 before, 1 after") != std::string::npos);
        });
        BOOST_TEST(l.difference() == "");
    });
}
