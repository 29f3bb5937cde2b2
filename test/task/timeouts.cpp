// SPDX-License-Identifier: BSL-1.0
// move_on_after, move_on_at, fail_after, fail_at, and the arguments they refuse.
#include "fixture.hpp"

#include <limits>
#include <memory>
#include <string>

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(timeouts)

BOOST_AUTO_TEST_CASE(move_on_says_whether_the_body_ended_and_hands_over_its_result) {
    run_checked([] {
        auto slow = [] { weft::this_task::sleep_for(2s); return std::make_unique<int>(7); };  // a move-only result
        BOOST_TEST(!weft::move_on_after(1s, slow).has_value());
        BOOST_TEST(*weft::move_on_after(3s, slow).value() == 7);
        BOOST_TEST(!weft::move_on_at(weft::current_time() + 1s, slow).has_value());
        BOOST_TEST(*weft::move_on_at(weft::current_time() + 3s, slow).value() == 7);
    });
}

// rule 38
BOOST_AUTO_TEST_CASE(fail_throws_too_slow_error_when_the_deadline_stopped_the_body) {
    run_checked([] {
        auto start = weft::current_time();
        BOOST_CHECK_THROW(weft::fail_after(1s, [] { weft::this_task::sleep_forever(); }), weft::too_slow_error);
        BOOST_CHECK_THROW(weft::fail_at(start + 2s, [] { weft::this_task::sleep_forever(); }), weft::too_slow_error);
        auto with_result = [] { return weft::fail_after(1s, [] { weft::this_task::sleep_for(2s); return 1; }); };
        BOOST_CHECK_THROW(with_result(), weft::too_slow_error);
        BOOST_TEST((weft::current_time() - start == 3s));
        BOOST_TEST(weft::fail_after(1s, [] { weft::checkpoint(); return 5; }) == 5);
        BOOST_CHECK_NO_THROW(weft::fail_after(1s, [] { weft::checkpoint(); }));
    });
}

// rule 38: exactly when its scope caught; a body that ends by itself, however late, is no failure
BOOST_AUTO_TEST_CASE(fail_does_not_throw_when_the_body_ended_without_meeting_the_deadline) {
    wt::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        BOOST_CHECK_NO_THROW(weft::fail_after(1s, [&] { clock.jump(10s); }));
        BOOST_TEST(weft::fail_after(1s, [&] { clock.jump(10s); return 3; }) == 3);
    });
}

// rule 38, as weft reads it: only the deadline makes it too slow; a body that cancelled the scope itself just ends
BOOST_AUTO_TEST_CASE(fail_is_not_too_slow_when_the_body_cancelled_the_scope_itself) {
    run_checked([] {
        bool passed = false;
        auto give_up = [] { weft::this_task::scope().cancel("changed my mind"); weft::checkpoint(); };
        BOOST_CHECK_NO_THROW(weft::fail_after(1s, [&] { give_up(); passed = true; }));
        BOOST_TEST(!passed);
        std::string text;
        try {
            weft::fail_after(1s, [&] { give_up(); return 1; });  // there is no result to return
        } catch (weft::task_cancelled_error const& e) { text = e.what(); }
        BOOST_TEST(text.find("changed my mind") != std::string::npos);
    });
}

