// SPDX-License-Identifier: BSL-1.0
// Readiness at the end of a task, or of a thread without a run.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/core/task_local.hpp>
#include <weft/future/packaged_task.hpp>
#include <weft/future/promise.hpp>

#include <boost/asio/post.hpp>

#include <thread>
#include <vector>

using namespace weft_test;

namespace {
struct oops : std::runtime_error { using std::runtime_error::runtime_error; };
bool not_yet(auto& f) { return f.wait_for(0s) == std::future_status::timeout; }
struct log_at_exit { std::vector<int>* log; ~log_at_exit() { if (log) log->push_back(1); } };
}  // namespace

BOOST_AUTO_TEST_SUITE(at_thread_exit)

BOOST_AUTO_TEST_CASE(a_result_set_in_a_task_is_there_when_the_task_its_function_and_its_locals_are_gone) {
    static weft::task_local<std::shared_ptr<int>> local;
    run_checked([] {
        weft::promise<int> p;
        weft::promise<void> v, e;
        auto f = p.get_future();
        auto vf = v.get_future(), ef = e.get_future();
        auto in_function = std::make_shared<int>(), in_local = std::make_shared<int>();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&, in_function] {
                local = in_local;
                p.set_value_at_thread_exit(1);
                v.set_value_at_thread_exit();
                e.set_exception_at_thread_exit(std::make_exception_ptr(oops("e")));
                BOOST_CHECK_THROW(p.set_value(2), std::future_error);
                BOOST_TEST(not_yet(f));
                weft::this_task::sleep_for(1s);
                auto gone = std::move(p);  // the promise may go before
                auto gone_too = std::move(v);
            });
            f.wait();
            BOOST_TEST(in_function.use_count() == 1);
            BOOST_TEST(in_local.use_count() == 1);
        });
        BOOST_TEST(f.get() == 1);
        vf.get();
        BOOST_CHECK_THROW(ef.get(), oops);
    });
}

BOOST_AUTO_TEST_CASE(children_that_inherit_the_task_s_locals_do_not_delay_it) {
    static weft::task_local<int> local;
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                local = 1;
                p.set_value_at_thread_exit(1);
                n.start_soon([] { weft::this_task::sleep_for(5s); });
            });
            auto start = weft::current_time();
            BOOST_TEST(f.get() == 1);
            BOOST_CHECK((weft::current_time() == start));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_fails_or_is_cancelled_makes_it_ready_too) {
    run_checked([] {
        for (bool fails : {true, false}) {
            weft::promise<int> p;
            auto f = p.get_future();
            try {
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon([&] { p.set_value_at_thread_exit(1); if (fails) throw oops("e"); weft::this_task::sleep_forever(); });
                    weft::checkpoint();
                    n.cancel();
                });
            } catch (weft::exception_group const&) {}
            BOOST_TEST(f.get() == 1);
        }
    });
}

BOOST_AUTO_TEST_CASE(a_packaged_task_s_result_waits_for_the_end_of_the_task) {
    run_checked([] {
        weft::packaged_task<int(int)> t([](int x) { return x; });
        auto f = t.get_future();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { t.make_ready_at_thread_exit(4); BOOST_TEST(not_yet(f)); BOOST_CHECK_THROW(t(5), std::future_error); });
            BOOST_TEST(f.get() == 4);
        });
    });
}

BOOST_AUTO_TEST_CASE(in_a_plain_thread_it_is_there_when_the_thread_locals_are_gone) {
    std::vector<int> log;
    bool waited = false;
    weft::promise<int> p, q;
    auto f = p.get_future(), g = q.get_future();
    std::thread t([&] {
        thread_local log_at_exit first{nullptr};
        first.log = &log;
        p.set_value_at_thread_exit(1);
        q.set_value_at_thread_exit(2);
        waited = not_yet(f);
        thread_local log_at_exit second{nullptr};
        second.log = &log;
    });
    BOOST_TEST(f.get() == 1);
    BOOST_TEST(log.size() == 2u);
    BOOST_TEST(g.get() == 2);
    t.join();
    BOOST_TEST(waited);
}

BOOST_AUTO_TEST_CASE(a_callback_has_no_end_to_wait_for) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        boost::asio::post(weft::get_executor(), [&] {
            BOOST_CHECK_THROW(p.set_value_at_thread_exit(1), weft::wrong_domain_error);
            p.set_value(2);
        });
        BOOST_TEST(f.get() == 2);
    });
}

BOOST_AUTO_TEST_SUITE_END()
