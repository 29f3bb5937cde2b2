// SPDX-License-Identifier: BSL-1.0
// Futures as alternatives of a select.
#include "fixture.hpp"

#include <thread>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(select_futures)

// rules 143, 144
BOOST_AUTO_TEST_CASE(a_ready_future_is_taken_and_one_that_is_not_stays) {
    run_checked([] {
        weft::promise<std::unique_ptr<int>> p, q;
        auto f = p.get_future(), g = q.get_future();
        p.set_value(std::make_unique<int>(3));
        BOOST_TEST(weft::select(f.on_ready([](std::unique_ptr<int> v) { return *v; }), g.on_ready([](std::unique_ptr<int>) { return 0; })) == 3);
        BOOST_TEST(!f.valid());
        BOOST_TEST(g.valid());
        BOOST_TEST(weft::select(g.on_ready([](std::unique_ptr<int>) { return 1; }), weft::on_timeout(1ms, [] { return 2; })) == 2);
        q.set_value(std::make_unique<int>(4));
        BOOST_TEST(*g.get() == 4);
        BOOST_CHECK_THROW(f.on_ready([](std::unique_ptr<int>) {}), std::future_error);
    });
}

BOOST_AUTO_TEST_CASE(a_waiting_select_is_woken_by_the_one_that_comes_first) {
    run_checked([] {
        weft::promise<int> p;
        weft::promise<void> q;
        auto f = p.get_future();
        auto g = q.get_future().share();
        auto [tx, rx] = weft::make_channel<int>(0);
        weft::with_nursery([&, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1ms); q.set_value(); weft::this_task::sleep_for(1ms); p.set_value(5); });
            std::string order;
            for (int i = 0; i < 2; ++i) {
                if (i == 0) weft::select(g.on_ready([&] { order += "g"; }), f.on_ready([&](int) { order += "f"; }), rx.on_receive([&](int) { order += "r"; }));
                else weft::select(f.on_ready([&](int v) { order += "f" + std::to_string(v); }), rx.on_receive([&](int) { order += "r"; }));
            }
            BOOST_TEST(order == "gf5");
        });
        BOOST_TEST(g.valid());
        weft::select(g.on_ready([] {}));
    });
}

BOOST_AUTO_TEST_CASE(its_error_is_thrown_by_the_select_and_deferred_ones_are_refused) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        p.set_exception(std::make_exception_ptr(std::runtime_error("x")));
        BOOST_CHECK_THROW(weft::select(f.on_ready([](int) {})), std::runtime_error);
        std::optional<weft::promise<int>> gone(std::in_place);
        auto g = gone->get_future();
        gone.reset();
        BOOST_CHECK_THROW(weft::select(g.on_ready([](int) {})), std::future_error);
        auto d = weft::async(std::launch::deferred, [] { return 1; });
        BOOST_CHECK_THROW(d.on_ready([](int) {}), weft::misuse_error);
        BOOST_TEST(d.get() == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_select_leaves_the_future_as_it_is_and_does_not_stop_the_producer) {
    run_checked([] {
        weft::promise<int> p;
        bool asked = false;
        p.on_cancel([&] { asked = true; });
        auto f = p.get_future();
        BOOST_TEST(!weft::move_on_after(1ms, [&] { weft::select(f.on_ready([](int) {})); }));
        weft::cancel_scope before;
        before.cancel();
        BOOST_TEST(!before.run([&] { weft::select(f.on_ready([](int) {})); }));
        BOOST_TEST(!asked);
        p.set_value(1);
        BOOST_TEST(f.get() == 1);
    });
}

// rules 143, 144
BOOST_AUTO_TEST_CASE(in_every_schedule_one_of_two_futures_is_taken_and_the_other_keeps_its_result) {
    weft::testing::explore([] {
        weft::promise<int> p, q;
        auto f = p.get_future(), g = q.get_future();
        int taken = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { p.set_value(1); });
            n.start_soon([&] { q.set_value(2); });
            weft::select(f.on_ready([&](int v) { taken += v; }), g.on_ready([&](int v) { taken += v; }));
        });
        BOOST_REQUIRE((taken == 1 || taken == 2));
        BOOST_REQUIRE(f.valid() == (taken == 2));
        BOOST_REQUIRE((f.valid() ? f.get() : g.get()) == 3 - taken);
    });
}

BOOST_AUTO_TEST_CASE(futures_that_threads_fulfil_are_taken_each_once) {
    for (int round = 0; round < 100; ++round) {
        weft::promise<int> p, q;
        auto f = p.get_future(), g = q.get_future();
        std::thread a([&] { p.set_value(1); }), b([&] { q.set_value(2); });
        int sum = 0;
        auto both = [&] {
            while (f.valid() || g.valid()) {
                if (f.valid() && g.valid()) weft::select(f.on_ready([&](int v) { sum += v; }), g.on_ready([&](int v) { sum += v; }));
                else if (f.valid()) weft::select(f.on_ready([&](int v) { sum += v; }));
                else weft::select(g.on_ready([&](int v) { sum += v; }));
            }
        };
        if (round % 2) weft::run(both);
        else both();  // a plain thread
        a.join();
        b.join();
        BOOST_REQUIRE(sum == 3);
    }
}

BOOST_AUTO_TEST_SUITE_END()
