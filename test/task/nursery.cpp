// SPDX-License-Identifier: BSL-1.0
// What a nursery promises of its children: that they have ended, where their errors go, when it takes new ones.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {

struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
struct plain { int value; };  // no std::exception

/// The group that leaves f; a failed check and an empty optional if nothing or something else does.
template <class F>
std::optional<weft::exception_group> group_of(F&& f) {
    try { f(); } catch (weft::exception_group const& g) { return g; }
    BOOST_ERROR("no exception_group was thrown");
    return std::nullopt;
}

std::vector<std::string> texts(weft::exception_group const& g) {
    std::vector<std::string> out;
    g.for_each_leaf([&](std::exception_ptr const& e) {
        try { std::rethrow_exception(e); } catch (std::exception const& x) { out.push_back(x.what()); } catch (...) { out.push_back("?"); }
    });
    return out;
}

/// Called when the last copy of a callable, or a frame, is gone.
struct at_end {
    std::function<void()> f;
    ~at_end() { f(); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nursery)

// rule 41
BOOST_AUTO_TEST_CASE(the_block_ends_after_its_children) {
    run_checked([] {
        auto start = weft::current_time();
        int ended = 0;
        int result = weft::with_nursery([&](weft::nursery& n) {
            for (int i = 1; i <= 5; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(std::chrono::seconds(i)); ++ended; });
            return 42;
        });
        BOOST_TEST(result == 42);
        BOOST_TEST(ended == 5);
        BOOST_TEST((weft::current_time() - start == 5s));
    });
}

// rule 41: also on an error, and when the cleanup takes its time
BOOST_AUTO_TEST_CASE(the_block_waits_for_the_cleanup_of_its_children_when_the_body_fails) {
    run_checked([] {
        auto start = weft::current_time();
        int cleaned = 0;
        auto g = group_of([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    at_end slow{[&] {
                        weft::cancel_scope s;
                        s.set_shield(true);
                        s.run([] { weft::this_task::sleep_for(3s); });
                        ++cleaned;
                    }};
                    weft::this_task::sleep_forever();
                });
                wt::wait_all_tasks_blocked();
                throw oops("body");
            });
        });
        BOOST_TEST(cleaned == 1);
        BOOST_TEST((weft::current_time() - start == 3s));
        BOOST_TEST((g && texts(*g) == std::vector<std::string>{"body"}));
    });
}

// rule 41: also when an outer scope is cancelled
BOOST_AUTO_TEST_CASE(the_block_waits_for_its_children_when_it_is_cancelled_from_outside) {
    run_checked([] {
        auto start = weft::current_time();
        int cleaned = 0;
        bool done = weft::move_on_after(1s, [&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    weft::cancel_scope s;
                    s.set_shield(true);
                    s.run([] { weft::this_task::sleep_for(5s); });
                    ++cleaned;
                });
            });
        });
        BOOST_TEST(cleaned == 1);
        BOOST_TEST(done);  // the child ended by itself, so there was nothing to catch
        BOOST_TEST((weft::current_time() - start == 5s));
    });
}

// rule 42
BOOST_AUTO_TEST_CASE(a_failing_child_wakes_a_parent_that_waits_in_the_exit) {
    run_checked([] {
        auto start = weft::current_time();
        int cancelled = 0;
        auto g = group_of([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const& c) {
                        BOOST_TEST((c.source() == weft::cancel_source::child_failed));
                        ++cancelled;
                        throw;
                    }
                });
                n.start_soon("bad", [] { weft::this_task::sleep_for(1s); throw oops("child"); });
            });
        });
        BOOST_TEST(cancelled == 1);
        BOOST_TEST((weft::current_time() - start == 1s));
        BOOST_TEST((g && texts(*g) == std::vector<std::string>{"child"}));
    });
}

