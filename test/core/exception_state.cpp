// SPDX-License-Identifier: BSL-1.0
// Each task has an exception state and an errno of its own, and destructors may wait while they unwind.
#include "fixture.hpp"

#include <cerrno>
#include <exception>
#include <random>
#include <stdexcept>

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(exception_state)

// rules 66, 146
BOOST_AUTO_TEST_CASE(rethrow_after_a_yield_in_catch_throws_this_tasks_exception) {
    constexpr int tasks = 1'000, throws = 100;
    int right = 0, wrong = 0;
    weft::run_options o;
    o.stack_size = 64 * 1024;
    o.seed = 7;
    run_checked(o, [&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int id = 0; id < tasks; ++id) {
                n.start_soon([&, id] {
                    std::mt19937 random(static_cast<unsigned>(id));
                    for (int i = 0; i < throws; ++i) {
                        int value = id * throws + i;
                        try {
                            try {
                                if (random() % 2) weft::checkpoint();
                                throw value;
                            } catch (int) {
                                if (random() % 2) weft::checkpoint();
                                throw;
                            }
                        } catch (int got) {
                            ++(got == value && std::uncaught_exceptions() == 0 ? right : wrong);
                        }
                    }
                });
            }
        });
    });
    BOOST_TEST(wrong == 0);
    BOOST_TEST(right == tasks * throws);
}

// rules 66, 146
BOOST_AUTO_TEST_CASE(uncaught_exceptions_counts_this_tasks_only) {
    run_checked([] {
        int inside = -1, beside = -1, after = -1;
        weft::event unwinding, looked;
        struct slow {
            weft::event &u, &l;
            int& inside;
            ~slow() { u.set(); l.wait(); inside = std::uncaught_exceptions(); }
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                try { slow s{unwinding, looked, inside}; throw 1; } catch (int) { after = std::uncaught_exceptions(); }
            });
            n.start_soon([&] { unwinding.wait(); beside = std::uncaught_exceptions(); looked.set(); });
        });
        BOOST_TEST(inside == 1);
        BOOST_TEST(beside == 0);
        BOOST_TEST(after == 0);
    });
}

// rules 66, 146
BOOST_AUTO_TEST_CASE(current_exception_in_a_catch_block_is_this_tasks_after_a_yield) {
    run_checked([] {
        int got[2] = {};
        bool none = false;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) {
                n.start_soon([&, i] {
                    try { throw i + 10; } catch (int) {
                        for (int k = 0; k < 5; ++k) weft::checkpoint();
                        try { std::rethrow_exception(std::current_exception()); } catch (int v) { got[i] = v; }
                    }
                });
            }
            n.start_soon([&] { weft::checkpoint(); none = std::current_exception() == nullptr; });
        });
        BOOST_TEST(got[0] == 10);
        BOOST_TEST(got[1] == 11);
        BOOST_TEST(none);
    });
}

// rules 66, 146: a task that ended inside somebody's catch leaves nothing for the next one on the same stack
BOOST_AUTO_TEST_CASE(a_new_task_starts_with_no_exception_whatever_its_starter_is_handling) {
    run_checked([] {
        int clean = 0;
        try { throw 1; } catch (int) {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 10; ++i) n.start_soon([&] { clean += !std::current_exception() && !std::uncaught_exceptions(); });
            });
            BOOST_TEST(static_cast<bool>(std::current_exception()));
        }
        BOOST_TEST(clean == 10);
    });
}

BOOST_AUTO_TEST_CASE(errno_is_each_tasks_own) {
    run_checked([] {
        int wrong = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 1; i <= 50; ++i) {
                n.start_soon([&, i] {
                    for (int k = 0; k < 20; ++k) {
                        errno = i;
                        if (k % 2) weft::checkpoint(); else weft::this_task::sleep_for(1ms);
                        wrong += errno != i;
                    }
                });
            }
        });
        BOOST_TEST(wrong == 0);
    });
}

