// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/future/gather.hpp>

#include <functional>
#include <list>
#include <memory>
#include <ranges>
#include <sstream>
#include <vector>

using namespace weft_test;

namespace {
struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
struct move_only_call {
    std::unique_ptr<int> v;
    std::unique_ptr<int> operator()() { return std::make_unique<int>(*v); }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(gather)

BOOST_AUTO_TEST_CASE(results_come_in_the_order_of_the_functions_which_run_at_once) {
    run_checked([] {
        auto start = weft::current_time();
        auto named = [] { return 'c'; };
        auto [a, b, c, d] = weft::gather([] { weft::this_task::sleep_for(2s); return 1; }, [] { weft::this_task::sleep_for(1s); return std::make_unique<int>(2); },
                                         named, [] {});
        static_assert(std::is_same_v<decltype(d), std::monostate>);
        BOOST_TEST(a == 1);
        BOOST_TEST(*b == 2);
        BOOST_TEST(c == 'c');
        BOOST_CHECK((weft::current_time() - start == 2s));
        static_assert(std::is_same_v<decltype(weft::gather()), std::tuple<>>);
        weft::gather();
    });
}

BOOST_AUTO_TEST_CASE(ranges_of_any_kind_give_a_vector) {
    run_checked([] {
        auto sleeper = [](int i) { return [i] { weft::this_task::sleep_for(std::chrono::seconds(10 - i)); return i; }; };
        std::vector<int> expected{0, 1, 2};
        auto same = [&](std::vector<int> const& v) { BOOST_TEST(v == expected, boost::test_tools::per_element()); };
        std::list<std::function<int()>> l{sleeper(0), sleeper(1), sleeper(2)};
        same(weft::gather(l));
        same(weft::gather(std::as_const(l)));
        same(weft::gather(std::list(l)));
#if !defined(__clang__) || __clang_major__ >= 16  // clang 14 does not compile libstdc++'s views
        same(weft::gather(std::views::iota(0, 3) | std::views::transform(sleeper)));  // of temporaries
        std::istringstream in("0 1 2");
        same(weft::gather(std::views::istream<int>(in) | std::views::transform(sleeper)));  // read once
#endif
        std::vector<move_only_call> m(3);
        for (int i = 0; i < 3; ++i) m[std::size_t(i)].v = std::make_unique<int>(i);
        auto r = weft::gather(m);
        BOOST_TEST(*r[2] == 2);
        int sum = 0;
        std::vector<std::function<void()>> v(3, [&] { ++sum; });
        static_assert(std::is_void_v<decltype(weft::gather(v))>);
        weft::gather(v);
        BOOST_TEST(sum == 3);
        BOOST_TEST(weft::gather(std::vector<std::function<int()>>()).empty());
    });
}

// rules 41 to 44
BOOST_AUTO_TEST_CASE(the_first_error_cancels_and_awaits_the_rest_and_none_is_lost) {
    run_checked([] {
        int ended = 0;
        auto start = weft::current_time();
        try {
            weft::gather([&] { weft::this_task::sleep_for(1s); throw oops("first"); },
                         [&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++ended; throw oops("second"); } },
                         [&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++ended; throw; } return 1; });
            BOOST_ERROR("no error");
        } catch (weft::exception_group const& g) {
            BOOST_TEST(g.leaf_count() == 2u);
            BOOST_TEST(g.contains<oops>());
        }
        BOOST_TEST(ended == 2);
        BOOST_CHECK((weft::current_time() - start == 1s));
    });
}

BOOST_AUTO_TEST_CASE(results_that_are_all_there_beat_a_cancellation) {
    run_checked([] {
        weft::cancel_scope s;
        int sum = 0;
        bool reached = false;
        s.run([&] {
            auto [a, b] = weft::gather([&] { s.cancel(); return 1; }, [] { return 2; });
            sum = a + b;
            weft::checkpoint();
            reached = true;
        });
        BOOST_TEST(sum == 3);
        BOOST_TEST(!reached);
    });
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::event e;
        weft::gather([&] { weft::this_task::sleep_for(1s); e.set(); }, [&] { e.wait(); return 1; }, [] { weft::checkpoint(); });
    });
    BOOST_TEST(r.points >= 3u);
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_it_says_so) { BOOST_CHECK_THROW(weft::gather([] {}), weft::not_running_error); }

BOOST_AUTO_TEST_SUITE_END()