// rule 38: an outer scope's cancellation is not this scope's failure
BOOST_AUTO_TEST_CASE(fail_lets_an_outer_cancellation_through) {
    run_checked([] {
        weft::cancel_scope outer;
        bool caught_here = false;
        outer.run([&] {
            outer.cancel();
            try { weft::fail_after(1s, [] { weft::checkpoint(); }); } catch (weft::too_slow_error const&) { caught_here = true; }
        });
        BOOST_TEST(!caught_here);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 38
BOOST_AUTO_TEST_CASE(an_error_of_the_body_leaves_a_timeout_unchanged) {
    run_checked([] {
        BOOST_CHECK_THROW(weft::fail_after(1s, [] { throw std::logic_error("x"); }), std::logic_error);
        BOOST_CHECK_THROW(weft::move_on_after(1s, [] { throw std::logic_error("x"); }), std::logic_error);
    });
}

// rule 16: of two nested timeouts the one that fired is the one that says so
BOOST_AUTO_TEST_CASE(of_nested_timeouts_the_one_that_fired_ends) {
    run_checked([] {
        bool inner = true;
        bool outer = weft::move_on_after(5s, [&] { inner = weft::move_on_after(1s, [] { weft::this_task::sleep_forever(); }); });
        BOOST_TEST(outer);
        BOOST_TEST(!inner);
        bool reached = false;
        outer = weft::move_on_after(1s, [&] {
            static_cast<void>(weft::move_on_after(5s, [] { weft::this_task::sleep_forever(); }));
            reached = true;
        });
        BOOST_TEST(!outer);
        BOOST_TEST(!reached);
    });
}

// rule 22
BOOST_AUTO_TEST_CASE(a_timeout_fires_even_if_its_scope_is_shielded) {
    run_checked([] {
        weft::cancel_scope outer;
        bool timed_out = false;
        outer.run([&] {
            outer.cancel();
            timed_out = !weft::move_on_after(1s, [] { weft::this_task::scope().set_shield(true); weft::this_task::sleep_forever(); });
            BOOST_CHECK_THROW(weft::fail_after(1s, [] { weft::this_task::scope().set_shield(true); weft::this_task::sleep_forever(); }),
                              weft::too_slow_error);
        });
        BOOST_TEST(timed_out);
    });
}

// rule 31
BOOST_AUTO_TEST_CASE(negative_and_nan_durations_are_refused) {
    run_checked([] {
        using seconds = std::chrono::duration<double>;
        seconds nan{std::numeric_limits<double>::quiet_NaN()};
        auto nothing = [] { BOOST_ERROR("the body must not run"); };
        BOOST_CHECK_THROW(weft::move_on_after(-1s, nothing), weft::misuse_error);
        BOOST_CHECK_THROW(weft::move_on_after(nan, nothing), weft::misuse_error);
        BOOST_CHECK_THROW(weft::fail_after(-1ns, nothing), weft::misuse_error);
        BOOST_CHECK_THROW(weft::fail_after(nan, nothing), weft::misuse_error);
        BOOST_CHECK_THROW(weft::this_task::sleep_for(-1s), weft::misuse_error);
        BOOST_CHECK_THROW(weft::this_task::sleep_for(nan), weft::misuse_error);
        weft::cancel_scope s;
        BOOST_CHECK_THROW(s.set_deadline_after(-1s), weft::misuse_error);
        BOOST_CHECK_THROW(s.set_deadline_after(nan), weft::misuse_error);
        BOOST_TEST(s.run([] { weft::checkpoint(); }));  // and the refused calls changed nothing
    });
}

// rule 31: the limits are no misuse
BOOST_AUTO_TEST_CASE(zero_huge_and_fractional_durations_are_fine) {
    run_checked([] {
        using seconds = std::chrono::duration<double>;
        BOOST_TEST(!weft::move_on_after(0s, [] { weft::checkpoint(); }));
        BOOST_TEST(weft::move_on_after(std::chrono::hours::max(), [] { weft::checkpoint(); }));
        BOOST_TEST(weft::move_on_after(seconds(std::numeric_limits<double>::infinity()), [] { weft::this_task::sleep_for(1h); }));
        BOOST_TEST(weft::move_on_at(weft::never, [] { weft::this_task::sleep_for(1h); }));
        auto start = weft::current_time();
        weft::this_task::sleep_for(seconds(0.1));
        BOOST_TEST((seconds(weft::current_time() - start) >= seconds(0.1)));  // rounded up, never down
        BOOST_TEST((weft::current_time() - start <= 100'000'001ns));
    });
}

// rule 39
BOOST_AUTO_TEST_CASE(a_stray_unpark_of_sleep_forever_is_an_error) {
    run_checked([] {
        weft::lowlevel::task_ref sleeper;
        std::string text;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                sleeper = weft::lowlevel::current_task();
                try { weft::this_task::sleep_forever(); } catch (weft::internal_error const& e) { text = e.what(); }
            });
            wt::wait_all_tasks_blocked();
            weft::lowlevel::unpark(sleeper);
        });
        BOOST_TEST(text.find("sleep_forever") != std::string::npos);
    });
}

// rule 39: nor can a stray unpark end a timed sleep early as if its time were over
BOOST_AUTO_TEST_CASE(a_stray_unpark_does_not_shorten_a_sleep_in_silence) {
    run_checked([] {
        weft::lowlevel::task_ref sleeper;
        bool error = false;
        weft::duration slept{};
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                sleeper = weft::lowlevel::current_task();
                auto start = weft::current_time();
                try { weft::this_task::sleep_for(10s); } catch (weft::error const&) { error = true; }
                slept = weft::current_time() - start;
            });
            wt::wait_all_tasks_blocked();
            weft::lowlevel::unpark(sleeper);
        });
        BOOST_TEST((error || slept >= 10s));
    });
}

BOOST_AUTO_TEST_CASE(timeouts_survive_a_cancellation_at_any_point) {
    auto r = wt::cancel_everywhere([] {
        weft::move_on_after(1s, [] { weft::this_task::sleep_for(2s); });
        try { weft::fail_after(1s, [] { weft::this_task::sleep_for(2s); }); } catch (weft::too_slow_error const&) {}
        weft::fail_after(2s, [] { weft::move_on_after(1s, [] { weft::checkpoint(); weft::this_task::sleep_for(0s); }); });
    });
    BOOST_TEST(r.waits == 2u);
    BOOST_TEST(r.runs == 1 + r.points + r.waits);
}

BOOST_AUTO_TEST_SUITE_END()
