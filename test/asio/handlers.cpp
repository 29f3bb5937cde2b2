// SPDX-License-Identifier: BSL-1.0
// Completion handlers and callbacks: abandoned, inline, on other threads, without allocations, throwing, and what a
// callback may not do.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <new>
#include <thread>

namespace {
thread_local bool counting = false;  // only the thread that measures
thread_local std::size_t allocations = 0;
}  // namespace

// GCC takes the replaced operators for a mismatch where it inlines only one of a pair.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t n) {
    if (counting) ++allocations;
    if (void* p = std::malloc(n ? n : 1)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using local = asio::local::stream_protocol;

namespace {

template <class Signature, class Init>
auto call(Init&& init) {
    return asio::async_initiate<weft::use_fiber_t const, Signature>(std::forward<Init>(init), weft::use_fiber);
}

/// A plain thread that runs what it is given, in order.
class helper_thread {
public:
    helper_thread() : thread_([this] { work(); }) {}
    ~helper_thread() {
        run(nullptr);
        thread_.join();
    }
    void run(std::function<void()> f) {
        { std::lock_guard lock(mutex_); queue_.push_back(std::move(f)); }
        condition_.notify_one();
    }

private:
    void work() {
        for (;;) {
            std::unique_lock lock(mutex_);
            condition_.wait(lock, [this] { return !queue_.empty(); });
            auto f = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            if (!f) return;
            f();
        }
    }
    std::mutex mutex_;
    std::condition_variable condition_;
    std::deque<std::function<void()>> queue_;
    std::thread thread_;
};

/// An io_context with a thread of its own.
struct other_loop {
    asio::io_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
    asio::steady_timer first{context};  // opens the context's descriptors now, before anybody counts
    std::thread thread{[this] { context.run(); }};
    ~other_loop() { work.reset(); thread.join(); }
};

template <class F>
std::size_t allocations_of(F&& f) {
    std::size_t before = allocations;
    counting = true;
    f();
    counting = false;
    return allocations - before;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(handlers)

// --- destroyed unrun ---

BOOST_AUTO_TEST_CASE(a_handler_destroyed_by_the_initiation_ends_the_wait_with_abandoned_error) {
    run_checked([] {
        BOOST_CHECK_THROW(call<void(error_code)>([](auto) {}), weft::abandoned_error);
        BOOST_CHECK_THROW(call<void(int)>([](auto h) { auto own = std::move(h); }), weft::abandoned_error);
        error_code ec;
        auto init = [](auto) {};
        BOOST_CHECK_THROW((asio::async_initiate<weft::use_fiber_t::with_error const, void(error_code)>(init, weft::use_fiber[ec])), weft::abandoned_error);
    });
}

BOOST_AUTO_TEST_CASE(a_handler_destroyed_later_wakes_its_task_with_abandoned_error_and_not_inside_the_destructor) {
    run_checked([] {
        std::shared_ptr<void> holder;
        bool woken = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_CHECK_THROW(call<void(error_code)>([&](auto h) { holder = std::make_shared<decltype(h)>(std::move(h)); }), weft::abandoned_error);
                woken = true;
            });
            weft::testing::wait_all_tasks_blocked();
            asio::post(weft::get_executor(), [&] {
                holder.reset();
                BOOST_TEST(!woken);
            });
        });
        BOOST_TEST(woken);
    });
}

BOOST_AUTO_TEST_CASE(an_io_context_destroyed_with_an_operation_under_way_ends_the_wait_with_abandoned_error) {
    run_checked([] {
        auto other = std::make_unique<asio::io_context>();
        auto timer = std::make_unique<asio::steady_timer>(*other, 1h);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(timer->async_wait(weft::use_fiber), weft::abandoned_error); });
            n.start_soon([&] { BOOST_CHECK_THROW(asio::post(*other, weft::use_fiber), weft::abandoned_error); });
            weft::testing::wait_all_tasks_blocked();
            // Shut down only: the tasks still use the objects' memory.
            asio::steady_timer* left = timer.release();
            other.reset();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(n.child_count() == 0u);
            ::operator delete(left);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_operation_whose_handler_is_destroyed_raises_cancelled) {
    run_checked([] {
        std::shared_ptr<void> holder;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { call<void(error_code)>([&](auto h) { holder = std::make_shared<decltype(h)>(std::move(h)); }); }); });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            holder.reset();
        });
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(a_handler_destroyed_on_another_thread_wakes_its_task) {
    run_checked([] {
        helper_thread thread;
        for (int i = 0; i < 100; ++i) {
            BOOST_CHECK_THROW(call<void(error_code)>([&](auto h) {
                thread.run([own = std::make_shared<decltype(h)>(std::move(h))] {});
            }), weft::abandoned_error);
        }
    });
}

