// SPDX-License-Identifier: BSL-1.0
// Callback loops: order, handles, timers, their exit, errors, contexts.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <thread>

using namespace weft_test;
namespace asio = boost::asio;
using log_type = std::vector<std::string>;

namespace {
std::string joined(log_type const& l) {
    std::string s;
    for (auto const& x : l) s += (s.empty() ? "" : " ") + x;
    return s;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(callback_loop)

// rule 130
BOOST_AUTO_TEST_CASE(callbacks_timers_and_the_executor_s_functions_share_one_queue) {
    run_checked([] {
        log_type log;
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            auto note = [&](char const* s) { return [&log, s] { log.push_back(s); }; };
            loop.call_soon(note("a"));
            asio::post(loop.get_executor(), note("b"));
            loop.call_soon([&] {
                log.push_back("c{");
                loop.call_soon(note("e"));  // never inside this one
                loop.call_later(0s, note("timer"));
                log.push_back("}c");
            });
            loop.post(note("d"));
            BOOST_TEST(log.empty());
            loop.synchronize();
            BOOST_TEST(log.size() >= 5u);  // what was queued by then
            weft::this_task::sleep_for(1ms);
        });
        BOOST_TEST(joined(log) == "a b c{ }c d e timer");
    });
}

// rule 130
BOOST_AUTO_TEST_CASE(timers_come_at_their_time_and_those_of_one_moment_in_the_order_of_the_calls) {
    run_checked([] {
        log_type log;
        auto start = weft::current_time();
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            auto note = [&](std::string s) { return [&log, s, start] { log.push_back(s + "@" + std::to_string((weft::current_time() - start) / 1ms)); }; };
            loop.call_later(20ms, note("c"));
            loop.call_later(10ms, note("a"));
            loop.call_at(start + 10ms, note("b"));
            loop.call_later(5ms, [&, note] { loop.call_later(1ms, note("inner")); });  // earlier than what the timers wait for
            loop.call_later(0s, note("now"));
            weft::this_task::sleep_for(1s);
        });
        BOOST_TEST(joined(log) == "now@0 inner@6 a@10 b@10 c@20");
    });
}

// rule 130
BOOST_AUTO_TEST_CASE(a_cancelled_callback_never_runs_and_its_function_is_gone_at_once) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            auto held = std::make_shared<int>();
            bool ran = false;
            auto soon = loop.call_soon([&, held] { ran = true; });
            auto later = loop.call_later(10ms, [&, held] { ran = true; });
            BOOST_TEST(held.use_count() == 3);
            BOOST_TEST(soon.cancel());
            BOOST_TEST(later.cancel());
            BOOST_TEST(held.use_count() == 1);
            BOOST_TEST(!soon.cancel());
            BOOST_TEST(!weft::callback_handle().cancel());
            weft::callback_handle second;
            loop.call_later(10ms, [&] { BOOST_TEST(second.cancel()); });  // of the same moment: the first cancels the second
            second = loop.call_later(10ms, [&] { ran = true; });
            weft::callback_handle self;
            self = loop.call_soon([&] { BOOST_TEST(!self.cancel()); });
            weft::this_task::sleep_for(20ms);
            BOOST_TEST(!ran);
            BOOST_TEST(!second.cancel());
        });
    });
}

BOOST_AUTO_TEST_CASE(mistakes_are_named) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            BOOST_CHECK_THROW(loop.call_later(-1s, [] {}), weft::misuse_error);
            BOOST_CHECK_THROW(loop.call_later(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()), [] {}), weft::misuse_error);
            auto h = loop.call_later(1s, [] {});
            bool wrong = false;
            std::thread([&] { wrong = throws<weft::wrong_domain_error>([&] { loop.call_soon([] {}); }) && throws<weft::wrong_domain_error>([&] { h.cancel(); }); }).join();
            BOOST_TEST(wrong);
        });
    });
    BOOST_CHECK_THROW(weft::with_callback_loop([](weft::callback_loop&) {}), weft::not_running_error);
}