// rule 42
BOOST_AUTO_TEST_CASE(a_failing_child_wakes_a_parent_that_is_blocked_in_the_body) {
    run_checked([] {
        bool woken = false;
        auto g = group_of([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([] { throw oops("child"); });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { woken = true; throw; }
            });
        });
        BOOST_TEST(woken);
        BOOST_TEST((g && texts(*g) == std::vector<std::string>{"child"}));  // the body's `cancelled` is no error
    });
}

// rule 43
BOOST_AUTO_TEST_CASE(the_errors_of_body_children_and_cleanup_leave_in_one_group) {
    run_checked([] {
        auto g = group_of([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([] { throw oops("first"); });
                n.start_soon([] {
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("in cleanup"); }
                });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("body"); }
            });
        });
        BOOST_REQUIRE(g);
        BOOST_TEST(g->exceptions().size() == 3u);
        auto t = texts(*g);
        std::sort(t.begin(), t.end());
        BOOST_TEST((t == std::vector<std::string>{"body", "first", "in cleanup"}));
    });
}

// rule 44
BOOST_AUTO_TEST_CASE(a_single_error_is_wrapped_once_for_each_nursery) {
    run_checked([] {
        auto g = group_of([] {
            weft::with_nursery([](weft::nursery& outer) {
                outer.start_soon([] {
                    weft::with_nursery([](weft::nursery& inner) { inner.start_soon([] { throw oops("deep"); }); });
                });
                outer.start_soon([] { weft::this_task::sleep_forever(); });
            });
        });
        BOOST_REQUIRE(g);
        BOOST_REQUIRE(g->exceptions().size() == 1u);  // the sleeper's `cancelled` was taken out, the shape stayed
        auto inner = group_of([&] { std::rethrow_exception(g->exceptions()[0]); });
        BOOST_REQUIRE(inner);
        BOOST_REQUIRE(inner->exceptions().size() == 1u);
        BOOST_CHECK_THROW(std::rethrow_exception(inner->exceptions()[0]), oops);
    });
}

// rule 45
BOOST_AUTO_TEST_CASE(the_nurserys_own_cancellation_is_absorbed_by_it) {
    run_checked([] {
        weft::cancel_scope outer;
        bool after = false;
        BOOST_TEST(outer.run([&] {
            weft::with_nursery([](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_forever(); });
                n.cancel("enough");
                weft::this_task::sleep_forever();
            });
            after = true;
        }));
        BOOST_TEST(after);
        BOOST_TEST(!outer.cancelled_caught());
    });
}

// rule 45
BOOST_AUTO_TEST_CASE(a_nursery_says_that_it_caught_its_own_cancellation) {
    run_checked([] {
        bool caught = false;
        weft::with_nursery([&](weft::nursery& outer) {
            weft::with_nursery([&](weft::nursery& n) {
                outer.start_soon([&n] { n.cancel("from a sibling"); });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const& c) { caught = c.reason() == "from a sibling"; throw; }
            });
        });
        BOOST_TEST(caught);
    });
}

// rule 45
BOOST_AUTO_TEST_CASE(what_the_nursery_cancelled_travels_on_if_an_outer_scope_is_cancelled_before_its_end) {
    run_checked([] {
        weft::cancel_scope outer;
        bool after = false;
        outer.run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    try { weft::this_task::sleep_forever(); } catch (weft::cancelled const& c) {
                        BOOST_TEST(c.reason() == "inner");  // the nursery's own
                        outer.cancel("outer");
                        throw;
                    }
                });
                wt::wait_all_tasks_blocked();
                n.cancel("inner");
            });
            after = true;
        });
        BOOST_TEST(!after);
        BOOST_TEST(outer.cancelled_caught());
    });
}

