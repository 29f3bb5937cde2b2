// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/sync/select.hpp>
#include <weft/sync/watch.hpp>

#include <atomic>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(watch)

BOOST_AUTO_TEST_CASE(a_receiver_sees_the_latest_value_and_is_told_of_changes_once) {
    run_checked([] {
        auto [tx, rx] = weft::make_watch(std::string("a"));
        BOOST_TEST(rx.get() == "a");
        BOOST_TEST(!rx.has_changed());
        tx.send("b");
        tx.send("c");
        BOOST_TEST(rx.has_changed());
        BOOST_TEST(rx.get() == "c");
        BOOST_TEST(rx.has_changed());  // a look reports nothing
        rx.changed();
        BOOST_TEST(!rx.has_changed());
        auto held = rx.borrow();
        tx.send("d");
        BOOST_TEST(*held == "c");
        BOOST_TEST(*tx.borrow() == "d");
    });
}

BOOST_AUTO_TEST_CASE(changed_waits_for_the_next_value_and_every_receiver_has_its_own_notion) {
    run_checked([] {
        auto [tx, rx] = weft::make_watch(0);
        std::vector<int> seen;
        auto second = tx.subscribe();
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 2; ++i) { rx.changed(); seen.push_back(rx.get()); } });
            weft::testing::wait_all_tasks_blocked();
            tx.send(1);
            weft::testing::wait_all_tasks_blocked();
            auto third = rx.clone();
            tx.send(2);
            BOOST_TEST(tx.receivers() == 3u);
            third.changed();
            second.changed();
            BOOST_TEST(!second.has_changed());
        });
        BOOST_TEST(seen == (std::vector{1, 2}), boost::test_tools::per_element());
        BOOST_TEST(tx.receivers() == 2u);
    });
}

BOOST_AUTO_TEST_CASE(without_senders_the_last_value_is_reported_and_then_the_end) {
    run_checked([] {
        auto [tx, rx] = weft::make_watch(0);
        auto tx2 = tx.clone();
        tx.send(1);
        tx.close();
        rx.changed();
        bool ended = false;
        weft::with_nursery([&, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(rx.changed(), weft::end_of_channel); ended = true; });
            weft::testing::wait_all_tasks_blocked();
            weft::testing::assert_no_checkpoints([&] { tx2.close(); });
        });
        BOOST_TEST(ended);
        BOOST_TEST(rx.get() == 1);
        BOOST_CHECK_THROW(tx.send(2), weft::misuse_error);
        rx.close();
        BOOST_CHECK_THROW(rx.get(), weft::misuse_error);
    });
}

// rules 1, 11, 99
BOOST_AUTO_TEST_CASE(a_wait_that_was_cancelled_or_timed_out_reports_nothing_and_leaves_nothing) {
    run_checked([] {
        auto [tx, rx] = weft::make_watch(0);
        auto& t = tx;
        auto& r = rx;
        BOOST_TEST(!r.changed_for(1s));
        BOOST_TEST(!r.changed_until(weft::current_time() + 1s));
        BOOST_TEST(!weft::move_on_after(1s, [&] { r.changed(); }));
        weft::testing::assert_no_checkpoints([&] { t.send(1); });
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { r.changed(); }));
        BOOST_TEST(r.has_changed());
        weft::testing::assert_checkpoints([&] { BOOST_TEST(r.changed_for(0s)); });
    });
}

// rule 144
BOOST_AUTO_TEST_CASE(select_reports_a_change_only_where_it_is_taken) {
    run_checked([] {
        auto [tx, rx] = weft::make_watch(0);
        weft::event e;
        auto next = [&, &rx = rx] {
            return weft::select(rx.on_changed([] { return 1; }), e.on_set([] { return 2; }), weft::on_timeout(1s, [] { return 3; }));
        };
        BOOST_TEST(next() == 3);
        weft::with_nursery([&, &tx = tx](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(next() == 1); });
            weft::testing::wait_all_tasks_blocked();
            tx.send(1);
        });
        BOOST_TEST(!rx.has_changed());
        tx.send(2);
        BOOST_TEST(next() == 1);
        e.set();
        BOOST_TEST(next() == 2);
        tx.close();
        BOOST_CHECK_THROW(weft::select(rx.on_changed([] {})), weft::end_of_channel);
    });
}

BOOST_AUTO_TEST_CASE(threads_and_runs_follow_a_shared_watch) {
    auto [tx, rx] = weft::shared::make_watch(0);
    std::atomic<int> finished{0};
    std::atomic<bool> went_back{false};  // Boost.Test's macros are for the main thread
    auto follow = [&](auto rx) {
        int last = 0;
        try {
            for (;;) {
                rx.changed();
                int v = rx.get();
                if (v < last) went_back = true;
                last = v;
            }
        } catch (weft::end_of_channel const&) {}
        if (last == 300) ++finished;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&, r = rx.clone()]() mutable { follow(std::move(r)); });
    threads.emplace_back([&, &rx = rx] {
        weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 3; ++i) n.start_soon([&, r = rx.clone()]() mutable { follow(std::move(r)); }); }); });
    });
    while (tx.receivers() < 6) std::this_thread::yield();  // all clones are made
    for (int i = 1; i <= 300; ++i) { tx.send(i); if (i % 10 == 0) std::this_thread::yield(); }
    tx.close();
    for (auto& t : threads) t.join();
    BOOST_TEST(finished == 5);
    BOOST_TEST(!went_back);
}

BOOST_AUTO_TEST_SUITE_END()
