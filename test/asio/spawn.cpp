// SPDX-License-Identifier: BSL-1.0
// From callbacks into tasks: weft::spawn; from any callback API into a blocking call: weft::suspend_with.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <functional>
#include <memory>
#include <thread>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

template <class F>
bool raises_cancelled(F&& f) {
    try { f(); } catch (weft::cancelled const&) { return true; }
    return false;
}

bool is_aborted(std::exception_ptr const& e) {
    if (!e) return false;
    try { std::rethrow_exception(e); }
    catch (boost::system::system_error const& x) { return x.code() == asio::error::operation_aborted; }
    catch (...) { return false; }
}

template <class E>
bool holds(std::exception_ptr const& e) {
    if (!e) return false;
    try { std::rethrow_exception(e); } catch (E const&) { return true; } catch (...) { return false; }
}

template <class F>
void in_callback(F&& f) { asio::post(weft::get_executor(), std::forward<F>(f)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(spawn)

// --- results ---

BOOST_AUTO_TEST_CASE(a_task_spawned_by_a_callback_reports_its_result_to_the_token) {
    run_checked([] {
        int value = 0, ends = 0;
        bool in_task = true;
        weft::with_nursery([&](weft::nursery& n) {
            in_callback([&] {
                weft::spawn(n, [] { weft::this_task::sleep_for(1s); return 42; }, [&](std::exception_ptr e, int v) {
                    BOOST_TEST(!e);
                    value = v;
                    try { weft::check_cancelled(); } catch (weft::wrong_domain_error const&) { in_task = false; }
                });
                weft::spawn(n, [] { weft::checkpoint(); }, [&](std::exception_ptr e) { BOOST_TEST(!e); ++ends; });
                BOOST_TEST(ends == 0);
            });
            weft::this_task::sleep_for(2s);
        });
        BOOST_TEST(value == 42);
        BOOST_TEST(ends == 1);
        BOOST_TEST(!in_task);
    });
}

BOOST_AUTO_TEST_CASE(a_result_without_a_default_comes_in_an_optional) {
    struct no_default { int v; explicit no_default(int x) : v(x) {} };
    run_checked([] {
        int value = 0;
        bool empty = false;
        weft::with_nursery([&](weft::nursery& n) {
            in_callback([&] {
                weft::spawn(n, [] { return no_default(42); }, [&](std::exception_ptr e, std::optional<no_default> v) { BOOST_TEST(!e); value = v->v; });
                weft::spawn(n, []() -> no_default { throw std::range_error("x"); },
                            [&](std::exception_ptr e, std::optional<no_default> v) { empty = holds<std::range_error>(e) && !v; });
            });
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST(value == 42);
        BOOST_TEST(empty);
    });
}

BOOST_AUTO_TEST_CASE(move_only_functions_results_and_handlers_are_moved) {
    run_checked([] {
        int value = 0;
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [p = std::make_unique<int>(41)] { return std::make_unique<int>(*p + 1); },
                        [&, own = std::make_unique<int>(1)](std::exception_ptr, std::unique_ptr<int> r) { value = *r + *own; });
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST(value == 43);
    });
}

BOOST_AUTO_TEST_CASE(a_task_may_wait_for_the_spawned_one_with_use_fiber) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            BOOST_TEST(weft::spawn(n, [] { weft::this_task::sleep_for(1s); return 42; }, weft::use_fiber) == 42);
            weft::spawn(n, [] {}, weft::use_fiber);
            BOOST_CHECK_THROW(weft::spawn(n, [] { throw std::range_error("x"); }, weft::use_fiber), std::range_error);
            weft::checkpoint();  // the nursery is not cancelled by it
        });
    });
}

BOOST_AUTO_TEST_CASE(another_thread_may_wait_for_the_spawned_task_with_use_future) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            int got = 0;
            std::future<int> f = weft::spawn(n, [] { weft::this_task::sleep_for(1s); return 42; }, asio::use_future);
            std::future<void> failed = weft::spawn(n, [] { throw std::range_error("x"); }, asio::use_future);
            std::thread t([&] { got = f.get(); });
            weft::this_task::sleep_for(2s);
            asio::post(weft::get_executor(), weft::use_fiber);
            t.join();
            BOOST_TEST(got == 42);
            BOOST_CHECK_THROW(failed.get(), std::range_error);
        });
    });
}

BOOST_AUTO_TEST_CASE(the_handler_runs_on_its_own_executor) {
    asio::thread_pool pool(1);
    run_checked([&] {
        std::promise<std::thread::id> where;
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [] { return 1; }, asio::bind_executor(pool, [&](std::exception_ptr, int) { where.set_value(std::this_thread::get_id()); }));
        });
        BOOST_TEST((where.get_future().get() != std::this_thread::get_id()));
    });
    pool.join();
}

