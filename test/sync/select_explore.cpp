// SPDX-License-Identifier: BSL-1.0
// select in every schedule of small programs: one alternative is taken, the others are as if they had not been there.
#include "fixture.hpp"
#include "sync/item_ledger.hpp"

#include <functional>
#include <set>
#include <stdexcept>

using namespace weft_test;

namespace {

using item = basic_item<false>;
using ends = weft::basic_channel<item, weft::detail::no_lock>;

void demand(bool holds, std::string const& what) { if (!holds) throw std::logic_error(what); }
bool queues_are_empty(ends const& c) { auto s = c.sender.statistics(); return s.waiting_senders + s.waiting_receivers == 0; }

/// A send that tells the books what came of it.
template <class F> void account(item_ledger& books, std::size_t channel, F send) {
    item i(books.make(channel));
    item_entry& e = *i.entry();
    books.offers(e, channel);
    bool done = false;
    try { done = send(i); } catch (...) { books.after_send(e, i, false); throw; }
    books.after_send(e, i, done);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(select_explore)

// rules 11, 144: each pair of those who could end the wait, at one moment: sender, receiver, event, watch, time, cancellation
BOOST_AUTO_TEST_CASE(of_those_that_come_at_one_moment_one_is_taken_and_the_others_keep_what_they_have) {
    enum { sends, receives, sets, changes, cancels, lateness };
    for (std::size_t capacity : {0u, 1u}) for (int first = sends; first < lateness; ++first) for (int second = first + 1; second <= lateness; ++second) {
        std::set<int> seen;
        auto r = weft::testing::explore([&] {
            item_ledger books;
            int taken = -1;
            {
                ends a = weft::make_channel<item>(capacity), b = weft::make_channel<item>(capacity);
                if (capacity > 0) account(books, 1, [&](item& i) { return b.sender.try_send(std::move(i)); });  // it must wait for b too
                weft::event e;
                auto w = weft::make_watch(0);
                weft::cancel_scope s;
                auto take = [&](int which) { demand(taken == -1, "a second one was taken"); taken = which; };
                auto receive = [&](ends& c, std::size_t index) { auto asked = books.tick(); if (auto i = c.receiver.receive_for(0s)) books.receives(*i, index, 1, asked); };
                std::function<void()> others[] = {
                    [&] { account(books, 0, [&](item& i) { return a.sender.send_for(std::move(i), 0s); }); },
                    [&] { receive(b, 1); },
                    [&] { e.set(); },
                    [&] { w.sender.send(1); },
                    [&] { s.cancel(); }};
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon([&] {
                        bool late = second == lateness;
                        auto asked = books.tick();
                        bool ended = s.run([&] {
                            account(books, 1, [&](item& i) {
                                weft::select(a.receiver.on_receive([&](item j) { take(sends); books.receives(j, 0, 0, asked); }), b.sender.on_send(std::move(i), [&] { take(receives); }),
                                             e.on_set([&] { take(sets); }), w.receiver.on_changed([&] { take(changes); }),
                                             weft::on_timeout(late ? weft::duration(1s) : weft::duration(1h), [&] { take(lateness); }));
                                return taken == receives;
                            });
                        });
                        demand(ended == (taken != -1), "taken and cancelled");
                        if (!ended) taken = cancels;
                    });
                    if (first == cancels) s.set_deadline(weft::current_time() + 1s);  // at the moment of the timeout
                    else for (int who : {first, second}) if (who != lateness) n.start_soon([&, who] { weft::this_task::sleep_for(1s); others[who](); });
                });
                demand(queues_are_empty(a) && queues_are_empty(b) && e.waiters() == 0, "a waiter is left");
                auto present = [&](int who) { return first == who || second == who; };
                demand(e.is_set() == present(sets), "the event has changed");
                demand(w.receiver.has_changed() == (present(changes) && taken != changes), "the change was not kept, or not reported");
                for (ends* c : {&a, &b}) while (c->sender.statistics().buffered > 0) receive(*c, c == &a ? 0 : 1);
            }
            demand(books.check().empty(), books.check());
            seen.insert(taken);
        });
        BOOST_TEST(r.complete);
        // rule 35: time that is up is up before any task runs
        auto expected = second == lateness && first != cancels ? std::set<int>{lateness} : std::set<int>{first, second};
        BOOST_TEST((seen == expected), "capacity " << capacity << ", " << first << " and " << second);
    }
}

// rule 144: nobody meets himself, and who is taken on one channel is not to be had on the other
BOOST_AUTO_TEST_CASE(selects_that_would_send_and_receive_on_both_channels_meet_in_pairs) {
    for (int tasks : {2, 3}) {
        std::set<std::pair<int, int>> seen;
        auto r = weft::testing::explore([&] {
            item_ledger books;
            int sent[2] = {0, 0}, got[2] = {0, 0}, late = 0;
            {
                ends a = weft::make_channel<item>(0), b = weft::make_channel<item>(0);
                weft::with_nursery([&](weft::nursery& n) {
                    for (int t = 0; t < tasks; ++t) n.start_soon([&] {
                        account(books, 0, [&](item& i) {
                            bool mine = false;
                            account(books, 1, [&](item& j) {
                                bool other = false;
                                auto asked = books.tick();
                                auto take = [&](std::size_t c) { return [&, c](item k) { ++got[c]; books.receives(k, c, 0, asked); }; };
                                weft::select(a.sender.on_send(std::move(i), [&] { ++sent[0]; mine = true; }), a.receiver.on_receive(take(0)),
                                             b.receiver.on_receive(take(1)), b.sender.on_send(std::move(j), [&] { ++sent[1]; other = true; }),
                                             weft::on_timeout(1s, [&] { ++late; }));
                                return other;
                            });
                            return mine;
                        });
                    });
                });
                demand(queues_are_empty(a) && queues_are_empty(b), "a waiter is left");
            }
            demand(books.check().empty(), books.check());
            demand(sent[0] == got[0] && sent[1] == got[1] && sent[0] + sent[1] == 1 && late == tasks - 2, "not in pairs");
            seen.insert({sent[0], sent[1]});
        });
        BOOST_TEST(r.complete);
        BOOST_TEST(seen.size() == 2u);
    }
}

