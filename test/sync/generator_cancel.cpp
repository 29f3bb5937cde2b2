// SPDX-License-Identifier: BSL-1.0
// Generators whose sides are cancelled or fail in every order, and their corners: no item and no error is lost or doubled.
#include "fixture.hpp"

#include <weft/sync/generator.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(generator_cancel)

// rule 100
BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::with_nursery([](weft::nursery& n) {
            auto squares = weft::make_generator<int>(n, [&](auto& out) {
                for (int v : weft::make_generator<int>(n, [](auto& inner) { for (int i = 1; i < 10; ++i) { weft::this_task::sleep_for(1ms); inner.send(i); } })) out.send(v * v);
            });
            int sum = 0;
            for (int v : squares) { sum += v; if (v > 9) break; }
            BOOST_TEST(sum == 30);
        });
    });
    BOOST_TEST(r.points >= 20u);
    BOOST_TEST(r.waits >= 12u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_of_an_error_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        try {
            weft::with_nursery([](weft::nursery& n) {
                for (int v : weft::make_generator<int>(n, [](auto& out) { out.send(1); throw std::runtime_error("producer"); })) BOOST_TEST(v == 1);
                BOOST_ERROR("no error");
            });
        } catch (weft::exception_group const& g) {
            int times = 0;
            g.handle<std::runtime_error>([&](auto&) { if (++times > 1) throw std::logic_error("twice"); });  // rethrows the rest
        }
    });
    BOOST_TEST(r.points >= 4u);
}

// rules 43, 100: the consumer is cancelled at any moment around the producer's error
BOOST_AUTO_TEST_CASE(in_every_schedule_the_producers_error_comes_to_light_once) {
    int at_consumer = 0, at_nursery = 0;
    auto r = weft::testing::explore([&] {
        int seen = 0;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                weft::cancel_scope s;
                n.start_soon([&, after = weft::testing::choose(4)] { for (std::size_t i = 0; i < after; ++i) weft::yield_shielded(); s.cancel(); });
                s.run([&] {
                    try {
                        for (int v : weft::make_generator<int>(n, [&](auto& out) {
                            out.send(1);
                            weft::yield_shielded();
                            throw std::runtime_error("producer");
                        })) static_cast<void>(v);
                    } catch (std::runtime_error const&) { ++seen; ++at_consumer; }
                });
                weft::yield_shielded();  // if the nursery gets the error it is cancelled
            });
        } catch (weft::exception_group const& g) {
            seen += static_cast<int>(g.leaf_count());
            ++at_nursery;
        }
        // Not at all only where the producer was stopped before it threw.
        if (seen > 1) throw std::logic_error("seen " + std::to_string(seen) + " times");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(at_consumer > 0);
    BOOST_TEST(at_nursery > 0);
}

// The producer fails while no step is under way: the error waits for the next step, or for the generator's end.
BOOST_AUTO_TEST_CASE(an_error_after_a_step_that_timed_out_comes_with_the_next_step_or_through_the_nursery) {
    for (bool asks_again : {true, false}) {
        bool got = false;
        auto all = [&] {
            weft::with_nursery([&](weft::nursery& n) {
                auto g = weft::make_generator<int>(n, [](auto&) { weft::this_task::sleep_for(1s); throw std::runtime_error("late"); });
                BOOST_TEST(!weft::move_on_after(100ms, [&] { g.begin(); }));
                weft::this_task::sleep_for(10s);
                BOOST_TEST(!n.scope().cancel_called());
                if (asks_again) try { g.begin(); } catch (std::runtime_error const&) { got = true; }
            });
        };
        run_checked([&] {
            if (asks_again) all();
            else BOOST_CHECK_EXCEPTION(all(), weft::exception_group, [](auto& e) { return e.template contains<std::runtime_error>() && e.leaf_count() == 1; });
        });
        BOOST_TEST(got == asks_again);
    }
}

