// SPDX-License-Identifier: BSL-1.0
// Bridges from and to std's futures.
#include "fixture.hpp"

#include <weft/future/promise.hpp>
#include <weft/future/std_future.hpp>

#include <thread>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(std_future)

BOOST_AUTO_TEST_CASE(a_task_waits_for_a_thread_s_future_while_others_go_on) {
    weft::run([] {
        weft::shared::event go;
        auto f = std::async(std::launch::async, [&] { go.wait(); return 5; });
        auto e = std::async(std::launch::async, [] { throw std::logic_error("e"); });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(weft::await(std::move(f)) == 5); });
            n.start_soon([&] { BOOST_CHECK_THROW(weft::await(std::move(e)), std::logic_error); });
            weft::checkpoint();
            go.set();
        });
        BOOST_TEST(!f.valid());
    });
}

BOOST_AUTO_TEST_CASE(ready_deferred_and_empty_ones_need_no_thread) {
    run_checked([] {
        std::promise<int> p;
        auto f = p.get_future().share();
        p.set_value(1);
        weft::testing::assert_checkpoints([&] { weft::wait(f); });
        BOOST_TEST(weft::await(f) == 1);
        auto d = std::async(std::launch::deferred, [] { return weft::this_task::id(); });
        BOOST_TEST(weft::await(std::move(d)) == weft::this_task::id());
        BOOST_CHECK_THROW(weft::wait(std::future<int>()), std::future_error);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_ends_soon_and_leaves_the_future_as_it_was) {
    weft::run([] {
        std::promise<int> p;
        auto f = p.get_future();
        BOOST_TEST(!weft::move_on_after(1ms, [&] { return weft::await(std::move(f)); }));
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { weft::wait(f); }));
        BOOST_TEST(f.valid());
        p.set_value(4);
        BOOST_TEST(weft::await(std::move(f)) == 4);
    });
}

BOOST_AUTO_TEST_CASE(a_plain_thread_waits_too) {
    std::promise<void> p;
    auto f = p.get_future();
    std::thread t([&] { p.set_value(); });
    weft::await(std::move(f));
    t.join();
}

BOOST_AUTO_TEST_CASE(a_weft_future_becomes_a_std_one) {
    weft::promise<int> p;
    weft::promise<void> v;
    weft::promise<int> broken, cancelled;
    int x = 0;
    weft::promise<int&> r;
    auto f = weft::to_std_future(p.get_future());
    auto vf = weft::to_std_future(v.get_future());
    auto bf = weft::to_std_future(broken.get_future());
    auto cf = weft::to_std_future(cancelled.get_future());
    auto rf = weft::to_std_future(r.get_future());
    BOOST_CHECK((f.wait_for(0s) == std::future_status::timeout));
    run_checked([&] {
        // Fulfilled in a scope that is cancelled: the result is passed on all the same.
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { p.set_value(1); v.set_value(); cancelled.set_cancelled(); r.set_value(x); auto gone = std::move(broken); });
    });
    BOOST_TEST(f.get() == 1);
    vf.get();
    BOOST_TEST(&rf.get() == &x);
    BOOST_CHECK_THROW(bf.get(), std::future_error);
    BOOST_CHECK_THROW(cf.get(), weft::task_cancelled_error);
}

BOOST_AUTO_TEST_SUITE_END()
