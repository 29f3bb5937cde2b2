// SPDX-License-Identifier: BSL-1.0
// counting_semaphore and binary_semaphore: count, order, hand-over, deadlines, cancellation; in a run, and between threads.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/inspect/dump.hpp>
#include <weft/sync/semaphore.hpp>

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
using all = boost::mpl::list<weft::counting_semaphore<>, weft::local::counting_semaphore<>>;
using binaries = boost::mpl::list<weft::binary_semaphore, weft::local::binary_semaphore>;

constinit weft::counting_semaphore<8> before_main(3, "static");  // the constructor is constexpr
static_assert(weft::counting_semaphore<5>::max() == 5 && weft::binary_semaphore::max() == 1 && weft::counting_semaphore<>::max() > 1'000'000);

template <class S>
void wait_for_waiters(S& s, std::size_t n) { while (s.statistics().waiting < n) std::this_thread::yield(); }
}  // namespace

BOOST_AUTO_TEST_SUITE(semaphore)

BOOST_AUTO_TEST_CASE_TEMPLATE(permits_are_counted, S, all) {
    run_checked([] {
        S s(2);
        s.acquire();
        BOOST_TEST(s.try_acquire());
        BOOST_TEST(!s.try_acquire());
        s.release(3);
        auto st = s.statistics();
        BOOST_TEST(st.value == 3);
        BOOST_TEST(st.max == S::max());
        BOOST_TEST(st.waiting == 0u);
        s.release(0);
        BOOST_TEST(s.statistics().value == 3);
    });
    weft::counting_semaphore deduced(4);
    static_assert(std::is_same_v<decltype(deduced), weft::counting_semaphore<>>);
    BOOST_TEST(before_main.statistics().value == 3);
}

// rules 1, 2
BOOST_AUTO_TEST_CASE_TEMPLATE(an_acquire_is_a_checkpoint_and_the_other_operations_are_none, S, all) {
    run_checked([] {
        S s(1);
        wt::assert_checkpoints([&] { s.acquire(); });
        wt::assert_no_checkpoints([&] { s.release(); (void)s.try_acquire(); s.release(); (void)s.statistics(); });
        wt::assert_checkpoints([&] { BOOST_TEST(s.try_acquire_for(1s)); });
        wt::assert_checkpoints([&] { BOOST_TEST(!s.try_acquire_for(1s)); });
        wt::assert_checkpoints([&] { BOOST_TEST(!s.try_acquire_for(0s)); });
        wt::assert_checkpoints([&] { BOOST_TEST(!s.try_acquire_for(-1s)); });
    });
}

// rule 82
BOOST_AUTO_TEST_CASE_TEMPLATE(permits_go_to_the_waiters_in_the_order_of_asking, S, all) {
    run_checked([] {
        S s(0);
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 5; ++i) {
                n.start_soon([&, i] { s.acquire(); order.push_back(i); s.release(); });
                wt::wait_all_tasks_blocked();
            }
            BOOST_TEST(s.statistics().waiting == 5u);
            s.release();
        });
        BOOST_TEST(order == (std::vector<int>{0, 1, 2, 3, 4}), boost::test_tools::per_element());
        BOOST_TEST(s.statistics().value == 1);
    });
}

// rule 82
BOOST_AUTO_TEST_CASE_TEMPLATE(a_released_permit_belongs_to_the_waiter_and_cannot_be_snatched, S, binaries) {
    run_checked([] {
        S s(0);
        bool got = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.acquire(); got = true; });
            wt::wait_all_tasks_blocked();
            s.release();
            BOOST_TEST(!s.try_acquire());
            BOOST_TEST(!got);  // it runs in a later batch
            BOOST_TEST(s.statistics().waiting == 0u);
        });
        BOOST_TEST(got);
        BOOST_TEST(!s.try_acquire());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_release_of_many_serves_the_waiters_and_keeps_the_rest, S, all) {
    run_checked([] {
        S s(0);
        int woken = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { s.acquire(); ++woken; });
            wt::wait_all_tasks_blocked();
            s.release(2);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(woken == 2);
            BOOST_TEST(s.statistics().value == 0);
            s.release(5);
            BOOST_TEST(s.statistics().value == 4);
        });
        BOOST_TEST(woken == 3);
    });
}

