// SPDX-License-Identifier: BSL-1.0
// Which scope catches what, and how scopes nest. Who may enter one is in scope_entry.cpp, shields are in shield.cpp.
#include "fixture.hpp"

using namespace weft_test;
namespace wt = weft::testing;

namespace {

/// Throws what the nursery's children throw: one runtime_error, and with `with_cancelled` a `cancelled` of the scope too.
[[noreturn]] void throw_group(bool with_cancelled) {
    std::vector<std::exception_ptr> errors{std::make_exception_ptr(std::runtime_error("kept"))};
    if (with_cancelled) {
        try { weft::checkpoint(); } catch (weft::cancelled const&) { errors.push_back(std::current_exception()); }
        BOOST_TEST(errors.size() == 2u);
    }
    throw weft::exception_group("mixed", errors);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cancel_scope)

BOOST_AUTO_TEST_CASE(run_returns_whether_or_what_the_body_returned) {
    run_checked([] {
        weft::cancel_scope a, b, c, d;
        BOOST_TEST(a.run([] {}));
        BOOST_TEST(b.run([] { return 42; }).value() == 42);
        c.cancel();
        BOOST_TEST(!c.run([] { weft::checkpoint(); }));
        d.cancel();
        BOOST_TEST(!d.run([] { weft::checkpoint(); return 42; }).has_value());
    });
}

// rule 7
BOOST_AUTO_TEST_CASE(a_cancelled_scope_left_without_a_cancellation_point_has_caught_nothing) {
    run_checked([] {
        weft::cancel_scope s;
        BOOST_TEST(s.run([&] { s.cancel(); }));
        BOOST_TEST(s.cancel_called());
        BOOST_TEST(!s.cancelled_caught());
        BOOST_CHECK_NO_THROW(weft::checkpoint());  // and nothing is delivered later
    });
}

// rule 5
BOOST_AUTO_TEST_CASE(cancelling_twice_is_the_same_as_once) {
    run_checked([] {
        weft::cancel_scope s;
        int raised = 0;
        s.run([&] {
            s.cancel();
            s.cancel();
            try { weft::checkpoint(); } catch (weft::cancelled const&) { ++raised; s.cancel(); throw; }
        });
        BOOST_TEST(raised == 1);
        BOOST_CHECK_NO_THROW(weft::checkpoint());
        BOOST_CHECK_NO_THROW(s.cancel());  // also after the end
        BOOST_CHECK_NO_THROW(weft::checkpoint());
    });
}

// rule 6: also when it is an outer scope, from several scopes further in
BOOST_AUTO_TEST_CASE(cancelling_an_outer_scope_from_inside_raises_at_the_next_checkpoint_only) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        int steps = 0;
        outer.run([&] {
            inner.run([&] { outer.cancel(); ++steps; });
            ++steps;
            weft::checkpoint();
            ++steps;
        });
        BOOST_TEST(steps == 2);
        BOOST_TEST(outer.cancelled_caught());
        BOOST_TEST(!inner.cancelled_caught());
    });
}

// rule 16
BOOST_AUTO_TEST_CASE(the_outermost_cancelled_scope_catches) {
    run_checked([] {
        weft::cancel_scope s1, s2, s3;
        bool after3 = false, after2 = false;
        s1.run([&] {
            s2.run([&] {
                s3.run([&] { s3.cancel(); s2.cancel(); weft::checkpoint(); });
                after3 = true;
            });
            after2 = true;
        });
        BOOST_TEST(!after3);
        BOOST_TEST(after2);
        BOOST_TEST(!s1.cancelled_caught());
        BOOST_TEST(s2.cancelled_caught());
        BOOST_TEST(!s3.cancelled_caught());
    });
}

// rule 16: "outermost" is counted from here, up to the nearest shield
BOOST_AUTO_TEST_CASE(a_cancelled_scope_behind_a_shield_does_not_take_the_inner_ones) {
    run_checked([] {
        weft::cancel_scope outer, shield, inner;
        bool after_inner = false;
        outer.run([&] {
            outer.cancel();
            shield.set_shield(true);
            shield.run([&] {
                inner.run([&] { inner.cancel(); weft::checkpoint(); });
                after_inner = true;
            });
        });
        BOOST_TEST(after_inner);
        BOOST_TEST(inner.cancelled_caught());
        BOOST_TEST(!outer.cancelled_caught());
    });
}