// rule 45: errors keep the group, the outer scope takes the cancellations out of it
BOOST_AUTO_TEST_CASE(an_outer_scope_takes_its_cancellations_out_of_the_group_and_leaves_the_errors) {
    run_checked([] {
        weft::cancel_scope outer;
        std::size_t leaves_inside = 0;
        auto g = group_of([&] {
            outer.run([&] {
                try {
                    weft::with_nursery([&](weft::nursery& n) {
                        n.start_soon([] { weft::this_task::sleep_forever(); });
                        n.start_soon([] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw oops("cleanup"); } });
                        wt::wait_all_tasks_blocked();
                        outer.cancel();
                    });
                } catch (weft::exception_group const& inside) {
                    leaves_inside = inside.leaf_count();
                    BOOST_TEST(inside.contains<weft::cancelled>());
                    throw;
                }
            });
        });
        BOOST_TEST(leaves_inside == 2u);
        BOOST_REQUIRE(g);
        BOOST_TEST(g->leaf_count() == 1u);
        BOOST_TEST(g->contains<oops>());
    });
}

// rule 46
BOOST_AUTO_TEST_CASE(an_ended_nursery_takes_no_children_but_one_that_waits_for_its_children_does) {
    run_checked([] {
        std::vector<std::string> order;
        bool refused = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                wt::wait_all_tasks_blocked();  // the body is over
                BOOST_TEST(n.is_open());
                n.start_soon([&] { order.push_back("late child"); });
                order.push_back("child");
            });
            n.start_service([&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { order.push_back("service"); throw; } });
            order.push_back("body");
        });
        BOOST_TEST((order == std::vector<std::string>{"body", "child", "late child", "service"}));
        // Closed by hand: the same refusal while the nursery still lives.
        weft::with_nursery([&](weft::nursery& n) {
            n.close();
            BOOST_TEST(!n.is_open());
            try { n.start_soon("too late", [] {}); } catch (weft::nursery_closed_error const& e) {
                refused = std::string(e.what()).find("too late") != std::string::npos;
            }
            BOOST_CHECK_THROW(n.spawn([] {}), weft::nursery_closed_error);
            BOOST_CHECK_THROW(n.start_service([] {}), weft::nursery_closed_error);
        });
        BOOST_TEST(refused);
    });
}

// rule 46: the failed start leaves nothing of the callable behind
BOOST_AUTO_TEST_CASE(a_refused_child_leaves_no_copy_of_its_callable) {
    run_checked([] {
        auto token = std::make_shared<int>(1);
        weft::with_nursery([&](weft::nursery& n) {
            n.close();
            BOOST_CHECK_THROW(n.start_soon([token] {}), weft::nursery_closed_error);
            BOOST_TEST(token.use_count() == 1);
            BOOST_TEST(n.child_count() == 0u);
        });
    });
}

// rule 46: strong guarantee
BOOST_AUTO_TEST_CASE(a_callable_whose_copy_throws_starts_no_child) {
    struct copy_throws {
        copy_throws() = default;
        copy_throws(copy_throws const&) { throw oops("copy"); }
        void operator()() const {}
    };
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            copy_throws f;
            BOOST_CHECK_THROW(n.start_soon(f), oops);
            BOOST_CHECK_THROW(n.spawn(f), oops);
            BOOST_CHECK_THROW(n.start_service(f), oops);
            BOOST_TEST(n.child_count() == 0u);
        });
    });
}

// rule 47
BOOST_AUTO_TEST_CASE(a_child_of_a_cancelled_nursery_runs_up_to_its_first_checkpoint) {
    run_checked([] {
        bool began = false, went_on = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.cancel();
            n.start_soon([&] { began = true; weft::checkpoint(); went_on = true; });
        });
        BOOST_TEST(began);
        BOOST_TEST(!went_on);
    });
}

// rule 48
BOOST_AUTO_TEST_CASE(a_child_starts_with_a_copy_of_its_starters_task_locals) {
    weft::task_local<std::string> who{"nobody"};
    run_checked([&] {
        std::string seen_at_first, seen_by_other;
        weft::with_nursery([&](weft::nursery& n) {
            who = "parent";
            n.start_soon([&] {
                seen_at_first = who.get();
                who = "child";
                weft::this_task::sleep_for(2s);
                BOOST_TEST(who.get() == "child");
            });
            who = "parent, later";  // not seen by the child, which has its copy already
            weft::this_task::sleep_for(1s);
            BOOST_TEST(who.get() == "parent, later");
            // The starter counts, not the nursery's task.
            n.start_soon([&] { who = "starter"; n.start_soon([&] { seen_by_other = who.get(); }); });
        });
        BOOST_TEST(seen_at_first == "parent");
        BOOST_TEST(seen_by_other == "starter");
    });
}

