// SPDX-License-Identifier: BSL-1.0
// cancel_everywhere: planted defects that only show when a certain point is cancelled. More in drivers.cpp.
#include "fixture.hpp"
#include "stderr_of.hpp"

#include "core/kernel.hpp"

#include <weft/asio.hpp>

#include <boost/asio/post.hpp>

#include <unistd.h>

using namespace weft_test;
using weft::testing::assertion_error;
using weft::testing::cancel_everywhere;
using weft::testing::cancel_everywhere_options;

namespace {

/// The text of the assertion_error that cancel_everywhere(f) throws, "" if none, followed by what it writes to stderr.
template <class F>
std::string complaint(F&& f) {
    std::string text;
    std::string written = stderr_of([&] {
        try { cancel_everywhere(f); } catch (assertion_error const& e) { text = std::string(e.what()) + "\n"; }
    });
    return text + written;
}

bool contains(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(cancel_everywhere_)

BOOST_AUTO_TEST_CASE(sound_code_passes_and_nothing_is_printed) {
    BOOST_TEST(complaint([] {
        weft::event e;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); e.set(); });
            weft::move_on_after(2s, [&] { e.wait(); });
        });
    }) == "");
}

BOOST_AUTO_TEST_CASE(a_descriptor_leaked_at_one_point_of_many_is_named_with_that_point) {
    std::string text = complaint([] {
        weft::checkpoint();
        weft::checkpoint();
        int fd = ::dup(STDERR_FILENO);
        weft::checkpoint();  // the third
        ::close(fd);
        weft::checkpoint();
    });
    BOOST_TEST(contains(text, "descriptors: "), text);
    BOOST_TEST(contains(text, "failed when cancelled before point 3 of 4"), text);
}

BOOST_AUTO_TEST_CASE(a_leak_that_needs_a_cancelled_wait_is_named_with_that_wait) {
    std::string text = complaint([] {
        weft::this_task::sleep_for(1s);
        auto me = weft::lowlevel::current_task();
        auto io = weft::get_executor();
        boost::asio::post(io, [=] { boost::asio::post(io, [=] { boost::asio::post(io, [=] { weft::lowlevel::unpark(me); }); }); });  // after the cancellation
        static constexpr weft::lowlevel::wait_reason reason{"test"};
        weft::lowlevel::park([] { static_cast<void>(!::dup(STDERR_FILENO)); return weft::lowlevel::abort::succeeded; }, reason);
    });
    BOOST_TEST(contains(text, "descriptors: "), text);
    BOOST_TEST(contains(text, "failed when cancelled in wait 2 of 2"), text);
}

// A task that escaped from its tree: only detail can do that.
BOOST_AUTO_TEST_CASE(a_leaked_task_is_found) {
    std::string text = complaint([] {
        auto stop = std::make_shared<weft::cancel_scope>();
        auto& stray = weft::detail::make_child(weft::detail::this_kernel->root(), "stray", {}, [stop] {
            try { stop->run([] { weft::this_task::sleep_forever(); }); } catch (weft::cancelled const&) {}
        });
        weft::detail::start_child(stray);
        weft::checkpoint();
        stop->cancel();
        weft::yield_shielded();
        weft::yield_shielded();
    });
    BOOST_TEST(contains(text, "something is left behind: tasks: 1 before, 2 after"), text);
    BOOST_TEST(contains(text, "failed when cancelled before point 1 of "), text);
}

// rule 145: it would have been raised again, but nothing came after it
BOOST_AUTO_TEST_CASE(a_swallowed_cancellation_is_found) {
    std::string text = complaint([] {
        weft::checkpoint();
        try { weft::checkpoint(); } catch (...) {}
    });
    BOOST_TEST(contains(text, "task #1 \"main\" swallowed its cancellation"), text);
    BOOST_TEST(contains(text, "failed when cancelled before point 2 of 2"), text);
}

BOOST_AUTO_TEST_CASE(a_cancellation_swallowed_by_a_child_is_found) {
    std::string text = complaint([] {
        weft::with_nursery([](weft::nursery& n) {
            n.start_soon("deaf", [] { try { weft::this_task::sleep_for(1s); } catch (...) {} });
        });
    });
    BOOST_TEST(contains(text, "\"deaf\" swallowed its cancellation"), text);
}

BOOST_AUTO_TEST_CASE(scenarios_that_may_swallow_can_say_so) {
    cancel_everywhere_options o;
    o.may_swallow = true;
    BOOST_CHECK_NO_THROW(cancel_everywhere([] { try { weft::checkpoint(); } catch (...) {} }, o));
}

// rule 145: level-triggered, so it ends as it should
BOOST_AUTO_TEST_CASE(a_swallowed_cancellation_that_is_raised_again_is_none) {
    BOOST_TEST(complaint([] {
        try { weft::checkpoint(); } catch (...) {}
        weft::check_cancelled();
    }) == "");
}

BOOST_AUTO_TEST_CASE(scopes_handles_and_destructors_that_deal_with_a_cancellation_swallow_nothing) {
    BOOST_TEST(complaint([] {
        struct closer { ~closer() { weft::move_on_after(1s, [] { weft::this_task::sleep_forever(); }); } };
        weft::move_on_after(1s, [] { closer c; weft::this_task::sleep_for(1h); });
        weft::with_nursery([](weft::nursery& n) {
            auto h = n.spawn([] { weft::this_task::sleep_for(1h); });
            weft::this_task::sleep_for(1s);
            h.cancel();
        });
        weft::cancel_scope shielded;
        shielded.set_shield(true);
        shielded.run([] { weft::this_task::sleep_for(1s); });
    }) == "");
}

BOOST_AUTO_TEST_CASE(a_sample_makes_fewer_runs_and_too_many_points_are_refused) {
    auto long_one = [] { for (int i = 0; i < 100; ++i) weft::checkpoint(); };
    cancel_everywhere_options o;
    o.sample = 10;
    auto r = cancel_everywhere(long_one, o);
    BOOST_TEST(r.points == 100u);
    BOOST_TEST(r.runs == 11u);
    o.sample = 0;
    o.max_points = 50;
    BOOST_CHECK_EXCEPTION(cancel_everywhere(long_one, o), assertion_error, [](auto const& e) { return contains(e.what(), "100 points, above max_points"); });
}

BOOST_AUTO_TEST_CASE(a_scenario_that_fails_undisturbed_is_said_to) {
    std::string text = complaint([] { throw assertion_error("mine"); });
    BOOST_TEST(text == "mine\ncancel_everywhere: failed undisturbed\n");
}

BOOST_AUTO_TEST_SUITE_END()
