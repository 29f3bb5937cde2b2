// SPDX-License-Identifier: BSL-1.0
// Channel operations that are cancelled, time out, or carry items whose move throws: none may be lost or doubled.
#include "fixture.hpp"

#include <weft/sync/channel.hpp>

#include <memory>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(channel_cancel)

// rule 1
BOOST_AUTO_TEST_CASE(send_and_receive_are_checkpoints_and_the_rest_is_not) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(2);
        auto& t = tx;
        auto& r = rx;
        weft::testing::assert_checkpoints([&] { t.send(1); });
        weft::testing::assert_checkpoints([&] { r.receive(); });
        weft::testing::assert_checkpoints([&] { BOOST_TEST(t.send_for(1, 0s)); });
        weft::testing::assert_checkpoints([&] { BOOST_TEST(r.receive_for(0s).has_value()); });
        weft::testing::assert_checkpoints([&] { BOOST_TEST(!r.receive_for(0s).has_value()); });
        weft::testing::assert_no_checkpoints([&] { t.try_send(1); r.try_receive(); r.clone(); t.statistics(); });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { r.receive(); });
            weft::testing::wait_all_tasks_blocked();
            weft::testing::assert_checkpoints([&] { t.send(1); });
        });
        weft::testing::assert_no_checkpoints([&] { t.close(); });
    });
}

BOOST_AUTO_TEST_CASE(with_yield_every_n_other_tasks_run_at_every_nth_operation) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>({.capacity = 100, .yield_every = 4});
        int others = 0;
        weft::with_nursery([&, &tx = tx](weft::nursery& n) {
            n.start_service([&] { for (;;) { ++others; weft::checkpoint(); } });
            for (int i = 0; i < 40; ++i) tx.send(i);
            BOOST_TEST(others >= 9);
            BOOST_TEST(others <= 11);
        });
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&, &tx = tx] { tx.send(1); }));
        BOOST_TEST(tx.statistics().buffered == 40u);
    });
}

// rules 11, 93
BOOST_AUTO_TEST_CASE(in_a_cancelled_scope_nothing_is_sent_or_received) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(2);
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

// rule 99
BOOST_AUTO_TEST_CASE(a_receive_that_timed_out_leaves_no_trace) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(1);
        BOOST_TEST(!weft::move_on_after(1s, [&, &rx = rx] { rx.receive(); }));
        BOOST_TEST(!rx.receive_for(1s));
        BOOST_TEST(!rx.receive_until(weft::current_time() + 1s));
        BOOST_TEST(!rx.receive_until(std::chrono::system_clock::now() - 1s));
        BOOST_TEST(rx.statistics().waiting_receivers == 0u);
        weft::testing::assert_no_checkpoints([&, &tx = tx] { BOOST_TEST(tx.try_send(1)); });
        BOOST_TEST(tx.statistics().buffered == 1u);
        BOOST_TEST(rx.receive_for(1s).value() == 1);
    });
}

// rule 93
BOOST_AUTO_TEST_CASE(a_send_that_timed_out_was_not_made_and_the_next_in_line_moves_up) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(1);
        tx.send(0);
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(!tx.send_for(1, 1s)); });
            n.start_soon([&] { weft::this_task::sleep_for(100ms); BOOST_TEST(tx.send_until(2, weft::current_time() + 1h)); });
            n.start_soon([&] { weft::this_task::sleep_for(200ms); BOOST_TEST(!tx.send_until(3, std::chrono::system_clock::now() - 1h)); });
            weft::this_task::sleep_for(2s);
            BOOST_TEST(rx.receive() == 0);
            BOOST_TEST(rx.receive() == 2);
        });
        BOOST_TEST(!rx.try_receive());
        BOOST_CHECK_THROW(tx.send_for(1, -1s), weft::misuse_error);
    });
}

