// SPDX-License-Identifier: BSL-1.0
// use_fiber and spawn under Asio's executors and adapters: strands, pools, other loops, type erasure, groups, composed operations.
#include "asio/operation_row.hpp"

#include <weft/asio/spawn.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <thread>

using namespace weft_test;

namespace {

template <class Executor>
using timer_on = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

template <class F>
bool raises_cancelled(F&& f) {
    try { f(); } catch (weft::cancelled const&) { return true; }
    return false;
}

bool is_aborted(std::exception_ptr const& e) {
    if (!e) return false;
    try { std::rethrow_exception(e); }
    catch (boost::system::system_error const& x) { return x.code() == aborted; }
    catch (...) { return false; }
}

/// What a separately compiled library offers: the handler's type is erased.
struct erased_timer {
    asio::steady_timer t{weft::get_executor()};
    void wait(weft::duration d, asio::any_completion_handler<void(error_code)> h) {
        t.expires_after(d);
        t.async_wait(std::move(h));
    }
    template <class Token>
    auto async_wait(weft::duration d, Token&& token) {
        return asio::async_initiate<Token, void(error_code)>([this](auto h, weft::duration x) { wait(x, std::move(h)); }, token, d);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(combinations)

// --- use_fiber: executors ---

BOOST_AUTO_TEST_CASE(an_object_on_a_strand_a_pool_or_an_erased_executor_is_waited_for_and_cancelled) {
    asio::thread_pool pool(2);
    asio::steady_timer first(pool);  // opens the pool's descriptors now, before anybody counts
    run_checked([&] {
        auto home = std::this_thread::get_id();
        auto check = [&](auto ex) {
            timer_on<decltype(ex)> t(ex, 0s);
            t.async_wait(weft::use_fiber);
            BOOST_TEST((std::this_thread::get_id() == home));
            t.expires_after(1h);
            BOOST_TEST(!weft::move_on_after(1s, [&] { t.async_wait(weft::use_fiber); }));
            t.expires_after(0s);
            error_code ec = aborted;
            t.async_wait(weft::use_fiber[ec]);
            BOOST_TEST(!ec);
        };
        check(asio::make_strand(weft::get_executor()));
        check(asio::any_io_executor(weft::get_executor()));
        check(pool.get_executor());
        check(asio::make_strand(pool));
        check(asio::any_io_executor(asio::make_strand(pool)));
    });
    pool.join();
}

// The handler of the operation runs there, and what the task gets comes home.
BOOST_AUTO_TEST_CASE(a_token_bound_to_another_executor_still_resumes_the_task_at_home) {
    asio::thread_pool pool(2);
    run_checked([&] {
        auto home = std::this_thread::get_id();
        asio::steady_timer t(weft::get_executor());
        auto check = [&](auto ex) {
            for (int i = 0; i < 50; ++i) {
                t.expires_after(0s);
                t.async_wait(asio::bind_executor(ex, weft::use_fiber));
                BOOST_TEST_REQUIRE((std::this_thread::get_id() == home));
            }
            t.expires_after(1h);
            BOOST_TEST(!weft::move_on_after(1s, [&] { t.async_wait(asio::bind_executor(ex, weft::use_fiber)); }));
        };
        check(asio::make_strand(weft::get_executor()));
        check(pool.get_executor());
        check(asio::make_strand(pool));
    });
    pool.join();
}

// --- use_fiber: adapters ---

BOOST_AUTO_TEST_CASE(a_handler_whose_type_is_erased_completes_and_is_cancelled_like_any) {
    run_checked([] {
        erased_timer t;
        t.async_wait(0s, weft::use_fiber);
        BOOST_TEST(!weft::move_on_after(1s, [&] { t.async_wait(1h, weft::use_fiber); }));
        error_code ec;
        weft::move_on_after(1s, [&] { t.async_wait(1h, weft::use_fiber[ec]); });
        BOOST_TEST(ec == aborted);
        // Dropped unrun: the wait ends all the same.
        BOOST_CHECK_THROW((asio::async_initiate<weft::use_fiber_t const, void(error_code)>(
                              [](auto h) { asio::any_completion_handler<void(error_code)> dropped(std::move(h)); }, weft::use_fiber)),
                          weft::abandoned_error);
    });
}

// As everywhere in Asio, the slot that is bound takes the place of the handler's own.
BOOST_AUTO_TEST_CASE(a_token_with_a_slot_of_the_program_s_is_cancelled_by_that_slot_and_not_by_the_scope) {
    run_checked([] {
        asio::cancellation_signal signal;
        asio::steady_timer t(weft::get_executor(), 1h);
        weft::cancel_scope s;
        error_code got;
        bool raised = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    t.async_wait(asio::bind_cancellation_slot(signal.slot(), weft::use_fiber[got]));
                    raised = raises_cancelled([] { weft::checkpoint(); });
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(n.child_count() == 1u);
            signal.emit(asio::cancellation_type::total);
        });
        BOOST_TEST(got == aborted);
        BOOST_TEST(raised);
    });
}

BOOST_AUTO_TEST_CASE(append_consign_and_bind_allocator_work_around_the_token) {
    run_checked([] {
        asio::steady_timer t(weft::get_executor(), 0s);
        BOOST_TEST(t.async_wait(asio::append(weft::use_fiber, 42)) == 42);
        auto kept = std::make_shared<int>(7);
        t.async_wait(asio::consign(weft::use_fiber, kept));
        weft::checkpoint();  // the task went on inside of its handler's call
        BOOST_TEST(kept.use_count() == 1);
        t.async_wait(asio::bind_allocator(std::allocator<void>(), weft::use_fiber));
    });
}

BOOST_AUTO_TEST_CASE(a_deferred_chain_is_one_operation_of_the_task) {
    run_checked([] {
        asio::steady_timer a(weft::get_executor(), 0s), b(weft::get_executor(), 0s);
        auto chain = a.async_wait(asio::deferred([&](error_code) { return b.async_wait(asio::deferred); }));
        std::move(chain)(weft::use_fiber);
        b.expires_after(1h);
        BOOST_TEST(!weft::move_on_after(1s, [&] { a.async_wait(asio::deferred([&](error_code) { return b.async_wait(asio::deferred); }))(weft::use_fiber); }));
        BOOST_TEST(b.cancel() == 0u);
    });
}

// --- spawn: executors ---

BOOST_AUTO_TEST_CASE(the_handler_of_a_spawned_task_runs_on_its_strand_or_pool_and_is_awaited) {
    asio::thread_pool pool(2);
    asio::io_context other;
    auto home = std::this_thread::get_id();
    std::atomic<int> handlers{0}, at_home{0};  // some handlers come when the run has ended
    run_checked([&] {
        auto strand = asio::make_strand(weft::get_executor());
        auto far_strand = asio::make_strand(pool);
        weft::with_nursery([&](weft::nursery& n) {
            auto start = [&](auto ex, auto inside) {
                weft::spawn(n, [] { weft::checkpoint(); return 1; }, asio::bind_executor(ex, [&handlers, &at_home, home, inside](std::exception_ptr e, int v) {
                    if (!e && inside()) handlers += v;
                    at_home += std::this_thread::get_id() == home;
                }));
            };
            start(strand, [=] { return strand.running_in_this_thread(); });
            start(asio::any_io_executor(strand), [=] { return strand.running_in_this_thread(); });
            start(far_strand, [=] { return far_strand.running_in_this_thread(); });
            start(pool.get_executor(), [ex = pool.get_executor()] { return ex.running_in_this_thread(); });
            start(other.get_executor(), [ex = other.get_executor()] { return ex.running_in_this_thread(); });
        });
        BOOST_TEST(at_home == 2);  // the nursery waited for those of its own loop
    });
    other.run();  // it has work until the handler was called
    pool.join();
    BOOST_TEST(handlers == 5);
}

// --- spawn: adapters ---

BOOST_AUTO_TEST_CASE(a_spawned_task_completes_a_handler_whose_type_is_erased) {
    run_checked([] {
        int value = 0;
        bool stopped = false;
        asio::cancellation_signal signal;
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [] { weft::checkpoint(); return 42; }, asio::any_completion_handler<void(std::exception_ptr, int)>([&](std::exception_ptr, int v) { value = v; }));
            weft::spawn(n, [] { weft::this_task::sleep_forever(); },
                        asio::any_completion_handler<void(std::exception_ptr)>(asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { stopped = is_aborted(e); })));
            weft::testing::wait_all_tasks_blocked();
            signal.emit(asio::cancellation_type::terminal);
        });
        BOOST_TEST(value == 42);
        BOOST_TEST(stopped);
    });
    // On another thread, and not before the run's part of it is over.
    asio::thread_pool pool(1);
    std::promise<std::thread::id> where;
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [] { weft::checkpoint(); },
                        asio::any_completion_handler<void(std::exception_ptr)>(asio::bind_executor(pool, [&](std::exception_ptr) { where.set_value(std::this_thread::get_id()); })));
        });
    });
    BOOST_TEST((where.get_future().get() != std::this_thread::get_id()));
    pool.join();
}

