// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/sync/generator.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

using namespace weft_test;

static_assert(std::ranges::input_range<weft::generator<int>>);
static_assert(std::movable<weft::generator<std::unique_ptr<int>>> && !std::copyable<weft::generator<int>>);

namespace {

struct clean_up {
    std::function<void()> f;
    ~clean_up() { f(); }
};

auto counting(weft::nursery& n, int until) {
    return weft::make_generator<int>(n, [until](auto& out) { for (int i = 0; i < until; ++i) out.send(i); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(generator)

// rule 94
BOOST_AUTO_TEST_CASE(the_range_has_what_the_producer_sends_and_ends_with_it) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            std::vector<int> got;
            for (int& v : counting(n, 4)) got.push_back(v);
            BOOST_TEST(got == (std::vector{0, 1, 2, 3}), boost::test_tools::per_element());
            for (int v : counting(n, 0)) BOOST_ERROR(v);
            auto g = counting(n, 10);
            BOOST_TEST(*std::ranges::find(g, 4) == 4);
            BOOST_TEST(std::ranges::count_if(g, [](int v) { return v % 2 == 1; }) == 3);  // of those that were left: 5, 7 and 9
        });
    });
}

BOOST_AUTO_TEST_CASE(producer_and_consumer_take_turns_and_the_producer_starts_with_the_first_step) {
    run_checked([] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            auto g = weft::make_generator<int>(n, [&](auto& out) {
                for (int i = 0; i < 3; ++i) { order += 'p'; weft::checkpoint(); out.send(i); }
                order += 'e';
            });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(order == "");
            for (int v : g) {
                order += 'c';
                weft::testing::wait_all_tasks_blocked();  // whatever the consumer does, the producer waits
                order += static_cast<char>('0' + v);
            }
            BOOST_TEST(order == "pc0pc1pc2e");
            for (int v : g) BOOST_ERROR(v);  // the end stays the end
        });
    });
}

// rule 92: the lock-step survives every order of the two
BOOST_AUTO_TEST_CASE(in_every_schedule_they_take_turns) {
    auto r = weft::testing::explore([] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            for (int v : weft::make_generator<int>(n, [&](auto& out) { for (int i = 0; i < 2; ++i) { order += 'p'; out.send(i); } })) {
                order += static_cast<char>('0' + v);
                weft::checkpoint();
            }
        });
        if (order != "p0p1") throw std::logic_error(order);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 4u);
}

BOOST_AUTO_TEST_CASE(a_loop_that_was_left_goes_on_where_it_was_while_the_generator_lives) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto g = counting(n, 5);
            for (int v : g) if (v == 1) break;
            auto moved = std::move(g);
            std::vector<int> rest;
            for (int v : moved) rest.push_back(v);
            BOOST_TEST(rest == (std::vector{2, 3, 4}), boost::test_tools::per_element());
            BOOST_CHECK_THROW(g.begin(), weft::misuse_error);
            BOOST_CHECK_THROW(weft::generator<int>().begin(), weft::misuse_error);
        });
    });
}

BOOST_AUTO_TEST_CASE(items_may_be_move_only_and_are_the_consumers_own) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            std::vector<std::unique_ptr<std::string>> kept;
            auto g = weft::make_generator<std::unique_ptr<std::string>>(n, [function_too = std::make_unique<int>(3)](auto& out) {
                for (int i = 0; i < *function_too; ++i) {
                    auto item = std::make_unique<std::string>(1, 'a' + i);
                    out.send(std::move(item));
                    BOOST_TEST(!item);
                }
            });
            for (auto& p : g) kept.push_back(std::move(p));
            BOOST_TEST(*kept.at(0) + *kept.at(1) + *kept.at(2) == "abc");
            std::string const lasting = "copied";
            for (std::string& s : weft::make_generator<std::string>(n, [&](auto& out) { out.send(lasting); })) s += "!";
            BOOST_TEST(lasting == "copied");
        });
    });
}

