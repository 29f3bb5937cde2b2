// SPDX-License-Identifier: BSL-1.0
// Continuations: called through an executor, never inside the call that makes the future ready.
#include "fixture.hpp"

#include <weft/future/async.hpp>
#include <weft/future/promise.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {
/// An executor: a list of functions, run when the test says so.
struct queue {
    std::vector<std::function<void()>> list;
    auto executor() { return [this](std::function<void()> f) { list.push_back(std::move(f)); }; }
    void run() { for (auto& f : std::exchange(list, {})) f(); }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(then)

BOOST_AUTO_TEST_CASE(the_function_gets_the_ready_future_through_the_executor) {
    for (bool ready_before : {false, true}) {
        queue q;
        weft::promise<int> p;
        auto f = p.get_future();
        int got = 0;
        if (ready_before) p.set_value(1);
        f.then(q.executor(), [&, u = std::make_unique<int>(2)](weft::future<int> r) { got = r.get() + *u; });
        BOOST_TEST(!f.valid());
        BOOST_TEST(q.list.size() == (ready_before ? 1u : 0u));
        if (!ready_before) p.set_value(1);
        BOOST_TEST(got == 0);
        q.run();
        BOOST_TEST(got == 3);
    }
}

BOOST_AUTO_TEST_CASE(errors_and_broken_promises_reach_it) {
    queue q;
    int caught = 0;
    for (int how = 0; how < 3; ++how) {
        weft::promise<void> p;
        p.get_future().then(q.executor(), [&](weft::future<void> r) { try { r.get(); } catch (std::exception const&) { ++caught; } });
        if (how == 0) p.set_exception(std::make_exception_ptr(std::logic_error("e")));
        if (how == 1) p.set_cancelled();
    }
    q.run();
    BOOST_TEST(caught == 3);
}

BOOST_AUTO_TEST_CASE(continuations_of_a_shared_future_come_in_their_order_and_count_as_waiters) {
    run_checked([] {
        queue q;
        weft::promise<int> p;
        auto f = p.get_future().share();
        std::vector<int> order;
        p.on_cancel([] { BOOST_ERROR("asked although a continuation waits"); });
        for (int i = 0; i < 3; ++i) f.then(q.executor(), [&, i](weft::shared_future<int> r) { order.push_back(10 * i + r.get()); });
        BOOST_TEST(!weft::move_on_after(1s, [&] { f.wait(); }));
        p.set_value(1);
        q.run();
        BOOST_TEST(order == (std::vector{1, 11, 21}), boost::test_tools::per_element());
    });
}

BOOST_AUTO_TEST_CASE(an_executor_that_takes_no_more_destroys_the_function_uncalled) {
    auto life = std::make_shared<int>();
    weft::promise<int> p;
    p.get_future().then([](auto) { throw std::runtime_error("closed"); }, [life](auto) { BOOST_ERROR("called"); });
    BOOST_TEST(life.use_count() == 2);
    p.set_value(1);
    BOOST_TEST(life.use_count() == 1);
    weft::promise<int> q;
    q.get_future().then([](auto) {}, [life](auto) { BOOST_ERROR("called"); });  // drops it
    q.set_value(1);
    BOOST_TEST(life.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(thousands_of_continuations_need_no_recursion) {
    queue q;
    weft::promise<int> p;
    auto f = p.get_future().share();
    int calls = 0;
    for (int i = 0; i < 50'000; ++i) f.then(q.executor(), [&](auto) { ++calls; });
    p.set_value(1);
    q.run();
    BOOST_TEST(calls == 50'000);
}

BOOST_AUTO_TEST_CASE(an_async_task_may_be_continued) {
    run_checked([] {
        queue q;
        weft::async([] { return 2; }).then(q.executor(), [](weft::future<int> r) { BOOST_TEST(r.get() == 2); });
        weft::testing::wait_all_tasks_blocked();
        BOOST_TEST(q.list.size() == 1u);
        q.run();
    });
}

BOOST_AUTO_TEST_SUITE_END()
