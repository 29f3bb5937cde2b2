// SPDX-License-Identifier: BSL-1.0
// Boost.Fiber's own primitives, used directly by a program inside weft::run. Real time: they know no other.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/fiber/barrier.hpp>
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/future.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/protected_fixedsize_stack.hpp>
#include <boost/fiber/unbuffered_channel.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <thread>

using namespace weft_test;
namespace asio = boost::asio;
namespace bf = boost::fibers;
using steady = std::chrono::steady_clock;

namespace {

/// In real time; the ledger must balance, as in run_checked.
template <class F>
void run_real(F&& f) {
    weft::run([&] {
        weft::testing::ledger l;
        f();
        BOOST_TEST(l.difference() == "");
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(boost_fiber)

BOOST_AUTO_TEST_CASE(a_boost_mutex_excludes_tasks_from_each_other) {
    run_real([] {
        bf::mutex m;
        int inside = 0, most = 0, total = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int t = 0; t < 10; ++t) {
                n.start_soon([&] {
                    for (int i = 0; i < 10; ++i) {
                        std::lock_guard lock(m);
                        most = std::max(most, ++inside);
                        weft::checkpoint();
                        --inside;
                        ++total;
                    }
                });
            }
        });
        BOOST_TEST(most == 1);
        BOOST_TEST(total == 100);
    });
}

BOOST_AUTO_TEST_CASE(a_boost_condition_variable_is_notified_and_timed_out) {
    run_real([] {
        bf::mutex m;
        bf::condition_variable cv;
        bool ready = false, got = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                std::unique_lock<bf::mutex> lock(m);
                cv.wait(lock, [&] { return ready; });
                got = true;
            });
            weft::this_task::sleep_for(1ms);
            BOOST_TEST(!got);
            { std::lock_guard lock(m); ready = true; }
            cv.notify_one();
        });
        BOOST_TEST(got);
        std::unique_lock<bf::mutex> lock(m);
        auto before = steady::now();
        BOOST_TEST((cv.wait_for(lock, 5ms) == bf::cv_status::timeout));
        BOOST_TEST((steady::now() - before >= 5ms));
    });
}

BOOST_AUTO_TEST_CASE(a_boost_unbuffered_channel_hands_values_from_task_to_task) {
    run_real([] {
        bf::unbuffered_channel<int> channel;
        int sum = 0, received = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int v : channel) { sum += v; ++received; } });
            for (int i = 0; i < 100; ++i) channel.push(i);
            channel.close();
        });
        BOOST_TEST(received == 100);
        BOOST_TEST(sum == 4'950);
    });
}

BOOST_AUTO_TEST_CASE(boost_s_sleep_for_lets_other_tasks_and_sleeps_go_on) {
    run_real([] {
        int ticks = 0;
        auto before = steady::now();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 5; ++i) { weft::this_task::sleep_for(1ms); ++ticks; } });
            boost::this_fiber::sleep_for(15ms);
            BOOST_TEST(ticks >= 3);
        });
        BOOST_TEST((steady::now() - before >= 15ms));
        boost::this_fiber::sleep_until(steady::now() - 1h);  // one that is over already
        weft::checkpoint();
    });
}

BOOST_AUTO_TEST_CASE(boost_s_yield_lets_a_task_go_on_afterwards) {
    run_real([] {
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 10; ++i) { boost::this_fiber::yield(); ++turns; } });
            for (int i = 0; i < 10; ++i) { boost::this_fiber::yield(); weft::checkpoint(); ++turns; }
        });
        BOOST_TEST(turns == 20);
    });
}

BOOST_AUTO_TEST_CASE(a_boost_fiber_can_be_made_and_joined_inside_a_task) {
    run_real([] {
        int ran = 0;
        bf::fiber f([&] {
            ++ran;
            boost::this_fiber::yield();
            ++ran;
            boost::this_fiber::sleep_for(1ms);
            ++ran;
            // It is no task of weft's.
            BOOST_CHECK_THROW(weft::checkpoint(), weft::wrong_domain_error);
        });
        BOOST_TEST(ran == 0);
        f.join();
        BOOST_TEST(ran == 3);
        weft::checkpoint();
        bf::fiber g([&] { ++ran; });
        bf::fiber h([&] { ++ran; });
        h.join();
        g.join();
        BOOST_TEST(ran == 5);
    });
}

