// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>
#include <weft/sync/capacity_limiter.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <atomic>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

namespace {
using all = boost::mpl::list<weft::capacity_limiter, weft::shared::capacity_limiter>;
}

BOOST_AUTO_TEST_SUITE(capacity_limiter)

// rule 87
BOOST_AUTO_TEST_CASE_TEMPLATE(no_more_than_the_total_are_inside_at_once, L, all) {
    run_checked([] {
        L l(3);
        int inside = 0, most = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 10; ++i) {
                n.start_soon([&] {
                    int r = l.use([&] { most = std::max(most, ++inside); weft::this_task::sleep_for(1s); return --inside; });
                    BOOST_TEST(r < 3);
                });
            }
            wt::wait_all_tasks_blocked();
            auto s = l.statistics();
            BOOST_TEST(s.borrowed == 3u);
            BOOST_TEST(s.total == 3u);
            BOOST_TEST(s.waiting == 7u);
            BOOST_TEST(l.available_tokens() == 0u);
        });
        BOOST_TEST(most == 3);
        BOOST_TEST(l.borrowed_tokens() == 0u);
        BOOST_TEST(l.available_tokens() == 3u);
    });
}

// rules 1, 2
BOOST_AUTO_TEST_CASE_TEMPLATE(an_acquire_is_a_checkpoint_and_the_other_operations_are_none, L, all) {
    run_checked([] {
        L l(1);
        wt::assert_checkpoints([&] { l.acquire(); });
        wt::assert_no_checkpoints([&] { l.release(); l.acquire_nowait(); l.release(); l.set_total_tokens(2); (void)l.statistics(); });
    });
}

// rule 87
BOOST_AUTO_TEST_CASE_TEMPLATE(a_borrower_has_one_token_and_gives_back_only_what_it_has, L, all) {
    run_checked([] {
        L l(5);
        int a = 0, b = 0;
        l.acquire();
        BOOST_CHECK_THROW(l.acquire(), weft::misuse_error);
        BOOST_CHECK_THROW(l.acquire_nowait(), weft::misuse_error);
        l.acquire_on_behalf_of(&a);
        l.acquire_nowait_on_behalf_of(&b);
        BOOST_CHECK_THROW(l.acquire_on_behalf_of(&a), weft::misuse_error);
        BOOST_TEST(l.borrowed_tokens() == 3u);
        l.release();
        BOOST_CHECK_THROW(l.release(), weft::misuse_error);
        l.release_on_behalf_of(&a);
        BOOST_CHECK_THROW(l.release_on_behalf_of(&a), weft::misuse_error);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(l.release(), weft::misuse_error); l.release_on_behalf_of(&b); });
        });
        BOOST_TEST(l.borrowed_tokens() == 0u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(who_waits_is_a_borrower_without_a_token, L, all) {
    run_checked([] {
        L l(1);
        int a = 0;
        l.acquire();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { l.acquire_on_behalf_of(&a); });
            wt::wait_all_tasks_blocked();
            BOOST_CHECK_THROW(l.release_on_behalf_of(&a), weft::misuse_error);
            BOOST_CHECK_THROW(l.acquire_on_behalf_of(&a), weft::misuse_error);
            BOOST_TEST(l.statistics().waiting == 1u);
            l.release();
            l.release_on_behalf_of(&a);  // it is handed over already
        });
        BOOST_TEST(l.borrowed_tokens() == 0u);
    });
}

// A task's record is used again, its identity is not.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_token_of_a_task_that_has_ended_is_not_taken_for_a_later_ones, L, all) {
    run_checked([] {
        L l(2);
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { l.acquire(); }); });
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { l.acquire(); l.release(); }); });
        BOOST_TEST(l.borrowed_tokens() == 1u);
    });
}

