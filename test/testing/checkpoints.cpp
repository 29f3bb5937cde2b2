// SPDX-License-Identifier: BSL-1.0
// assert_checkpoints and assert_no_checkpoints: what they count. What is a checkpoint is in test/core/checkpoint.cpp.
#include "fixture.hpp"

using namespace weft_test;
namespace wt = weft::testing;

namespace {
/// The text of the assertion_error that f throws, "" if it throws none.
template <class F>
std::string complaint(F&& f) {
    try { f(); } catch (wt::assertion_error const& e) { return e.what(); }
    return "";
}
}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoints)

// rules 1, 2
BOOST_AUTO_TEST_CASE(a_complaint_says_which_half_of_the_checkpoint_was_missing_or_too_much) {
    run_checked([] {
        BOOST_TEST(complaint([] { wt::assert_checkpoints([] {}); }) == "assert_checkpoints: the block was no cancellation point");
        BOOST_TEST(complaint([] { wt::assert_checkpoints([] { weft::yield_shielded(); }); }) == "assert_checkpoints: the block was no cancellation point");
        BOOST_TEST(complaint([] { wt::assert_checkpoints([] { weft::check_cancelled(); }); }) == "assert_checkpoints: the block never let other tasks run");
        BOOST_TEST(complaint([] { wt::assert_no_checkpoints([] { weft::checkpoint(); }); }) == "assert_no_checkpoints: the block was a cancellation point");
        BOOST_TEST(complaint([] { wt::assert_no_checkpoints([] { weft::yield_shielded(); }) ; }) == "assert_no_checkpoints: the block let other tasks run");
    });
}

// rule 1: the points of other tasks are theirs
BOOST_AUTO_TEST_CASE(points_that_other_tasks_pass_meanwhile_do_not_count) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            n.start_soon([] { for (int i = 0; i < 5; ++i) weft::checkpoint(); });
            BOOST_TEST(complaint([] { wt::assert_checkpoints([] { weft::yield_shielded(); }); }).find("no cancellation point") != std::string::npos);
        });
    });
}

BOOST_AUTO_TEST_CASE(assertions_nest_and_each_sees_its_own_block) {
    run_checked([] {
        BOOST_CHECK_NO_THROW(wt::assert_checkpoints([] {
            wt::assert_no_checkpoints([] {});
            wt::assert_checkpoints([] { weft::checkpoint(); });
            wt::assert_no_checkpoints([] {});
        }));
        BOOST_TEST(complaint([] { wt::assert_no_checkpoints([] { wt::assert_checkpoints([] { weft::checkpoint(); }); }); }) != "");
    });
}

BOOST_AUTO_TEST_CASE(an_error_of_the_block_goes_on_as_itself) {
    run_checked([] {
        BOOST_CHECK_THROW(wt::assert_checkpoints([] { throw std::runtime_error("mine"); }), std::runtime_error);
        BOOST_CHECK_THROW(wt::assert_no_checkpoints([] { throw std::runtime_error("mine"); }), std::runtime_error);
        weft::cancel_scope s;
        s.cancel();
        s.run([] { wt::assert_no_checkpoints([] { weft::checkpoint(); }); });
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_they_are_refused) {
    BOOST_CHECK_THROW(wt::assert_checkpoints([] {}), weft::not_running_error);
}

// They share the seam with cancel_everywhere, which must still see every point.
BOOST_AUTO_TEST_CASE(cancel_everywhere_sees_the_points_inside_of_an_assertion) {
    auto plain = wt::cancel_everywhere([] { weft::checkpoint(); weft::this_task::sleep_for(1s); });
    auto asserted = wt::cancel_everywhere([] { wt::assert_checkpoints([] { weft::checkpoint(); weft::this_task::sleep_for(1s); }); });
    BOOST_TEST(asserted.points == plain.points);
    BOOST_TEST(asserted.waits == plain.waits);
}

BOOST_AUTO_TEST_SUITE_END()
