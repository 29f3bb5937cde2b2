// SPDX-License-Identifier: BSL-1.0
// What the primitives tell about themselves: names in the dump, statistics.
#include "fixture.hpp"

#include <weft/inspect/dump.hpp>

#include <sstream>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(sync_statistics)

BOOST_AUTO_TEST_CASE(names_of_events_conditions_and_latches_show_up_in_the_dump_and_their_statistics_count_who_waits) {
    run_checked([] {
        weft::event ready("configuration");
        weft::shared::event nameless;
        weft::mutex m;
        weft::condition_variable changed("queue changed");
        weft::condition_variable_any any("any change");
        weft::latch started(2, "started");
        bool go = false;
        BOOST_TEST(!ready.statistics().set);
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.start_soon([&] { ready.wait(); });
            n.start_soon([&] { nameless.wait(); });
            n.start_soon([&] { std::unique_lock lock(m); changed.wait(lock, [&] { return go; }); });
            n.start_soon([&] { std::unique_lock lock(m); any.wait(lock, [&] { return go; }); });
            n.start_soon([&] { started.arrive_and_wait(); });
            weft::testing::wait_all_tasks_blocked();
            std::ostringstream out;
            weft::inspect::dump(out);
            for (char const* name : {"configuration", "event", "queue changed", "any change", "started"}) BOOST_TEST(out.str().find(name) != std::string::npos, name);
            BOOST_TEST(ready.statistics().waiting == 2u);
            BOOST_TEST(nameless.statistics().waiting == 1u);
            BOOST_TEST(changed.statistics().waiting == 1u);
            BOOST_TEST(any.statistics().waiting == 1u);
            BOOST_TEST(started.statistics().waiting == 1u);
            BOOST_TEST(started.statistics().expected == 1);
            go = true;
            ready.set();
            nameless.set();
            changed.notify_all();
            any.notify_all();
            started.count_down();
        });
        BOOST_TEST(ready.statistics().set);
        BOOST_TEST(ready.statistics().waiting + changed.statistics().waiting + started.statistics().waiting == 0u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
