// SPDX-License-Identifier: BSL-1.0
// Broadcasts that are cancelled, time out, or are one of several alternatives: a value reaches every receiver, or none.
#include "fixture.hpp"

#include <weft/sync/broadcast.hpp>
#include <weft/sync/select.hpp>

#include <optional>
#include <string>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(broadcast_cancel)

// rules 1, 2
BOOST_AUTO_TEST_CASE(send_and_receive_are_checkpoints_and_the_rest_is_not) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 2});
        auto& t = tx;
        auto& r = rx;
        weft::testing::assert_checkpoints([&] { t.send(1); });
        weft::testing::assert_checkpoints([&] { r.receive(); });
        weft::testing::assert_checkpoints([&] { BOOST_TEST(t.send_for(1, 0s)); });
        weft::testing::assert_checkpoints([&] { BOOST_TEST(r.receive_for(0s).value() == 1); });
        weft::testing::assert_checkpoints([&] { BOOST_TEST(!r.receive_for(0s)); });
        weft::testing::assert_no_checkpoints([&] { t.try_send(1); r.try_receive(); r.clone(); t.clone(); t.subscribe(); r.lagged(); t.statistics(); });
    });
}

// rules 11, 93
BOOST_AUTO_TEST_CASE(in_a_cancelled_scope_nothing_is_sent_or_received) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 2});
        tx.send(1);
        for (bool sending : {true, false}) {
            weft::cancel_scope s;
            s.cancel();
            BOOST_TEST(!s.run([&, &tx = tx, &rx = rx] { if (sending) tx.send(2); else rx.receive(); }));
        }
        BOOST_TEST(rx.receive() == 1);
        BOOST_TEST(!rx.try_receive());
    });
}

// rules 11, 93, 99
BOOST_AUTO_TEST_CASE(a_receive_that_was_cancelled_or_timed_out_misses_nothing_and_leaves_no_trace) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        BOOST_TEST(!weft::move_on_after(1s, [&, &rx = rx] { rx.receive(); }));
        BOOST_TEST(!rx.receive_for(1s));
        BOOST_TEST(!rx.receive_until(weft::current_time() + 1s));
        BOOST_TEST(!rx.receive_until(std::chrono::system_clock::now() - 1s));
        weft::with_nursery([&, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { rx.receive(); });
            weft::testing::wait_all_tasks_blocked();
            n.cancel();
        });
        BOOST_TEST(rx.statistics().waiting_receivers == 0u);
        tx.send(1);
        BOOST_TEST(tx.statistics().buffered == 1u);
        BOOST_TEST(rx.receive_until(weft::current_time() + 1s).value() == 1);
        BOOST_CHECK_THROW(rx.receive_for(-1s), weft::misuse_error);
    });
}

// rule 93
BOOST_AUTO_TEST_CASE(a_send_that_was_cancelled_or_timed_out_was_not_made_and_the_next_in_line_moves_up) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        auto rx2 = rx.clone();
        tx.send(0);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(!tx.send_for(1, 1s)); });
            n.start_soon([&] { BOOST_TEST(!weft::move_on_after(1s, [&] { tx.send(2); })); });
            n.start_soon([&] { weft::this_task::sleep_for(100ms); BOOST_TEST(tx.send_until(3, weft::current_time() + 1h)); });
            n.start_soon([&] { weft::this_task::sleep_for(200ms); BOOST_TEST(!tx.send_until(4, std::chrono::system_clock::now() - 1h)); });
            weft::this_task::sleep_for(2s);
            BOOST_TEST(tx.statistics().waiting_senders == 1u);
            for (auto* r : {&rx, &rx2}) BOOST_TEST(r->receive() == 0);
            for (auto* r : {&rx, &rx2}) BOOST_TEST(r->receive() == 3);
        });
        BOOST_TEST((!rx.try_receive() && !rx2.try_receive()));
        BOOST_CHECK_THROW(tx.send_for(1, -1s), weft::misuse_error);
    });
}

// rules 11, 93: what was done before the cancellation stays done
BOOST_AUTO_TEST_CASE(a_value_that_was_handed_over_beats_a_later_cancel) {
    run_checked([] {
        for (bool cancel_receiver : {true, false}) {
            auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
            weft::cancel_scope s;
            int got = 0, sent = 0;
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                if (cancel_receiver) {
                    n.start_soon([&] { s.run([&] { got = rx.receive(); }); });
                    weft::testing::wait_all_tasks_blocked();
                    BOOST_TEST(tx.try_send(7));
                } else {
                    tx.send(6);
                    n.start_soon([&] { s.run([&] { tx.send(7); sent = 1; }); });
                    weft::testing::wait_all_tasks_blocked();
                    BOOST_TEST(rx.try_receive().value() == 6);
                }
                s.cancel();
            });
            if (!cancel_receiver) got = rx.receive();
            BOOST_TEST(got == 7);
            BOOST_TEST(sent == (cancel_receiver ? 0 : 1));
        }
    });
}

