// SPDX-License-Identifier: BSL-1.0
// Tasks whose end breaks a parking lot, and with them at_task_end of another task.
#include "fixture.hpp"

#include <weft/sync/parking_lot.hpp>

#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;
using weft::lowlevel::current_task;
using weft::lowlevel::task_ref;

namespace {
std::string broken_text(weft::parking_lot& lot) {
    try { lot.park(); } catch (weft::broken_resource_error const& e) { return e.what(); }
    return "";
}
}  // namespace

BOOST_AUTO_TEST_SUITE(parking_lot_breakers)

// rule 80
BOOST_AUTO_TEST_CASE(a_breaker_that_ends_breaks_the_lot_however_it_ends) {
    for (int how = 0; how < 3; ++how) {
        run_checked([how] {
            weft::parking_lot lot("dock");
            std::string text;
            weft::cancel_scope s;
            auto body = [&] {
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon("crane", [&] {
                        lot.add_breaker(current_task());
                        BOOST_TEST(lot.statistics().breakers == 1u);
                        auto work = [&] {
                            weft::this_task::sleep_for(1s);
                            if (how == 1) throw std::domain_error("x");
                            if (how == 2) { s.cancel(); weft::checkpoint(); }
                        };
                        if (how == 2) s.run(work);
                        else work();
                    });
                    n.start_soon("ship", [&] {
                        weft::cancel_scope apart;  // what the crane's error cancels would hide what it breaks
                        apart.set_shield(true);
                        apart.run([&] { text = broken_text(lot); });
                    });
                });
            };
            if (how == 1) BOOST_CHECK_THROW(body(), weft::exception_group);
            else body();
            BOOST_TEST(text.find("dock was broken by the end of task #2 \"crane\", in task #3 \"ship\"") != std::string::npos, text);
            BOOST_TEST(lot.statistics().breakers == 0u);
            BOOST_TEST(lot.broken());
            BOOST_TEST(broken_text(lot).find("\"crane\"") != std::string::npos);
        });
    }
}

BOOST_AUTO_TEST_CASE(a_breaker_that_was_removed_breaks_nothing) {
    run_checked([] {
        weft::parking_lot lot;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { lot.add_breaker(current_task()); lot.remove_breaker(current_task()); });
        });
        BOOST_TEST(!lot.broken());
        BOOST_TEST(lot.statistics().breakers == 0u);
    });
}

BOOST_AUTO_TEST_CASE(additions_count_and_removals_must_match_them) {
    run_checked([] {
        weft::parking_lot lot;
        BOOST_CHECK_THROW(lot.remove_breaker(current_task()), weft::misuse_error);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                lot.add_breaker(current_task());
                lot.add_breaker(current_task());
                lot.remove_breaker(current_task());
                BOOST_TEST(lot.statistics().breakers == 1u);
            });
        });
        BOOST_TEST(lot.broken());
    });
}

BOOST_AUTO_TEST_CASE(one_of_several_breakers_is_enough_and_the_others_end_quietly) {
    run_checked([] {
        weft::parking_lot lot;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 1; i <= 3; ++i) n.start_soon("b" + std::to_string(i), [&, i] { lot.add_breaker(current_task()); weft::this_task::sleep_for(i * 1s); });
            std::string text = broken_text(lot);
            BOOST_TEST(text.find("\"b1\"") != std::string::npos, text);
            BOOST_TEST(lot.statistics().breakers == 2u);
        });
        BOOST_TEST(lot.statistics().breakers == 0u);
        BOOST_TEST(broken_text(lot).find("\"b1\"") != std::string::npos);  // the first who did it
    });
}

BOOST_AUTO_TEST_CASE(a_task_may_break_several_lots_and_be_registered_by_another) {
    run_checked([] {
        weft::parking_lot a, b, c;
        weft::with_nursery([&](weft::nursery& n) {
            task_ref child;
            n.start_soon([&] { child = current_task(); weft::this_task::sleep_for(1s); });
            wt::wait_all_tasks_blocked();
            for (auto* lot : {&a, &b, &c}) lot->add_breaker(child);
            b.remove_breaker(child);  // from the middle of its list
        });
        BOOST_TEST(a.broken());
        BOOST_TEST(!b.broken());
        BOOST_TEST(c.broken());
    });
}

// What Trio calls adding an already exited task.
BOOST_AUTO_TEST_CASE(a_task_that_has_ended_or_is_of_another_run_is_refused) {
    run_checked([] {
        weft::parking_lot lot;
        task_ref gone;
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { gone = current_task(); }); });
        BOOST_CHECK_THROW(lot.add_breaker(gone), weft::misuse_error);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(lot.add_breaker(gone), weft::misuse_error); });  // in the record of the first
        });
        BOOST_CHECK_THROW(lot.add_breaker(task_ref()), weft::misuse_error);
        task_ref me = current_task();
        bool refused = false;
        std::thread([&] {
            refused = throws<weft::not_running_error>([&] { lot.add_breaker(me); });
            weft::run([&] { refused = refused && throws<weft::misuse_error>([&] { lot.add_breaker(me); }); });
        }).join();
        BOOST_TEST(refused);
        BOOST_TEST(lot.statistics().breakers == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_lot_may_be_destroyed_while_its_breakers_live) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto lot = std::make_unique<weft::parking_lot>();
            for (int i = 0; i < 2; ++i) {
                n.start_soon([&] {
                    weft::parking_lot mine;
                    lot->add_breaker(current_task());
                    mine.add_breaker(current_task());
                    lot->add_breaker(current_task());
                    weft::this_task::sleep_for(1s);
                });
            }
            weft::this_task::sleep_for(500ms);
            lot.reset();
            weft::this_task::sleep_for(1s);
        });
        BOOST_TEST(true);  // the sanitizers say whether
    });
}

BOOST_AUTO_TEST_CASE(a_breaker_ends_before_anybody_who_waits_for_its_end_goes_on) {
    run_checked([] {
        weft::parking_lot lot;
        bool broken_at_join = false;
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([&] { lot.add_breaker(current_task()); weft::this_task::sleep_for(1s); });
            h.join();
            broken_at_join = lot.broken();
        });
        BOOST_TEST(broken_at_join);
    });
}

BOOST_AUTO_TEST_CASE(main_may_be_a_breaker) {
    weft::parking_lot lot;
    run_checked([&] { lot.add_breaker(current_task()); });
    BOOST_TEST(lot.broken());
}

BOOST_AUTO_TEST_SUITE_END()
