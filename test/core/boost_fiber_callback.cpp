// SPDX-License-Identifier: BSL-1.0
// A callback that waits in a primitive of Boost.Fiber's own: it blocks the loop, as any blocking call there does, and
// goes on when woken. Real time: these primitives know no other.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/future.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/timed_mutex.hpp>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#if WEFT_ASAN  // the default of some compilers; each flow then has a second stack, which must not be freed too early
extern "C" char const* __asan_default_options() { return "detect_stack_use_after_return=1"; }
#endif

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
        weft::checkpoint();
        weft::checkpoint();
        BOOST_TEST(l.difference() == "");
    });
}

/// Runs f as a callback, and returns after it.
template <class F>
void in_callback(F&& f) {
    weft::event done;
    asio::post(weft::get_executor(), [&] { f(); done.set(); });
    done.wait();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(boost_fiber_callback)

BOOST_AUTO_TEST_CASE(a_callback_that_sleeps_in_boost_s_sleep_for_blocks_the_loop_and_goes_on) {
    run_real([] {
        int ticks = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 3; ++i) { weft::this_task::sleep_for(1ms); ++ticks; } });
            weft::checkpoint();
            for (int i = 0; i < 2; ++i) {
                in_callback([&] {
                    int before_sleep = ticks;
                    auto before = steady::now();
                    boost::this_fiber::sleep_for(4ms);
                    BOOST_TEST((steady::now() - before >= 4ms));
                    boost::this_fiber::sleep_until(before);  // one that is over already
                    BOOST_TEST(ticks == before_sleep);
                });
            }
        });
        BOOST_TEST(ticks == 3);
        boost::this_fiber::sleep_for(1ms);
    });
}

BOOST_AUTO_TEST_CASE(a_callback_waits_for_a_promise_that_another_thread_fulfils) {
    run_real([] {
        for (int i = 0; i < 10; ++i) {
            bf::promise<int> p;
            bf::future<int> f = p.get_future();
            std::thread t([&, i] { if (i % 5 == 0) std::this_thread::sleep_for(1ms); p.set_value(i); });
            in_callback([&] { BOOST_TEST(f.get() == i); });
            t.join();
        }
    });
}

BOOST_AUTO_TEST_CASE(a_callback_waits_for_a_boost_fiber_which_runs_meanwhile) {
    for (bf::launch how : {bf::launch::post, bf::launch::dispatch}) {
        run_real([&] {
            // One made by a task, which waits itself and then fulfils the promise.
            bf::promise<int> p;
            bf::future<int> f = p.get_future();
            bf::fiber by_task(how, [&] { boost::this_fiber::yield(); boost::this_fiber::sleep_for(1ms); p.set_value(42); });
            in_callback([&] { BOOST_TEST(f.get() == 42); });
            by_task.join();
            // One made by the callback, which joins it; it makes another.
            in_callback([&] {
                int ran = 0;
                bf::fiber own(how, [&] {
                    ++ran;
                    bf::fiber inner(how, [&] { ++ran; boost::this_fiber::sleep_for(1ms); ++ran; });
                    inner.join();
                    boost::this_fiber::yield();
                    ++ran;
                });
                own.join();
                BOOST_TEST(ran == 4);
            });
        });
    }
}

BOOST_AUTO_TEST_CASE(a_callback_that_yields_takes_turns_with_boost_fibers) {
    run_real([] {
        bool stop = false, done = false;
        int a = 0, b = 0;
        bf::fiber first([&] { while (!stop) { ++a; boost::this_fiber::yield(); } });
        bf::fiber second([&] { while (!stop) { ++b; boost::this_fiber::yield(); } });
        bf::fiber sleeper([&] { boost::this_fiber::sleep_for(1ms); done = true; });
        in_callback([&] {
            boost::this_fiber::yield();
            BOOST_TEST((a > 0 && b > 0));
            while (!done) boost::this_fiber::yield();
            stop = true;
        });
        first.join();
        second.join();
        sleeper.join();
        in_callback([] { boost::this_fiber::yield(); });  // nobody else
        in_callback([] { bf::mutex m; BOOST_TEST(m.try_lock()); m.unlock(); });  // yields inside
    });
}