// rule 55
BOOST_AUTO_TEST_CASE(the_exit_of_an_empty_nursery_is_a_schedule_point_but_no_cancellation_point) {
    run_checked([] {
        weft::cancel_scope s;
        bool after = false, ran_before_the_end = false;
        weft::with_nursery([&](weft::nursery& outer) {
            outer.start_soon([] { weft::this_task::sleep_for(1s); });
            BOOST_TEST(s.run([&] {
                s.cancel();
                auto steps = weft::lowlevel::current_statistics().switches;
                weft::with_nursery([](weft::nursery&) {});
                ran_before_the_end = weft::lowlevel::current_statistics().switches > steps;  // who went first is left open
                after = true;
            }));
        });
        BOOST_TEST(after);
        BOOST_TEST(ran_before_the_end);
        BOOST_TEST(!s.cancelled_caught());
    });
}

// rule 55: also with children that have ended without a cancellation
BOOST_AUTO_TEST_CASE(the_exit_of_a_nursery_in_a_cancelled_scope_waits_for_children_and_raises_nothing_itself) {
    run_checked([] {
        weft::cancel_scope s;
        int ended = 0;
        bool after = false;
        s.run([&] {
            s.cancel();
            weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { weft::yield_shielded(); ++ended; }); });
            after = true;
        });
        BOOST_TEST(ended == 1);
        BOOST_TEST(after);
    });
}

// rule 56
BOOST_AUTO_TEST_CASE(child_count_counts_the_ordinary_children_at_each_moment) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(n.child_count() == 0u);
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            BOOST_TEST(n.child_count() == 1u);
            n.start_soon([] { weft::this_task::sleep_for(2s); });
            n.start_service([] { weft::this_task::sleep_forever(); });
            BOOST_TEST(n.child_count() == 2u);
            weft::this_task::sleep_for(1500ms);
            BOOST_TEST(n.child_count() == 1u);
            weft::this_task::sleep_for(1s);
            BOOST_TEST(n.child_count() == 0u);
        });
    });
}

// rule 56
BOOST_AUTO_TEST_CASE(each_task_knows_its_nursery_and_the_nurseries_it_has_open) {
    run_checked([] {
        auto self = [] { return weft::lowlevel::current_task().record(); };
        auto* main = self();
        BOOST_TEST(main->open_nurseries_ == nullptr);
        weft::with_nursery([&](weft::nursery& a) {
            BOOST_TEST(main->open_nurseries_ == &a.record());
            BOOST_TEST(a.record().parent == main);
            weft::with_nursery([&](weft::nursery& b) {
                BOOST_TEST(main->open_nurseries_ == &b.record());
                BOOST_TEST(b.record().next_open == &a.record());
                b.start_soon([&] { BOOST_TEST(self()->nursery_ == &b.record()); });
            });
            BOOST_TEST(main->open_nurseries_ == &a.record());
            a.start_soon([&] { BOOST_TEST(self()->nursery_ == &a.record()); BOOST_TEST(a.record().children == self()); });
        });
        BOOST_TEST(main->open_nurseries_ == nullptr);
    });
}

// rule 57
BOOST_AUTO_TEST_CASE(an_error_of_any_type_crosses_the_nursery_unchanged) {
    run_checked([] {
        auto g = group_of([] {
            weft::with_nursery([](weft::nursery& n) {
                n.start_soon([] { throw 42; });
                n.start_soon([] { throw plain{7}; });
                n.start_soon([] { throw "text"; });
            });
        });
        BOOST_REQUIRE(g);
        int found = 0;
        for (auto& e : g->exceptions()) {
            try { std::rethrow_exception(e); }
            catch (int i) { found += i == 42; }
            catch (plain const& p) { found += p.value == 7; }
            catch (char const* s) { found += std::string(s) == "text"; }
        }
        BOOST_TEST(found == 3);
    });
}

