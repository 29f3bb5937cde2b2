// SPDX-License-Identifier: BSL-1.0
// What `cancelled` is, when it is raised, and what it tells.
#include "fixture.hpp"

#include <memory>
#include <type_traits>

using namespace weft_test;

// rule 14: only weft makes one, nobody derives from it, and `catch (std::exception const&)` does not see it.
static_assert(!std::is_default_constructible_v<weft::cancelled>);
static_assert(!std::is_constructible_v<weft::cancelled, std::shared_ptr<weft::cancel_info const>>);
static_assert(!std::is_constructible_v<weft::cancelled, char const*>);
static_assert(std::is_final_v<weft::cancelled>);
static_assert(!std::is_base_of_v<std::exception, weft::cancelled>);
static_assert(std::is_nothrow_copy_constructible_v<weft::cancelled>);  // an exception must be copyable

namespace {

template <class F>
bool raises_cancelled(F&& f) {
    try { f(); } catch (weft::cancelled const&) { return true; }
    return false;
}

/// Runs f, expects `cancelled` from it, and tells what it carried; rethrows it.
template <class F>
void observe(weft::cancel_info& out, F&& f) {
    try { f(); } catch (weft::cancelled const& c) { out = c.info(); BOOST_TEST(c.message() != ""); throw; }
}

std::string text_of(weft::cancel_scope& s) {
    std::string text;
    s.run([&] { try { weft::checkpoint(); } catch (weft::cancelled const& c) { text = c.message(); throw; } });
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cancelled)

// rule 4
BOOST_AUTO_TEST_CASE(every_cancellation_point_in_a_cancelled_scope_raises_again) {
    run_checked([] {
        weft::cancel_scope s;
        int raised = 0;
        s.run([&] {
            s.cancel();
            weft::event e;
            for (int i = 0; i < 10; ++i) raised += raises_cancelled([] { weft::checkpoint(); });
            raised += raises_cancelled([] { weft::check_cancelled(); });
            raised += raises_cancelled([] { weft::this_task::sleep_for(1s); });
            raised += raises_cancelled([] { weft::this_task::sleep_forever(); });
            raised += raises_cancelled([&] { e.wait(); });
            raised += raises_cancelled([] { weft::testing::wait_all_tasks_blocked(); });
            BOOST_TEST(e.waiters() == 0u);
        });
        BOOST_TEST(raised == 15);
        BOOST_TEST(!raises_cancelled([] { weft::checkpoint(); }));  // outside of it, nothing
    });
}

// rule 5
BOOST_AUTO_TEST_CASE(the_first_reason_is_kept) {
    run_checked([] {
        weft::cancel_scope s;
        s.cancel("first");
        s.cancel("second");
        weft::cancel_info seen;
        s.run([&] { s.cancel("third"); observe(seen, [] { weft::checkpoint(); }); });
        BOOST_TEST(seen.reason == "first");
        BOOST_TEST(s.reason() == "first");
    });
}

// rule 5: a deadline does not overwrite the reason of a call, nor a call that of a deadline
BOOST_AUTO_TEST_CASE(a_call_and_a_deadline_do_not_overwrite_each_other) {
    run_checked([] {
        weft::cancel_scope called;
        called.set_deadline_after(1s);
        called.run([&] { called.cancel("call"); weft::yield_shielded(); weft::this_task::sleep_for(2s); });
        BOOST_TEST(called.reason() == "call");
        weft::cancel_scope late;
        late.set_deadline_after(1s);
        late.run([&] {
            try { weft::this_task::sleep_for(2s); } catch (weft::cancelled const&) { late.cancel("late"); throw; }
        });
        BOOST_TEST((late.info()->source == weft::cancel_source::deadline));
        BOOST_TEST(late.reason() != "late");
    });
}

// rule 10
BOOST_AUTO_TEST_CASE(a_cancelled_task_still_starts_and_runs_to_its_first_checkpoint) {
    run_checked([] {
        bool started = false, passed = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.cancel();
            n.start_soon([&] { started = true; weft::checkpoint(); passed = true; });
        });
        BOOST_TEST(started);
        BOOST_TEST(!passed);
    });
}

// rule 13, rule 139
BOOST_AUTO_TEST_CASE(cancelled_carries_reason_scope_and_the_task_that_asked) {
    run_checked([] {
        weft::cancel_scope s("upload");
        weft::cancel_info seen;
        std::uint64_t killer = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("victim", [&] { s.run([&] { observe(seen, [] { weft::this_task::sleep_forever(); }); }); });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon("killer", [&] { killer = weft::this_task::id(); s.cancel("no longer wanted"); });
        });
        BOOST_TEST((seen.source == weft::cancel_source::explicit_call));
        BOOST_TEST(seen.reason == "no longer wanted");
        BOOST_TEST(seen.scope == "upload");
        BOOST_TEST(seen.source_task == killer);
        BOOST_TEST(seen.source_name == "killer");
    });
}

