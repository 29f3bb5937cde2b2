// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/select.hpp>

#include <boost/asio/post.hpp>

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(select_)

// rule 144
BOOST_AUTO_TEST_CASE(select_takes_the_one_that_is_ready_and_the_others_have_no_effect) {
    run_checked([] {
        auto [atx, arx] = weft::make_channel<int>(1);
        auto [btx, brx] = weft::make_channel<std::unique_ptr<int>>(0);
        weft::event e;
        auto item = std::make_unique<int>(1);
        auto choose = [&, &arx = arx, &btx = btx] {
            return weft::select(arx.on_receive([](int v) { return "received " + std::to_string(v); }),
                                btx.on_send(std::move(item), [] { return std::string("sent"); }),
                                e.on_set([] { return std::string("set"); }),
                                weft::on_timeout(1s, [] { return std::string("timeout"); }));
        };
        BOOST_TEST(choose() == "timeout");
        BOOST_TEST(item);
        BOOST_TEST(e.waiters() == 0u);
        BOOST_TEST(brx.statistics().waiting_senders == 0u);
        atx.send(5);
        BOOST_TEST(choose() == "received 5");
        BOOST_TEST(item);
        weft::with_nursery([&, &brx = brx](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(*brx.receive() == 1); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(choose() == "sent");
            BOOST_TEST(!item);
        });
        e.set();
        item = std::make_unique<int>(2);
        BOOST_TEST(choose() == "set");
        BOOST_TEST(item);
    });
}

// rule 144: the other side comes while select waits
BOOST_AUTO_TEST_CASE(a_waiting_select_is_woken_by_the_first_and_leaves_the_other_queues) {
    for (int which : {0, 1, 2, 3}) {
        run_checked([which] {
            auto [atx, arx] = weft::make_channel<int>(0);
            auto [btx, brx] = weft::make_channel<int>(0);
            weft::event e;
            int taken = -1;
            weft::with_nursery([&, &atx = atx, &arx = arx, &btx = btx, &brx = brx](weft::nursery& n) {
                n.start_soon([&] {
                    weft::select(arx.on_receive([&](int v) { BOOST_TEST(v == 7); taken = 0; }), btx.on_send(8, [&] { taken = 1; }),
                                 e.on_set([&] { taken = 2; }), weft::on_timeout(5s, [&] { taken = 3; }));
                });
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(arx.statistics().waiting_receivers == 1u);
                BOOST_TEST(btx.statistics().waiting_senders == 1u);
                if (which == 0) atx.send(7);
                if (which == 1) BOOST_TEST(brx.receive() == 8);
                if (which == 2) e.set();
                if (which == 3) weft::this_task::sleep_for(6s);
                // From here on nobody can have the others, although the task may not have run yet.
                if (which != 0) BOOST_TEST(!atx.try_send(1));
                if (which != 1) BOOST_TEST(!brx.try_receive());
            });
            BOOST_TEST(taken == which);
            BOOST_TEST(arx.statistics().waiting_receivers + btx.statistics().waiting_senders + e.waiters() == 0u);
        });
    }
}

// rule 1
BOOST_AUTO_TEST_CASE(select_is_a_checkpoint_and_try_select_is_none) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(1);
        auto& r = rx;
        weft::testing::assert_checkpoints([&] { weft::select(r.on_receive([](int) {}), weft::on_default([] {})); });
        tx.send(1);
        weft::testing::assert_checkpoints([&] { weft::select(r.on_receive([](int) {}), weft::on_default([] {})); });
        tx.send(1);
        weft::testing::assert_no_checkpoints([&] {
            BOOST_TEST(weft::try_select(r.on_receive([](int) {})));
            BOOST_TEST(!weft::try_select(r.on_receive([](int) {}), weft::on_timeout(0s, [] {})));
            auto v = weft::try_select(r.on_receive([](int x) { return x; }));
            BOOST_TEST(!v.has_value());
        });
        weft::cancel_scope s;
        s.cancel();
        tx.try_send(2);
        BOOST_TEST(!s.run([&] { weft::select(r.on_receive([](int) {})); }));
        BOOST_TEST(r.try_receive().value() == 2);
    });
}