// rule 17
BOOST_AUTO_TEST_CASE(who_catches_is_decided_when_it_arrives_not_when_it_was_raised) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        outer.run([&] {
            inner.run([&] {
                struct late { weft::cancel_scope& s; ~late() { s.cancel("while it travels"); } } l{outer};
                inner.cancel();
                weft::checkpoint();
            });
            BOOST_ERROR("inner must let it through: an outer scope became cancelled meanwhile");
        });
        BOOST_TEST(!inner.cancelled_caught());
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 17 (trio#1175)
BOOST_AUTO_TEST_CASE(a_shield_raised_while_cancelled_travels_does_not_make_the_inner_scope_swallow) {
    run_checked([] {
        weft::cancel_scope outer, inner;
        outer.run([&] {
            inner.run([&] {
                struct raise_shield { weft::cancel_scope& s; ~raise_shield() { s.set_shield(true); } } r{inner};
                outer.cancel();
                weft::checkpoint();
            });
            BOOST_ERROR("not reached");
        });
        BOOST_TEST(!inner.cancelled_caught());
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 18
BOOST_AUTO_TEST_CASE(a_scope_that_is_not_cancelled_swallows_nothing) {
    run_checked([] {
        weft::cancel_scope outer, shielded, plain;
        bool passed = false;
        std::exception_ptr stray;
        outer.run([&] {
            outer.cancel();
            try { weft::checkpoint(); } catch (weft::cancelled const&) { stray = std::current_exception(); throw; }
        });
        // The same object thrown where nothing is cancelled: no scope may take it for its own.
        auto throw_stray = [&] { plain.run([&] { std::rethrow_exception(stray); }); };
        try { throw_stray(); } catch (weft::cancelled const&) { passed = true; }
        BOOST_TEST(passed);
        BOOST_TEST(!plain.cancelled_caught());
    });
}

// rule 19
BOOST_AUTO_TEST_CASE(a_scope_takes_its_cancelled_out_of_a_group_and_lets_the_rest_go) {
    run_checked([] {
        weft::cancel_scope s;
        std::size_t leaves = 0;
        bool contains_cancelled = true;
        try {
            s.run([&] { s.cancel(); throw_group(true); });
        } catch (weft::exception_group const& g) {
            leaves = g.leaf_count();
            contains_cancelled = g.contains<weft::cancelled>();
            BOOST_TEST(g.contains<std::runtime_error>());
        }
        BOOST_TEST(leaves == 1u);
        BOOST_TEST(!contains_cancelled);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 19: at any depth; and an empty rest is a normal exit
BOOST_AUTO_TEST_CASE(a_nested_group_of_nothing_but_its_cancelled_is_a_normal_exit) {
    run_checked([] {
        weft::cancel_scope s;
        bool done = s.run([&] {
            s.cancel();
            std::exception_ptr c;
            try { weft::checkpoint(); } catch (weft::cancelled const&) { c = std::current_exception(); }
            auto inner = std::make_exception_ptr(weft::exception_group("inner", {c, c}));
            throw weft::exception_group("outer", {inner, c});
        });
        BOOST_TEST(!done);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 19: what comes out of a nursery inside
BOOST_AUTO_TEST_CASE(an_error_beside_cancelled_children_leaves_the_scope_alone) {
    run_checked([] {
        weft::cancel_scope s;
        auto work = [&] {
            s.run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 3; ++i) n.start_soon([] { weft::this_task::sleep_forever(); });
                    n.start_soon([&] {
                        try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw std::logic_error("cleanup"); }
                    });
                    weft::checkpoint();
                    s.cancel();
                });
            });
        };
        try { work(); BOOST_ERROR("no error"); } catch (weft::exception_group const& g) {
            BOOST_TEST(g.leaf_count() == 1u);
            BOOST_TEST(g.contains<std::logic_error>());
        }
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 20
BOOST_AUTO_TEST_CASE(another_exception_passes_through_a_cancelled_scope) {
    run_checked([] {
        weft::cancel_scope a, b;
        BOOST_CHECK_THROW(a.run([&] { a.cancel(); throw std::runtime_error("x"); }), std::runtime_error);
        BOOST_TEST(a.cancel_called());
        BOOST_TEST(!a.cancelled_caught());
        BOOST_CHECK_THROW(b.run([&] { b.cancel(); throw_group(false); }), weft::exception_group);
        BOOST_TEST(!b.cancelled_caught());
    });
}

// rules 4, 7, 16, 18 at every point of a piece of code with scopes in scopes: nothing is left, nothing leaks out
BOOST_AUTO_TEST_CASE(nested_scopes_survive_a_cancellation_at_any_point) {
    auto r = wt::cancel_everywhere([] {
        weft::cancel_scope outer, inner;
        outer.set_deadline_after(10s);
        outer.run([&] {
            inner.set_shield(true);
            inner.run([] { weft::this_task::sleep_for(1s); });
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_for(2s); });
                n.start_soon([&] { weft::this_task::sleep_for(3s); inner.cancel(); });
                weft::move_on_after(1s, [] { weft::this_task::sleep_forever(); });
            });
            weft::this_task::sleep_for(1h);
        });
    });
    BOOST_TEST(r.points >= 5u);
    BOOST_TEST(r.waits > 3u);
}

BOOST_AUTO_TEST_SUITE_END()
