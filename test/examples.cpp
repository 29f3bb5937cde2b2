// SPDX-License-Identifier: BSL-1.0
// Cancels the examples' scenarios at every point: nothing is left behind, whatever they print meanwhile.
#include "fixture.hpp"

#define main hello_tree_main
#define failures hello_tree_failures
#define expect hello_tree_expect
#include "../example/01_hello_tree.cpp"
#undef main
#undef failures
#undef expect
#define main deadlines_main
#define failures deadlines_failures
#define expect deadlines_expect
#include "../example/02_deadlines.cpp"
#undef main
#undef failures
#undef expect
#define main drop_in_main
#define failures drop_in_failures
#define expect drop_in_expect
#include "../example/03_asio_drop_in.cpp"
#undef main
#undef failures
#undef expect

namespace {
weft::testing::cancel_everywhere_result everywhere(void (*scenario)(), bool real_time = false) {
    weft::testing::cancel_everywhere_options o;
    o.real_time = real_time;
    std::cout.setstate(std::ios::failbit);  // what a half-done scenario says of itself is of no interest
    struct restore { ~restore() { std::cout.clear(); } } r;
    return weft::testing::cancel_everywhere(scenario, o);
}
}  // namespace

BOOST_AUTO_TEST_CASE(hello_tree_leaves_nothing_wherever_it_is_cancelled) {
    BOOST_TEST(everywhere(a_tree).points >= 4u);
    BOOST_TEST(everywhere(an_error).waits >= 1u);
}

BOOST_AUTO_TEST_CASE(deadlines_leaves_nothing_wherever_it_is_cancelled) {
    BOOST_TEST(everywhere(around_a_block).points >= 3u);
    BOOST_TEST(everywhere(nested).points >= 2u);
    BOOST_TEST(everywhere(shielded).points >= 2u);
    BOOST_TEST(everywhere(the_reason).points >= 2u);
}

BOOST_AUTO_TEST_CASE(asio_drop_in_leaves_nothing_wherever_it_is_cancelled) {
    BOOST_TEST(everywhere(echo_on_loopback, true).waits >= 5u);
    BOOST_TEST(everywhere(timers_and_callbacks, true).waits >= 2u);
}