// --- inline ---

BOOST_AUTO_TEST_CASE(a_handler_may_be_called_inside_the_initiation) {
    run_checked([] {
        BOOST_TEST(call<void(int)>([](auto h) { h(42); }) == 42);
        BOOST_CHECK_THROW(call<void(error_code)>([](auto h) { h(error_code(asio::error::eof)); }), boost::system::system_error);
    });
}

// rule 61
BOOST_AUTO_TEST_CASE(inline_completions_in_a_row_do_not_starve_other_tasks_or_callbacks) {
    run_checked([] {
        // Many more than fit into one turn of the loop, whose budget is 250 us.
        constexpr int all = 200'000;
        int done = 0, turns = 0, callbacks = 0;
        bool stop = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { while (!stop) { ++turns; weft::checkpoint(); } });
            asio::post(weft::get_executor(), [&] { callbacks = done < all; });
            for (; done < all; ++done) call<void(int)>([](auto h) { h(1); });
            stop = true;
        });
        BOOST_TEST(turns >= all / 20);
        BOOST_TEST(callbacks == 1);
    });
}

BOOST_AUTO_TEST_CASE(inline_completions_meet_a_deadline) {
    weft::testing::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        int done = 0;
        weft::move_on_after(1s, [&] {
            for (; done < 10'000; ++done) {
                call<void(int)>([](auto h) { h(1); });
                clock.jump(10ms);
            }
        });
        BOOST_TEST(done <= 100);
    });
}

// --- other threads ---