BOOST_AUTO_TEST_CASE(an_error_that_waits_for_a_step_leaves_through_the_nursery_when_that_is_cancelled) {
    run_checked([] {
        weft::generator<int> g;
        auto all = [&] {
            weft::with_nursery([&](weft::nursery& n) {
                g = weft::make_generator<int>(n, [](auto&) { weft::this_task::sleep_for(1s); throw std::runtime_error("late"); });
                BOOST_TEST(!weft::move_on_after(100ms, [&] { g.begin(); }));
                weft::this_task::sleep_for(10s);
                n.cancel();
            });
        };
        BOOST_CHECK_EXCEPTION(all(), weft::exception_group, [](auto& e) { return e.template contains<std::runtime_error>(); });
        BOOST_CHECK_THROW(g.begin(), weft::task_cancelled_error);
    });
}

// The items are not all, so it must not look like an end.
BOOST_AUTO_TEST_CASE(a_producer_that_others_cancelled_is_an_error_in_a_loop_that_was_not) {
    run_checked([] {
        for (bool before_the_first_step : {true, false}) {
            std::vector<int> got;
            weft::with_nursery([&](weft::nursery& consumers) {
                weft::generator<int> g;
                weft::with_nursery([&](weft::nursery& producers) {
                    g = weft::make_generator<int>(producers, [&](auto& out) { for (int i = 0;; ++i) { weft::this_task::sleep_for(1s); out.send(i); } });
                    if (before_the_first_step) weft::testing::wait_all_tasks_blocked();
                    else {
                        consumers.start_soon([&] { BOOST_CHECK_EXCEPTION(for (int v : g) got.push_back(v), weft::task_cancelled_error, [](auto& e) { return std::string(e.what()).find("help:") != std::string::npos; }); });
                        weft::this_task::sleep_for(2500ms);
                    }
                    producers.cancel();
                });
                if (before_the_first_step) BOOST_CHECK_THROW(g.begin(), weft::task_cancelled_error);
                weft::testing::wait_all_tasks_blocked();
                for (int v : g) BOOST_ERROR(v);
            });
            BOOST_TEST(got.size() == (before_the_first_step ? 0u : 2u));
        }
    });
}

BOOST_AUTO_TEST_CASE(where_the_nursery_of_both_is_cancelled_only_its_reason_leaves) {
    run_checked([] {
        int cleaned = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); n.cancel("enough"); });
            struct count { int& n; ~count() { weft::this_task::sleep_for(1s); ++n; } } outer{cleaned};
            for (int v : weft::make_generator<int>(n, [&](auto& out) {
                count inner{cleaned};
                for (int i = 0;; ++i) { weft::this_task::sleep_for(300ms); out.send(i); }
            })) BOOST_TEST(v < 4);
        });
        BOOST_TEST(cleaned == 2);
    });
}

// --- several tasks ---

BOOST_AUTO_TEST_CASE(children_of_the_producer_send_through_one_sink_one_item_a_step) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            std::vector<int> got(30);
            int sent = 0, steps = 0;
            for (int v : weft::make_generator<int>(n, [&](auto& out) {
                weft::with_nursery([&](weft::nursery& own) {
                    for (int k = 0; k < 3; ++k) own.start_soon([&, k] { for (int i = 0; i < 10; ++i) { ++sent; out.send(10 * k + i); } });
                    own.start_soon([&] { BOOST_TEST(!weft::move_on_after(0s, [&] { out.send(-1); })); });
                });
            })) {
                ++got.at(static_cast<std::size_t>(v));
                ++steps;
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(sent <= steps + 2);  // those three that are at it
            }
            for (int g : got) BOOST_TEST(g == 1);
        });
    });
}