// rules 94 to 96, 144
BOOST_AUTO_TEST_CASE(in_every_schedule_a_close_beside_a_select_is_told_once_and_loses_nothing) {
    std::set<std::string> seen;
    auto r = weft::testing::explore([&] {
        item_ledger books;
        std::string told;
        {
            ends a = weft::make_channel<item>(1), b = weft::make_channel<item>(0);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    auto asked = books.tick();
                    try {
                        account(books, 1, [&](item& i) {
                            weft::select(a.receiver.on_receive([&](std::optional<item> j) { told += j ? "item" : "end"; if (j) books.receives(*j, 0, 0, asked); }),
                                         b.sender.on_send(std::move(i), [&] { told += "sent"; }));
                            return false;
                        });
                    } catch (weft::broken_resource_error const&) { told += "broken"; }
                });
                n.start_soon([&] { account(books, 0, [&](item& i) { return a.sender.try_send(std::move(i)); }); weft::checkpoint(); a.sender.close(); });
                n.start_soon([&] { weft::checkpoint(); b.receiver.close(); });
            });
            demand(told == "item" || told == "broken", "told: " + told);
            auto asked = books.tick();
            if (told != "item") books.receives(a.receiver.receive(), 0, 0, asked);
            demand(weft::select(a.receiver.on_receive([](std::optional<item> j) { return !j; })), "not the end");
            demand(queues_are_empty(a) && queues_are_empty(b), "a waiter is left");
        }
        demand(books.check().empty(), books.check());
        seen.insert(told);
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(seen.size() == 2u);
}

// rules 4, 144
BOOST_AUTO_TEST_CASE(in_a_cancelled_scope_nothing_is_taken_however_much_is_ready) {
    auto r = weft::testing::explore([] {
        item_ledger books;
        {
            ends a = weft::make_channel<item>(1), b = weft::make_channel<item>(1);
            account(books, 0, [&](item& i) { return a.sender.try_send(std::move(i)); });
            weft::event e;
            e.set();
            weft::cancel_scope s;
            int taken = 0;
            auto count = [&] { ++taken; };
            s.cancel();
            bool ended = s.run([&] {
                account(books, 1, [&](item& i) {
                    for (int again = 0; again < 3; ++again) {
                        try {
                            weft::select(a.receiver.on_receive([&](item) { ++taken; }), b.sender.on_send(std::move(i), count), e.on_set(count), weft::on_default(count));
                        } catch (weft::cancelled const&) {
                            if (again == 2) throw;  // each time anew
                        }
                    }
                    return false;
                });
            });
            demand(!ended && taken == 0, "something was taken");
            demand(a.sender.statistics().buffered == 1 && b.sender.statistics().buffered == 0, "the channels have changed");
            weft::cancel_scope t;
            t.cancel();
            t.run([&] {  // what never waits is not concerned
                auto asked = books.tick();
                demand(weft::try_select(a.receiver.on_receive([&](item i) { books.receives(i, 0, 0, asked); })), "try_select took nothing");
            });
        }
        demand(books.check().empty(), books.check());
    });
    BOOST_TEST(r.complete);
}

// rule 143: what a loser of a race had taken when it was cancelled is in its result, or was not taken
BOOST_AUTO_TEST_CASE(in_every_schedule_a_race_over_channels_and_a_semaphore_loses_nothing) {
    std::set<std::size_t> winners;
    std::size_t most = 0;
    auto r = weft::testing::explore([&] {
        item_ledger books;
        {
            ends a = weft::make_channel<item>(0), b = weft::make_channel<item>(1);
            weft::local::counting_semaphore<> permits(0);
            std::size_t taken = 0;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    auto asked = books.tick();
                    auto all = weft::race_all([&] { return a.receiver.receive(); }, [&] { return b.receiver.receive(); }, [&] { permits.acquire(); return 1; });
                    winners.insert(all.winner);
                    if (auto& i = std::get<0>(all.values)) { books.receives(*i, 0, 0, asked); ++taken; }
                    if (auto& i = std::get<1>(all.values)) { books.receives(*i, 1, 0, asked); ++taken; }
                    if (std::get<2>(all.values)) ++taken; else demand(permits.try_acquire(), "the permit is gone");
                });
                n.start_soon([&] {
                    weft::this_task::sleep_for(1s);
                    account(books, 0, [&](item& i) { return a.sender.try_send(std::move(i)); });
                    account(books, 1, [&](item& i) { return b.sender.try_send(std::move(i)); });
                    permits.release();
                });
            });
            auto asked = books.tick();
            if (auto i = b.receiver.try_receive()) books.receives(*i, 1, 0, asked);
            most = std::max(most, taken);
        }
        demand(books.check().empty(), books.check());
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(winners.size() == 3u);
    BOOST_TEST(most == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