// rule 90
BOOST_AUTO_TEST_CASE_TEMPLATE(a_release_above_the_maximum_is_a_named_error_without_effect, S, binaries) {
    run_checked([] {
        S s(1, "door");
        std::string text;
        try { s.release(); } catch (weft::misuse_error const& e) { text = e.what(); }
        BOOST_TEST(text.find("door: release(1) with 1 of at most 1") != std::string::npos, text);
        BOOST_TEST(text.find("help: ") != std::string::npos, text);
        BOOST_CHECK_THROW(s.release(-1), weft::misuse_error);
        BOOST_TEST(s.statistics().value == 1);
        BOOST_TEST(s.try_acquire());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.acquire(); });
            wt::wait_all_tasks_blocked();
            BOOST_CHECK_THROW(s.release(2), weft::misuse_error);
            BOOST_CHECK_THROW(s.release(-1), weft::misuse_error);
            BOOST_TEST(s.statistics().waiting == 1u);
            s.release();
        });
        BOOST_CHECK_THROW(S(2), weft::misuse_error);
        BOOST_CHECK_THROW(S(-1), weft::misuse_error);
    });
}

// --- cancellation ---

// rules 11, 149
BOOST_AUTO_TEST_CASE_TEMPLATE(an_acquire_in_a_cancelled_scope_takes_nothing, S, all) {
    run_checked([] {
        S s(1);
        for (bool timed : {false, true}) {
            weft::cancel_scope scope;
            scope.cancel();
            scope.run([&] { if (timed) (void)s.try_acquire_for(1s); else s.acquire(); });
            BOOST_TEST(scope.cancelled_caught());
            BOOST_TEST(s.statistics().value == 1);
        }
    });
}

// rules 78, 88
BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_waiter_leaves_no_trace_and_the_others_keep_their_order, S, all) {
    run_checked([] {
        S s(0);
        std::vector<int> order;
        weft::cancel_scope second;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 4; ++i) {
                n.start_soon([&, i] {
                    if (i == 1) second.run([&] { s.acquire(); order.push_back(i); });
                    else { s.acquire(); order.push_back(i); }
                });
                wt::wait_all_tasks_blocked();
            }
            second.cancel();
            BOOST_TEST(s.statistics().waiting == 3u);
            for (int i = 0; i < 3; ++i) { s.release(); wt::wait_all_tasks_blocked(); }  // one by one: a batch has no order
        });
        BOOST_TEST(order == (std::vector<int>{0, 2, 3}), boost::test_tools::per_element());
        BOOST_TEST(s.statistics().value == 0);
    });
}

// A waiter that has left must not be counted by the word either.
BOOST_AUTO_TEST_CASE_TEMPLATE(after_the_only_waiter_has_left_a_release_is_for_whoever_comes, S, all) {
    run_checked([] {
        S s(0);
        weft::move_on_after(1s, [&] { s.acquire(); });
        BOOST_TEST(!s.try_acquire());
        s.release();
        BOOST_TEST(s.try_acquire());
        s.release(2);
        BOOST_TEST(s.statistics().value == 2);
    });
}

// rule 11: a permit that was handed over is kept, and passed on by nobody's loss
BOOST_AUTO_TEST_CASE_TEMPLATE(in_every_schedule_no_permit_is_lost_or_doubled, S, all) {
    auto r = wt::explore([] {
        S s(0);
        weft::cancel_scope scope;
        int got = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { scope.run([&] { s.acquire(); ++got; }); });
            n.start_soon([&] { s.release(); });
            n.start_soon([&] { scope.cancel(); });
        });
        if (got + s.statistics().value != 1) throw std::logic_error("got " + std::to_string(got) + ", left " + std::to_string(s.statistics().value));
        if (s.statistics().waiting) throw std::logic_error("a waiter is left");
    });
    BOOST_TEST(r.complete);
    BOOST_TEST(r.schedules >= 6u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancel_at_any_point_leaves_every_permit_with_its_owner, S, all) {
    int wrong = 0;
    auto r = wt::cancel_everywhere([&] {
        S s(1);
        int held = 0;
        struct count { S& s; int& held; int& wrong; ~count() { wrong += held != 0 || s.statistics().value != 1; } } at_end{s, held, wrong};
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&] {
                    s.acquire();
                    ++held;
                    struct give { S& s; int& held; ~give() { --held; s.release(); } } back{s, held};
                    weft::this_task::sleep_for(1s);
                });
            }
        });
    });
    BOOST_TEST(wrong == 0);
    BOOST_TEST(r.points >= 6u);
    BOOST_TEST(r.waits >= 5u);
}

// --- deadlines ---

BOOST_AUTO_TEST_CASE_TEMPLATE(a_timed_acquire_ends_at_its_deadline_and_a_permit_in_time_wins, S, all) {
    run_checked([] {
        S s(0);
        auto start = weft::current_time();
        BOOST_TEST(!s.try_acquire_for(90min));
        BOOST_TEST((weft::current_time() - start == 90min));
        BOOST_TEST(s.statistics().waiting == 0u);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); s.release(); });
            BOOST_TEST(s.try_acquire_until(weft::current_time() + 2s));
        });
        BOOST_TEST(!s.try_acquire_until(weft::current_time() - 1s));
        BOOST_TEST(!s.try_acquire_until(std::chrono::system_clock::now() - 1s));
        s.release();
        BOOST_TEST(s.try_acquire_until(weft::current_time() - 1s));  // what is there is taken however late it is
        BOOST_CHECK_THROW((void)s.try_acquire_for(std::chrono::duration<double>(std::nan(""))), weft::misuse_error);
    });
}

