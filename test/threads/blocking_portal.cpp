// SPDX-License-Identifier: BSL-1.0
// Threads that know nothing of weft call into a nursery.
#include "fixture.hpp"

#include <weft/sync/event.hpp>
#include <weft/threads/blocking_portal.hpp>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(blocking_portal)

BOOST_AUTO_TEST_CASE(threads_call_functions_as_children_of_the_nursery) {
    weft::run([] {
        std::atomic<int> sum{0};
        std::vector<std::thread> threads;
        weft::with_nursery({.name = "library"}, [&](weft::nursery& n) {
            weft::blocking_portal portal(n);
            weft::shared::event done;
            std::atomic<int> left{3};
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&, t] {
                    for (int i = 0; i < 20; ++i) sum += portal.call([&] { weft::this_task::sleep_for(10us); return t; });
                    if (--left == 0) done.set();
                });
            }
            done.wait();
        });
        for (auto& t : threads) t.join();
        BOOST_TEST(sum == 60);
    });
}

BOOST_AUTO_TEST_CASE(an_error_goes_to_the_caller_and_not_to_the_nursery) {
    weft::run([] {
        weft::shared::event done;
        bool caught = false, later = false;
        int value = 0;
        std::thread t;
        weft::with_nursery([&](weft::nursery& n) {
            weft::blocking_portal portal(n);
            t = std::thread([&] {
                caught = throws<std::range_error>([&] { portal.call([]() -> int { throw std::range_error("x"); }); });
                auto f = portal.start_soon([]() -> int { throw std::range_error("y"); });
                later = throws<std::range_error>([&] { f.get(); });
                value = portal.start_soon([] { return 5; }).get();
                done.set();
            });
            done.wait();
        });
        t.join();
        BOOST_TEST(caught);
        BOOST_TEST(later);
        BOOST_TEST(value == 5);
    });
}

BOOST_AUTO_TEST_CASE(a_closed_portal_refuses_and_the_cancellation_of_its_nursery_reaches_the_caller) {
    weft::run([] {
        weft::shared::event closed, called;
        bool cancelled = false, refused = false, refused_later = false;
        std::thread a, b;
        std::optional<weft::blocking_portal> portal;
        weft::with_nursery([&](weft::nursery& n) {
            portal.emplace(n);
            a = std::thread([&] { cancelled = throws<weft::task_cancelled_error>([&] { portal->call([&] { called.set(); weft::this_task::sleep_forever(); }); }); });
            b = std::thread([&] {
                closed.wait();
                refused = throws<weft::closed_resource_error>([&] { portal->call([] {}); });
                refused_later = throws<weft::closed_resource_error>([&] { portal->start_soon([] {}).get(); });
            });
            called.wait();
            portal->close();
            n.cancel();
        });
        closed.set();
        weft::shared::event joined;  // the loop must turn for b's calls to be refused
        std::thread joiner([&] { a.join(); b.join(); joined.set(); });
        joined.wait();
        joiner.join();
        BOOST_TEST(cancelled);
        BOOST_TEST(refused);
        BOOST_TEST(refused_later);
    });
}

BOOST_AUTO_TEST_CASE(a_runtime_on_a_thread_of_its_own_serves_plain_threads) {
    weft::portal_thread p;
    BOOST_TEST(p.call([] { weft::this_task::sleep_for(1ms); return 11; }) == 11);
    auto f = p.start_soon([] { weft::this_task::sleep_forever(); });
    p.stop();
    BOOST_CHECK_THROW(f.get(), weft::task_cancelled_error);
    BOOST_CHECK_THROW(p.call([] {}), weft::run_finished_error);
    p.stop();
}

BOOST_AUTO_TEST_CASE(a_portal_thread_whose_run_cannot_start_throws_at_once) {
    weft::run_options o;
    o.stack_size = 1;
    BOOST_CHECK_THROW(weft::portal_thread{o}, weft::misuse_error);
}

BOOST_AUTO_TEST_CASE(a_portal_thread_may_be_destroyed_while_calls_are_under_way) {
    for (int i = 0; i < 20; ++i) {
        std::vector<std::thread> threads;
        std::atomic<int> ended{0}, calling{0};
        {
            weft::portal_thread p;
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&, portal = std::ref(p.portal())] {
                    try { ++calling; portal.get().call([] { weft::this_task::sleep_forever(); }); } catch (weft::error const&) { ++ended; }
                });
            }
            while (calling < 3) std::this_thread::yield();
            p.call([] {});  // what was sent before has arrived
            p.stop();
            for (auto& t : threads) t.join();
        }
        BOOST_TEST(ended == 3);
    }
}

BOOST_AUTO_TEST_SUITE_END()
