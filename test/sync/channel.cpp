// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/sync/channel.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(channel)

// rules 91, 92
BOOST_AUTO_TEST_CASE(without_a_buffer_a_send_ends_only_when_a_receiver_takes_the_item) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(0);
        bool sent = false;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { tx.send(1); sent = true; });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(!sent);
            BOOST_TEST(!tx.try_send(2));  // the waiting sender comes first, and there is no receiver
            BOOST_TEST(rx.receive() == 1);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(sent);
            BOOST_TEST(!rx.try_receive());
        });
    });
}

// rule 92
BOOST_AUTO_TEST_CASE(senders_and_receivers_are_served_in_the_order_in_which_they_came) {
    for (std::size_t capacity : {0u, 1u, 3u}) {
        run_checked([&] {
            auto [tx, rx] = weft::make_channel<int>(capacity);
            std::vector<int> got;
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                for (int i = 0; i < 6; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(1s * (i + 1)); tx.send(i); });
                weft::this_task::sleep_for(10s);
                BOOST_TEST(tx.statistics().buffered == capacity);
                BOOST_TEST(tx.statistics().waiting_senders == 6 - capacity);
                for (int i = 0; i < 6; ++i) got.push_back(rx.receive());
            });
            BOOST_TEST(got == (std::vector{0, 1, 2, 3, 4, 5}), boost::test_tools::per_element());
            got.clear();
            std::vector<std::pair<int, int>> who;
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                for (int i = 0; i < 4; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(1s * (i + 1)); int v = rx.receive(); who.emplace_back(i, v); });
                weft::this_task::sleep_for(10s);
                for (int i = 0; i < 4; ++i) tx.send(i);
            });
            for (auto [i, v] : who) BOOST_TEST(i == v);
            BOOST_TEST(who.size() == 4u);
        });
    }
}

// rule 92
BOOST_AUTO_TEST_CASE(a_waiting_receiver_owns_the_item_just_sent_and_a_waiting_sender_the_room_just_made) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(1);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(rx.receive() == 1); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(tx.try_send(1));
            BOOST_TEST(!rx.try_receive());  // it is the other's
        });
        tx.send(2);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { tx.send(3); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(rx.try_receive().value() == 2);
            BOOST_TEST(!tx.try_send(4));
        });
        BOOST_TEST(rx.receive() == 3);
    });
}

// rule 94
BOOST_AUTO_TEST_CASE(after_the_last_sender_receivers_drain_the_buffer_and_then_meet_the_end) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(5);
        auto second = tx.clone();
        tx.send(1);
        second.send(2);
        tx.close();
        second.send(3);
        second.close();
        std::vector<int> got;
        for (int& v : rx) got.push_back(v);
        BOOST_TEST(got == (std::vector{1, 2, 3}), boost::test_tools::per_element());
        BOOST_CHECK_THROW(rx.receive(), weft::end_of_channel);
        BOOST_CHECK_THROW(rx.try_receive(), weft::end_of_channel);
    });
}

// rule 94
BOOST_AUTO_TEST_CASE(waiting_receivers_meet_the_end_when_the_last_sender_closes) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(0);
        int ended = 0;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { BOOST_CHECK_THROW(rx.receive(), weft::end_of_channel); ++ended; });
            weft::testing::wait_all_tasks_blocked();
            weft::testing::assert_no_checkpoints([&] { auto last = std::move(tx); });
        });
        BOOST_TEST(ended == 3);
    });
}

// rule 95
BOOST_AUTO_TEST_CASE(after_the_last_receiver_senders_meet_a_broken_channel_and_the_buffer_is_destroyed) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<std::shared_ptr<int>>(1);
        auto item = std::make_shared<int>(7);
        auto second = rx.clone();
        tx.send(item);
        int broken = 0;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.start_soon([&] { BOOST_CHECK_THROW(tx.send(item), weft::broken_resource_error); ++broken; });
            weft::testing::wait_all_tasks_blocked();
            rx.close();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(broken == 0);
            second.close();
        });
        BOOST_TEST(broken == 2);
        BOOST_TEST(item.use_count() == 1);
        BOOST_CHECK_THROW(tx.send(item), weft::broken_resource_error);
        BOOST_CHECK_THROW(tx.try_send(item), weft::broken_resource_error);
    });
}

// rule 96
BOOST_AUTO_TEST_CASE(a_closed_handle_refuses_use_and_wakes_only_those_who_wait_through_it) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(0);
        auto tx2 = tx.clone();
        auto rx2 = rx.clone();
        int closed = 0, got = 0;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(rx.receive(), weft::closed_resource_error); ++closed; });
            n.start_soon([&] { got = rx2.receive(); });
            weft::testing::wait_all_tasks_blocked();
            rx.close();
            tx.send(5);
        });
        BOOST_TEST(closed == 1);
        BOOST_TEST(got == 5);
        BOOST_CHECK_THROW(rx.receive(), weft::closed_resource_error);
        BOOST_CHECK_THROW(rx.try_receive(), weft::closed_resource_error);
        BOOST_CHECK_THROW(rx.clone(), weft::closed_resource_error);
        weft::with_nursery([&, &tx = tx](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(tx.send(1), weft::closed_resource_error); ++closed; });
            n.start_soon([&] { tx2.send(2); });
            weft::testing::wait_all_tasks_blocked();
            tx.close();
            tx.close();
            BOOST_TEST(rx2.receive() == 2);
        });
        BOOST_TEST(closed == 2);
        BOOST_CHECK_THROW(tx.send(1), weft::closed_resource_error);
        BOOST_CHECK_THROW(tx.try_send(1), weft::closed_resource_error);
        BOOST_CHECK_THROW(tx.clone(), weft::closed_resource_error);
        BOOST_TEST(!tx.is_open());
        BOOST_TEST(tx2.is_open());
    });
}