// rule 82
BOOST_AUTO_TEST_CASE_TEMPLATE(tokens_go_round_in_the_order_of_asking_and_cannot_be_snatched, L, all) {
    run_checked([] {
        L l(1, "printers");
        std::vector<int> order;
        l.acquire();
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) {
                n.start_soon([&, i] { typename L::scoped held(l); order.push_back(i); });
                wt::wait_all_tasks_blocked();
            }
            l.release();
            std::string text;
            try { l.acquire_nowait(); } catch (weft::would_block const& e) { text = e.what(); }
            BOOST_TEST(text.find("printers: acquire_nowait") != std::string::npos, text);
            BOOST_TEST(text.find("help: ") != std::string::npos, text);
        });
        BOOST_TEST(order == (std::vector<int>{0, 1, 2, 3}), boost::test_tools::per_element());
        l.acquire_nowait();
        l.release();
    });
}

// rule 87
BOOST_AUTO_TEST_CASE_TEMPLATE(raising_the_total_wakes_at_once_and_lowering_it_takes_nothing_back, L, all) {
    run_checked([] {
        L l(0);
        int inside = 0;
        weft::event leave;
        BOOST_CHECK_THROW(l.acquire_nowait(), weft::would_block);
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 5; ++i) n.start_soon([&] { typename L::scoped held(l); ++inside; leave.wait(); --inside; });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(inside == 0);
            l.set_total_tokens(3);
            BOOST_TEST(l.borrowed_tokens() == 3u);  // handed over before they run
            wt::wait_all_tasks_blocked();
            BOOST_TEST(inside == 3);
            l.set_total_tokens(1);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(inside == 3);
            BOOST_TEST(l.available_tokens() == 0u);
            l.set_total_tokens(L::unlimited);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(inside == 5);
            l.set_total_tokens(0);
            BOOST_TEST(l.total_tokens() == 0u);
            leave.set();
        });
        BOOST_TEST(l.borrowed_tokens() == 0u);
        BOOST_CHECK_THROW(l.acquire_nowait(), weft::would_block);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_token_that_comes_home_above_the_total_is_kept, L, all) {
    run_checked([] {
        L l(2);
        int a = 0, b = 0;
        l.acquire_on_behalf_of(&a);
        l.acquire_on_behalf_of(&b);
        l.set_total_tokens(1);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { l.use([] {}); });
            wt::wait_all_tasks_blocked();
            l.release_on_behalf_of(&a);
            BOOST_TEST(l.statistics().waiting == 1u);
            l.release_on_behalf_of(&b);
            BOOST_TEST(l.statistics().waiting == 0u);
        });
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(unlimited_lets_everybody_through, L, all) {
    run_checked([] {
        L l(L::unlimited);
        std::vector<int> who(100);
        for (int& w : who) l.acquire_nowait_on_behalf_of(&w);
        BOOST_TEST(l.borrowed_tokens() == 100u);
        BOOST_TEST(l.available_tokens() == L::unlimited - 100);
        for (int& w : who) l.release_on_behalf_of(&w);
    });
}

// --- cancellation ---

