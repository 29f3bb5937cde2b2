// SPDX-License-Identifier: BSL-1.0
// Bridges to and from Boost.Fiber's futures.
#include "fixture.hpp"

#include <boost/fiber/future.hpp>

#include <thread>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(boost_fiber_future)

BOOST_AUTO_TEST_CASE(a_boost_future_that_a_thread_fulfils_is_awaited_by_a_task_while_others_run) {
    run_checked([] {
        boost::fibers::promise<std::string> p;
        auto f = p.get_future();
        int others = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::checkpoint(); ++others; });
            std::thread t([&] { p.set_value("here"); });
            BOOST_TEST(weft::await(std::move(f)) == "here");
            t.join();
        });
        BOOST_TEST(others == 1);
        boost::fibers::promise<void> failed;
        failed.set_exception(std::make_exception_ptr(std::runtime_error("x")));
        BOOST_CHECK_THROW(weft::await(failed.get_future()), std::runtime_error);
        BOOST_CHECK_THROW(weft::await(boost::fibers::future<int>()), std::future_error);
    });
}

BOOST_AUTO_TEST_CASE(waiting_for_one_can_be_cancelled_and_the_result_stays) {
    weft::run([] {
        boost::fibers::promise<int> p;
        auto f = p.get_future();
        BOOST_TEST(!weft::move_on_after(1ms, [&] { weft::wait(f); }));
        p.set_value(4);
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { weft::await(std::move(f)); BOOST_ERROR("not cancelled"); });
        BOOST_TEST(weft::await(std::move(f)) == 4);
    });
}

BOOST_AUTO_TEST_CASE(a_weft_future_s_result_goes_to_a_boost_promise) {
    run_checked([] {
        weft::promise<int> good, bad;
        boost::fibers::promise<int> p, q;
        auto f = p.get_future(), g = q.get_future();
        weft::forward_to(good.get_future(), std::move(p));
        weft::forward_to(bad.get_future(), std::move(q));
        good.set_value(5);
        bad.set_exception(std::make_exception_ptr(std::logic_error("x")));
        BOOST_TEST(f.get() == 5);
        BOOST_CHECK_THROW(g.get(), std::logic_error);
        weft::promise<void> none;
        boost::fibers::promise<void> r;
        auto h = r.get_future();
        weft::forward_to(none.get_future(), std::move(r));
        none.set_value();
        h.get();
    });
}

BOOST_AUTO_TEST_SUITE_END()