// rule 147
BOOST_AUTO_TEST_CASE(a_destructor_that_waits_during_unwinding_completes_its_wait) {
    run_checked([] {
        struct flush {
            weft::duration& took;
            ~flush() {
                auto start = weft::current_time();
                weft::checkpoint();
                weft::this_task::sleep_for(3s);
                weft::checkpoint();
                took = weft::current_time() - start;
            }
        };
        weft::duration by_cancel{}, by_error{}, by_late_cancel{};
        weft::cancel_scope s;
        BOOST_TEST(!s.run([&] { flush f{by_cancel}; s.cancel(); weft::checkpoint(); }));
        BOOST_TEST((by_cancel == 3s));

        weft::cancel_scope t;  // cancelled before, and an error unwinds
        BOOST_CHECK_THROW(t.run([&] { flush f{by_error}; t.cancel(); throw std::runtime_error("x"); }), std::runtime_error);
        BOOST_TEST((by_error == 3s));

        weft::cancel_scope u;  // cancelled while the destructor waits
        auto late = [&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { weft::this_task::sleep_for(1s); u.cancel(); });
                u.run([&] { flush f{by_late_cancel}; throw std::runtime_error("x"); });
            });
        };
        BOOST_CHECK_THROW(late(), weft::exception_group);
        BOOST_TEST((by_late_cancel == 3s));
    });
}

// rule 147
BOOST_AUTO_TEST_CASE(a_timeout_inside_a_destructor_during_unwinding_really_times_out) {
    run_checked([] {
        struct closer {
            bool &timed_out, &in_time;
            weft::duration& took;
            ~closer() {
                auto start = weft::current_time();
                timed_out = !weft::move_on_after(2s, [] { weft::this_task::sleep_forever(); });
                in_time = weft::move_on_after(2s, [] { weft::this_task::sleep_for(1s); });
                took = weft::current_time() - start;
            }
        };
        bool timed_out = false, in_time = false;
        weft::duration took{};
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { closer c{timed_out, in_time, took}; weft::checkpoint(); }));
        BOOST_TEST(timed_out);
        BOOST_TEST(in_time);
        BOOST_TEST((took == 3s));
    });
}

// rule 147
BOOST_AUTO_TEST_CASE(a_destructor_may_open_a_nursery_during_unwinding) {
    run_checked([] {
        struct farewell {
            int& said;
            ~farewell() {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 3; ++i) n.start_soon([&] { weft::this_task::sleep_for(1s); ++said; });
                });
                weft::with_nursery([&](weft::nursery& n) {  // one that is cancelled from inside ends too
                    n.start_soon([] { weft::this_task::sleep_forever(); });
                    n.cancel();
                });
            }
        };
        int said = 0;
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { farewell f{said}; weft::checkpoint(); }));
        BOOST_TEST(said == 3);
    });
}

// rule 147: nested scopes of the destructor cancel each other, the unwinding outside reaches none of them
BOOST_AUTO_TEST_CASE(scopes_inside_a_destructor_nest_as_they_do_elsewhere) {
    run_checked([] {
        struct closer {
            bool &inner_caught, &outer_caught;
            ~closer() {
                weft::cancel_scope outer, inner;
                outer.run([&] { inner.run([&] { inner.cancel(); outer.cancel(); weft::checkpoint(); }); });
                inner_caught = inner.cancelled_caught();
                outer_caught = outer.cancelled_caught();
            }
        };
        bool inner = true, outer = false;
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { closer c{inner, outer}; weft::checkpoint(); });
        BOOST_TEST(!inner);
        BOOST_TEST(outer);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 147, at every point and wait of a frame with such a destructor
BOOST_AUTO_TEST_CASE(waiting_destructors_survive_a_cancellation_at_any_point) {
    int opened = 0, closed = 0;
    struct resource {
        int& closed;
        ~resource() {
            // On the normal path a destructor may be cancelled like any other code, and must not let it out.
            try { weft::this_task::sleep_for(1s); } catch (...) {}
            ++closed;
        }
    };
    wt::cancel_everywhere_options o;
    o.may_swallow = true;
    auto r = wt::cancel_everywhere([&] {
        ++opened;
        resource a{closed};
        weft::checkpoint();
        weft::move_on_after(1s, [] { weft::this_task::sleep_for(2s); });
        weft::checkpoint();
    }, o);
    BOOST_TEST(r.points >= 4u);
    BOOST_TEST(r.waits >= 2u);
    BOOST_TEST(opened == closed);
    BOOST_TEST(opened == static_cast<int>(r.runs));
}

BOOST_AUTO_TEST_SUITE_END()
