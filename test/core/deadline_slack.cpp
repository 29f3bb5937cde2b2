// SPDX-License-Identifier: BSL-1.0
// How often the driver is asked to wake the loop for deadlines: by a clock and a driver that only move when the kernel asks.
#include "fixture.hpp"

#include "core/kernel.hpp"

#include <memory>
#include <vector>

using namespace weft_test;
using namespace std::chrono;

namespace {

/// Not virtual: time passes without the kernel's doing, here by the driver below.
struct hand_clock final : weft::clock_source {
    weft::time_point time = weft::time_point{} + 1h;
    weft::time_point now() noexcept override { return time; }
};

/// Wakes the loop exactly when it was asked to.
struct exact_driver final : weft::driver {
    exact_driver(hand_clock& c, std::vector<weft::time_point>& w) : clock(c), woken(w) {}
    void run(weft::detail::kernel& k) override {
        while (!k.finished()) {
            if (k.turn() || k.finished()) continue;
            BOOST_REQUIRE(armed != weft::never);
            BOOST_REQUIRE(armed >= clock.time);
            clock.time = armed;
            woken.push_back(clock.time);
        }
    }
    void request_turn() noexcept override {}
    void arm(weft::time_point when) noexcept override { armed = when; }
    void wake() noexcept override {}
    void interrupt() noexcept override {}
    void const* kind() const noexcept override { return this; }
    hand_clock& clock;
    std::vector<weft::time_point>& woken;
    weft::time_point armed{weft::never};
};

struct hand_run {
    hand_clock clock;
    std::vector<weft::time_point> woken;
    template <class F>
    void operator()(F&& f) {
        weft::run_options o;
        o.clock = &clock;
        o.make_driver = [this] { return std::make_unique<exact_driver>(clock, woken); };
        weft::run(o, [&] { f(); });
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(deadline_slack)

BOOST_AUTO_TEST_CASE(a_deadline_that_is_alone_is_served_when_it_is_due) {
    hand_run r;
    auto const start = r.clock.time;
    r([&] {
        for (auto d : {10us, 1us, 49us, 3000us}) {
            auto due = r.clock.time + d;
            weft::this_task::sleep_until(due);
            BOOST_TEST((r.clock.time == due));
        }
    });
    BOOST_TEST(r.woken.size() == 4u);
    BOOST_TEST((r.clock.time == start + 3060us));
}

BOOST_AUTO_TEST_CASE(deadlines_that_crowd_are_served_together_none_early_none_over_50_us_late) {
    hand_run r;
    constexpr int n = 1'000;
    int early = 0, late = 0;
    r([&] {
        weft::with_nursery([&](weft::nursery& nursery) {
            for (int i = 0; i < n; ++i) {
                nursery.start_soon([&, due = r.clock.time + 1ms + microseconds(5 * i)] {
                    weft::this_task::sleep_until(due);
                    if (r.clock.time < due) ++early;
                    if (r.clock.time > due + 50us) ++late;
                });
            }
        });
    });
    BOOST_TEST(early == 0);
    BOOST_TEST(late == 0);
    BOOST_TEST(r.woken.size() <= 5'000u / 50 + 2);
}

BOOST_AUTO_TEST_CASE(a_nearer_deadline_that_comes_while_others_crowd_is_not_over_50_us_late) {
    hand_run r;
    r([&] {
        weft::with_nursery([&](weft::nursery& nursery) {
            for (int i = 0; i < 10; ++i) nursery.start_soon([due = r.clock.time + microseconds(100 + i)] { weft::this_task::sleep_until(due); });
            nursery.start_soon([&] {
                weft::this_task::sleep_until(r.clock.time + 100us);
                for (int i = 0; i < 20; ++i) {
                    auto due = r.clock.time + microseconds(1 + 7 * i);
                    weft::this_task::sleep_until(due);
                    BOOST_TEST((r.clock.time >= due));
                    BOOST_TEST((r.clock.time <= due + 50us));
                }
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(far_deadlines_behind_a_crowd_are_exact_again) {
    hand_run r;
    r([&] {
        weft::with_nursery([&](weft::nursery& nursery) {
            for (int i = 0; i < 10; ++i) nursery.start_soon([due = r.clock.time + microseconds(100 + i)] { weft::this_task::sleep_until(due); });
            auto due = r.clock.time + 7ms;
            weft::this_task::sleep_until(due);
            BOOST_TEST((r.clock.time == due));
            due += 3us;
            weft::this_task::sleep_until(due);
            BOOST_TEST((r.clock.time == due));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_deadline_taken_back_leaves_no_wake_up_for_it_but_one) {
    hand_run r;
    r([&] {
        for (int i = 0; i < 100; ++i) weft::move_on_after(1us, [] { weft::checkpoint(); });  // which arms it
        auto due = r.clock.time + 1s;
        weft::this_task::sleep_until(due);
        BOOST_TEST((r.clock.time == due));
    });
    BOOST_TEST(r.woken.size() <= 2u);
}

BOOST_AUTO_TEST_SUITE_END()
