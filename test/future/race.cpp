// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/future/promise.hpp>
#include <weft/future/race.hpp>

#include <memory>
#include <optional>

using namespace weft_test;

namespace {
struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
}  // namespace

BOOST_AUTO_TEST_SUITE(race)

// rule 143
BOOST_AUTO_TEST_CASE(the_first_to_finish_wins_and_the_others_are_cancelled_and_awaited) {
    run_checked([] {
        int cancelled = 0;
        auto loser = [&] {
            try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                weft::cancel_scope s;
                s.set_shield(true);
                s.run([&] { weft::this_task::sleep_for(1s); ++cancelled; });
                throw;
            }
        };
        auto start = weft::current_time();
        auto r = weft::race(loser, [] { weft::this_task::sleep_for(1s); return std::make_unique<int>(3); }, loser);
        static_assert(std::is_same_v<decltype(r), std::variant<std::monostate, std::unique_ptr<int>, std::monostate>>);
        BOOST_TEST(*std::get<1>(r) == 3);
        BOOST_TEST(cancelled == 2);
        BOOST_CHECK((weft::current_time() - start == 2s));
        BOOST_TEST(weft::race([] { return 1; }).index() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(an_error_that_comes_first_wins_and_one_of_a_loser_is_not_lost) {
    run_checked([] {
        BOOST_CHECK_EXCEPTION(weft::race([] { throw oops("e"); }, [] { weft::this_task::sleep_forever(); return 1; }), weft::exception_group,
                              [](auto& g) { return g.leaf_count() == 1 && g.template contains<oops>(); });
        BOOST_CHECK_EXCEPTION(weft::race([] { return 1; }, [] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("late"); } }),
                              weft::exception_group, [](auto& g) { return g.leaf_count() == 1 && g.template contains<oops>(); });
    });
}

// rule 143
BOOST_AUTO_TEST_CASE(race_all_returns_what_losers_had_completed) {
    run_checked([] {
        weft::promise<int> a, b;
        auto fa = a.get_future(), fb = b.get_future();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); a.set_value(1); b.set_value(2); });
            auto r = weft::race_all([&] { return fa.get(); }, [&] { return fb.get(); }, [] { weft::this_task::sleep_forever(); });
            BOOST_TEST(r.winner < 2u);
            BOOST_TEST(std::get<0>(r.values).value() == 1);
            BOOST_TEST(std::get<1>(r.values).value() == 2);
            BOOST_TEST(!std::get<2>(r.values));
        });
    });
}

// rule 11: the winner's result beats a cancellation that comes while the losers are awaited
BOOST_AUTO_TEST_CASE(a_race_that_is_won_returns_although_it_is_cancelled_then) {
    run_checked([] {
        weft::cancel_scope s;
        int won = 0;
        bool reached = false;
        auto swallowed = weft::this_task::swallowed_cancellations();
        s.run([&] {
            auto r = weft::race([] { return 1; }, [&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { s.cancel(); throw; } });
            won = std::get<0>(r);
            weft::checkpoint();
            reached = true;
        });
        BOOST_TEST(won == 1);
        BOOST_TEST(!reached);
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(weft::this_task::swallowed_cancellations() == swallowed);
    });
}

// rules 11, 143
BOOST_AUTO_TEST_CASE(in_every_schedule_nothing_that_was_taken_is_lost) {
    weft::testing::explore_options few;
    few.max_schedules = 5'000;
    auto r = weft::testing::explore([] {
        weft::promise<int> a, b;
        auto fa = a.get_future(), fb = b.get_future();
        weft::cancel_scope s;
        int seen = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    auto all = weft::race_all([&] { return fa.get(); }, [&] { return fb.get(); });
                    seen = std::get<0>(all.values).value_or(0) + std::get<1>(all.values).value_or(0);
                });
            });
            n.start_soon([&] { weft::checkpoint(); a.set_value(1); weft::checkpoint(); b.set_value(2); });
            n.start_soon([&] { weft::checkpoint(); weft::checkpoint(); s.cancel(); });
        });
        if (fa.valid()) seen += fa.get();
        if (fb.valid()) seen += fb.get();
        if (seen != 3) throw std::logic_error("seen: " + std::to_string(seen));
    }, few);
    BOOST_TEST(r.schedules >= 100u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        auto v = weft::race([] { weft::this_task::sleep_for(1s); return 1; }, [] { weft::this_task::sleep_for(2s); });
        if (v.index() != 0) throw std::logic_error("the slower one won");
    });
    BOOST_TEST(r.points >= 2u);
}

BOOST_AUTO_TEST_SUITE_END()
