// SPDX-License-Identifier: BSL-1.0
// Futures across to Asio: use_future, deferred, continuations on executors.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/asio/future.hpp>
#include <weft/future/promise.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;
namespace asio = boost::asio;

BOOST_AUTO_TEST_SUITE(asio_future)

BOOST_AUTO_TEST_CASE(an_operation_with_use_future_is_awaited_also_on_the_run_s_own_loop) {
    weft::run([] {
        asio::steady_timer own(weft::get_executor(), 1ms);
        weft::await(own.async_wait(asio::use_future));
        asio::thread_pool pool(1);
        BOOST_TEST(weft::await(asio::post(pool, asio::use_future([] { return 3; }))) == 3);
        own.expires_after(1h);
        auto f = own.async_wait(asio::use_future);
        own.cancel();
        BOOST_CHECK_THROW(weft::await(std::move(f)), boost::system::system_error);
    });
}

BOOST_AUTO_TEST_CASE(a_deferred_operation_is_awaited_by_either_name) {
    run_checked([] {
        asio::steady_timer t(weft::get_executor(), 0s);
        auto op = t.async_wait(asio::deferred);
        weft::await(std::move(op));
        std::move(op)(weft::use_fiber);
        t.expires_after(1h);
        BOOST_TEST(!weft::move_on_after(1s, [&] { weft::await(t.async_wait(asio::deferred)); }));
    });
}

// rule 130 in spirit: not inside the call that fulfils
BOOST_AUTO_TEST_CASE(a_continuation_is_posted_to_any_kind_of_executor) {
    run_checked([] {
        weft::event done;
        int calls = 0;
        auto check = [&](auto const& executor) {
            weft::promise<int> p;
            p.get_future().then(executor, [&](weft::future<int> f) { calls += f.get(); if (calls == 3) done.set(); });
            p.set_value(1);
        };
        check(weft::get_executor());
        check(asio::any_io_executor(weft::get_executor()));
        check(asio::make_strand(weft::get_executor()));
        BOOST_TEST(calls == 0);
        done.wait();
        BOOST_TEST(calls == 3);
    });
}

BOOST_AUTO_TEST_CASE(a_loop_elsewhere_has_work_until_the_continuation_has_run) {
    asio::io_context io;
    weft::promise<int> p;
    int got = 0;
    std::thread::id where;
    p.get_future().then(io.get_executor(), [&](weft::future<int> f) { got = f.get(); where = std::this_thread::get_id(); });
    std::thread loop([&] { io.run(); });
    auto id = loop.get_id();
    weft::run([&] { weft::checkpoint(); p.set_value(2); });
    loop.join();
    BOOST_TEST(got == 2);
    BOOST_CHECK((where == id));
}

// rule 152
BOOST_AUTO_TEST_CASE(a_thread_fulfils_before_at_and_after_the_end_of_the_continuation_s_run) {
    int called = 0;
    auto life = std::make_shared<int>();
    for (int i = 0; i < 60; ++i) {
        weft::promise<int> p;
        weft::shared::event go;
        std::thread t([&] { go.wait(); for (int k = i; k > 0; --k) std::this_thread::yield(); if (i % 3) p.set_value(1); else auto gone = std::move(p); });
        weft::run([&] {
            p.get_future().then(weft::get_executor(), [life, &called](weft::future<int>) { ++called; });
            go.set();
            for (int k = 0; k < 3; ++k) weft::checkpoint();
        });
        t.join();
        BOOST_TEST(life.use_count() == 1);  // called or destroyed
    }
    BOOST_TEST(called <= 60);
}

BOOST_AUTO_TEST_CASE(a_promise_kept_after_the_run_holds_nothing_of_its_loop) {
    auto life = std::make_shared<int>();
    weft::promise<int> p;
    run_checked([&] { p.get_future().then(weft::get_executor(), [life](weft::future<int>) { BOOST_ERROR("called after the run"); }); });
    p.set_value(1);
    BOOST_TEST(life.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