BOOST_AUTO_TEST_CASE(a_deferred_spawn_starts_its_task_when_it_is_asked_to) {
    run_checked([] {
        int started = 0;
        weft::with_nursery([&](weft::nursery& n) {
            auto later = weft::spawn(n, [&] { ++started; return 42; }, asio::deferred);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(started == 0);
            BOOST_TEST(std::move(later)(weft::use_fiber) == 42);
            auto never = weft::spawn(n, [&] { ++started; }, asio::deferred);
            static_cast<void>(never);
        });
        BOOST_TEST(started == 1);
    });
}

BOOST_AUTO_TEST_CASE(as_tuple_and_redirecting_adapters_work_on_a_spawned_task) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto [e, v] = weft::spawn(n, [] { return 42; }, asio::as_tuple(weft::use_fiber));
            BOOST_TEST((!e && v == 42));
            auto [f] = weft::spawn(n, [] { throw std::range_error("x"); }, asio::as_tuple(weft::use_fiber));
            BOOST_CHECK_THROW(std::rethrow_exception(f), std::range_error);
        });
    });
}

// A task against a timer: whoever is first ends the other.
BOOST_AUTO_TEST_CASE(a_spawned_task_in_a_parallel_group_is_cancelled_when_another_operation_wins) {
    run_checked([] {
        bool unwound = false;
        weft::with_nursery([&](weft::nursery& n) {
            asio::steady_timer t(weft::get_executor(), 0s);
            auto slow = [&] {
                struct at_end { bool& b; ~at_end() { b = true; } } e{unwound};
                weft::this_task::sleep_forever();
            };
            auto [order, ended, timer] = asio::experimental::make_parallel_group(weft::spawn(n, slow, asio::deferred), t.async_wait(asio::deferred))
                                             .async_wait(asio::experimental::wait_for_one(), weft::use_fiber);
            BOOST_TEST(order[0] == 1u);
            BOOST_TEST(is_aborted(ended));
            BOOST_TEST(!timer);
            BOOST_TEST(unwound);

            t.expires_after(1h);
            auto [second_order, e, v, second_timer] = asio::experimental::make_parallel_group(weft::spawn(n, [] { return 42; }, asio::deferred), t.async_wait(asio::deferred))
                                                          .async_wait(asio::experimental::wait_for_one(), weft::use_fiber);
            BOOST_TEST(second_order[0] == 0u);
            BOOST_TEST((!e && v == 42));
            BOOST_TEST(second_timer == aborted);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_composed_operation_may_have_a_task_as_a_step) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            asio::steady_timer t(weft::get_executor());
            auto op = [&](weft::duration d, auto&& token) {
                return asio::async_compose<decltype(token), void(std::exception_ptr, int)>(
                    [&, d, step = 0](auto& self, auto... a) mutable {
                        if constexpr (sizeof...(a) == 2) {
                            self.complete(a...);  // of the task
                        } else if (step++ == 0) {
                            t.expires_after(0s);
                            t.async_wait(std::move(self));
                        } else {
                            weft::spawn(n, [d] { weft::this_task::sleep_for(d); return 42; }, std::move(self));
                        }
                    },
                    token, t);
            };
            BOOST_TEST(op(1s, weft::use_fiber) == 42);
            BOOST_TEST(!weft::move_on_after(1s, [&] { op(1h, weft::use_fiber); }));
            BOOST_TEST(n.child_count() == 0u);
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
