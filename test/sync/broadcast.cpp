// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/sync/broadcast.hpp>
#include <weft/sync/select.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace weft_test;

namespace {

std::vector<int> drain(auto& rx) {
    std::vector<int> all;
    while (auto v = rx.try_receive()) all.push_back(*v);
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(broadcast)

BOOST_AUTO_TEST_CASE(every_receiver_gets_every_value_in_order_and_then_the_end) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<std::string>({.capacity = 2});
        std::vector<std::string> got(4);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            for (std::size_t i = 0; i < 4; ++i) {
                n.start_soon([&, i, own = i == 0 ? std::move(rx) : tx.subscribe()]() mutable {
                    for (std::string const& v : own) { got[i] += v; weft::this_task::sleep_for(i * 10ms); }
                    BOOST_CHECK_THROW(own.receive(), weft::end_of_channel);
                    BOOST_CHECK_THROW(own.try_receive(), weft::end_of_channel);
                });
            }
            for (char c = 'a'; c < 'h'; ++c) tx.send(std::string(1, c));
            tx.close();
        });
        for (auto& g : got) BOOST_TEST(g == "abcdefg");
    });
}

BOOST_AUTO_TEST_CASE(a_value_is_shared_by_the_receivers_and_goes_when_the_last_has_had_it) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<std::shared_ptr<int>>({.capacity = 4});
        auto rx2 = tx.subscribe();
        auto v = std::make_shared<int>(1);
        tx.send(v);
        BOOST_TEST(v.use_count() == 2);
        auto a = rx.receive_shared();
        BOOST_TEST(tx.statistics().buffered == 1u);
        auto b = rx2.receive_shared();
        BOOST_TEST(a.get() == b.get());
        BOOST_TEST(tx.statistics().buffered == 0u);
        a.reset();
        b.reset();
        BOOST_TEST(v.use_count() == 1);
        auto sent = std::make_shared<std::shared_ptr<int> const>(v);
        tx.send_shared(sent);
        BOOST_TEST(rx.receive_shared().get() == sent.get());
        rx2.close();  // what only it had not had goes with it
        BOOST_TEST(sent.use_count() == 1);
        BOOST_CHECK_THROW(tx.send_shared(nullptr), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(without_receivers_a_value_is_dropped) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        rx.close();
        for (int i = 0; i < 3; ++i) tx.send(i);
        BOOST_TEST(tx.statistics().buffered == 0u);
        auto late = tx.subscribe();
        BOOST_TEST(!late.try_receive());
        tx.send(3);
        BOOST_TEST(late.receive() == 3);
    });
}

BOOST_AUTO_TEST_CASE(a_subscriber_gets_what_is_sent_from_then_on_and_a_clone_what_its_original_has_not_had) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 8});
        tx.send(1);
        tx.send(2);
        BOOST_TEST(rx.receive() == 1);
        auto late = tx.subscribe();
        auto twin = rx.clone();
        tx.send(3);
        BOOST_TEST(drain(late) == std::vector{3}, boost::test_tools::per_element());
        BOOST_TEST(drain(twin) == (std::vector{2, 3}), boost::test_tools::per_element());
        BOOST_TEST(drain(rx) == (std::vector{2, 3}), boost::test_tools::per_element());
        tx.close();
        auto after_the_end = rx.clone();
        BOOST_CHECK_THROW(after_the_end.receive(), weft::end_of_channel);
    });
}

// --- the two policies ---

BOOST_AUTO_TEST_CASE(with_lag_policy_block_the_slowest_receiver_holds_the_sender_up) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 2});
        auto fast = tx.subscribe();
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            int sent = 0;
            n.start_soon([&] { for (int i = 0; i < 5; ++i) { tx.send(i); ++sent; } });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(sent == 2);
            BOOST_TEST(drain(fast) == (std::vector{0, 1}), boost::test_tools::per_element());
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(sent == 2);
            BOOST_TEST(!tx.try_send(9));
            BOOST_TEST(rx.receive() == 0);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(sent == 3);
            BOOST_TEST(fast.receive() == 2);
            rx.close();  // no longer anybody who is behind
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(sent == 5);
            BOOST_TEST(drain(fast) == (std::vector{3, 4}), boost::test_tools::per_element());
            BOOST_TEST(fast.lagged() == 0u);
        });
    });
}