// rules 11, 93: two receivers, one sender, each cancelled at any moment
BOOST_AUTO_TEST_CASE(in_every_schedule_a_value_reaches_all_receivers_or_none) {
    auto r = weft::testing::explore([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        auto rx2 = rx.clone();
        weft::cancel_scope send_scope, receive_scope;
        bool sent = false;
        int got = 0;
        tx.try_send(1);
        rx2.try_receive();
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { send_scope.run([&] { tx.send(2); sent = true; }); });
            n.start_soon([&] { receive_scope.run([&] { for (;;) { rx.receive(); ++got; } }); });
            n.start_soon([&] { send_scope.cancel(); });
            n.start_soon([&] { receive_scope.cancel(); });
        });
        while (rx.try_receive()) ++got;
        bool other = rx2.try_receive().has_value();
        if (got != (sent ? 2 : 1) || other != sent) throw std::logic_error("sent: " + std::to_string(sent) + ", got: " + std::to_string(got));
        auto s = tx.statistics();
        if (s.waiting_senders + s.waiting_receivers + s.buffered != 0) throw std::logic_error("something is left");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 24u);
}

// rule 96
BOOST_AUTO_TEST_CASE(in_every_schedule_a_close_ends_each_wait_once) {
    auto r = weft::testing::explore([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        auto slow = rx.clone();
        int ends = 0;
        tx.try_send(0);
        rx.try_receive();
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { try { tx.send(1); ends += 1; } catch (weft::closed_resource_error const&) { ends += 10; } });
            n.start_soon([&] { try { rx.receive(); ends += 100; } catch (weft::closed_resource_error const&) { ends += 1000; } catch (weft::end_of_channel const&) { ends += 10000; } });
            n.start_soon([&] { slow.close(); });
            n.start_soon([&] { tx.close(); });
        });
        if (ends != 101 && ends != 10010) throw std::logic_error("ends: " + std::to_string(ends));
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 24u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_leaves_nothing) {
    for (auto lag : {weft::lag_policy::block, weft::lag_policy::skip}) {
        auto r = weft::testing::cancel_everywhere([&] {
            auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1, .lag = lag});
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                for (int i = 0; i < 2; ++i) {
                    n.start_soon([&, own = rx.clone()]() mutable {
                        std::uint64_t seen = 0;
                        for (int v : own) { ++seen; if (lag == weft::lag_policy::block) BOOST_TEST(v == static_cast<int>(seen)); }
                        seen += own.lagged();
                        BOOST_TEST(seen == 4u);
                    });
                }
                rx.close();
                for (int i = 1; i <= 4; ++i) tx.send(i);
                tx.close();
            });
        });
        BOOST_TEST(r.points >= 12u);
    }
}

// rule 144
BOOST_AUTO_TEST_CASE(select_takes_a_value_only_where_that_alternative_is_taken) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        auto other = tx.subscribe();
        std::optional<weft::event> e(std::in_place);
        auto next = [&, &rx = rx] {
            return weft::select(rx.on_receive([](int v) { return v; }), e->on_set([] { return -1; }), weft::on_timeout(1s, [] { return -2; }));
        };
        BOOST_TEST(next() == -2);
        tx.send(1);
        BOOST_TEST(next() == 1);
        BOOST_TEST(other.receive() == 1);
        weft::with_nursery([&, &tx = tx](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(next() == 2); });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon([&] { BOOST_TEST(next() == -1); });  // two selects through one handle: a value each
            weft::testing::wait_all_tasks_blocked();
            tx.send(2);
            weft::testing::wait_all_tasks_blocked();
            e->set();
        });
        tx.try_send(3);
        BOOST_TEST(tx.statistics().buffered == 1u);  // `other` has not had 2, so 3 found no room
        BOOST_TEST(next() == -1);
        BOOST_TEST(other.receive() == 2);
        e.emplace();
        tx.send(4);
        BOOST_TEST(weft::try_select(rx.on_receive([](int v) { return v; })).value() == 4);
        BOOST_TEST(!weft::try_select(rx.on_receive([](int v) { return v; })));
        weft::with_nursery([&, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(next(), weft::closed_resource_error); });
            weft::testing::wait_all_tasks_blocked();
            rx.close();
        });
        BOOST_CHECK_THROW(next(), weft::closed_resource_error);
        other.receive();
        weft::with_nursery([&, &tx = tx](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(weft::select(other.on_receive([](int) {})), weft::end_of_channel); });
            weft::testing::wait_all_tasks_blocked();
            tx.close();
        });
        BOOST_CHECK_THROW(weft::select(other.on_receive([](int) {})), weft::end_of_channel);
    });
}

// rule 144: a select that receives makes room for a sender that waits
BOOST_AUTO_TEST_CASE(select_admits_the_sender_that_waits_for_room) {
    run_checked([] {
        auto [tx, rx] = weft::make_broadcast<int>({.capacity = 1});
        tx.send(1);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { tx.send(2); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(weft::select(rx.on_receive([](int v) { return v; })) == 1);
        });
        BOOST_TEST(rx.receive() == 2);
    });
}

BOOST_AUTO_TEST_SUITE_END()