BOOST_AUTO_TEST_CASE(a_boost_fiber_may_be_launched_by_dispatch_or_from_a_callback) {
    run_real([] {
        int ran = 0;
        auto body = [&] { ++ran; boost::this_fiber::yield(); ++ran; };
        bf::fiber f(bf::launch::dispatch, body);
        BOOST_TEST(ran == 1);
        weft::checkpoint();
        f.join();
        BOOST_TEST(ran == 2);
        bf::fiber g;
        weft::event made;
        asio::post(weft::get_executor(), [&] { g = bf::fiber(body); made.set(); });
        made.wait();
        g.join();
        BOOST_TEST(ran == 4);
    });
}

BOOST_AUTO_TEST_CASE(a_fiber_launched_by_dispatch_is_no_task_from_its_first_line_on) {
    run_real([] {
        bf::fiber f(bf::launch::dispatch, [] {
            BOOST_CHECK_THROW(weft::checkpoint(), weft::wrong_domain_error);
            BOOST_TEST(weft::lowlevel::current_statistics().foreign == 1u);  // its maker, which is ready
        });
        BOOST_TEST(weft::lowlevel::current_statistics().foreign == 0u);
        weft::checkpoint();
        f.join();
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_a_handler_resumed_may_go_on_to_wait_in_a_boost_primitive) {
    run_real([] {
        asio::steady_timer never(weft::get_executor(), 1h), soon(weft::get_executor(), 1ms);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { boost::system::error_code ec; never.async_wait(weft::use_fiber[ec]); });  // keeps the loop from running dry
            soon.async_wait(weft::use_fiber);
            boost::this_fiber::sleep_for(1ms);
            soon.expires_after(1ms);
            soon.async_wait(weft::use_fiber);
            bf::fiber f([&] { never.cancel(); });
            f.join();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_detached_boost_fiber_that_ends_within_the_run_is_cleaned_up) {
    run_real([] {
        auto owned = std::make_shared<int>();
        std::weak_ptr<int> watch = owned;
        bf::fiber([owned = std::move(owned)] { boost::this_fiber::yield(); }).detach();
        weft::this_task::sleep_for(1ms);
        BOOST_TEST(watch.expired());
    });
}

BOOST_AUTO_TEST_CASE(a_task_and_a_boost_fiber_meet_at_boost_s_primitives) {
    run_real([] {
        bf::unbuffered_channel<int> there, back;
        bf::fiber echo([&] { for (int v : there) back.push(v + 1); back.close(); });
        int sum = 0;
        for (int i = 0; i < 10; ++i) { there.push(i); sum += back.value_pop(); }
        there.close();
        echo.join();
        BOOST_TEST(sum == 55);
        bf::barrier b(3);
        int passed = 0;
        bf::fiber third([&] { b.wait(); ++passed; });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { b.wait(); ++passed; });
            b.wait();
            ++passed;
        });
        third.join();
        BOOST_TEST(passed == 3);
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(a_boost_promise_may_be_fulfilled_by_another_thread) {
    run_real([] {
        for (int i = 0; i < 50; ++i) {
            bf::promise<int> p;
            bf::future<int> f = p.get_future();
            std::thread t([&, i] { p.set_value(i); });
            BOOST_TEST_REQUIRE(f.get() == i);
            t.join();
        }
        bf::promise<int> p;
        bf::future<int> f = p.get_future();
        std::thread t([&] { std::this_thread::sleep_for(5ms); p.set_exception(std::make_exception_ptr(std::range_error("x"))); });
        BOOST_CHECK_THROW(f.get(), std::range_error);
        t.join();
    });
}

BOOST_AUTO_TEST_CASE(a_run_may_end_while_the_thread_that_fulfilled_its_promise_is_not_done_yet) {
    for (int i = 0; i < 20; ++i) {
        bf::promise<int> p;
        bf::future<int> f = p.get_future();
        std::thread t([&] { p.set_value(i); });
        bool got = false;
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { while (!got) boost::this_fiber::sleep_for(10us); });  // its wakes find the other one, too
                BOOST_TEST(f.get() == i);
                got = true;
            });
        });
        t.join();
    }
}