// --- errors ---

// rule 128
BOOST_AUTO_TEST_CASE(an_error_goes_to_the_token_as_itself_and_not_to_the_nursery) {
    run_checked([] {
        bool got = false;
        weft::with_nursery([&](weft::nursery& n) {
            in_callback([&] { weft::spawn(n, []() -> int { throw std::range_error("x"); }, [&](std::exception_ptr e, int) { got = holds<std::range_error>(e); }); });
            weft::this_task::sleep_for(1s);
        });
        BOOST_TEST(got);
    });
}

// rule 128
BOOST_AUTO_TEST_CASE(an_error_crosses_several_layers_of_tasks_and_callbacks_unchanged) {
    run_checked([] {
        std::exception_ptr original = std::make_exception_ptr(std::range_error("deep")), seen;
        weft::with_nursery([&](weft::nursery& n) {
            auto inner = [&] { weft::spawn(n, [&] { std::rethrow_exception(original); }, weft::use_fiber); };
            auto middle = [&] { weft::spawn(n, inner, weft::use_fiber); };
            in_callback([&] { weft::spawn(n, middle, [&](std::exception_ptr e) { seen = e; }); });
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST((seen == original));
    });
}

// rule 124
BOOST_AUTO_TEST_CASE(an_error_of_a_detached_task_fails_the_nursery) {
    try {
        run_checked([] {
            weft::with_nursery([&](weft::nursery& n) {
                in_callback([&] { weft::spawn(n, [] { throw std::range_error("x"); }, asio::detached); });
                weft::this_task::sleep_forever();
            });
        });
        BOOST_ERROR("no error");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 1u);
        BOOST_TEST(g.contains<std::range_error>());
    }
}

BOOST_AUTO_TEST_CASE(a_nursery_that_is_closed_refuses_and_drops_the_handler_uncalled) {
    run_checked([] {
        int called = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.close();
            BOOST_CHECK_THROW(weft::spawn(n, [] {}, [&](std::exception_ptr) { ++called; }), weft::nursery_closed_error);
            BOOST_CHECK_THROW(weft::spawn(n, [] {}, asio::detached), weft::nursery_closed_error);
            BOOST_CHECK_THROW(weft::spawn(n, [] {}, weft::use_fiber), weft::nursery_closed_error);
            bool in_cb = false;
            in_callback([&] {
                try { weft::spawn(n, [] {}, [&](std::exception_ptr) { ++called; }); } catch (weft::nursery_closed_error const&) { in_cb = true; }
            });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(in_cb);
        });
        BOOST_TEST(called == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_full_nursery_refuses_a_callback_with_would_block) {
    run_checked([] {
        weft::nursery_options o;
        o.max_children = 1;
        bool refused = false;
        weft::with_nursery(o, [&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            in_callback([&] { try { weft::spawn(n, [] {}, [](std::exception_ptr) {}); } catch (weft::would_block const&) { refused = true; } });
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST(refused);
    });
}

// --- cancellation ---

// rule 127
BOOST_AUTO_TEST_CASE(the_token_s_slot_cancels_the_task_and_the_token_completes_only_after_the_task_s_end) {
    run_checked([] {
        asio::cancellation_signal signal;
        std::string order;
        std::exception_ptr got;
        weft::with_nursery([&](weft::nursery& n) {
            in_callback([&] {
                weft::spawn(n, [&] {
                    struct end { std::string& o; ~end() { o += 'd'; } } e{order};
                    try { weft::this_task::sleep_forever(); }
                    catch (weft::cancelled const&) {
                        order += 'c';
                        weft::cancel_scope shield;
                        shield.set_shield(true);
                        shield.run([&] { weft::this_task::sleep_for(1s); });
                        order += 's';
                        throw;
                    }
                    return 1;
                }, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, int) { order += 't'; got = e; }));
            });
            weft::testing::wait_all_tasks_blocked();
            signal.emit(asio::cancellation_type::terminal);
            BOOST_TEST(order == "");
            weft::this_task::sleep_for(2s);
            BOOST_TEST(n.scope().cancel_called() == false);
        });
        BOOST_TEST(order == "csdt");
        BOOST_TEST(is_aborted(got));
    });
}

// rule 127
BOOST_AUTO_TEST_CASE(what_a_cancelled_task_throws_or_returns_in_the_end_wins) {
    run_checked([] {
        asio::cancellation_signal a, b;
        bool error = false;
        int value = 0;
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [] {
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { throw std::range_error("later"); }
            }, asio::bind_cancellation_slot(a.slot(), [&](std::exception_ptr e) { error = holds<std::range_error>(e); }));
            weft::spawn(n, [] {
                raises_cancelled([] { weft::this_task::sleep_forever(); });
                return 42;
            }, asio::bind_cancellation_slot(b.slot(), [&](std::exception_ptr e, int v) { if (!e) value = v; }));
            weft::testing::wait_all_tasks_blocked();
            a.emit(asio::cancellation_type::terminal);
            b.emit(asio::cancellation_type::terminal);
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST(error);
        BOOST_TEST(value == 42);
    });
}

// rule 129
BOOST_AUTO_TEST_CASE(a_task_cancelled_before_its_first_step_completes_its_token_too) {
    run_checked([] {
        asio::cancellation_signal signal;
        bool aborted = false, passed = false;
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [&] { weft::checkpoint(); passed = true; }, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { aborted = is_aborted(e); }));
            signal.emit(asio::cancellation_type::terminal);
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST(aborted);
        BOOST_TEST(!passed);
    });
}