// rule 57: the very object, not a copy
BOOST_AUTO_TEST_CASE(the_error_that_leaves_is_the_object_that_was_thrown) {
    run_checked([] {
        auto thrown = std::make_exception_ptr(oops("same"));
        auto g = group_of([&] { weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { std::rethrow_exception(thrown); }); }); });
        BOOST_TEST((g && g->exceptions()[0] == thrown));
    });
}

// rule 58, as far as it exists here: misuse gets an error with a remedy
BOOST_AUTO_TEST_CASE(a_nursery_outside_of_a_run_is_refused) {
    BOOST_CHECK_THROW(weft::with_nursery([](weft::nursery&) {}), weft::not_running_error);
}

BOOST_AUTO_TEST_CASE(a_body_that_was_to_return_a_value_and_was_cancelled_by_its_own_nursery_throws) {
    run_checked([] {
        auto f = [] {
            return weft::with_nursery([](weft::nursery& n) -> int { n.cancel("no value"); weft::checkpoint(); return 1; });
        };
        try { f(); BOOST_ERROR("nothing was thrown"); } catch (weft::task_cancelled_error const& e) {
            BOOST_TEST(std::string(e.what()).find("no value") != std::string::npos);
        }
    });
}

BOOST_AUTO_TEST_CASE(a_nursery_and_a_sleep_may_be_cancelled_at_every_point) {
    int started = 0, ended = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 1; i <= 2; ++i) {
                n.start_soon([&, i] {
                    at_end e{[&] { ++ended; }};
                    ++started;
                    weft::this_task::sleep_for(std::chrono::seconds(i));
                });
            }
            weft::this_task::sleep_for(1s);
            weft::this_task::sleep_until(weft::current_time() + 1s);
            weft::checkpoint();
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits > 0u);
    BOOST_TEST(r.runs == 1 + r.points + r.waits);
    BOOST_TEST(started > 0);
    BOOST_TEST(started == ended);
}

// --- max_children ---

namespace {
weft::nursery_options at_most(std::size_t k) { weft::nursery_options o; o.max_children = k; return o; }
}

BOOST_AUTO_TEST_CASE(a_full_nursery_makes_the_starter_wait_until_a_child_ends) {
    run_checked([] {
        auto start = weft::current_time();
        std::size_t most = 0;
        weft::with_nursery(at_most(2), [&](weft::nursery& n) {
            for (int i = 0; i < 6; ++i) {
                n.start_soon([] { weft::this_task::sleep_for(1s); });
                most = std::max(most, n.child_count());
            }
            BOOST_TEST((weft::current_time() - start == 2s));
        });
        BOOST_TEST(most == 2u);
        BOOST_TEST((weft::current_time() - start == 3s));
    });
}

BOOST_AUTO_TEST_CASE(room_is_given_in_the_order_of_asking) {
    run_checked([] {
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& askers) {
            weft::with_nursery(at_most(1), [&](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_for(1s); });
                for (int i = 0; i < 5; ++i) {
                    askers.start_soon([&, i] { n.start_soon([&, i] { order.push_back(i); weft::this_task::sleep_for(1s); }); });
                    wt::wait_all_tasks_blocked();
                }
                BOOST_TEST(order.empty());
                weft::this_task::sleep_for(1h);
            });
        });
        BOOST_TEST((order == std::vector<int>{0, 1, 2, 3, 4}));
    });
}

