// SPDX-License-Identifier: BSL-1.0
// The deadline that reaches a task: the earliest of those around it, up to a shield.
#include "fixture.hpp"

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(effective_deadline)

// rule 29
BOOST_AUTO_TEST_CASE(current_effective_deadline_is_the_earliest_up_to_the_nearest_shield) {
    run_checked([] {
        auto now = weft::current_time();
        auto effective = [] { return weft::current_effective_deadline(); };
        BOOST_TEST((effective() == weft::never));
        weft::cancel_scope a, b, c, d;
        a.set_deadline(now + 1s);
        b.set_deadline(now + 9s);
        c.set_deadline(now + 5s);
        a.run([&] {
            BOOST_TEST((effective() == now + 1s));
            b.run([&] {
                BOOST_TEST((effective() == now + 1s));
                c.set_shield(true);
                c.run([&] {
                    BOOST_TEST((effective() == now + 5s));
                    d.run([&] {
                        BOOST_TEST((effective() == now + 5s));
                        c.set_deadline(weft::never);
                        BOOST_TEST((effective() == weft::never));
                        c.set_shield(false);
                        BOOST_TEST((effective() == now + 1s));
                        a.set_deadline(now + 20s);
                        BOOST_TEST((effective() == now + 9s));
                        b.cancel();
                        BOOST_TEST((effective() == weft::always));
                        c.set_shield(true);
                        BOOST_TEST((effective() == weft::never));
                    });
                });
            });
        });
        BOOST_TEST((effective() == weft::never));
    });
}

// rule 29: a child sees the deadlines around its nursery
BOOST_AUTO_TEST_CASE(a_child_has_its_nurserys_effective_deadline) {
    run_checked([] {
        auto when = weft::current_time() + 1s;
        weft::time_point seen{};
        weft::move_on_at(when, [&] {
            weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { seen = weft::current_effective_deadline(); }); });
        });
        BOOST_TEST((seen == when));
    });
}

BOOST_AUTO_TEST_SUITE_END()