BOOST_AUTO_TEST_CASE(the_slot_is_empty_once_the_task_has_ended) {
    run_checked([] {
        asio::cancellation_signal signal;
        int ends = 0;
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [] {}, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { BOOST_TEST(!e); ++ends; }));
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(!signal.slot().has_handler());
            signal.emit(asio::cancellation_type::terminal);
        });
        BOOST_TEST(ends == 1);
    });
}

BOOST_AUTO_TEST_CASE(cancelling_the_nursery_ends_the_token_with_operation_aborted) {
    run_checked([] {
        bool aborted = false;
        weft::with_nursery([&](weft::nursery& n) {
            in_callback([&] { weft::spawn(n, [] { weft::this_task::sleep_forever(); }, [&](std::exception_ptr e) { aborted = is_aborted(e); }); });
            weft::testing::wait_all_tasks_blocked();
            n.cancel();
        });
        asio::post(weft::get_executor(), weft::use_fiber);
        BOOST_TEST(aborted);
    });
}

// rules 125, 127
BOOST_AUTO_TEST_CASE(cancelling_who_waits_with_use_fiber_cancels_the_spawned_task_and_waits_for_its_end) {
    run_checked([] {
        bool ended = false, ended_first = false;
        weft::with_nursery([&](weft::nursery& n) {
            bool in_time = weft::move_on_after(1s, [&] {
                try {
                    weft::spawn(n, [&] {
                        try { weft::this_task::sleep_forever(); }
                        catch (weft::cancelled const&) { weft::yield_shielded(); ended = true; throw; }
                    }, weft::use_fiber);
                } catch (weft::cancelled const&) { ended_first = ended; throw; }
            });
            BOOST_TEST(!in_time);
            BOOST_TEST(!n.scope().cancel_called());
        });
        BOOST_TEST(ended_first);
    });
}

// rule 127
BOOST_AUTO_TEST_CASE(the_function_is_destroyed_before_the_token_completes_even_if_that_takes_time) {
    run_checked([] {
        std::string order;
        struct slow {
            std::string* o;
            explicit slow(std::string& s) : o(&s) {}
            slow(slow&& x) noexcept : o(std::exchange(x.o, nullptr)) {}
            ~slow() {
                if (!o) return;
                for (int i = 0; i < 5; ++i) weft::yield_shielded();
                asio::post(weft::get_executor(), weft::use_fiber);
                *o += 'f';
            }
        };
        weft::with_nursery([&](weft::nursery& n) {
            weft::spawn(n, [s = slow(order)] {}, [&](std::exception_ptr) { order += 't'; });
            weft::this_task::sleep_for(1s);
        });
        BOOST_TEST(order == "ft");
    });
}

BOOST_AUTO_TEST_CASE(a_handler_of_a_spawned_task_that_throws_ends_the_run_in_a_group) {
    try {
        run_checked([] {
            weft::with_nursery([&](weft::nursery& n) {
                weft::spawn(n, [] {}, [](std::exception_ptr) { throw std::range_error("x"); });
                weft::this_task::sleep_forever();
            });
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 1u);
        BOOST_TEST(g.contains<std::range_error>());
    }
}

// --- suspend_with ---

// No error is lost: the handler that is to hear of it is called before the nursery, and its frames, go.
BOOST_AUTO_TEST_CASE(a_nursery_waits_for_the_handlers_of_its_spawned_tasks) {
    run_checked([] {
        int handlers = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) weft::spawn(n, [] { throw std::runtime_error("x"); }, [&](std::exception_ptr e) { handlers += e != nullptr; });
            asio::post(weft::get_executor(), [&] { weft::spawn(n, [] { return 1; }, [&](std::exception_ptr, int v) { handlers += v; }); });
            weft::checkpoint();
        });
        BOOST_TEST(handlers == 4);
        weft::with_nursery([&](weft::nursery& n) {
            auto strand = asio::make_strand(weft::get_executor());
            weft::spawn(n, [] {}, asio::bind_executor(strand, [&](std::exception_ptr) { ++handlers; }));
        });
        BOOST_TEST(handlers == 5);
    });
}

