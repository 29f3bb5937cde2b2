// SPDX-License-Identifier: BSL-1.0
// Cancels the fleet, a few clients of it and short acts, at points all over its life: nothing is left behind.
#include "fixture.hpp"

#include "../example/fleet/play.hpp"
#include "../example/fleet/process.hpp"

BOOST_AUTO_TEST_CASE(the_fleet_leaves_nothing_wherever_it_is_cancelled) {
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    o.sample = 24;
    auto scenario = [] {
        fleet::world w;
        w.options.clients = 3;
        w.options.ci = true;
        w.options.length = {std::chrono::milliseconds(30), std::chrono::milliseconds(30), std::chrono::milliseconds(20)};
        w.options.think = std::chrono::milliseconds(10);
        fleet::hold_signals(true);
        fleet::play(w);
        fleet::hold_signals(false);
    };
    auto r = weft::testing::cancel_everywhere(scenario, o);
    BOOST_TEST(r.points > 50u);
    BOOST_TEST(r.waits > 50u);
    BOOST_TEST(r.runs > 20u);
}