BOOST_AUTO_TEST_CASE(a_wait_in_a_boost_primitive_is_seen_in_the_statistics_and_is_no_deadlock) {
    run_real([] {
        bf::promise<void> p;
        bf::future<void> f = p.get_future();
        std::thread t;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { f.get(); });
            weft::checkpoint();
            weft::checkpoint();
            BOOST_TEST(weft::lowlevel::current_statistics().foreign == 1u);
            t = std::thread([&] { std::this_thread::sleep_for(5ms); p.set_value(); });
        });
        t.join();
        BOOST_TEST(weft::lowlevel::current_statistics().foreign == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_wait_in_a_boost_primitive_is_not_cancelled_and_the_next_point_raises) {
    run_real([] {
        bf::promise<int> p;
        bf::future<int> f = p.get_future();
        int got = 0;
        bool after = false;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { got = f.get(); weft::checkpoint(); after = true; }); });
            weft::this_task::sleep_for(1ms);
            s.cancel();
            weft::this_task::sleep_for(1ms);
            BOOST_TEST(n.child_count() == 1u);
            p.set_value(42);
        });
        BOOST_TEST(got == 42);
        BOOST_TEST(!after);
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(exceptions_in_flight_stay_with_their_fiber_across_boost_s_switches) {
    run_real([] {
        bf::mutex m;
        weft::with_nursery([&](weft::nursery& n) {
            for (int t = 0; t < 3; ++t) {
                n.start_soon([&, t] {
                    for (int i = 0; i < 5; ++i) {
                        try {
                            try { throw t; }
                            catch (...) { boost::this_fiber::sleep_for(200us); std::lock_guard lock(m); boost::this_fiber::yield(); throw; }
                        } catch (int x) { BOOST_TEST(x == t); }
                    }
                });
            }
        });
        BOOST_TEST(std::uncaught_exceptions() == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_boost_fiber_starts_with_a_state_of_its_own_also_where_another_has_ended) {
    run_real([] {
        for (int i = 0; i < 4; ++i) {
            bf::fiber([] {
                BOOST_TEST(errno == 0);
                errno = 5;
                boost::this_fiber::yield();
                BOOST_TEST(errno == 5);
            }).join();
        }
    });
}

// Under AddressSanitizer: frames that an exception jumped over are cleaned only if the stack's bounds are known.
BOOST_AUTO_TEST_CASE(a_stack_of_boost_s_own_can_be_used_again_after_an_exception) {
    struct thrower {
        static void deep(int n) {
            volatile char pad[40];
            pad[0] = static_cast<char>(n);
            if (n == 0) throw std::range_error("x");
            deep(n - 1);
            pad[1] = pad[0];
        }
        static void flat() { char all[4'000]; std::fill_n(static_cast<volatile char*>(all), sizeof all, 'x'); }
    };
    auto body = [] {
        BOOST_CHECK_THROW(thrower::deep(20), std::range_error);
        thrower::flat();
        boost::this_fiber::yield();
        BOOST_CHECK_THROW(thrower::deep(20), std::range_error);
        thrower::flat();
    };
    run_real([&] {
        auto large = [body, unused = std::array<char, 5'000>{}] { (void)unused; body(); };
        for (bf::launch how : {bf::launch::post, bf::launch::dispatch}) {
            bf::fiber(how, body).join();
            bf::fiber(how, large).join();
            bf::fiber(how, std::allocator_arg, bf::protected_fixedsize_stack(64 * 1024), body).join();
            bf::fiber(how, std::allocator_arg, bf::fixedsize_stack(32 * 1024), body).join();
        }
        body();
    });
}

BOOST_AUTO_TEST_CASE(boost_fibers_that_were_made_before_a_run_go_on_in_it) {
    for (auto sleep : {0us, 1000us}) {
        bool done = false;
        bf::fiber f(bf::launch::dispatch, [&] { if (sleep > 0us) boost::this_fiber::sleep_for(sleep); else boost::this_fiber::yield(); done = true; });
        run_real([&] { while (!done) weft::this_task::sleep_for(500us); });
        f.join();
    }
}

BOOST_AUTO_TEST_CASE(a_run_may_be_started_inside_a_boost_fiber) {
    for (bf::launch how : {bf::launch::post, bf::launch::dispatch}) {
        int ran = 0;
        bf::fiber f(how, [&] {
            run_real([&] {
                bf::fiber inner([&] { BOOST_CHECK_THROW(throw 1, int); ++ran; });
                boost::this_fiber::sleep_for(1ms);
                inner.join();
                weft::event called;
                asio::post(weft::get_executor(), [&] { boost::this_fiber::sleep_for(1ms); BOOST_CHECK_THROW(throw 1, int); called.set(); });
                called.wait();
                ++ran;
            });
        });
        f.join();
        BOOST_TEST(ran == 2);
    }
}

BOOST_AUTO_TEST_CASE(boost_s_fibers_work_on_the_thread_before_and_after_a_run) {
    auto use = [] {
        int ran = 0;
        bf::fiber f([&] { boost::this_fiber::yield(); boost::this_fiber::sleep_for(1ms); ++ran; });
        f.join();
        BOOST_TEST(ran == 1);
    };
    use();
    weft::run(use);
    use();
}

BOOST_AUTO_TEST_SUITE_END()
