// SPDX-License-Identifier: BSL-1.0
// explore: a failure can be replayed from the line that it prints; limits and seeds. What it finds is in drivers.cpp.
#include "fixture.hpp"

#include <cstdlib>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

using namespace weft_test;
using weft::testing::explore;
using weft::testing::explore_options;
using mode = explore_options::mode;

namespace {

/// What f writes to stderr.
template <class F>
std::string stderr_of(F&& f) {
    int file = ::memfd_create("stderr", MFD_CLOEXEC), before = ::dup(STDERR_FILENO);
    ::dup2(file, STDERR_FILENO);
    f();
    std::fflush(stderr);
    ::dup2(before, STDERR_FILENO);
    ::close(before);
    std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
    BOOST_REQUIRE(::pread(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    ::close(file);
    return text;
}

/// The variables of a replay line, set while it lives.
struct replay {
    explicit replay(std::string const& line) {
        for (char const* name : {"WEFT_SEED", "WEFT_SCHEDULE"}) {
            auto at = line.find(std::string(name) + "=");
            BOOST_REQUIRE(at != std::string::npos);
            at += std::string_view(name).size() + 1;
            ::setenv(name, line.substr(at, line.find_first_of(" \n", at) - at).c_str(), 1);
        }
    }
    ~replay() { ::unsetenv("WEFT_SEED"); ::unsetenv("WEFT_SCHEDULE"); }
};

/// Fails only in those orders of three tasks and their checkpoints in which c is first and a the last two.
void rare_failure(std::string& order) {
    order.clear();
    weft::with_nursery([&](weft::nursery& n) {
        for (char c : {'a', 'b', 'c'}) n.start_soon([&order, c] { weft::checkpoint(); order += c; weft::checkpoint(); order += c; });
    });
    if (order.front() == 'c' && order.ends_with("aa")) throw std::runtime_error(order);
}

explore_options in(mode how) {
    explore_options o;
    o.how = how;
    return o;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(explore_)

BOOST_AUTO_TEST_CASE(a_failure_prints_one_line_from_which_it_is_replayed_in_one_run) {
    for (mode how : {mode::exhaustive, mode::seeded}) {
        std::string order, failed_with;
        int runs = 0;
        auto f = [&] { ++runs; rare_failure(order); };
        std::string line = stderr_of([&] {
            BOOST_CHECK_EXCEPTION(explore(f, in(how)), std::runtime_error, [&](auto const& e) { failed_with = e.what(); return true; });
        });
        BOOST_TEST(runs > 1);
        BOOST_TEST(line.starts_with("replay with: WEFT_SEED="), line);
        BOOST_TEST(std::count(line.begin(), line.end(), '\n') == 1);
        BOOST_TEST(failed_with == order);

        runs = 0;
        order.clear();
        replay variables(line);
        std::string again = stderr_of([&] { BOOST_CHECK_THROW(explore(f, in(how)), std::runtime_error); });
        BOOST_TEST(runs == 1);
        BOOST_TEST(order == failed_with);
        BOOST_TEST(again == line);
    }
}

BOOST_AUTO_TEST_CASE(a_failure_without_any_choice_has_a_schedule_too) {
    std::string line = stderr_of([] { BOOST_CHECK_THROW(explore([] { throw std::runtime_error("always"); }), std::runtime_error); });
    BOOST_TEST(line == "replay with: WEFT_SEED=1 WEFT_SCHEDULE=0\n");
}

BOOST_AUTO_TEST_CASE(quiet_and_successful_explorations_print_nothing) {
    BOOST_TEST(stderr_of([] { explore([] { weft::checkpoint(); }); }) == "");
    explore_options o;
    o.quiet = true;
    BOOST_TEST(stderr_of([&] { BOOST_CHECK_THROW(explore([] { throw std::runtime_error("always"); }, o), std::runtime_error); }) == "");
}

BOOST_AUTO_TEST_CASE(choices_of_the_test_are_part_of_the_replay) {
    std::size_t drawn = 0;
    auto f = [&] { drawn = weft::testing::choose(7); if (drawn == 5) throw std::runtime_error("five"); };
    std::string line = stderr_of([&] { BOOST_CHECK_THROW(explore(f), std::runtime_error); });
    drawn = 0;
    replay variables(line);
    stderr_of([&] { BOOST_CHECK_THROW(explore(f), std::runtime_error); });
    BOOST_TEST(drawn == 5u);
}

BOOST_AUTO_TEST_CASE(exhaustive_exploration_tries_each_schedule_once_and_says_when_it_was_cut_short) {
    std::multiset<std::string> orders;
    std::string order;
    auto f = [&] {
        order.clear();
        weft::with_nursery([&](weft::nursery& n) { for (char c : {'a', 'b', 'c', 'd'}) n.start_soon([&, c] { order += c; }); });
        orders.insert(order);
    };
    auto all = explore(f);
    BOOST_TEST(all.complete);
    BOOST_TEST(all.schedules == 24u);
    BOOST_TEST(std::set<std::string>(orders.begin(), orders.end()).size() == 24u);

    explore_options o;
    o.max_schedules = 10;
    orders.clear();
    auto some = explore(f, o);
    BOOST_TEST(!some.complete);
    BOOST_TEST(some.schedules == 10u);
    BOOST_TEST(orders.size() == 10u);
}

BOOST_AUTO_TEST_CASE(a_seed_gives_the_same_schedules_again_and_another_seed_others) {
    auto orders_of = [](std::uint64_t seed) {
        explore_options o = in(mode::seeded);
        o.seed = seed;
        o.runs = 50;
        std::vector<std::string> orders;
        auto r = explore([&] {
            std::string order;
            weft::with_nursery([&](weft::nursery& n) {
                for (char c : {'a', 'b', 'c', 'd', 'e'}) n.start_soon([&, c] { order += c; weft::checkpoint(); order += c; });
            });
            orders.push_back(order);
        }, o);
        BOOST_TEST(r.schedules == 50u);
        BOOST_TEST(!r.complete);
        return orders;
    };
    auto first = orders_of(1);
    BOOST_TEST((first == orders_of(1)));
    BOOST_TEST((first != orders_of(1000)));
    BOOST_TEST(std::set<std::string>(first.begin(), first.end()).size() > 25u);
}

BOOST_AUTO_TEST_CASE(outside_of_an_exploration_there_is_no_choice) {
    BOOST_TEST(weft::testing::choose(5) == 0u);
    run_checked([] { BOOST_TEST(weft::testing::choose(5) == 0u); });
}

BOOST_AUTO_TEST_CASE(inside_of_a_run_it_is_refused) {
    run_checked([] {
        explore_options o;
        o.quiet = true;
        BOOST_CHECK_THROW(explore([] {}, o), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_SUITE_END()
