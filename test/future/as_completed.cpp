// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/future/as_completed.hpp>

#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

using namespace weft_test;

namespace {

struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
using functions = std::vector<std::function<int()>>;

/// One that returns n after n seconds.
std::function<int()> after(int n) { return [n] { weft::this_task::sleep_for(std::chrono::seconds(n)); return n; }; }
std::function<int()> endless(int& cancelled) {
    return [&]() -> int { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++cancelled; throw; } };
}
std::function<int()> bad_loser() {
    return []() -> int { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("cleanup"); } };
}
std::function<int()> stubborn(int n) {
    return [n] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {} return n; };
}
bool one_oops(weft::exception_group const& g) { return g.leaf_count() == 1 && g.contains<oops>(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(as_completed)

BOOST_AUTO_TEST_CASE(results_come_in_the_order_of_completion) {
    run_checked([] {
        functions f{after(3), after(1), after(2)};
        std::vector<int> seen;
        std::vector<std::size_t> which;
        auto all = weft::as_completed(f);
        for (int& i : all) {
            seen.push_back(i);
            which.push_back(all.index());
            weft::this_task::sleep_for(500ms);  // the others go on meanwhile
        }
        BOOST_TEST(seen == (std::vector{1, 2, 3}), boost::test_tools::per_element());
        BOOST_TEST(which == (std::vector<std::size_t>{1, 2, 0}), boost::test_tools::per_element());
        static_assert(std::input_iterator<decltype(all)::iterator>);
        for (int i : weft::as_completed(functions())) BOOST_ERROR("of nothing: " << i);
        int sum = 0;
        for (std::monostate m : weft::as_completed(std::vector<std::function<void()>>(2, [&] { ++sum; }))) static_cast<void>(m);
        BOOST_TEST(sum == 2);
#if !defined(__clang__) || __clang_major__ >= 16  // clang 14 does not compile libstdc++'s views
        for (auto p : weft::as_completed(std::views::iota(1, 4) | std::views::transform([](int i) { return [i] { return std::make_shared<int>(i); }; }))) sum += *p;
        BOOST_TEST(sum == 8);  // functions that are temporaries themselves
#endif
    });
}

BOOST_AUTO_TEST_CASE(leaving_the_loop_cancels_and_awaits_the_rest) {
    run_checked([] {
        int cancelled = 0;
        for (int i : weft::as_completed(functions{after(1), endless(cancelled), endless(cancelled)})) { BOOST_TEST(i == 1); break; }
        BOOST_TEST(cancelled == 2);
        auto first = [&] { for (int i : weft::as_completed(functions{endless(cancelled), after(2)})) return i; return 0; };
        BOOST_TEST(first() == 2);
        BOOST_TEST(cancelled == 3);
        BOOST_CHECK_THROW(for (int i : weft::as_completed(functions{endless(cancelled), after(1)})) throw oops(std::to_string(i)), oops);
        BOOST_TEST(cancelled == 4);
        { auto unused = weft::as_completed(functions{endless(cancelled)}); weft::checkpoint(); }
        BOOST_TEST(cancelled == 5);
    });
}

// rules 41 to 44
BOOST_AUTO_TEST_CASE(an_error_is_thrown_in_its_place_and_the_rest_is_cancelled_and_awaited) {
    run_checked([] {
        int cancelled = 0;
        std::vector<int> seen;
        auto fails = []() -> int { weft::this_task::sleep_for(2s); throw oops("e"); };
        try {
            for (int i : weft::as_completed(functions{after(1), fails, after(3), endless(cancelled), bad_loser()})) seen.push_back(i);
            BOOST_ERROR("no error");
        } catch (weft::exception_group const& g) {
            BOOST_TEST(g.leaf_count() == 2u);
        }
        BOOST_TEST(seen == (std::vector{1}), boost::test_tools::per_element());
        BOOST_TEST(cancelled == 1);
    });
}

BOOST_AUTO_TEST_CASE(errors_of_the_rest_are_not_lost_when_the_loop_is_left) {
    run_checked([] {
        auto fails = []() -> int { weft::this_task::sleep_for(2s); throw oops("e"); };
        // By break: the destructor throws. That which nobody has met yet, and that which comes of the cancellation.
        BOOST_CHECK_EXCEPTION(for (int i : weft::as_completed(functions{after(1), bad_loser()})) { static_cast<void>(i); break; }, weft::exception_group, one_oops);
        BOOST_CHECK_EXCEPTION(for (int i : weft::as_completed(functions{after(1), fails})) { static_cast<void>(i); weft::this_task::sleep_for(5s); break; },
                              weft::exception_group, one_oops);
        // By an exception: they fail the nursery around.
        try {
            weft::with_nursery([&](weft::nursery&) {
                try { for (int i : weft::as_completed(functions{after(1), bad_loser()})) throw std::logic_error(std::to_string(i)); }
                catch (std::logic_error const&) {}
            });
            BOOST_ERROR("no error");
        } catch (weft::exception_group const& g) {
            BOOST_CHECK(one_oops(g));
        }
    });
}

// rule 143
BOOST_AUTO_TEST_CASE(close_returns_the_results_that_nobody_has_taken) {
    run_checked([] {
        int cancelled = 0;
        auto all = weft::as_completed(functions{after(1), after(2), after(9), endless(cancelled), stubborn(5)});
        for (int i : all) { BOOST_TEST(i == 1); weft::this_task::sleep_for(5s); break; }
        auto rest = all.close();
        BOOST_TEST(rest == (std::vector{2, 5}), boost::test_tools::per_element());
        BOOST_TEST(cancelled == 1);
        BOOST_TEST(all.close().empty());
        BOOST_CHECK((all.begin() == all.end()));
        auto bad = weft::as_completed(functions{bad_loser()});
        weft::checkpoint();
        BOOST_CHECK_EXCEPTION(bad.close(), weft::exception_group, one_oops);
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_from_outside_reaches_the_step_and_the_functions_and_loses_no_result) {
    run_checked([] {
        int cancelled = 0;
        std::vector<int> rest;
        bool done = weft::move_on_after(2500ms, [&] {
            auto all = weft::as_completed(functions{after(1), after(2), endless(cancelled)});
            struct keep { decltype(all)& a; std::vector<int>& r; ~keep() { r = a.close(); } } k{all, rest};
            for (int i : all) { static_cast<void>(i); weft::this_task::sleep_forever(); }
        });
        BOOST_TEST(!done);
        BOOST_TEST(cancelled == 1);
        BOOST_TEST(rest == (std::vector{2}), boost::test_tools::per_element());
        done = weft::move_on_after(1s, [&] { for (int i : weft::as_completed(functions{endless(cancelled)})) static_cast<void>(i); });
        BOOST_TEST(!done);
    });
}

// rules 1, 2
BOOST_AUTO_TEST_CASE(each_step_is_a_checkpoint) {
    run_checked([] {
        functions f{after(0), after(0)};
        auto all = weft::as_completed(f);
        weft::testing::wait_all_tasks_blocked();
        decltype(all)::iterator i;
        weft::testing::assert_checkpoints([&] { i = all.begin(); });
        weft::testing::assert_checkpoints([&] { ++i; });
        weft::testing::assert_checkpoints([&] { ++i; });
        BOOST_CHECK((i == all.end()));
    });
}

BOOST_AUTO_TEST_CASE(in_every_schedule_each_result_comes_once) {
    auto r = weft::testing::explore([] {
        std::vector<std::function<int()>> f;
        for (int i = 0; i < 3; ++i) f.push_back([i] { if (i == 1) weft::checkpoint(); return 1 << i; });
        int seen = 0;
        for (int i : weft::as_completed(f)) { if (seen & i) throw std::logic_error("twice"); seen |= i; }
        if (seen != 7) throw std::logic_error("lost");
    });
    BOOST_TEST(r.complete);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        for (int i : weft::as_completed(functions{after(2), after(1), after(3)})) if (i == 2) break;
    });
    BOOST_TEST(r.points >= 4u);
    BOOST_TEST(r.waits >= 3u);
}

BOOST_AUTO_TEST_SUITE_END()
