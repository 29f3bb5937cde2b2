// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/future/promise.hpp>

#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(shared_future)

BOOST_AUTO_TEST_CASE(copies_read_one_value_as_often_as_they_like) {
    run_checked([] {
        weft::promise<std::string> p;
        weft::shared_future<std::string> a = p.get_future();
        auto b = a;
        p.set_value("x");
        static_assert(std::is_same_v<decltype(a.get()), std::string const&>);
        BOOST_TEST(&a.get() == &b.get());
        a = {};
        BOOST_TEST(!a.valid());
        BOOST_TEST(b.get() == "x");
        BOOST_CHECK_THROW(a.get(), std::future_error);

        int x = 0;
        weft::promise<int&> r;
        auto rs = r.get_future().share();
        static_assert(std::is_same_v<decltype(rs.get()), int&>);
        r.set_value(x);
        BOOST_TEST(&rs.get() == &x);

        weft::promise<void> v;
        auto f = v.get_future();
        auto vs = f.share();
        BOOST_TEST(!f.valid());
        v.set_exception(std::make_exception_ptr(std::logic_error("e")));
        for (int i = 0; i < 2; ++i) BOOST_CHECK_THROW(vs.get(), std::logic_error);
    });
}

BOOST_AUTO_TEST_CASE(all_waiters_tasks_and_threads_are_woken) {
    weft::promise<int> p;
    auto f = p.get_future().share();
    std::atomic<int> sum{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&, f] { sum += f.get(); });
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 10; ++i) n.start_soon([&, f] { sum += f.get(); });
            weft::checkpoint();
            p.set_value(1);
        });
    });
    for (auto& t : threads) t.join();
    BOOST_TEST(sum == 13);
}

BOOST_AUTO_TEST_CASE(a_cancelled_waiter_leaves_and_the_others_stay) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future().share();
        std::vector<int> order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { f.get(); order.push_back(0); });
            n.start_soon([&] { weft::move_on_after(1s, [&] { f.get(); order.push_back(1); }); });
            n.start_soon([&] { f.get(); order.push_back(2); });
            weft::this_task::sleep_for(2s);
            p.set_value(1);
        });
        BOOST_TEST(order.size() == 2u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