BOOST_AUTO_TEST_CASE(with_lag_policy_skip_the_oldest_values_are_dropped_and_counted_for_those_who_miss_them) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 3, .lag = weft::lag_policy::skip});
        auto fast = tx.subscribe();
        for (int i = 0; i < 3; ++i) tx.send(i);
        BOOST_TEST(drain(fast) == (std::vector{0, 1, 2}), boost::test_tools::per_element());
        auto between = fast.clone();
        for (int i = 3; i < 8; ++i) { BOOST_TEST(tx.try_send(i)); BOOST_TEST(fast.receive() == i); }
        BOOST_TEST(rx.lagged() == 5u);
        BOOST_TEST(rx.lagged() == 0u);
        BOOST_TEST(drain(rx) == (std::vector{5, 6, 7}), boost::test_tools::per_element());
        auto copy = between.clone();
        BOOST_TEST(between.receive() == 5);  // asked afterwards, it is the same count
        BOOST_TEST(between.lagged() == 2u);
        BOOST_TEST(copy.lagged() == 2u);
        BOOST_TEST(fast.lagged() == 0u);
        BOOST_TEST(copy.receive() == 5);
    });
}

// rule 92
BOOST_AUTO_TEST_CASE(senders_get_the_room_in_the_order_in_which_they_came) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        tx.send(-1);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            for (int i = 0; i < 5; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(1s * (i + 1)); tx.send(i); });
            weft::this_task::sleep_for(10s);
            BOOST_TEST(tx.statistics().waiting_senders == 5u);
            BOOST_TEST(rx.receive() == -1);
            BOOST_TEST(!tx.try_send(9));  // the room just made is the first sender's
            for (int i = 0; i < 5; ++i) BOOST_TEST(rx.receive() == i);
        });
    });
}

BOOST_AUTO_TEST_CASE(several_tasks_that_receive_through_one_handle_share_its_values_first_come_first_served) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        auto other = tx.subscribe();
        std::vector<std::pair<int, int>> got;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(1s * (i + 1)); int v = rx.receive(); got.emplace_back(i, v); });
            weft::this_task::sleep_for(10s);
            for (int i = 0; i < 3; ++i) { tx.send(i); BOOST_TEST(other.receive() == i); }
        });
        BOOST_TEST(got.size() == 3u);
        for (auto [task, v] : got) BOOST_TEST(task == v);
    });
}

// --- handles ---

// rules 96, 97, 98
BOOST_AUTO_TEST_CASE(a_close_ends_what_waits_through_that_handle_and_nothing_else) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        auto tx2 = tx.clone();
        auto rx2 = rx.clone();
        int closed = 0;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(rx.receive(), weft::closed_resource_error); ++closed; });
            n.start_soon([&] { BOOST_TEST(rx2.receive() == 1); });
            weft::testing::wait_all_tasks_blocked();
            weft::testing::assert_no_checkpoints([&] { rx.close(); rx.close(); });
            tx.send(1);
            tx.send(2);
            n.start_soon([&] { BOOST_CHECK_THROW(tx.send(3), weft::closed_resource_error); ++closed; });
            n.start_soon([&] { tx2.send(4); });
            weft::testing::wait_all_tasks_blocked();
            weft::testing::assert_no_checkpoints([&] { tx.close(); tx.close(); });
            BOOST_TEST(rx2.receive() == 2);
            BOOST_TEST(rx2.receive() == 4);
        });
        BOOST_TEST(closed == 2);
        BOOST_TEST((!tx.is_open() && !rx.is_open() && tx2.is_open() && rx2.is_open()));
        BOOST_CHECK_THROW(tx.send(5), weft::closed_resource_error);
        BOOST_CHECK_THROW(tx.try_send(5), weft::closed_resource_error);
        BOOST_CHECK_THROW(tx.clone(), weft::closed_resource_error);
        BOOST_CHECK_THROW(tx.subscribe(), weft::closed_resource_error);
        BOOST_CHECK_THROW(rx.receive(), weft::closed_resource_error);
        BOOST_CHECK_THROW(rx.try_receive(), weft::closed_resource_error);
        BOOST_CHECK_THROW(rx.clone(), weft::closed_resource_error);
        BOOST_TEST(tx2.statistics().senders == 1u);
        BOOST_TEST(tx2.statistics().receivers == 1u);
    });
}