// rule 138
BOOST_AUTO_TEST_CASE(callbacks_may_not_block_but_start_tasks) {
    run_checked([] {
        int done = 0;
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            loop.call_soon([&] {
                BOOST_CHECK_THROW(weft::this_task::sleep_for(1ms), weft::wrong_domain_error);
                BOOST_CHECK_THROW(loop.synchronize(), weft::wrong_domain_error);
                loop.spawn([&] { weft::this_task::sleep_for(1ms); ++done; loop.stop(); });
            });
            loop.wait_stopped();
        });
        BOOST_TEST(done == 1);
    });
}

// rule 131
BOOST_AUTO_TEST_CASE(at_the_end_tasks_are_cancelled_and_awaited_queued_callbacks_run_and_timers_are_dropped) {
    run_checked([] {
        log_type log;
        auto in_timer = std::make_shared<int>();
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            loop.stop();  // by hand: no harm at the exit
            loop.spawn([&] {
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                    weft::cancel_scope cleanup;
                    cleanup.set_shield(true);
                    cleanup.run([&] { weft::this_task::sleep_for(10ms); });
                    loop.call_soon([&] { log.push_back("by the task"); loop.call_soon([&] { log.push_back("last"); }); });
                    throw;
                }
            });
            loop.call_soon([&] { log.push_back("queued"); });
            loop.call_later(5ms, [&] { log.push_back("timer"); });
            loop.call_later(1h, [&, in_timer] { log.push_back("never"); });
            weft::this_task::yield();
        });
        BOOST_TEST(joined(log) == "queued timer by the task last");
        BOOST_TEST(in_timer.use_count() == 1);
    });
}

// rule 131
BOOST_AUTO_TEST_CASE(a_task_from_outside_may_finish_its_call_while_the_loop_exits) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            weft::with_callback_loop([&](weft::callback_loop& loop) {
                loop.spawn([] { try { weft::this_task::sleep_forever(); } catch (...) { weft::cancel_scope s; s.set_shield(true); s.run([] { weft::this_task::sleep_for(10ms); }); throw; } });
                n.start_soon([&] { weft::this_task::sleep_for(5ms); BOOST_TEST(loop.call([] { return 7; }) == 7); });
                weft::this_task::yield();
            });
        });
    });
}

// rule 132
BOOST_AUTO_TEST_CASE(a_cancellation_reaches_the_body_first_its_tasks_only_when_that_has_ended_and_the_loop_goes_on_meanwhile) {
    run_checked([] {
        log_type log;
        weft::move_on_after(10ms, [&] {
            weft::with_callback_loop([&](weft::callback_loop& loop) {
                loop.spawn([&] { try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { log.push_back("task"); throw; } });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                    weft::cancel_scope s;
                    s.set_shield(true);
                    s.run([&] { log.push_back(loop.call([] { return "dispatched"; })); weft::this_task::sleep_for(10ms); });
                    log.push_back("body");
                    throw;
                }
            });
        });
        BOOST_TEST(joined(log) == "dispatched body task");
    });
}

// rule 133
BOOST_AUTO_TEST_CASE(a_closed_loop_refuses_every_call_and_destroys_what_its_executor_is_given) {
    run_checked([] {
        std::optional<weft::callback_executor> executor;
        bool ran = false;
        auto held = std::make_shared<int>();
        weft::callback_loop* former = nullptr;
        struct late {  // its destructor runs when the loop has closed, while it still is there
            weft::callback_loop*& loop;
            explicit late(weft::callback_loop*& l) : loop(l) {}
            ~late() {
                if (!loop) return;
                auto closed = [&](auto&& f) { BOOST_TEST(throws<weft::closed_resource_error>(f)); };
                closed([&] { loop->call_soon([] {}); });
                closed([&] { loop->call_later(1ms, [] {}); });
                closed([&] { loop->call_at(weft::current_time(), [] {}); });
                closed([&] { loop->post([] {}); });
                closed([&] { loop->spawn([] {}); });
                closed([&] { loop->add_reader(0, [] {}); });
                closed([&] { loop->remove_writer(0); });
                bool refused = false;
                std::thread([&] { refused = throws<weft::closed_resource_error>([&] { loop->post([] {}); }); }).join();
                BOOST_TEST(refused);
            }
        };
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            executor = loop.get_executor();
            former = &loop;
            loop.call_later(1h, [l = std::make_shared<late>(former)] {});
        });
        former = nullptr;
        asio::post(*executor, [&, held] { ran = true; });
        BOOST_TEST(held.use_count() == 1);
        weft::this_task::sleep_for(1ms);
        BOOST_TEST(!ran);
        executor.reset();
    });
}

