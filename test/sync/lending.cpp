// SPDX-License-Identifier: BSL-1.0
// A resource of one task in the hands of others: with_lent, lending, loan.
#include "fixture.hpp"

#include <thread>

using namespace weft_test;

namespace {

struct resource {
    int uses = 0;
    bool open = true;
    void use() { BOOST_TEST(open); ++uses; }
    ~resource() { open = false; }
};
using lent = weft::lending<resource> const;

template <class F>
bool raises_cancelled(F&& f) {
    try { f(); } catch (weft::cancelled const&) { return true; }
    return false;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lending)

BOOST_AUTO_TEST_CASE(one_at_a_time_has_it_in_the_order_of_their_asking) {
    run_checked([] {
        resource r;
        std::string order;
        int users = 0;
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(weft::with_lent(r, [&](lent& l) {
                weft::loan<resource> mine = l.borrow();
                for (char c : {'a', 'b', 'c'}) {
                    n.start_soon([&, l, c] {
                        auto loan = l.borrow();
                        BOOST_TEST(++users == 1);
                        weft::checkpoint();
                        loan->use();
                        order += c;
                        --users;
                    });
                    weft::testing::wait_all_tasks_blocked();
                }
                BOOST_TEST(!l.try_borrow());
                mine.give_back();
                mine.give_back();
                BOOST_TEST(!mine);
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(static_cast<bool>(l.try_borrow()));
                return 42;
            }) == 42);
        });
        BOOST_TEST(order == "abc");
        BOOST_TEST(r.uses == 3);
    });
}

BOOST_AUTO_TEST_CASE(borrow_is_a_checkpoint_and_a_cancelled_one_borrows_nothing) {
    run_checked([] {
        resource r;
        weft::with_lent(r, [&](lent& l) {
            weft::testing::assert_checkpoints([&] { auto loan = l.borrow(); });
            weft::cancel_scope s;
            s.run([&] {
                s.cancel();
                BOOST_TEST(raises_cancelled([&] { l.borrow(); }));
            });
            auto mine = l.borrow();
            BOOST_TEST(!weft::move_on_after(1s, [&] { l.borrow(); }));
            mine.give_back();
            BOOST_TEST(static_cast<bool>(l.try_borrow()));
        });
    });
}

BOOST_AUTO_TEST_CASE(the_owner_waits_for_the_return_and_who_has_it_is_told) {
    run_checked([] {
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            resource r;
            weft::event has;
            weft::with_lent(r, [&](lent& l) {
                n.start_soon([&, l] {
                    auto loan = l.borrow();
                    weft::event recalled;
                    std::stop_callback told(loan.recall_token(), [&] { recalled.set(); });
                    has.set();
                    recalled.wait();
                    order += 'r';
                    weft::this_task::sleep_for(1s);
                    loan->use();
                    order += 'u';
                });
                has.wait();
            });
            order += 'o';
        });
        BOOST_TEST(order == "ruo");
    });
}

BOOST_AUTO_TEST_CASE(who_waits_when_the_owner_ends_and_who_asks_later_is_refused) {
    run_checked([] {
        resource r;
        std::optional<weft::lending<resource>> kept;
        weft::loan<resource> mine;
        bool refused = false;
        weft::with_nursery([&](weft::nursery& n) {
            weft::with_lent(r, [&](lent& l) {
                kept = l;
                mine = l.borrow();
                n.start_soon([&, l] {
                    try { l.borrow(); } catch (weft::closed_resource_error const& e) { refused = std::string(e.what()).find("with_lent") != std::string::npos; }
                    mine.give_back();
                });
                weft::testing::wait_all_tasks_blocked();
            });
        });
        BOOST_TEST(refused);
        BOOST_CHECK_THROW(kept->borrow(), weft::closed_resource_error);
        BOOST_TEST(!kept->try_borrow());
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_or_failing_owner_waits_for_the_return_too) {
    run_checked([] {
        for (bool fails : {false, true}) {
            bool returned = false, returned_first = false;
            weft::with_nursery([&](weft::nursery& n) {
                auto own = [&] {
                    resource r;
                    weft::with_lent(r, [&](lent& l) {
                        weft::event has;
                        n.start_soon([&, l] {
                            auto loan = l.borrow();
                            has.set();
                            weft::this_task::sleep_for(10s);
                            loan->use();
                            returned = true;
                        });
                        has.wait();
                        if (fails) throw std::range_error("x");
                        weft::this_task::sleep_forever();
                    });
                };
                try { BOOST_TEST(!weft::move_on_after(1s, own)); } catch (std::range_error const&) { BOOST_TEST(fails); }
                returned_first = returned;
            });
            BOOST_TEST(returned_first);
        }
    });
}

BOOST_AUTO_TEST_CASE(a_loan_that_nobody_can_give_back_is_a_deadlock_and_not_a_hang) {
    weft::loan<resource> lost;
    resource r;
    BOOST_CHECK_THROW(run_checked([&] { weft::with_lent(r, [&](lent& l) { lost = l.borrow(); }); }), weft::deadlock_error);
}

// Memory order: what the thread did with it is seen by the owner.
BOOST_AUTO_TEST_CASE(another_thread_may_borrow_it_and_give_it_back) {
    run_checked([] {
        resource r;
        std::thread t;
        weft::with_lent(r, [&](lent& l) {
            auto mine = l.borrow();
            t = std::thread([loan = std::move(mine), l]() mutable {
                loan->uses += 1;
                loan.give_back();
                for (int i = 0; i < 100; ++i) l.borrow()->uses += 1;
            });
            weft::to_thread([&] { t.join(); });
        });
        BOOST_TEST(r.uses == 101);
    });
}

BOOST_AUTO_TEST_CASE(lending_can_be_cancelled_everywhere) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::with_nursery([&](weft::nursery& n) {
            resource r;
            weft::with_lent(r, [&](lent& l) {
                for (int i = 0; i < 2; ++i) n.start_soon([l] {
                    auto loan = l.borrow();
                    weft::this_task::sleep_for(1s);
                    loan->use();
                });
                weft::this_task::sleep_for(5s);
                l.borrow()->use();
            });
        });
    });
    BOOST_TEST(r.waits >= 4u);
}

BOOST_AUTO_TEST_SUITE_END()