// rule 2 and 1
BOOST_AUTO_TEST_CASE(each_step_is_a_checkpoint_and_the_rest_is_not) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            weft::generator<int> g;
            weft::testing::assert_no_checkpoints([&] { g = counting(n, 2); });
            auto it = [&] { weft::testing::assert_checkpoints([&] { g.begin(); }); return g.begin(); }();
            BOOST_TEST(*it == 1);
            weft::testing::assert_checkpoints([&] { ++it; });
            BOOST_TEST((it == g.end()));
            weft::testing::assert_no_checkpoints([&] { g = {}; });  // its producer has ended
        });
    });
}

// --- errors ---

// rules 100, 128
BOOST_AUTO_TEST_CASE(the_producers_error_comes_after_its_items_as_itself_and_once) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            std::vector<int> got;
            auto g = weft::make_generator<int>(n, [](auto& out) { out.send(1); out.send(2); throw std::out_of_range("three"); });
            auto read = [&] { for (int v : g) got.push_back(v); };
            BOOST_CHECK_EXCEPTION(read(), std::out_of_range, [](auto& e) { return e.what() == std::string("three"); });
            BOOST_TEST(got == (std::vector{1, 2}), boost::test_tools::per_element());
            read();
            BOOST_TEST(got.size() == 2u);
            auto grouped = weft::make_generator<int>(n, [](auto& out) {
                weft::with_nursery([&](weft::nursery& own) { own.start_soon([&] { out.send(1); throw std::out_of_range("child"); }); });
            });
            BOOST_CHECK_THROW(for (int v : grouped) BOOST_TEST(v == 1), weft::exception_group);
            BOOST_TEST(!n.scope().cancel_called());  // the errors were the consumer's
            weft::checkpoint();
        });
    });
}

BOOST_AUTO_TEST_CASE(the_consumers_error_ends_the_producer_before_it_leaves_the_loops_block) {
    run_checked([] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            try {
                auto g = weft::make_generator<int>(n, [&](auto& out) {
                    clean_up c{[&] { weft::this_task::sleep_for(1s); order += "cleaned,"; }};
                    for (int i = 0;; ++i) out.send(i);
                });
                for (int v : g) if (v == 2) throw std::runtime_error("consumer");
            } catch (std::runtime_error const&) {
                order += "caught";
            }
        });
        BOOST_TEST(order == "cleaned,caught");
    });
}

// rules 43, 100: an error that the consumer did not wait for is its task's, and so the nursery's
BOOST_AUTO_TEST_CASE(an_error_in_the_clean_up_of_an_abandoned_producer_leaves_through_its_nursery) {
    run_checked([] {
        bool after_loop = false;
        try {
            weft::with_nursery([&](weft::nursery& n) {
                for (int v : weft::make_generator<int>(n, [](auto& out) {
                    try { for (;;) out.send(1); }
                    catch (weft::cancelled const&) { throw std::runtime_error("clean-up"); }
                })) if (v == 1) break;
                after_loop = true;
            });
            BOOST_ERROR("no error");
        } catch (weft::exception_group const& g) {
            BOOST_TEST(g.leaf_count() == 1u);
            BOOST_TEST(g.contains<std::runtime_error>());
        }
        BOOST_TEST(after_loop);
    });
}

// --- leaving early ---

// rule 100
BOOST_AUTO_TEST_CASE(leaving_the_loop_cancels_the_producer_and_waits_for_it_and_its_function) {
    run_checked([] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            auto captured = std::make_shared<int>(0);
            std::weak_ptr<int> alive = captured;
            for (int v : weft::make_generator<int>(n, [&, captured = std::move(captured)](auto& out) {
                auto self = weft::this_task::id();
                clean_up c{[&, self] { weft::this_task::sleep_for(1s); order += weft::this_task::id() == self ? "own," : "other,"; }};
                for (int i = 0;; ++i) { out.send(i); order += std::to_string(i) + ","; }
            })) if (v == 1) break;
            order += alive.expired() ? "left" : "alive";
        });
        // Its send(1) had happened, so it went on from there to its next cancellation point.
        BOOST_TEST(order == "0,1,own,left");
    });
}

