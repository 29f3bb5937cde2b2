// SPDX-License-Identifier: BSL-1.0
// atomic_wait and spin_wait: in tasks, cancelled, between runs and threads.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/std/atomic_wait.hpp>
#include <weft/std/spin_wait.hpp>
#include <weft/std/thread.hpp>

#include <boost/asio/post.hpp>

#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(atomic_wait)

BOOST_AUTO_TEST_CASE(it_waits_while_the_value_is_the_old_one_and_is_a_checkpoint_otherwise) {
    run_checked([] {
        std::atomic<int> a{1};
        int passed = 0;
        weft::testing::assert_checkpoints([&] { weft::atomic_wait(&a, 0); });
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { weft::atomic_wait(&a, 1); ++passed; });
            wt::wait_all_tasks_blocked();
            weft::atomic_notify_all(&a);  // unchanged: they wait on
            wt::wait_all_tasks_blocked();
            BOOST_TEST(passed == 0);
            a = 2;
            weft::atomic_notify_one(&a);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(passed == 1);
            weft::atomic_notify_all(&a);
        });
        BOOST_TEST(passed == 3);
        std::atomic_flag flag;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::atomic_flag_wait(&flag, false); });
            wt::wait_all_tasks_blocked();
            flag.test_and_set();
            weft::atomic_flag_notify_one(&flag);
        });
    });
}

BOOST_AUTO_TEST_CASE(atomics_that_share_a_queue_do_not_wake_each_other) {
    run_checked([] {
        std::vector<std::atomic<int>> many(300);
        int passed = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (auto& a : many) n.start_soon([&] { weft::atomic_wait(&a, 0); ++passed; });
            wt::wait_all_tasks_blocked();
            many[0] = 1;
            weft::atomic_notify_one(&many[0]);
            wt::wait_all_tasks_blocked();
            BOOST_TEST(passed == 1);
            for (auto& a : many) { a = 1; weft::atomic_notify_all(&a); }
        });
        BOOST_TEST(passed == 300);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_leaves_no_waiter) {
    run_checked([] {
        std::atomic<int> a{0};
        BOOST_TEST(!weft::move_on_after(1s, [&] { weft::atomic_wait(&a, 0); }));
        weft::cancel_scope before;
        before.cancel();
        BOOST_TEST(!before.run([&] { weft::atomic_wait(&a, 0); }));
        weft::atomic_notify_all(&a);
        bool wrong = false;
        boost::asio::post(weft::get_executor(), [&] { wrong = throws<weft::wrong_domain_error>([&] { weft::atomic_wait(&a, 0); }); weft::atomic_notify_one(&a); });
        weft::this_task::sleep_for(1s);
        BOOST_TEST(wrong);
        // Cancelled in the turn in which it was notified: it returns, and the next point raises.
        weft::cancel_scope s;
        bool returned = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { weft::atomic_wait(&a, 0); returned = true; weft::checkpoint(); }); });
            wt::wait_all_tasks_blocked();
            a = 1;
            weft::atomic_notify_one(&a);
            s.cancel();
        });
        BOOST_TEST(returned);
        BOOST_TEST(s.cancelled_caught());
    });
    weft::testing::cancel_everywhere([] {
        std::atomic<int> a{0};
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::atomic_wait(&a, 0); });
            weft::checkpoint();
            a = 1;
            weft::atomic_notify_all(&a);
        });
    });
}

// Two runs and a plain thread hand a number round.
BOOST_AUTO_TEST_CASE(runs_and_threads_pass_a_baton) {
    constexpr int parties = 3, rounds = 200;
    std::atomic<int> turn{0};
    auto play = [&](int me) {
        for (int i = me; i < rounds; i += parties) {
            for (int now; (now = turn.load()) != i;) weft::atomic_wait(&turn, now);
            turn = i + 1;
            weft::atomic_notify_all(&turn);
        }
    };
    std::thread plain([&] { play(0); });
    std::thread other([&] { weft::run([&] { play(1); }); });
    weft::run([&] { weft::thread(play, 2).join(); });
    plain.join();
    other.join();
    BOOST_TEST(turn == rounds);
}

BOOST_AUTO_TEST_CASE(spin_wait_lets_others_run_and_time_pass) {
    run_checked([] {
        std::atomic<bool> done{false};
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); done = true; });
            weft::spin_wait([&] { return done.load(); });
            BOOST_TEST(done);
        });
        weft::spin_wait([] { return true; });
        BOOST_TEST(!weft::move_on_after(1s, [] { weft::spin_wait([] { return false; }); }));
        bool wrong = false;
        boost::asio::post(weft::get_executor(), [&] { wrong = throws<weft::wrong_domain_error>([] { weft::spin_wait([] { return false; }); }); });
        weft::this_task::sleep_for(1s);
        BOOST_TEST(wrong);
    });
    std::atomic<bool> done{false};
    std::thread t([&] { done = true; });
    weft::spin_wait([&] { return done.load(); });
    t.join();
}

BOOST_AUTO_TEST_SUITE_END()