BOOST_AUTO_TEST_CASE(select_returns_what_the_function_returns_or_a_variant) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(4);
        auto& r = rx;
        for (int i = 1; i <= 3; ++i) tx.send(i);
        int same = weft::select(r.on_receive([](int v) { return v; }), weft::on_default([] { return 0; }));
        BOOST_TEST(same == 1);
        auto mixed = [&] { return weft::select(weft::on_default([] {}), r.on_receive([](int v) { return std::to_string(v); })); };
        static_assert(std::is_same_v<decltype(mixed()), std::variant<std::monostate, std::string>>);
        BOOST_TEST(std::get<1>(mixed()) == "2");
        BOOST_TEST(std::get<1>(mixed()) == "3");
        BOOST_TEST(mixed().index() == 0u);
        static_assert(std::is_void_v<decltype(weft::select(weft::on_default([] {})))>);
        // rule 144: what the function throws is the caller's
        BOOST_CHECK_THROW(weft::select(weft::on_default([] { throw std::out_of_range("f"); })), std::out_of_range);
    });
}

// rule 144
BOOST_AUTO_TEST_CASE(among_ready_alternatives_each_is_taken_about_as_often) {
    weft::run_options o;
    o.seed = 17;
    run_checked(o, [] {
        auto [atx, arx] = weft::make_channel<int>(1);
        auto [btx, brx] = weft::make_channel<int>(1);
        weft::event never_set, set;
        set.set();
        std::map<int, int> taken;
        for (int i = 0; i < 3000; ++i) {
            atx.try_send(1);
            btx.try_send(1);
            weft::select(arx.on_receive([&](int) { ++taken[0]; }), never_set.on_set([&] { ++taken[1]; }), brx.on_receive([&](int) { ++taken[2]; }),
                         set.on_set([&] { ++taken[3]; }), weft::on_timeout(0s, [&] { ++taken[4]; }));
        }
        for (int i : {0, 2, 3}) BOOST_TEST((taken[i] > 900 && taken[i] < 1100), i << " was taken " << taken[i] << " times");
        BOOST_TEST(taken.size() == 3u);
    });
}

// rule 144: the choice is the oracle's
BOOST_AUTO_TEST_CASE(exploration_tries_every_choice_of_select) {
    std::map<int, int> taken;
    auto r = weft::testing::explore([&] {
        weft::event a, b, c;
        a.set();
        c.set();
        int which = weft::select(a.on_set([] { return 0; }), b.on_set([] { return 1; }), c.on_set([] { return 2; }));
        ++taken[which];
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(taken.size() == 2u);
    BOOST_TEST(taken[0] == taken[2]);
}

BOOST_AUTO_TEST_CASE(one_channel_may_stand_in_several_alternatives) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(0);
        auto& t = tx;
        auto& r = rx;
        int got = 0, sent = 0;
        auto both_ways = [&] { weft::select(r.on_receive([&](int v) { got += v; }), t.on_send(1, [&] { ++sent; }), r.on_receive([&](int v) { got += v; })); };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon(both_ways);  // never with itself
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(r.statistics().waiting_receivers == 2u);
            both_ways();
        });
        BOOST_TEST(got == 1);
        BOOST_TEST(sent == 1);
        BOOST_TEST(r.statistics().waiting_receivers + r.statistics().waiting_senders == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_closed_channel_is_ready) {
    run_checked([] {
        auto [tx, rx] = weft::make_channel<int>(1);
        auto& t = tx;
        auto& r = rx;
        tx.send(1);
        auto second = tx.clone();
        tx.close();
        BOOST_CHECK_THROW(weft::select(t.on_send(1, [] {})), weft::closed_resource_error);
        std::vector<int> got;
        auto step = [&] { return weft::select(r.on_receive([&](std::optional<int> v) { if (v) got.push_back(*v); return v.has_value(); }), weft::on_default([] { return false; })); };
        BOOST_TEST(step());
        BOOST_TEST(!step());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(!step()); });
            n.start_soon([&] { BOOST_CHECK_THROW(weft::select(r.on_receive([](int) {})), weft::end_of_channel); });
            weft::testing::wait_all_tasks_blocked();
            second.close();  // while it waits
        });
        BOOST_TEST(got.size() == 1u);
        BOOST_CHECK_THROW(weft::select(r.on_receive([](int) {})), weft::end_of_channel);
        auto [tx2, rx2] = weft::make_channel<int>(0);
        auto [tx3, rx3] = weft::make_channel<int>(0);
        weft::with_nursery([&, &tx2 = tx2, &rx2 = rx2, &rx3 = rx3](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(weft::select(tx2.on_send(1, [] {})), weft::broken_resource_error); });
            n.start_soon([&] { BOOST_CHECK_THROW(weft::select(rx3.on_receive([](std::optional<int>) {})), weft::closed_resource_error); });
            weft::testing::wait_all_tasks_blocked();
            rx2.close();
            rx3 = {};  // the handle may go
        });
    });
}