// rule 13, rule 139
BOOST_AUTO_TEST_CASE(cancellation_inside_a_nursery_names_the_child_that_failed) {
    run_checked([] {
        weft::cancel_info body, sibling;
        std::uint64_t bad = 0;
        auto nursery = [&] {
            weft::with_nursery({.name = "pool"}, [&](weft::nursery& n) {
                n.start_soon("sibling", [&] { observe(sibling, [] { weft::this_task::sleep_forever(); }); });
                n.start_soon("bad", [&] {
                    bad = weft::this_task::id();
                    weft::this_task::sleep_for(1s);
                    throw std::runtime_error("boom");
                });
                observe(body, [] { weft::this_task::sleep_forever(); });
            });
        };
        BOOST_CHECK_THROW(nursery(), weft::exception_group);
        for (auto const* i : {&body, &sibling}) {
            BOOST_TEST((i->source == weft::cancel_source::child_failed));
            BOOST_TEST(i->source_task == bad);
            BOOST_TEST(i->source_name == "bad");
            BOOST_TEST(i->scope.find("pool") != std::string::npos);
            BOOST_TEST(i->reason.find("\"bad\"") != std::string::npos);
        }
    });
}

// rule 13: an error in a grandchild's nursery is named in each nursery that it passes through
BOOST_AUTO_TEST_CASE(a_failing_grandchild_is_named_by_the_child_whose_nursery_it_left) {
    run_checked([] {
        weft::cancel_info outer, inner;
        auto tree = [&] {
            weft::with_nursery({.name = "outer"}, [&](weft::nursery& n) {
                n.start_soon("child", [&] {
                    weft::with_nursery({.name = "inner"}, [&](weft::nursery& m) {
                        m.start_soon("grandchild", [] { weft::checkpoint(); throw std::runtime_error("boom"); });
                        observe(inner, [] { weft::this_task::sleep_forever(); });
                    });
                });
                observe(outer, [] { weft::this_task::sleep_forever(); });
            });
        };
        BOOST_CHECK_THROW(tree(), weft::exception_group);
        BOOST_TEST(inner.source_name == "grandchild");
        BOOST_TEST(inner.scope.find("inner") != std::string::npos);
        BOOST_TEST(outer.source_name == "child");
        BOOST_TEST(outer.scope.find("outer") != std::string::npos);
    });
}

// rule 13: with two cancelled scopes around, the one that will catch it is named
BOOST_AUTO_TEST_CASE(cancelled_names_the_scope_that_will_catch_it) {
    run_checked([] {
        weft::cancel_scope outer("outer"), inner("inner");
        weft::cancel_info seen;
        outer.run([&] {
            inner.run([&] { inner.cancel("i"); outer.cancel("o"); observe(seen, [] { weft::checkpoint(); }); });
        });
        BOOST_TEST(seen.scope == "outer");
        BOOST_TEST(seen.reason == "o");

        weft::cancel_scope hidden("hidden"), shielded("shielded"), core("core");
        hidden.run([&] {
            hidden.cancel("h");
            shielded.set_shield(true);
            shielded.run([&] { core.run([&] { core.cancel("c"); observe(seen, [] { weft::checkpoint(); }); }); });
        });
        BOOST_TEST(seen.scope == "core");
    });
}

// rule 13: Cancelled_str
BOOST_AUTO_TEST_CASE(its_message_says_scope_source_and_reason) {
    run_checked([] {
        weft::cancel_scope called("fetch");
        called.cancel("user left");
        BOOST_TEST(text_of(called) == "cancelled: scope \"fetch\" by cancel() (task #1 \"main\"): user left");
        weft::cancel_scope timed("fetch");
        timed.set_deadline(weft::current_time());
        BOOST_TEST(text_of(timed) == "cancelled: scope \"fetch\" by its deadline: deadline passed");
        weft::cancel_scope unnamed;
        unnamed.cancel();
        BOOST_TEST(text_of(unnamed) == "cancelled: scope (unnamed) by cancel() (task #1 \"main\")");
    });
}

// rule 139
BOOST_AUTO_TEST_CASE(a_deadline_says_which_one_fired) {
    run_checked([] {
        weft::cancel_info seen;
        auto now = weft::current_time();
        weft::cancel_scope outer("outer"), inner("inner");
        outer.set_deadline(now + 1s);
        inner.set_deadline(now + 2s);
        outer.run([&] { inner.run([&] { observe(seen, [] { weft::this_task::sleep_forever(); }); }); });
        BOOST_TEST((seen.source == weft::cancel_source::deadline));
        BOOST_TEST((seen.deadline == now + 1s));
        BOOST_TEST(seen.scope == "outer");
        BOOST_TEST(seen.source_task == 0u);
    });
}

// rule 15
BOOST_AUTO_TEST_CASE(locals_of_a_cancelled_frame_are_destroyed_before_the_scope_returns) {
    run_checked([] {
        auto probe = std::make_shared<int>(1);
        std::weak_ptr<int> weak = probe;
        weft::cancel_scope s;
        s.run([&] {
            auto local = std::move(probe);
            s.cancel();
            weft::this_task::sleep_forever();
        });
        BOOST_TEST(weak.expired());
        weft::with_nursery([&](weft::nursery& n) {  // and what a child's callable holds, before the nursery returns
            auto held = std::make_shared<int>(2);
            weak = held;
            n.start_soon([held = std::move(held)] { weft::this_task::sleep_forever(); });
            n.cancel();
        });
        BOOST_TEST(weak.expired());
    });
}

BOOST_AUTO_TEST_SUITE_END()