// rule 152
BOOST_AUTO_TEST_CASE(a_handler_called_on_a_plain_thread_brings_its_result_home_a_thousand_times) {
    run_checked([] {
        helper_thread thread;
        auto home = std::this_thread::get_id();
        long sum = 0;
        for (int i = 0; i < 1'000; ++i) {
            sum += call<void(error_code, int)>([&](auto h) {
                thread.run([own = std::make_shared<decltype(h)>(std::move(h)), i] { std::move(*own)(error_code(), i); });
            });
            if (std::this_thread::get_id() != home) { BOOST_ERROR("the task has moved"); break; }
        }
        BOOST_TEST(sum == 499'500);
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(many_tasks_make_round_trips_through_a_thread_pool) {
    asio::thread_pool pool(3);
    run_checked([&] {
        auto home = std::this_thread::get_id();
        int wrong = 0, trips = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int t = 0; t < 10; ++t) {
                n.start_soon([&, t] {
                    for (int i = 0; i < 100; ++i) {
                        int r = call<void(int)>([&](auto h) {
                            asio::post(pool, [h = std::move(h), v = t * 100 + i]() mutable { std::move(h)(v); });
                        });
                        ++trips;
                        wrong += r != t * 100 + i || std::this_thread::get_id() != home;
                    }
                });
            }
        });
        BOOST_TEST(trips == 1'000);
        BOOST_TEST(wrong == 0);
    });
    pool.join();
}

BOOST_AUTO_TEST_CASE(a_timer_of_a_loop_that_another_thread_runs_can_be_waited_for) {
    other_loop other;
    run_checked([&] {
        auto home = std::this_thread::get_id();
        asio::steady_timer timer(other.context);
        for (int i = 0; i < 1'000; ++i) {
            timer.expires_after(0s);
            timer.async_wait(weft::use_fiber);
        }
        BOOST_TEST((std::this_thread::get_id() == home));
    });
}

// What Asio's own operations do: the thread that completes one lets go of the handler's executor after the handler has run.
BOOST_AUTO_TEST_CASE(another_thread_may_hold_and_use_a_handler_s_executor_after_the_run_has_ended) {
    std::promise<void> ended;
    std::thread other;
    int got = 0;
    bool late_call = false, destroyed = false;
    weft::testing::ledger before;
    weft::run([&] {
        got = call<void(int)>([&](auto h) {
            other = std::thread([&, over = ended.get_future(), h = std::move(h)]() mutable {
                auto ex = asio::prefer(asio::get_associated_executor(h), asio::execution::outstanding_work.tracked);
                asio::post(ex, [h = std::move(h)]() mutable { std::move(h)(7); });
                over.wait();
                auto sentinel = std::shared_ptr<void>(nullptr, [&](void*) { destroyed = true; });
                asio::post(ex, [&, sentinel] { late_call = true; });  // never run, and destroyed with the executor
            });
        });
    });
    ended.set_value();
    other.join();
    BOOST_TEST(got == 7);
    BOOST_TEST(!late_call);
    BOOST_TEST(destroyed);
    BOOST_TEST(before.difference() == "");
}

BOOST_AUTO_TEST_CASE(a_handler_s_executor_is_the_run_s_own) {
    run_checked([&] {
        call<void()>([&](auto h) {
            auto ex = asio::get_associated_executor(h);
            auto own = weft::get_executor();
            BOOST_TEST(&asio::query(ex, asio::execution::context) == &own.context());
            BOOST_TEST((asio::any_io_executor(ex) == asio::any_io_executor(ex)));
            BOOST_TEST((asio::query(asio::prefer(ex, asio::execution::outstanding_work.tracked), asio::execution::outstanding_work) == asio::execution::outstanding_work.tracked));
            auto strand = asio::make_strand(ex);
            asio::post(strand, [h = std::move(h)]() mutable { std::move(h)(); });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_socket_of_a_loop_that_another_thread_runs_can_be_read_and_written) {
    other_loop other;
    run_checked([&] {
        local::socket a(other.context), b(other.context);
        asio::local::connect_pair(a, b);
        std::size_t got = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                char c;
                for (int i = 0; i < 300; ++i) got += a.async_read_some(asio::buffer(&c, 1), weft::use_fiber);
            });
            for (int i = 0; i < 300; ++i) {
                BOOST_TEST_REQUIRE(b.async_write_some(asio::buffer("x", 1), weft::use_fiber) == 1u);
                weft::checkpoint();
            }
        });
        BOOST_TEST(got == 300u);
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(functions_posted_by_several_threads_all_run_on_the_run_s_thread) {
    run_checked([] {
        auto home = std::this_thread::get_id();
        int ran = 0, elsewhere = 0;
        std::atomic<int> left{4};
        weft::suspend_with([&](auto resume) {
            for (int t = 0; t < 4; ++t) {
                std::thread([&, resume, ex = weft::get_executor()] {
                    for (int i = 0; i < 250; ++i) asio::post(ex, [&] { ++ran; elsewhere += std::this_thread::get_id() != home; });
                    if (--left == 0) resume();
                }).detach();
            }
        });
        while (ran < 1'000) asio::post(weft::get_executor(), weft::use_fiber);
        BOOST_TEST(ran == 1'000);
        BOOST_TEST(elsewhere == 0);
    });
}

// A completion that raced with the initiation's return: the task has not switched out yet.
BOOST_AUTO_TEST_CASE(a_handler_called_on_another_thread_before_the_initiation_returns_is_not_lost) {
    run_checked([] {
        helper_thread thread;
        for (int i = 0; i < 100; ++i) {
            int r = call<void(int)>([&](auto h) {
                std::atomic<bool> called{false};
                thread.run([&called, own = std::make_shared<decltype(h)>(std::move(h)), i] { std::move(*own)(i); called = true; });
                while (!called) std::this_thread::yield();
            });
            BOOST_TEST_REQUIRE(r == i);
        }
    });
}

// --- memory ---

BOOST_AUTO_TEST_CASE(a_warm_loop_of_a_thousand_timer_waits_allocates_nothing) {
    weft::run([] {  // real time: with a virtual clock each poll of the loop starts with cold memory of Asio's
        asio::steady_timer timer(weft::get_executor());
        auto waits = [&](int n) { for (int i = 0; i < n; ++i) { timer.expires_after(0s); timer.async_wait(weft::use_fiber); } };
        waits(100);
        BOOST_TEST(allocations_of([&] { waits(1'000); }) == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_warm_loop_of_a_thousand_socket_round_trips_allocates_nothing) {
    weft::run([] {
        local::socket a(weft::get_executor()), b(weft::get_executor());
        asio::local::connect_pair(a, b);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                char c;
                for (error_code ec;;) {
                    b.async_read_some(asio::buffer(&c, 1), weft::use_fiber[ec]);
                    if (ec) return;
                    b.async_write_some(asio::buffer(&c, 1), weft::use_fiber);
                }
            });
            auto trips = [&](int count) {
                char c = 'x';
                for (int i = 0; i < count; ++i) {
                    a.async_write_some(asio::buffer(&c, 1), weft::use_fiber);
                    a.async_read_some(asio::buffer(&c, 1), weft::use_fiber);
                }
            };
            trips(100);
            BOOST_TEST(allocations_of([&] { trips(1'000); }) == 0u);
            a.close();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_deadline_around_each_operation_allocates_nothing) {
    weft::run([] {
        asio::steady_timer timer(weft::get_executor());
        auto waits = [&](int n) {
            for (int i = 0; i < n; ++i) weft::move_on_after(1h, [&] { timer.expires_after(0s); timer.async_wait(weft::use_fiber); });
        };
        waits(100);
        BOOST_TEST(allocations_of([&] { waits(1'000); }) == 0u);
    });
}

// --- get_executor ---

BOOST_AUTO_TEST_CASE(get_executor_needs_a_run_with_an_io_context) {
    BOOST_CHECK_THROW(weft::get_executor(), weft::not_running_error);
    weft::run_options o;
    o.make_driver = weft::testing::make_virtual_driver;
    weft::run(o, [] { BOOST_CHECK_THROW(weft::get_executor(), weft::not_running_error); });
    run_checked([] {
        auto ex = weft::get_executor();
        bool in_callback = false;
        asio::post(ex, [&] { in_callback = weft::get_executor() == ex; });
        weft::testing::wait_all_tasks_blocked();
        BOOST_TEST(in_callback);
        std::thread([] { BOOST_CHECK_THROW(weft::get_executor(), weft::not_running_error); }).join();
    });
}

BOOST_AUTO_TEST_CASE(an_operation_outside_of_a_run_throws_not_running_error_and_is_not_started) {
    bool started = false;
    BOOST_CHECK_THROW(call<void(int)>([&](auto) { started = true; }), weft::not_running_error);
    BOOST_TEST(!started);
}

// --- handlers that throw (rule 151) ---

// rule 151
BOOST_AUTO_TEST_CASE(a_callback_that_throws_cancels_main_and_leaves_the_run_in_a_group) {
    bool cancelled = false, destroyed = false, child = false;
    std::string reason;
    try {
        run_checked([&] {
            struct at_end { bool& b; ~at_end() { b = true; } } d{destroyed};
            asio::post(weft::get_executor(), [] { throw 1; });
            try {
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon([&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { child = true; throw; } });
                    weft::this_task::sleep_forever();
                });
            } catch (weft::cancelled const& c) {
                cancelled = c.source() == weft::cancel_source::run_ended;
                reason = c.reason();
                throw;
            }
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 1u);
        BOOST_TEST(g.contains<int>());
    }
    BOOST_TEST(cancelled);
    BOOST_TEST(reason == "a callback failed");
    BOOST_TEST(destroyed);
    BOOST_TEST(child);
}

// rule 151
BOOST_AUTO_TEST_CASE(the_errors_of_two_throwing_callbacks_and_of_main_are_all_in_the_group) {
    try {
        run_checked([] {
            asio::post(weft::get_executor(), [] { throw 1; });
            asio::post(weft::get_executor(), [] { throw std::range_error("two"); });
            try { weft::this_task::sleep_forever(); }
            catch (weft::cancelled const&) { throw std::domain_error("three"); }
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 3u);
        BOOST_TEST(g.contains<int>());
        BOOST_TEST(g.contains<std::range_error>());
        BOOST_TEST(g.contains<std::domain_error>());
    }
}

// rule 151, in real time: there the loop is one call of io_context::run()
BOOST_AUTO_TEST_CASE(a_timer_s_handler_that_throws_ends_a_run_in_real_time_and_main_may_clean_up_with_io) {
    int cleaned = 0;
    try {
        weft::run([&] {
            asio::steady_timer timer(weft::get_executor(), 1ms), cleanup(weft::get_executor());
            timer.async_wait([](error_code) { throw std::range_error("tick"); });
            try { weft::this_task::sleep_forever(); }
            catch (weft::cancelled const&) {
                weft::cancel_scope shield;
                shield.set_shield(true);
                shield.run([&] {
                    cleanup.expires_after(1ms);
                    cleanup.async_wait(weft::use_fiber);
                    ++cleaned;
                });
                throw;
            }
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 1u);
        BOOST_TEST(g.contains<std::range_error>());
    }
    BOOST_TEST(cleaned == 1);
}

// rule 151
BOOST_AUTO_TEST_CASE(a_callback_that_throws_while_the_last_task_ends_is_reported_too) {
    try {
        run_checked([] {
            asio::post(weft::get_executor(), [] { throw 1; });
            weft::yield_shielded();
            weft::this_task::sleep_for(1ms);
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.contains<int>());
    }
}

// --- the wrong domain (rule 138) ---

// rule 138
BOOST_AUTO_TEST_CASE(blocking_calls_in_a_callback_throw_wrong_domain_error_and_have_no_effect) {
    run_checked([] {
        weft::event e, done;
        asio::steady_timer timer(weft::get_executor(), 0s);
        int entered = 0, errors = 0;
        auto wrong = [&](auto&& f) { try { f(); } catch (weft::wrong_domain_error const&) { ++errors; } };
        asio::post(weft::get_executor(), [&] {
            wrong([] { weft::this_task::sleep_for(1s); });
            wrong([] { weft::this_task::sleep_for(0s); });
            wrong([] { weft::this_task::sleep_forever(); });
            wrong([] { weft::checkpoint(); });
            wrong([] { weft::check_cancelled(); });
            wrong([] { weft::yield_shielded(); });
            wrong([&] { e.wait(); });
            wrong([&] { timer.async_wait(weft::use_fiber); });
            wrong([&] { error_code ec; timer.async_wait(weft::use_fiber[ec]); });
            wrong([&] { weft::suspend_with([&](auto) { ++entered; }); });
            wrong([&] { weft::with_nursery([&](weft::nursery&) { ++entered; }); });
            wrong([&] { weft::move_on_after(1s, [&] { ++entered; }); });
            wrong([&] { weft::cancel_scope s; s.run([&] { ++entered; }); });
            wrong([] { weft::testing::wait_all_tasks_blocked(); });
            done.set();
        });
        done.wait();
        BOOST_TEST(errors == 14);
        BOOST_TEST(entered == 0);
        BOOST_TEST(e.waiters() == 0u);
        timer.async_wait(weft::use_fiber);  // the loop still works
    });
}

BOOST_AUTO_TEST_CASE(a_callback_may_start_tasks_set_events_and_cancel_scopes) {
    run_checked([] {
        weft::event e;
        weft::cancel_scope s;
        bool ran = false;
        weft::with_nursery([&](weft::nursery& n) {
            asio::post(weft::get_executor(), [&] {
                n.start_soon([&] { ran = true; });
                e.set();
                s.cancel("from a callback");
                BOOST_TEST(!ran);
            });
            e.wait();
            BOOST_TEST(!s.run([] { weft::checkpoint(); }));
        });
        BOOST_TEST(ran);
    });
}

BOOST_AUTO_TEST_CASE(a_function_dispatched_by_a_task_runs_at_once_and_one_posted_or_deferred_runs_after_it_waits) {
    run_checked([] {
        std::string order;
        asio::post(weft::get_executor(), [&] { order += 'p'; });
        asio::defer(weft::get_executor(), [&] { order += 'd'; });
        asio::dispatch(weft::get_executor(), [&] { order += 'i'; });
        order += 't';
        asio::post(weft::get_executor(), weft::use_fiber);
        BOOST_TEST(order == "itpd");
    });
}

BOOST_AUTO_TEST_SUITE_END()