// One child takes its item back, or leaves when its item was taken: the turns of the others stay what they are.
BOOST_AUTO_TEST_CASE(a_child_that_is_cancelled_in_a_send_does_not_upset_the_lock_step) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            weft::cancel_scope child;
            std::string order;
            for (int v : weft::make_generator<int>(n, [&](auto& out) {
                weft::with_nursery([&](weft::nursery& own) {
                    own.start_soon([&] { child.run([&] { out.send(1); order += 's'; out.send(9); }); });
                    weft::this_task::sleep_for(1s);
                    for (int i = 2; i < 5; ++i) { order += 'p'; out.send(i); }
                });
            })) {
                order += static_cast<char>('0' + v);
                if (v == 1) child.cancel();
                weft::testing::wait_all_tasks_blocked();
                order += ',';
            }
            BOOST_TEST(order == "1s,p2,p3,p4,");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_second_task_in_the_loop_is_a_named_error) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto g = weft::make_generator<int>(n, [](auto& out) { weft::this_task::sleep_for(1s); out.send(1); });
            weft::with_nursery([&](weft::nursery& own) {
                own.start_soon([&] { for (int v : g) BOOST_TEST(v == 1); });
                weft::testing::wait_all_tasks_blocked();
                BOOST_CHECK_THROW(g.begin(), weft::busy_resource_error);
            });
            for (int v : g) BOOST_ERROR(v);  // it may come later
        });
    });
}

BOOST_AUTO_TEST_CASE(a_generator_may_go_while_another_task_is_in_a_step) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto g = std::make_unique<weft::generator<int>>(weft::make_generator<int>(n, [](auto& out) { weft::this_task::sleep_for(1s); out.send(1); }));
            n.start_soon([&] { BOOST_CHECK_THROW(g->begin(), weft::closed_resource_error); });
            weft::testing::wait_all_tasks_blocked();
            auto moved = std::move(g);
            moved.reset();
        });
    });
}

// A callback cannot wait: the producer ends in its own time, and its nursery waits for it.
BOOST_AUTO_TEST_CASE(destroyed_by_a_callback_it_cancels_the_producer_without_waiting) {
    run_checked([] {
        int order = 0;
        weft::with_nursery([&](weft::nursery& n) {
            auto g = std::make_shared<weft::generator<int>>(weft::make_generator<int>(n, [&](auto& out) {
                struct last { int& o; ~last() { weft::this_task::sleep_for(1s); BOOST_TEST(++o == 2); } } l{order};
                out.send(1);
                weft::checkpoint();
            }));
            BOOST_TEST(*g->begin() == 1);
            weft::current_token().post([g = std::move(g), &order]() mutable { g.reset(); BOOST_TEST(++order == 1); });
            g.reset();
        });
        BOOST_TEST(order == 2);
    });
}

BOOST_AUTO_TEST_CASE(one_that_outlives_its_nurserys_block_is_a_deadlock_that_names_it) {
    weft::generator<int> g;
    try {
        run_checked([&] {
            weft::with_nursery([&](weft::nursery& n) {
                g = weft::make_generator<int>(n, "lines", [](auto& out) { out.send(1); });
                g.begin();
            });
        });
        BOOST_ERROR("no error");
    } catch (weft::deadlock_error const& e) {
        std::string text = e.what();
        BOOST_TEST(text.find("generator's next step") != text.npos);
        BOOST_TEST(text.find("\"lines\"") != text.npos);
    }
}

BOOST_AUTO_TEST_CASE(in_a_nursery_that_was_closed_there_is_no_generator) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            n.close();
            BOOST_CHECK_THROW(weft::make_generator<int>(n, [](auto& out) { out.send(1); }), weft::nursery_closed_error);
        });
    });
}

// --- items whose move or copy throws ---

BOOST_AUTO_TEST_CASE(a_copy_that_throws_leaves_send_and_the_step_goes_on) {
    run_checked([] {
        struct awkward {
            int value{};
            bool throws{};
            awkward(int v, bool t) : value(v), throws(t) {}
            awkward(awkward const& o) : value(o.value), throws(o.throws) { if (throws) throw std::runtime_error("copy"); }
            awkward& operator=(awkward const&) = default;
        };
        weft::with_nursery([](weft::nursery& n) {
            for (auto& v : weft::make_generator<awkward>(n, [](auto& out) {
                awkward bad(1, true), good(2, false);
                BOOST_CHECK_THROW(out.send(bad), std::runtime_error);
                BOOST_CHECK_THROW(out.send(std::move(bad)), std::runtime_error);
                out.send(good);
            })) BOOST_TEST(v.value == 2);
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
