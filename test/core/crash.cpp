// SPDX-License-Identifier: BSL-1.0
// What runs beside main and fails: children of the run's root nursery, callbacks, posts.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/threads/run_token.hpp>

#include "core/kernel.hpp"

#include <boost/asio/post.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace weft_test;
namespace detail = weft::detail;
namespace wt = weft::testing;

namespace {

/// Starts a child of the root nursery, as the calls of other threads do.
template <class F>
void start_in_root(char const* name, F f) { detail::start_child(detail::make_child(detail::this_kernel->root(), name, {}, std::move(f))); }

struct crash : std::runtime_error { crash() : std::runtime_error("crash") {} };

/// The ways to fail beside main, with the source and the reason that main's cancellation carries.
struct way { char const* name; std::function<void()> start; weft::cancel_source source; char const* reason; };
std::vector<way> ways() {
    return {
        {"root child", [] { start_in_root("helper", [] { throw crash(); }); }, weft::cancel_source::child_failed, "\"helper\" failed"},
        {"root child that had waited", [] { start_in_root("helper", [] { weft::this_task::sleep_for(1s); throw crash(); }); }, weft::cancel_source::child_failed, "\"helper\" failed"},
        {"nursery of a root child", [] {
            start_in_root("helper", [] { weft::with_nursery([](weft::nursery& n) { n.start_soon([] { throw crash(); }); }); });
        }, weft::cancel_source::child_failed, "\"helper\" failed"},
        {"callback", [] { boost::asio::post(weft::get_executor(), [] { throw crash(); }); }, weft::cancel_source::run_ended, "a callback failed"},
        {"post", [] { weft::current_token().post([] { throw crash(); }); }, weft::cancel_source::run_ended, "a callback failed"},
    };
}

/// As run_checked, but children of the root may be alive when main ends.
template <class F>
auto run_outliving(F&& f, std::uint64_t seed = 1) {
    wt::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    o.seed = seed;
    wt::ledger outside;
    struct balance { wt::ledger& l; ~balance() { BOOST_TEST(l.difference() == ""); } } at_end{outside};
    return weft::run(o, f);
}

/// The group that leaves the run, if one does.
template <class F>
std::optional<weft::exception_group> group_of(F&& f, std::uint64_t seed = 1) {
    try { run_outliving(f, seed); } catch (weft::exception_group const& g) { return g; }
    return std::nullopt;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crash_beside_main)

// rules 64, 65
BOOST_AUTO_TEST_CASE(it_ends_the_run_with_the_error_in_a_group_and_main_and_its_children_are_cancelled) {
    for (auto& w : ways()) {
        int cancelled = 0;
        std::string reason;
        std::optional<weft::cancel_source> source;
        auto g = group_of([&] {
            w.start();
            weft::with_nursery([&](weft::nursery& n) {
                auto wait = [&] {
                    try { weft::this_task::sleep_forever(); }
                    catch (weft::cancelled const& c) { ++cancelled; reason = c.reason(); source = c.source(); throw; }
                };
                n.start_soon(wait);
                wait();
            });
        });
        BOOST_TEST_CONTEXT(w.name) {
            BOOST_REQUIRE(g);
            BOOST_TEST(g->leaf_count() == 1u);
            BOOST_TEST(g->contains<crash>());
            BOOST_TEST(cancelled == 2);
            BOOST_TEST(reason.find(w.reason) != std::string::npos, reason);
            BOOST_TEST((source == w.source));
        }
    }
}

// rules 64, 65: level-triggered, as any cancellation
BOOST_AUTO_TEST_CASE(main_cleans_up_and_cannot_swallow_it) {
    for (auto& w : ways()) {
        int swallowed = 0;
        bool cleaned = false;
        auto g = group_of([&] {
            w.start();
            for (int i = 0; i < 3; ++i) { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { ++swallowed; } }
            weft::cancel_scope shield;
            shield.set_shield(true);
            shield.run([&] { weft::this_task::sleep_for(1s); cleaned = true; });
        });
        BOOST_TEST_CONTEXT(w.name) {
            BOOST_REQUIRE(g);  // although main returned: an error is never lost
            BOOST_TEST(g->contains<crash>());
            BOOST_TEST(swallowed == 3);
            BOOST_TEST(cleaned);
        }
    }
}

// rules 43, 64
BOOST_AUTO_TEST_CASE(an_error_of_main_s_own_is_in_the_group_too) {
    for (auto& w : ways()) {
        auto g = group_of([&] {
            w.start();
            try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw std::domain_error("main's own"); }
        });
        BOOST_TEST_CONTEXT(w.name) {
            BOOST_REQUIRE(g);
            BOOST_TEST(g->leaf_count() == 2u);
            BOOST_TEST(g->contains<crash>());
            BOOST_TEST(g->contains<std::domain_error>());
        }
    }
}

// rule 64
BOOST_AUTO_TEST_CASE(all_that_fail_are_in_one_group) {
    auto all = ways();
    auto g = group_of([&] {
        for (auto& w : all) w.start();
        weft::cancel_scope shield;  // until all have had their turn
        shield.set_shield(true);
        shield.run([] { weft::this_task::sleep_for(1s); });
    });
    BOOST_REQUIRE(g);
    BOOST_TEST(g->leaf_count() == all.size() - 1);  // the one that waits is cancelled
    BOOST_TEST(g->contains<crash>());
}

// rule 62
BOOST_AUTO_TEST_CASE(children_of_the_root_are_cancelled_when_main_returns_and_its_result_waits_for_them) {
    std::string reason;
    bool ended = false;
    int result = run_outliving([&] {
        start_in_root("helper", [&] {
            try { weft::this_task::sleep_forever(); } catch (weft::cancelled const& c) {
                reason = c.reason();
                weft::cancel_scope shield;
                shield.set_shield(true);
                shield.run([&] { weft::this_task::sleep_for(1s); ended = true; });
                throw;
            }
        });
        weft::yield_shielded();
        weft::yield_shielded();
        return 42;
    });
    BOOST_TEST(result == 42);
    BOOST_TEST(reason == "the main task ended");
    BOOST_TEST(ended);
}

// rule 62
BOOST_AUTO_TEST_CASE(mains_error_leaves_the_run_bare_when_the_children_of_the_root_end_in_peace) {
    BOOST_CHECK_THROW(run_outliving([] {
        start_in_root("helper", [] { weft::this_task::sleep_forever(); });
        weft::checkpoint();
        throw std::domain_error("main's own");
    }), std::domain_error);
}

// rules 62, 64
BOOST_AUTO_TEST_CASE(a_child_of_the_root_that_fails_while_it_is_cancelled_after_main_is_reported) {
    auto g = group_of([] {
        start_in_root("helper", [] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw crash(); } });
        weft::checkpoint();
    });
    BOOST_REQUIRE(g);
    BOOST_TEST(g->leaf_count() == 1u);
    BOOST_TEST(g->contains<crash>());
}

// rules 10, 62, 64: in either order of the two
BOOST_AUTO_TEST_CASE(a_child_of_the_root_that_main_did_not_wait_for_still_starts_and_its_error_is_reported) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        auto g = group_of([] { start_in_root("helper", [] { throw crash(); }); }, seed);
        BOOST_TEST((g && g->leaf_count() == 1 && g->contains<crash>()), "seed " << seed);
    }
}

BOOST_AUTO_TEST_SUITE_END()