BOOST_AUTO_TEST_CASE(a_spawned_task_that_nobody_can_wake_is_a_deadlock_and_not_a_hang) {
    BOOST_CHECK_THROW(run_checked([] {
        weft::event nobody;
        weft::with_nursery([&](weft::nursery& n) { weft::spawn(n, [&] { nobody.wait(); }, [](std::exception_ptr) {}); });
    }), weft::deadlock_error);
}

BOOST_AUTO_TEST_CASE(suspend_with_returns_what_resume_is_given) {
    run_checked([] {
        BOOST_TEST(weft::suspend_with<int>([](auto resume) { in_callback([=] { resume(42); }); }) == 42);
        weft::suspend_with([](auto resume) { in_callback([=] { resume(); }); });
        static_assert(std::is_void_v<decltype(weft::suspend_with([](auto) {}))>);
        auto p = weft::suspend_with<std::unique_ptr<int>>([](auto resume) { in_callback([=] { resume(std::make_unique<int>(7)); }); });
        BOOST_TEST(*p == 7);
        BOOST_TEST(weft::suspend_with<std::string>([](auto resume) { resume("at once"); }) == "at once");
    });
}

BOOST_AUTO_TEST_CASE(a_std_function_can_hold_resume) {
    run_checked([] {
        std::function<void(int)> callback;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::testing::wait_all_tasks_blocked(); auto copy = callback; copy(42); });
            BOOST_TEST(weft::suspend_with<int>([&](auto resume) { callback = resume; }) == 42);
        });
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(resume_may_be_called_on_another_thread) {
    run_checked([] {
        auto home = std::this_thread::get_id();
        for (int i = 0; i < 50; ++i) {
            std::thread t;
            int r = weft::suspend_with<int>([&](auto resume) { t = std::thread([resume, i] { resume(i); }); });
            t.join();
            BOOST_TEST_REQUIRE(r == i);
            BOOST_TEST_REQUIRE((std::this_thread::get_id() == home));
        }
    });
}

BOOST_AUTO_TEST_CASE(resume_never_runs_the_task_inside_the_call) {
    run_checked([] {
        bool went_on = false, early = true;
        weft::suspend_with<>([&](auto resume) {
            boost::asio::post(weft::get_executor(), [&, resume] {
                resume();
                early = went_on;
            });
        });
        went_on = true;
        weft::checkpoint();
        BOOST_TEST(!early);
    });
}

// rule 152
BOOST_AUTO_TEST_CASE(of_several_calls_of_resume_the_first_counts) {
    run_checked([] {
        std::function<void(int)> keep;
        int r = weft::suspend_with<int>([&](auto resume) { keep = resume; resume(1); resume(2); });
        BOOST_TEST(r == 1);
        keep(3);
        weft::checkpoint();
        std::thread a, b;
        int winner = weft::suspend_with<int>([&](auto resume) { a = std::thread([=] { resume(1); }); b = std::thread([=] { resume(2); }); });
        a.join();
        b.join();
        BOOST_TEST((winner == 1 || winner == 2));
    });
}

BOOST_AUTO_TEST_CASE(a_resume_that_is_dropped_ends_the_wait_with_abandoned_error) {
    run_checked([] {
        BOOST_CHECK_THROW(weft::suspend_with<int>([](auto) {}), weft::abandoned_error);
        std::function<void()> keep;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_CHECK_THROW(weft::suspend_with([&](auto resume) { keep = resume; }), weft::abandoned_error); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(n.child_count() == 1u);
            keep = nullptr;
        });
    });
}

BOOST_AUTO_TEST_CASE(suspend_with_waits_for_resume_although_it_is_cancelled_and_the_next_point_raises) {
    run_checked([] {
        std::function<void(int)> keep;
        int got = 0;
        bool raised = false;
        weft::with_nursery([&](weft::nursery& n) {
            weft::cancel_scope s;
            n.start_soon([&] {
                s.run([&] {
                    got = weft::suspend_with<int>([&](auto resume) { keep = resume; });
                    raised = raises_cancelled([] { weft::check_cancelled(); });
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(n.child_count() == 1u);
            keep(42);
            weft::testing::wait_all_tasks_blocked();
        });
        BOOST_TEST(got == 42);
        BOOST_TEST(raised);
    });
}

BOOST_AUTO_TEST_CASE(what_the_start_function_throws_leaves_suspend_with) {
    run_checked([] {
        BOOST_CHECK_THROW(weft::suspend_with([](auto) { throw std::range_error("x"); }), std::range_error);
    });
}

BOOST_AUTO_TEST_SUITE_END()