BOOST_AUTO_TEST_CASE(tasks_that_wait_in_boost_s_primitives_go_on_after_the_callback_only) {
    run_real([] {
        bf::mutex m;
        int woken = 0, locked = 0;
        bool in_wait = false;
        weft::with_nursery([&](weft::nursery& n) {
            for (int t = 0; t < 3; ++t) n.start_soon([&] { boost::this_fiber::sleep_for(1ms); BOOST_TEST(!in_wait); ++woken; });
            weft::checkpoint();
            weft::checkpoint();
            in_callback([&] {
                std::lock_guard lock(m);
                in_wait = true;
                boost::this_fiber::sleep_for(3ms);
                in_wait = false;
                BOOST_TEST(woken == 0);
            });
            for (int t = 0; t < 3; ++t) n.start_soon([&] { std::lock_guard lock(m); boost::this_fiber::yield(); ++locked; });
            weft::checkpoint();
        });
        BOOST_TEST(woken == 3);
        BOOST_TEST(locked == 3);
    });
}

BOOST_AUTO_TEST_CASE(a_callback_s_wait_with_a_timeout_for_what_a_task_holds_times_out) {
    run_real([] {
        bf::timed_mutex m;
        std::unique_lock held(m);
        in_callback([&] { BOOST_TEST(!m.try_lock_for(2ms)); });
        held.unlock();
        in_callback([&] { BOOST_TEST(m.try_lock_for(2ms)); m.unlock(); });
        bf::mutex plain;
        bf::condition_variable cv;
        in_callback([&] {
            std::unique_lock lock(plain);
            BOOST_TEST((cv.wait_for(lock, 2ms) == bf::cv_status::timeout));
        });
        std::lock_guard again(plain);
    });
}

BOOST_AUTO_TEST_CASE(exceptions_in_flight_and_errno_stay_with_the_callback) {
    run_real([] {
        auto uses_both = [](int x) {
            try {
                try { throw x; }
                catch (...) {
                    errno = x;
                    boost::this_fiber::sleep_for(1ms);
                    BOOST_TEST(errno == x);
                    boost::this_fiber::yield();
                    BOOST_TEST(errno == x);
                    throw;
                }
            } catch (int got) { BOOST_TEST(got == x); }
        };
        bf::fiber other(uses_both, 7);
        bf::fiber dispatched(bf::launch::dispatch, uses_both, 8);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { uses_both(9); });
            weft::checkpoint();
            in_callback([&] { uses_both(10); BOOST_TEST((std::current_exception() == nullptr)); });
            in_callback([&] {
                try { throw 11; }
                catch (int) {
                    errno = 11;
                    bf::fiber f(bf::launch::dispatch, [&] { BOOST_TEST((std::current_exception() == nullptr)); BOOST_TEST(errno == 0); uses_both(12); });
                    BOOST_TEST(errno == 11);
                    f.join();
                    BOOST_TEST((std::current_exception() != nullptr));
                }
            });
        });
        other.join();
        dispatched.join();
        BOOST_TEST(std::uncaught_exceptions() == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_callback_that_waits_for_what_only_a_task_can_do_ends_the_process_with_a_message) {
    int out[2];
    BOOST_TEST_REQUIRE(::pipe(out) == 0);
    pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        ::dup2(out[1], 2);
        weft::run([] {
            bf::mutex m;
            std::lock_guard lock(m);
            in_callback([&] { m.lock(); });
        });
        ::_exit(0);
    }
    ::close(out[1]);
    std::string text;
    char buffer[1024];
    for (ssize_t got; (got = ::read(out[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
    ::close(out[0]);
    int status = 0;
    BOOST_TEST(::waitpid(child, &status, 0) == child);
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == SIGABRT);
    for (char const* part : {"W017", "callback", "Boost.Fiber", "main", "help: "}) BOOST_TEST(text.find(part) != text.npos, part << " is not in: " << text);
}

BOOST_AUTO_TEST_SUITE_END()