// rule 134
BOOST_AUTO_TEST_CASE(several_loops_are_independent_and_each_callback_and_task_knows_its_own) {
    run_checked([] {
        using loop_type = weft::callback_loop;
        BOOST_TEST(!loop_type::current());
        weft::with_callback_loop([&](loop_type& outer) {
            BOOST_TEST(loop_type::current() == &outer);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { BOOST_TEST(loop_type::current() == &outer); });
                weft::with_callback_loop([&](loop_type& inner) {
                    BOOST_TEST(loop_type::current() == &inner);
                    outer.call_soon([&] { BOOST_TEST(loop_type::current() == &outer); });
                    inner.call_soon([&] { BOOST_TEST(loop_type::current() == &inner); });
                    outer.spawn([&] { BOOST_TEST(loop_type::current() == &outer); });
                    asio::post(weft::get_executor(), [] { BOOST_TEST(!loop_type::current()); });
                    n.start_soon([&] { weft::this_task::sleep_for(10ms); BOOST_TEST(!loop_type::current()); });  // outlives it
                    inner.synchronize();
                    outer.synchronize();
                });
                BOOST_TEST(loop_type::current() == &outer);
            });
        });
        BOOST_TEST(!loop_type::current());
    });
}

// rule 135
BOOST_AUTO_TEST_CASE(a_callback_sees_the_task_local_values_of_whoever_gave_it) {
    weft::task_local<int> v(0);
    run_checked([&] {
        v = 1;
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            log_type log;
            auto note = [&] { log.push_back(std::to_string(v.get())); };
            v = 2;
            loop.call_later(1ms, note);
            loop.call_soon([&] {
                note();
                v = 20;                     // this callback's own, and of what it gives and starts
                loop.call_soon(note);
                loop.spawn([&] { note(); v = 21; });
            });
            v = 3;
            loop.call_soon(note);
            asio::post(weft::get_executor(), [&] { loop.call_soon(note); });  // from nowhere: the body's at the start
            weft::this_task::sleep_for(5ms);
            BOOST_TEST(v.get() == 3);
            std::sort(log.begin(), log.end());  // their order is another test's
            BOOST_TEST(joined(log) == "1 2 2 20 20 3");
        });
    });
}

// rule 124
BOOST_AUTO_TEST_CASE(exceptions_go_to_the_handler_and_by_default_end_the_scope) {
    run_checked([] {
        log_type log;
        auto what = [&](std::exception_ptr e) { try { std::rethrow_exception(e); } catch (std::exception const& x) { log.push_back(x.what()); } };
        weft::with_callback_loop({.name = "guarded", .exception_handler = what}, [&](weft::callback_loop& loop) {
            loop.call_soon([] { throw std::runtime_error("callback"); });
            loop.call_later(1ms, [] { throw std::runtime_error("timer"); });
            loop.spawn([] { weft::this_task::sleep_for(2ms); throw std::runtime_error("task"); });
            loop.spawn([] { throw std::runtime_error("token"); }, [&](std::exception_ptr e) { log.push_back("to the"); what(e); });
            weft::this_task::sleep_for(1s);
            loop.spawn([] { try { weft::this_task::sleep_forever(); } catch (...) { throw std::runtime_error("late"); } });
            weft::this_task::yield();
        });
        BOOST_TEST(joined(log) == "callback to the token timer task late");

        bool body_cancelled = false;
        try {
            weft::with_callback_loop([&](weft::callback_loop& loop) {
                loop.call_soon([] { throw std::runtime_error("boom"); });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { body_cancelled = true; throw; }
            });
            BOOST_ERROR("no exception");
        } catch (weft::exception_group const& g) { BOOST_TEST(std::string(g.what()).find("boom") != std::string::npos); }
        BOOST_TEST(body_cancelled);

        BOOST_CHECK_THROW(weft::with_callback_loop([&](weft::callback_loop& loop) {
            loop.set_exception_handler([](std::exception_ptr e) { std::rethrow_exception(e); });
            loop.spawn([] { throw std::runtime_error("x"); });
            loop.wait_stopped();
        }), weft::exception_group);
        BOOST_CHECK_THROW(weft::with_callback_loop([&](weft::callback_loop&) { throw 1; }), weft::exception_group);
    });
}