// rules 11, 93: what was handed over before the cancellation stays handed over
BOOST_AUTO_TEST_CASE(an_item_that_was_handed_over_beats_a_later_cancel) {
    run_checked([] {
        for (bool cancel_receiver : {true, false}) {
            auto [tx, rx] = weft::make_channel<int>(0);
            weft::cancel_scope s;
            int got = 0, sent = 0;
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                if (cancel_receiver) {
                    n.start_soon([&] { s.run([&] { got = rx.receive(); }); });
                    weft::testing::wait_all_tasks_blocked();
                    BOOST_TEST(tx.try_send(7));
                } else {
                    n.start_soon([&] { s.run([&] { tx.send(7); sent = 1; }); });
                    weft::testing::wait_all_tasks_blocked();
                    got = rx.try_receive().value();
                }
                s.cancel();
            });
            BOOST_TEST(got == 7);
            if (!cancel_receiver) BOOST_TEST(sent == 1);
        }
    });
}

// rules 11, 93
BOOST_AUTO_TEST_CASE(in_every_schedule_an_item_is_with_one_side_only) {
    for (std::size_t capacity : {0u, 1u}) {
        auto r = weft::testing::explore([&] {
            auto [tx, rx] = weft::make_channel<std::unique_ptr<int>>(capacity);
            weft::cancel_scope send_scope, receive_scope;
            auto item = std::make_unique<int>(1);
            std::unique_ptr<int> got;
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                n.start_soon([&] { send_scope.run([&] { tx.send(std::move(item)); }); });
                n.start_soon([&] { receive_scope.run([&] { got = rx.receive(); }); });
                n.start_soon([&] { send_scope.cancel(); });
                n.start_soon([&] { receive_scope.cancel(); });
            });
            auto left = rx.try_receive();
            int places = (item ? 1 : 0) + (got ? 1 : 0) + (left ? 1 : 0);
            if (places != 1) throw std::logic_error("the item is in " + std::to_string(places) + " places");
            if (capacity == 0 && left) throw std::logic_error("an item is in a channel without room");
            auto s = tx.statistics();
            if (s.waiting_senders + s.waiting_receivers != 0) throw std::logic_error("a waiter is left");
        });
        BOOST_TEST(r.complete);
        BOOST_TEST(r.schedules >= 24u);
    }
}

BOOST_AUTO_TEST_CASE(in_every_schedule_a_close_ends_each_wait_once) {
    auto r = weft::testing::explore([] {
        auto [tx, rx] = weft::make_channel<int>(0);
        int ends = 0;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] { try { tx.send(1); ends += 1; } catch (weft::broken_resource_error const&) { ends += 10; } });
            n.start_soon([&] { try { rx.receive(); ends += 100; } catch (weft::closed_resource_error const&) { ends += 1000; } });
            n.start_soon([&] { rx.close(); });
        });
        if (ends != 101 && ends != 1010) throw std::logic_error("ends: " + std::to_string(ends));
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_of_a_pipeline_leaves_nothing) {
    for (std::size_t capacity : {0u, 2u}) {
        auto r = weft::testing::cancel_everywhere([&] {
            auto [tx, mid_rx] = weft::make_channel<int>(capacity);
            auto [mid_tx, rx] = weft::make_channel<int>(capacity);
            weft::with_nursery([&, &tx = tx, &rx = rx, &mid_tx = mid_tx, &mid_rx = mid_rx](weft::nursery& n) {
                n.start_soon([&] { auto own = std::move(tx); for (int i = 0; i < 5; ++i) own.send(i); });
                n.start_soon([&] { auto own = std::move(mid_tx); for (int v : mid_rx) own.send(2 * v); });
                int sum = 0;
                for (int v : rx) sum += v;
                BOOST_TEST(sum == 20);
            });
        });
        BOOST_TEST(r.points >= 20u);
        BOOST_TEST(r.waits >= 5u);
    }
}