// rule 96: the handle itself may be gone when the one who waits through it wakes
BOOST_AUTO_TEST_CASE(destroying_all_handles_ends_the_waits_through_them) {
    run_checked([] {
        auto ends = std::make_unique<weft::basic_channel<int, weft::detail::no_lock>>(weft::make_channel<int>(0));
        int closed = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(ends->receiver.receive(), weft::closed_resource_error); ++closed; });
            weft::testing::wait_all_tasks_blocked();
            ends.reset();
        });
        BOOST_TEST(closed == 1);
    });
}

// rules 97, 98
BOOST_AUTO_TEST_CASE(clones_count_and_statistics_are_exact) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>({.capacity = 2, .name = "jobs"});
        auto tx2 = tx.clone();
        auto rx2 = rx.clone();
        auto s = tx.statistics();
        BOOST_TEST(s.capacity == 2u);
        BOOST_TEST(s.senders == 2u);
        BOOST_TEST(s.receivers == 2u);
        tx.send(1);
        BOOST_TEST(rx.statistics().buffered == 1u);
        tx2.close();
        rx2 = {};
        s = rx.statistics();
        BOOST_TEST(s.senders == 1u);
        BOOST_TEST(s.receivers == 1u);
        rx.receive();
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { rx.receive(); });
            n.start_soon([&] { rx.receive(); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(rx.statistics().waiting_receivers == 2u);
            tx.send(1);
            tx.send(1);
        });
        BOOST_TEST(rx.statistics().waiting_receivers == 0u);
        BOOST_TEST(rx.name() == "jobs");
    });
}

BOOST_AUTO_TEST_CASE(an_unbounded_channel_never_waits_and_is_made_by_name_only) {
    run_checked([] {
        auto [tx, rx] = weft::make_unbounded_channel<int>();
        for (int i = 0; i < 1000; ++i) BOOST_REQUIRE(tx.try_send(i));
        BOOST_TEST(tx.statistics().buffered == 1000u);
        BOOST_TEST(tx.statistics().capacity == weft::channel_statistics::unbounded);
        tx.close();
        int next = 0;
        for (int v : rx) BOOST_REQUIRE(v == next++);
        BOOST_TEST(next == 1000);
        BOOST_CHECK_THROW(weft::make_channel<int>(static_cast<std::size_t>(-1)), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(a_large_buffer_grows_up_to_its_capacity_and_keeps_the_order) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<std::string>(300);
        int sent = 0, got = 0;
        for (int round = 0; round < 5; ++round) {
            while (tx.try_send("item " + std::to_string(sent))) ++sent;
            BOOST_TEST(sent - got == 300);
            for (int i = 0; i < 100 + 50 * round; ++i) BOOST_REQUIRE(rx.receive() == "item " + std::to_string(got++));
        }
    });
}

BOOST_AUTO_TEST_CASE(items_may_be_move_only_and_are_moved_from_only_when_taken) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<std::unique_ptr<int>>(1);
        auto a = std::make_unique<int>(1), b = std::make_unique<int>(2);
        tx.send(std::move(a));
        BOOST_TEST(!a);
        BOOST_TEST(!tx.try_send(std::move(b)));
        BOOST_TEST(!tx.send_for(std::move(b), 1s));
        BOOST_TEST(!weft::move_on_after(1s, [&, &tx = tx] { tx.send(std::move(b)); }));
        BOOST_TEST(*b == 2);
        BOOST_TEST(*rx.receive() == 1);
        rx.close();
        BOOST_CHECK_THROW(tx.send(std::move(b)), weft::broken_resource_error);
        BOOST_TEST(*b == 2);
    });
}

BOOST_AUTO_TEST_CASE(an_empty_handle_is_a_named_error) {
    run_checked([] {
        weft::sender<int> tx;
        weft::receiver<int> rx;
        BOOST_CHECK_THROW(tx.send(1), weft::misuse_error);
        BOOST_CHECK_THROW(rx.receive(), weft::misuse_error);
        BOOST_CHECK_THROW(tx.clone(), weft::misuse_error);
        tx.close();
        BOOST_TEST(!rx.is_open());
        BOOST_CHECK_THROW(weft::make_channel<int>({.yield_every = 0}), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_only_the_calls_that_never_wait_work) {
    auto [tx, rx] = weft::make_channel<int>(1);
    BOOST_TEST(tx.try_send(1));
    BOOST_TEST(!tx.try_send(2));
    BOOST_CHECK_THROW(tx.send(2), weft::not_running_error);
    BOOST_CHECK_THROW(rx.receive(), weft::not_running_error);
    BOOST_TEST(rx.try_receive().value() == 1);
}

BOOST_AUTO_TEST_CASE(a_channel_may_carry_its_own_handles) {
    run_checked([] {
        struct letter { weft::sender<std::string> reply; };
        auto [tx, rx] = weft::make_channel<letter>(1);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { for (letter& l : rx) l.reply.send("yes"); });
            auto [answer, answers] = weft::make_channel<std::string>(0);
            tx.send({std::move(answer)});
            BOOST_TEST(answers.receive() == "yes");
            tx.close();
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