// rules 88, 149
BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_acquire_leaves_no_trace, L, all) {
    run_checked([] {
        L l(1);
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { l.acquire(); });
        BOOST_TEST(s.cancelled_caught());
        int a = 0;
        l.acquire_on_behalf_of(&a);
        for (int i = 0; i < 3; ++i) {  // it may ask again: it is not remembered
            BOOST_TEST(!weft::move_on_after(1s, [&] { l.acquire(); }));
            BOOST_TEST(l.statistics().waiting == 0u);
        }
        l.release_on_behalf_of(&a);
        l.acquire_nowait();
        l.release();
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_error_inside_gives_the_token_back, L, all) {
    run_checked([] {
        L l(1);
        BOOST_CHECK_THROW(l.use([] { throw std::domain_error("x"); }), std::domain_error);
        BOOST_TEST(l.borrowed_tokens() == 0u);
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(in_every_schedule_a_token_is_had_or_not, L, all) {
    auto r = wt::explore([] {
        L l(1);
        weft::cancel_scope s;
        int a = 0, got = 0;
        l.acquire_nowait_on_behalf_of(&a);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { l.acquire(); ++got; }); });
            n.start_soon([&] { l.release_on_behalf_of(&a); });
            n.start_soon([&] { s.cancel(); });
        });
        auto st = l.statistics();
        if (st.borrowed != static_cast<std::size_t>(got) || st.waiting) throw std::logic_error("got " + std::to_string(got) + ", borrowed " + std::to_string(st.borrowed));
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancel_at_any_point_leaves_every_token_at_home, L, all) {
    int wrong = 0;
    auto r = wt::cancel_everywhere([&] {
        L l(2);
        struct count { L& l; int& wrong; ~count() { auto s = l.statistics(); wrong += s.borrowed != 0 || s.waiting != 0; } } at_end{l, wrong};
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) n.start_soon([&] { l.use([] { weft::this_task::sleep_for(1s); }); });
        });
    });
    BOOST_TEST(wrong == 0);
    BOOST_TEST(r.points >= 6u);
    BOOST_TEST(r.waits >= 6u);
}

// --- domains and threads ---

BOOST_AUTO_TEST_CASE(a_deadlock_that_is_broken_leaves_no_trace) {
    weft::capacity_limiter l(0);
    run_checked([&] {
        BOOST_CHECK_THROW(l.acquire(), weft::deadlock_error);
        BOOST_TEST(l.statistics().waiting == 0u);
        l.set_total_tokens(1);
        l.acquire();  // is not remembered as one who waits
        l.release();
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_callback_may_do_all_but_wait, L, all) {
    run_checked([] {
        L l(1);
        weft::event done;
        bool refused = false;
        boost::asio::post(weft::get_executor(), [&] {
            refused = throws<weft::wrong_domain_error>([&] { l.acquire(); });
            l.acquire_nowait();
            l.release();
            done.set();
        });
        done.wait();
        BOOST_TEST(refused);
        BOOST_TEST(l.borrowed_tokens() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(the_tree_tells_how_many_are_borrowed) {
    run_checked([] {
        weft::capacity_limiter l(1, "disk");
        int a = 0;
        l.acquire_on_behalf_of(&a);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { l.acquire(); });
            wt::wait_all_tasks_blocked();
            std::ostringstream out;
            weft::inspect::dump(out);
            BOOST_TEST(out.str().find("disk 1 of 1 tokens borrowed") != std::string::npos, out.str());
            n.cancel();
        });
    });
}

BOOST_AUTO_TEST_CASE(tasks_of_two_runs_and_threads_share_a_limiter_that_is_resized) {
    weft::shared::capacity_limiter l(1);
    std::atomic<int> inside{0}, done{0};
    std::atomic<bool> too_many{false};
    auto work = [&](bool task) {
        return [&, task] {
            struct leave { std::atomic<int>& i; ~leave() { --i; } } at_end{inside};
            if (++inside > 4) too_many = true;
            if (task) weft::checkpoint();
            ++done;
        };
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            weft::run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 8; ++i) {
                        n.start_soon([&, i] {
                            for (int k = 0; k < 40; ++k) {
                                if (i % 3) l.use(work(true));
                                else weft::move_on_after(std::chrono::microseconds(k), [&] { l.use(work(true)); });
                            }
                        });
                    }
                });
            });
        });
        threads.emplace_back([&] { for (int i = 0; i < 150; ++i) l.use(work(false)); });
    }
    threads.emplace_back([&] { for (int i = 0; i < 100; ++i) { l.set_total_tokens(static_cast<std::size_t>(i % 4 + 1)); std::this_thread::yield(); } l.set_total_tokens(4); });
    for (auto& t : threads) t.join();
    BOOST_TEST(!too_many);
    BOOST_TEST(done.load() >= 300 + 2 * 5 * 40);
    BOOST_TEST(l.borrowed_tokens() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