BOOST_AUTO_TEST_CASE(a_wait_that_nobody_can_end_is_a_deadlock_that_names_the_channel) {
    try {
        run_checked([] {
            auto [tx, rx] = weft::make_channel<int>({.capacity = 3, .name = "orders"});
            rx.receive();
        });
        BOOST_ERROR("no error");
    } catch (weft::deadlock_error const& e) {
        std::string text = e.what();
        BOOST_TEST(text.find("channel receive") != text.npos);
        BOOST_TEST(text.find("\"orders\", 0 of 3 buffered, 1 sender, 1 receiver") != text.npos);
    }
}

// --- items whose move throws ---

namespace {

int moves_left = -1;  // until one throws; negative: none does
bool assignment_throws = false;

struct awkward {
    int value{};  // 0: moved from
    awkward() = default;
    explicit awkward(int v) : value(v) {}
    awkward(awkward&& o) : value(o.value) { count(); o.value = 0; }
    awkward& operator=(awkward&& o) { if (assignment_throws) count(); value = std::exchange(o.value, 0); return *this; }
    static void count() { if (moves_left == 0) { moves_left = -1; throw std::runtime_error("move"); } if (moves_left > 0) --moves_left; }
};

}  // namespace

// The move constructor throws in each step in its turn. Afterwards every item is with its sender or with the receiver.
BOOST_AUTO_TEST_CASE(a_move_that_throws_loses_nothing_silently) {
    int thrown_in_all = 0;
    for (std::size_t capacity : {0u, 1u, 3u}) for (int at = 0; at < 20; ++at) {
        run_checked([&] {
            auto [tx, rx] = weft::make_channel<awkward>(capacity);
            int errors = 0;
            std::vector<int> with_sender, received;
            moves_left = at;
            auto attempt = [&](auto&& f) { try { f(); } catch (std::runtime_error const&) { ++errors; } };
            weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
                n.start_soon([&] {
                    auto own = std::move(tx);
                    for (int i = 1; i <= 4; ++i) {
                        awkward a(i);
                        attempt([&] { if (i % 2) own.send(std::move(a)); else own.send_for(std::move(a), 1s); });
                        if (a.value) with_sender.push_back(a.value);
                    }
                });
                weft::this_task::sleep_for(5s);
                for (bool more = true; more;) {
                    attempt([&] { try { received.push_back(rx.receive().value); } catch (weft::end_of_channel const&) { more = false; } });
                }
            });
            moves_left = -1;
            BOOST_TEST(with_sender.size() + received.size() == 4u);
            BOOST_TEST(errors <= 1);
            thrown_in_all += errors;
            auto all = with_sender;
            all.insert(all.end(), received.begin(), received.end());
            std::sort(all.begin(), all.end());
            BOOST_TEST(all == (std::vector{1, 2, 3, 4}), boost::test_tools::per_element());
            BOOST_TEST(std::is_sorted(received.begin(), received.end()));
        });
    }
    BOOST_TEST(thrown_in_all > 15);
}

// The item that cannot be put back goes with its channel; the channel must still be there.
BOOST_AUTO_TEST_CASE(a_move_that_throws_after_all_handles_went_finds_the_channel) {
    auto r = weft::testing::explore([] {
        auto c = weft::make_channel<awkward>(1);
        c.sender.send(awkward(1));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { try { c.receiver.receive(); } catch (std::runtime_error const&) {} });  // its move, or misuse: no handle
            n.start_soon([&] { c = {}; moves_left = 0; });
        });
        moves_left = -1;
    });
    BOOST_TEST(r.complete);
}

// The one loss there is: the send did not happen, and moving the item back threw. It leaves send() as that exception.
BOOST_AUTO_TEST_CASE(a_move_back_that_throws_replaces_the_outcome_of_the_send) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<awkward>(0);
        awkward a(1);
        assignment_throws = true;
        moves_left = 1;  // into the channel's hands; the next one, back, throws
        BOOST_CHECK_THROW(tx.try_send(std::move(a)), std::runtime_error);
        assignment_throws = false;
        moves_left = -1;
    });
}

BOOST_AUTO_TEST_SUITE_END()