BOOST_AUTO_TEST_CASE(services_take_no_room_but_spawned_children_do) {
    run_checked([] {
        auto start = weft::current_time();
        weft::with_nursery(at_most(1), [&](weft::nursery& n) {
            n.start_service([] { weft::this_task::sleep_forever(); });
            auto h = n.spawn([] { weft::this_task::sleep_for(1s); return 1; });
            BOOST_TEST((weft::current_time() == start));
            auto h2 = n.spawn([] { return 2; });
            BOOST_TEST((weft::current_time() - start == 1s));
            BOOST_TEST(h.get() + h2.get() == 3);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_starter_that_is_cancelled_while_it_waits_starts_nothing_and_gives_up_its_place) {
    run_checked([] {
        std::vector<std::string> ran;
        weft::cancel_scope impatient;
        weft::with_nursery([&](weft::nursery& askers) {
            weft::with_nursery(at_most(1), [&](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_for(5s); });
                askers.start_soon([&] { impatient.run([&] { n.start_soon([&] { ran.push_back("first"); }); }); });
                wt::wait_all_tasks_blocked();
                askers.start_soon([&] { n.start_soon([&] { ran.push_back("second"); }); });
                wt::wait_all_tasks_blocked();
                impatient.cancel();
                weft::this_task::sleep_for(1h);
            });
        });
        BOOST_TEST(impatient.cancelled_caught());
        BOOST_TEST((ran == std::vector<std::string>{"second"}));
    });
}

BOOST_AUTO_TEST_CASE(a_nursery_closed_while_starters_wait_refuses_all_of_them) {
    run_checked([] {
        int refused = 0, ran = 0;
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& askers) {
            weft::with_nursery(at_most(1), [&](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_for(5s); });
                for (int i = 0; i < 3; ++i) {
                    askers.start_soon([&] { try { n.start_soon([&] { ++ran; }); } catch (weft::nursery_closed_error const&) { ++refused; } });
                }
                wt::wait_all_tasks_blocked();
                n.close();
                wt::wait_all_tasks_blocked();
                BOOST_TEST((weft::current_time() == start));
                BOOST_TEST(refused == 3);
            });
        });
        BOOST_TEST(ran == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_starter_whose_callable_cannot_be_copied_passes_the_room_on) {
    struct copy_throws {
        copy_throws() = default;
        copy_throws(copy_throws const&) { throw oops("copy"); }
        void operator()() const {}
    };
    run_checked([] {
        int threw = 0, ran = 0;
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& askers) {
            weft::with_nursery(at_most(1), [&](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_for(1s); });
                askers.start_soon([&] { copy_throws f; try { n.start_soon(f); } catch (oops const&) { ++threw; } });
                wt::wait_all_tasks_blocked();
                askers.start_soon([&] { n.start_soon([&] { ran += weft::current_time() - start == 1s; }); });
                wt::wait_all_tasks_blocked();
                weft::this_task::sleep_for(1h);
            });
        });
        BOOST_TEST(threw == 1);
        BOOST_TEST(ran == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_callback_cannot_wait_for_room) {
    run_checked([] {
        int refused = 0, ran = 0;
        weft::with_nursery(at_most(1), [&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            auto attempt = [&] { try { n.start_soon([&] { ++ran; }); } catch (weft::would_block const&) { ++refused; } };
            boost::asio::post(weft::get_executor(), attempt);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(refused == 1);
            weft::this_task::sleep_for(2s);
            boost::asio::post(weft::get_executor(), attempt);  // with room it can
            wt::wait_all_tasks_blocked();
        });
        BOOST_TEST(refused == 1);
        BOOST_TEST(ran == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_wait_for_room_may_be_cancelled_at_every_point) {
    int started = 0, ended = 0;
    auto r = wt::cancel_everywhere([&] {
        weft::with_nursery(at_most(1), [&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&] { at_end e{[&] { ++ended; }}; ++started; weft::this_task::sleep_for(1s); });
            }
        });
    });
    BOOST_TEST(r.points > 0u);
    BOOST_TEST(r.waits >= 2u);
    BOOST_TEST(started == ended);
}

BOOST_AUTO_TEST_SUITE_END()