// --- domains ---

BOOST_AUTO_TEST_CASE(a_callback_may_release_and_try_but_not_wait) {
    run_checked([] {
        weft::counting_semaphore<> s(1);
        weft::event done;
        bool refused = false, tried = false;
        boost::asio::post(weft::get_executor(), [&] {
            refused = throws<weft::wrong_domain_error>([&] { s.acquire(); });  // even though a permit is there
            tried = s.try_acquire();
            s.release(2);
            done.set();
        });
        done.wait();
        BOOST_TEST(refused);
        BOOST_TEST(tried);
        BOOST_TEST(s.statistics().value == 2);
    });
}

BOOST_AUTO_TEST_CASE(the_local_twin_is_for_tasks_only) {
    weft::local::binary_semaphore s(1);
    BOOST_CHECK_THROW(s.acquire(), weft::not_running_error);
    BOOST_TEST(s.try_acquire());
}

BOOST_AUTO_TEST_CASE(the_tree_names_a_semaphore_that_a_task_waits_for) {
    run_checked([] {
        weft::local::counting_semaphore<> s(0, "database slots");
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.acquire(); });
            wt::wait_all_tasks_blocked();
            std::ostringstream out;
            weft::inspect::dump(out);
            BOOST_TEST(out.str().find("database slots") != std::string::npos, out.str());
            n.cancel();
        });
    });
}

// --- threads ---

BOOST_AUTO_TEST_CASE(threads_outside_of_a_run_never_hold_more_than_there_are_permits) {
    weft::counting_semaphore<3> s(3);
    std::atomic<int> inside{0}, most{0}, refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 5; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 400; ++i) {
                if (t == 4) { if (!s.try_acquire_for(std::chrono::microseconds(i % 30))) { ++refused; continue; } }
                else s.acquire();
                int now = ++inside;
                for (int m = most; now > m && !most.compare_exchange_weak(m, now);) {}
                if (i % 50 == 0) std::this_thread::sleep_for(50us);
                --inside;
                s.release();
            }
        });
    }
    for (auto& t : threads) t.join();
    BOOST_TEST(most.load() <= 3);
    BOOST_TEST(s.statistics().value == 3);
    BOOST_TEST(refused.load() < 400);
}

BOOST_AUTO_TEST_CASE(tasks_of_two_runs_and_threads_share_a_semaphore) {
    weft::counting_semaphore<2> s(2);
    std::atomic<int> inside{0}, done{0};
    std::atomic<bool> too_many{false};
    std::vector<std::thread> threads;
    auto use = [&](bool task) {
        if (++inside > 2) too_many = true;
        if (task) weft::checkpoint();
        --inside;
        ++done;
        s.release();
    };
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            weft::run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 10; ++i) {
                        n.start_soon([&, i] {
                            for (int k = 0; k < 50; ++k) {
                                if (i % 3 == 0 && !weft::move_on_after(std::chrono::microseconds(k), [&] { s.acquire(); })) continue;
                                if (i % 3 != 0) s.acquire();
                                use(true);
                            }
                        });
                    }
                });
            });
        });
        threads.emplace_back([&] { for (int i = 0; i < 200; ++i) { s.acquire(); use(false); } });
    }
    for (auto& t : threads) t.join();
    BOOST_TEST(!too_many);
    BOOST_TEST(done.load() >= 400 + 600);
    BOOST_TEST(s.statistics().value == 2);
}

BOOST_AUTO_TEST_CASE(a_semaphore_may_be_destroyed_as_soon_as_an_acquire_has_returned) {
    for (int i = 0; i < 300; ++i) {
        auto s = std::make_unique<weft::counting_semaphore<>>(0);
        std::thread t([p = s.get(), i] { p->release(i % 3 == 2 ? 2 : 1); });
        if (i % 3 == 0) s->acquire();
        else weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) { for (int k = 0; k < i % 3; ++k) n.start_soon([&] { s->acquire(); }); });
        });
        s.reset();
        t.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_CASE(a_thread_waits_for_a_task_and_a_task_for_a_thread) {
    weft::binary_semaphore there(0), back(0);
    std::thread t([&] { for (int i = 0; i < 100; ++i) { there.acquire(); back.release(); } });
    weft::run([&] { for (int i = 0; i < 100; ++i) { there.release(); back.acquire(); } });
    t.join();
    std::thread late([&] { there.acquire(); });
    wait_for_waiters(there, 1);
    there.release();
    late.join();
    BOOST_TEST(!there.try_acquire());
}

BOOST_AUTO_TEST_SUITE_END()