BOOST_AUTO_TEST_CASE(call_returns_results_and_exceptions_and_a_cancelled_one_does_not_run) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            BOOST_TEST(*loop.call([] { return std::make_unique<int>(3); }) == 3);
            BOOST_CHECK_THROW(loop.call([] { throw std::logic_error("x"); }), std::logic_error);
            bool ran = false;
            weft::cancel_scope s;
            s.cancel();
            BOOST_TEST(!s.run([&] { loop.call([&] { ran = true; }); }));
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { n.cancel(); });  // in this turn still, before the loop's
                loop.call([&] { ran = true; });
            });
            loop.synchronize();
            BOOST_TEST(!ran);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_spawned_task_completes_its_token_on_the_loop) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            BOOST_TEST(loop.spawn([] { weft::this_task::sleep_for(1ms); return 5; }, weft::use_fiber) == 5);
            int got = 0;
            asio::cancellation_signal stop;
            loop.call_soon([&] {
                loop.spawn([] { return 6; }, [&](std::exception_ptr, int v) { BOOST_TEST(loop.get_executor().running_in_this_thread()); got = v; });
                loop.spawn([] { weft::this_task::sleep_forever(); }, asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr e) {
                    BOOST_TEST(throws<boost::system::system_error>([&] { std::rethrow_exception(e); }));
                    loop.stop();
                }));
            });
            loop.call_later(1ms, [&] { stop.emit(asio::cancellation_type::terminal); });
            loop.wait_stopped();
            BOOST_TEST(got == 6);
            BOOST_TEST(loop.statistics().tasks == 0u);
        });
    });
}

BOOST_AUTO_TEST_CASE(what_other_threads_post_runs_before_the_end_and_in_each_one_s_order) {
    for (int round = 0; round < 20; ++round) {
        std::vector<int> got;
        std::atomic<int> accepted{0};
        weft::run([&] {
            std::vector<std::thread> threads;
            weft::with_callback_loop([&](weft::callback_loop& loop) {
                for (int t = 0; t < 2; ++t) threads.emplace_back([&, t, ex = loop.get_executor()] {
                    for (int i = 0; i < 50; ++i) {
                        if (i % 2) { loop.post([&got, t, i] { got.push_back(t * 100 + i); }); ++accepted; }
                        else { asio::post(ex, [&got, t, i] { got.push_back(t * 100 + i); }); ++accepted; }
                    }
                });
                weft::to_thread([&] { for (auto& t : threads) t.join(); });
            });
        });
        BOOST_TEST(static_cast<int>(got.size()) == accepted);
        for (int t = 0; t < 2; ++t) {
            int last = -1;
            for (int v : got) if (v / 100 == t) { BOOST_REQUIRE(v % 100 > last); last = v % 100; }
        }
    }
}

// rule 136
BOOST_AUTO_TEST_CASE(blocking_work_from_tasks_of_the_loop_counts_each_worker_once) {
    run_checked([] {
        weft::capacity_limiter one(1);
        int done = 0;
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            for (int i = 0; i < 4; ++i) loop.call_soon([&] { loop.spawn([&] { weft::to_thread([] {}, {.limiter = &one}); if (++done == 4) loop.stop(); }); });
            loop.wait_stopped();
        });
        BOOST_TEST(done == 4);
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    weft::testing::cancel_everywhere([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            loop.call_later(5ms, [&] { loop.spawn([] { weft::this_task::sleep_for(5ms); }); });
            loop.call([] {});
            weft::this_task::sleep_for(6ms);
            loop.spawn([] { weft::this_task::sleep_for(1ms); }, weft::use_fiber);
            loop.synchronize();
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