// rule 94
BOOST_AUTO_TEST_CASE(waiting_receivers_meet_the_end_when_the_last_sender_goes) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>();
        auto tx2 = tx.clone();
        int ended = 0;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&, own = rx.clone()]() mutable {
                    BOOST_CHECK_EXCEPTION(own.receive(), weft::end_of_channel, [](auto& e) { return std::string(e.what()).find("help:") != std::string::npos; });
                    ++ended;
                });
            }
            weft::testing::wait_all_tasks_blocked();
            tx.close();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(ended == 0);
            tx2 = {};
        });
        BOOST_TEST(ended == 3);
    });
}

BOOST_AUTO_TEST_CASE(handles_may_be_destroyed_while_somebody_waits_through_them) {
    run_checked([] {
        using ends = weft::basic_broadcast<int, weft::detail::no_lock>;
        auto full = std::make_unique<ends>(weft::make_broadcast<int>({.capacity = 1}));
        auto empty = std::make_unique<ends>(weft::make_broadcast<int>());
        auto slow = full->receiver.clone();
        int closed = 0;
        full->sender.send(0);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(full->sender.send(1), weft::closed_resource_error); ++closed; });
            n.start_soon([&] { BOOST_CHECK_THROW(empty->receiver.receive(), weft::closed_resource_error); ++closed; });
            weft::testing::wait_all_tasks_blocked();
            full.reset();
            empty.reset();
        });
        BOOST_TEST(closed == 2);
    });
}

BOOST_AUTO_TEST_CASE(empty_handles_and_a_capacity_of_nothing_are_named_errors) {
    run_checked([] {
        weft::broadcast_sender<int> tx;
        weft::broadcast_receiver<int> rx;
        BOOST_CHECK_THROW(tx.send(1), weft::misuse_error);
        BOOST_CHECK_THROW(tx.subscribe(), weft::misuse_error);
        BOOST_CHECK_THROW(rx.receive(), weft::misuse_error);
        BOOST_CHECK_THROW(rx.on_receive([](int) {}), weft::misuse_error);
        tx.close();
        rx.close();
        BOOST_TEST((!tx.is_open() && !rx.is_open()));
        BOOST_CHECK_THROW(weft::make_broadcast<int>({.capacity = 0}), weft::misuse_error);
    });
}

namespace {
struct awkward_copy {
    int value{};
    bool* throws{};
    awkward_copy(int v, bool* t) : value(v), throws(t) {}
    awkward_copy(awkward_copy&&) = default;
    awkward_copy(awkward_copy const& o) : value(o.value), throws(o.throws) { if (*throws) throw std::runtime_error("copy"); }
};
}  // namespace

BOOST_AUTO_TEST_CASE(where_copying_throws_the_value_was_received_by_this_receiver_only_and_sharing_avoids_it) {
    run_checked([] {
        bool throws = true;
        auto [tx, rx] = weft::make_broadcast<awkward_copy>();
        auto rx2 = tx.subscribe();
        tx.send({1, &throws});  // moved, not copied
        tx.send({2, &throws});
        BOOST_CHECK_THROW(rx.receive(), std::runtime_error);
        BOOST_TEST(rx.receive_shared()->value == 2);
        BOOST_TEST(rx2.receive_shared()->value == 1);
        for (auto const& v : rx2) { BOOST_TEST(v.value == 2); tx.close(); }
    });
}

BOOST_AUTO_TEST_CASE(statistics_and_the_dump_tell_who_waits_for_what) {
    try {
        run_checked([] {
            auto [tx, rx] = weft::make_broadcast<int>({.capacity = 2, .name = "ticks"});
            auto rx2 = rx.clone();
            tx.send(1);
            tx.send(2);
            drain(rx2);
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                n.start_soon([&] { tx.send(3); });
                n.start_soon([&] { rx2.receive(); });
                weft::testing::wait_all_tasks_blocked();
                auto s = rx.statistics();
                BOOST_TEST(s.buffered == 2u);
                BOOST_TEST((s.senders == 1 && s.receivers == 2));
                BOOST_TEST((s.waiting_senders == 1 && s.waiting_receivers == 1));
            });
        });
        BOOST_ERROR("no error");
    } catch (weft::deadlock_error const& e) {
        std::string text = e.what();
        BOOST_TEST(text.find("broadcast send") != text.npos);
        BOOST_TEST(text.find("broadcast receive") != text.npos);
        BOOST_TEST(text.find("\"ticks\", 2 of 2 buffered, 1 sender, 2 receivers") != text.npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