BOOST_AUTO_TEST_CASE(misuse_has_a_named_error) {
    run_checked([] { BOOST_CHECK_THROW(weft::select(), weft::misuse_error); BOOST_CHECK_THROW(weft::on_timeout(-1s, [] {}), weft::misuse_error); });
    weft::event e;
    BOOST_CHECK_THROW(weft::select(e.on_set([] {})), weft::not_running_error);
    run_checked([] {
        weft::event event, done;
        boost::asio::post(weft::get_executor(), [&] {
            BOOST_CHECK_THROW(weft::select(event.on_set([] {})), weft::wrong_domain_error);
            BOOST_TEST(!weft::try_select(event.on_set([] {})));
            done.set();
        });
        done.wait();
    });
}

// rules 11, 144
BOOST_AUTO_TEST_CASE(in_every_schedule_a_select_takes_one_thing_or_is_cancelled) {
    auto r = weft::testing::explore([] {
        auto [atx, arx] = weft::make_channel<int>(0);
        auto [btx, brx] = weft::make_channel<int>(0);
        weft::cancel_scope s, s2;
        int got = 0, sent = 0, cancelled = 0;
        weft::with_nursery([&, &atx = atx, &arx = arx, &btx = btx, &brx = brx](weft::nursery& n) {
            n.start_soon([&] {
                if (!s.run([&] { weft::select(arx.on_receive([&](int) { got += 1; }), brx.on_receive([&](int) { got += 10; })); })) ++cancelled;
            });
            n.start_soon([&] { s2.run([&] { weft::select(atx.on_send(1, [&] { sent += 1; }), btx.on_send(1, [&] { sent += 10; })); }); });
            n.start_soon([&] { s.cancel(); weft::checkpoint(); s2.cancel(); });
        });
        if (got != sent) throw std::logic_error("sent " + std::to_string(sent) + ", got " + std::to_string(got));
        if ((got == 0) != (cancelled == 1)) throw std::logic_error("neither or both");
        auto a = atx.statistics(), b = btx.statistics();
        if (a.waiting_receivers + a.waiting_senders + b.waiting_receivers + b.waiting_senders != 0) throw std::logic_error("a waiter is left");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 10u);
}

BOOST_AUTO_TEST_CASE(a_cancel_at_any_point_of_a_select_loop_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        auto [tx, rx] = weft::make_channel<int>(1);
        auto [dtx, drx] = weft::make_channel<int>(0);
        weft::with_nursery([&, &tx = tx, &rx = rx, &dtx = dtx, &drx = drx](weft::nursery& n) {
            n.start_soon([&] {
                auto own = std::move(dtx);
                for (bool more = true; more;) {
                    weft::select(rx.on_receive([&](std::optional<int> v) { if (v) own.send(*v); else more = false; }), weft::on_timeout(1s, [] {}));
                }
            });
            for (int i = 0; i < 4; ++i) { tx.send(i); weft::this_task::sleep_for(700ms * i); BOOST_TEST(drx.receive() == i); }
            tx.close();
        });
    });
    BOOST_TEST(r.points >= 20u);
    BOOST_TEST(r.waits >= 8u);
}

BOOST_AUTO_TEST_CASE(a_select_that_nobody_can_end_is_a_deadlock_that_names_what_it_waits_for) {
    try {
        run_checked([] {
            auto [tx, rx] = weft::make_channel<int>(1);
            weft::event e;
            weft::select(rx.on_receive([](int) {}), e.on_set([] {}));
        });
        BOOST_ERROR("no error");
    } catch (weft::deadlock_error const& x) {
        BOOST_TEST(std::string(x.what()).find("select of receive, event") != std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
