// SPDX-License-Identifier: BSL-1.0
// Code that catches `cancelled` and does not rethrow it: it is raised again, and counted.
#include "fixture.hpp"

#include <weft/inspect.hpp>

#include <sstream>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(swallowed)

// rule 145
BOOST_AUTO_TEST_CASE(a_swallowed_cancelled_is_raised_again_counted_and_visible_in_the_dump) {
    run_checked([] {
        weft::cancel_scope s;
        std::ostringstream dump;
        bool done = s.run([&] {
            s.cancel();
            for (int i = 0; i < 3; ++i) {
                try { weft::checkpoint(); } catch (...) {}
            }
            BOOST_TEST(weft::this_task::swallowed_cancellations() == 2u);  // the third was not raised again yet
            weft::inspect::dump(dump);
            weft::checkpoint();
        });
        BOOST_TEST(!done);
        BOOST_TEST(weft::this_task::swallowed_cancellations() == 3u);
        BOOST_TEST(dump.str().find("swallowed 2") != std::string::npos);
    });
}

// rule 145
BOOST_AUTO_TEST_CASE(a_cancellation_that_a_scope_caught_does_not_count_as_swallowed) {
    run_checked([] {
        for (int i = 0; i < 3; ++i) {
            weft::cancel_scope s;
            s.cancel();
            s.run([] {
                try { weft::checkpoint(); } catch (...) {
                    try { weft::checkpoint(); } catch (...) {}  // cleanup that waits is no swallowing either
                    throw;
                }
            });
        }
        BOOST_TEST(weft::this_task::swallowed_cancellations() == 0u);
    });
}

// rule 145: a scope of a destructor's own, cancelled while `cancelled` is in flight, swallows nothing
BOOST_AUTO_TEST_CASE(a_timeout_in_a_destructor_during_unwinding_does_not_count_as_swallowed) {
    run_checked([] {
        struct closer { ~closer() { weft::move_on_after(1s, [] { weft::this_task::sleep_forever(); }); } };
        weft::cancel_scope s;
        s.cancel();
        s.run([] { closer c; weft::checkpoint(); });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(weft::this_task::swallowed_cancellations() == 0u);
    });
}

// rule 145: a task that answers its cancellation with an error of its own has not swallowed the next one
BOOST_AUTO_TEST_CASE(a_cancellation_turned_into_an_error_does_not_count_against_a_later_scope) {
    run_checked([] {
        weft::cancel_scope first;
        first.cancel();
        auto translate = [&] {
            first.run([] { try { weft::checkpoint(); } catch (weft::cancelled const&) { throw std::runtime_error("mine"); } });
        };
        BOOST_CHECK_THROW(translate(), std::runtime_error);
        weft::cancel_scope second;
        second.cancel();
        second.run([] { weft::checkpoint(); });
        BOOST_TEST(weft::this_task::swallowed_cancellations() == 0u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