BOOST_AUTO_TEST_CASE(at_the_end_of_the_range_the_producers_function_is_gone_however_long_that_takes) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            for (bool fails : {false, true}) {
                bool gone = false;
                std::shared_ptr<clean_up> captured(new clean_up{[&] { weft::this_task::sleep_for(1s); gone = true; }});
                auto g = weft::make_generator<int>(n, [captured = std::move(captured), fails](auto& out) { out.send(1); if (fails) throw std::runtime_error("end"); });
                try { for (int v : g) BOOST_TEST(v == 1); } catch (std::runtime_error const&) {}
                BOOST_TEST(gone);
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(a_generator_nobody_asked_never_runs_its_producer) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto captured = std::make_shared<int>(0);
            { auto g = weft::make_generator<int>(n, [captured](auto& out) { BOOST_ERROR("ran"); out.send(1); }); }
            BOOST_TEST(captured.use_count() == 1);
            auto g = weft::make_generator<int>(n, [captured](auto& out) { BOOST_ERROR("ran"); out.send(1); });
            weft::testing::wait_all_tasks_blocked();
            g = counting(n, 3);
            BOOST_TEST(captured.use_count() == 1);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_producer_that_sends_in_its_shielded_clean_up_meets_a_broken_channel) {
    run_checked([] {
        int broken = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int v : weft::make_generator<int>(n, [&](auto& out) {
                clean_up c{[&] { ++broken; }};
                weft::cancel_scope shield;
                shield.set_shield(true);
                shield.run([&] { try { for (;;) out.send(7); } catch (weft::broken_resource_error const&) { ++broken; } });
            })) if (v == 7) break;
            BOOST_TEST(broken == 2);
        });
    });
}

// rule 147
BOOST_AUTO_TEST_CASE(a_cancelled_consumer_ends_the_producer_on_its_way_out) {
    run_checked([] {
        for (bool while_waiting : {true, false}) {
            std::string order;
            weft::with_nursery([&](weft::nursery& n) {
                weft::cancel_scope s;
                s.set_deadline_after(1s);
                bool done = s.run([&] {
                    for (int v : weft::make_generator<int>(n, [&](auto& out) {
                        clean_up c{[&] { weft::this_task::sleep_for(1s); order += "cleaned,"; }};
                        for (int i = 0;; ++i) { if (while_waiting && i == 1) weft::this_task::sleep_forever(); out.send(i); }
                    })) if (!while_waiting && v == 1) weft::this_task::sleep_forever();
                });
                order += done ? "done" : "cancelled";
                BOOST_TEST(!n.scope().cancel_called());
            });
            BOOST_TEST(order == "cleaned,cancelled");
        }
    });
}

// rules 11, 93: a step that was cancelled costs no item, and the generator can still be used
BOOST_AUTO_TEST_CASE(a_step_that_timed_out_loses_no_item) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            int produced = 0;
            auto g = weft::make_generator<int>(n, [&](auto& out) { for (int i = 0; i < 4; ++i) { weft::this_task::sleep_for(1s); ++produced; out.send(i); } });
            std::vector<int> got;
            int timeouts = 0;
            for (bool more = true; more;) {
                if (!weft::move_on_after(300ms, [&] { for (int v : g) got.push_back(v); more = false; })) ++timeouts;
                if (timeouts == 2) weft::this_task::sleep_for(10s);  // the item waits for the next step, and the producer with it
                BOOST_TEST(produced <= static_cast<int>(got.size()) + 1);
            }
            BOOST_TEST(got == (std::vector{0, 1, 2, 3}), boost::test_tools::per_element());
            BOOST_TEST(timeouts >= 8);
            produced = 0;
            g = weft::make_generator<int>(n, [&](auto& out) { for (int i = 0; i < 3; ++i) { weft::this_task::sleep_for(1s); ++produced; out.send(i); } });
            BOOST_TEST(!weft::move_on_after(1ms, [&] { g.begin(); }));  // asked once
            for (int v : g) { weft::this_task::sleep_for(5s); BOOST_TEST(produced == v + 1); }
            weft::cancel_scope s;
            s.cancel();
            auto unasked = weft::make_generator<int>(n, [](auto& out) { BOOST_ERROR("ran"); out.send(1); });
            BOOST_TEST(!s.run([&] { unasked.begin(); }));
            weft::testing::wait_all_tasks_blocked();
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
