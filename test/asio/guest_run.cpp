// SPDX-License-Identifier: BSL-1.0
// Runs inside a program that owns its io_context.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <thread>

using namespace weft_test;
namespace asio = boost::asio;
using local = asio::local::stream_protocol;
using steady = std::chrono::steady_clock;

namespace {
std::string what(std::exception_ptr e) {
    if (!e) return "";
    try { std::rethrow_exception(e); } catch (std::exception const& x) { return x.what(); } catch (...) { return "?"; }
}
/// Descriptors and tasks are as before when it goes.
struct balanced {
    weft::testing::ledger before;
    ~balanced() { BOOST_TEST(before.difference() == ""); }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(guest_run)

BOOST_AUTO_TEST_CASE(tasks_and_the_host_s_callbacks_share_a_thread_and_the_token_gets_the_result) {
    balanced b;
    asio::io_context io;
    auto home = std::this_thread::get_id();
    int callbacks = 0, got = 0;
    weft::start_guest_run(io, [&] {
        BOOST_TEST((std::this_thread::get_id() == home));
        BOOST_TEST((&weft::get_executor().context() == &io));
        int sum = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 10; ++i) n.start_soon([&, i] { weft::this_task::sleep_for(1ms); sum += i; });
        });
        return sum;
    }, [&](std::exception_ptr e, int v) { BOOST_TEST(!e); got = v; });
    asio::post(io, [&] { ++callbacks; });
    BOOST_TEST(io.run() > 0u);  // returns by itself
    BOOST_TEST(got == 45);
    BOOST_TEST(callbacks == 1);
    BOOST_TEST(weft::run([] { return 3; }) == 3);  // the thread is free again
}

// rule 111
BOOST_AUTO_TEST_CASE(it_is_initialised_when_start_returns_and_the_host_wakes_tasks_and_changes_deadlines) {
    balanced b;
    asio::io_context io;
    weft::event go;
    weft::cancel_scope scope;
    bool done = false, timed_out = false;
    weft::nursery* n = nullptr;
    weft::start_guest_run(io, [&] {
        weft::with_nursery([&](weft::nursery& nursery) {
            n = &nursery;
            go.wait();
            scope.run([] { weft::this_task::sleep_forever(); });
            timed_out = true;
        });
    }, [&](std::exception_ptr e) { BOOST_TEST(!e); done = true; });
    BOOST_TEST((weft::current_time() > weft::time_point()));  // a run is there
    BOOST_CHECK_THROW(weft::run([] {}), weft::misuse_error);
    BOOST_CHECK_THROW(go.wait(), weft::wrong_domain_error);
    go.set();  // before main has begun
    bool child = false;
    asio::steady_timer t(io, 1ms);
    t.async_wait([&](auto) {
        n->start_soon([&] { child = true; });
        scope.set_deadline(weft::current_time() + 1ms);
    });
    io.run();
    BOOST_TEST(done);
    BOOST_TEST(timed_out);
    BOOST_TEST(child);
}

// rule 112
BOOST_AUTO_TEST_CASE(what_the_host_does_is_no_reason_to_be_busy_nor_to_be_idle) {
    asio::io_context io;
    int host_calls = 0;
    bool woken = false, stop = false, waited = false;
    std::function<void()> again = [&] { ++host_calls; if (!stop) asio::post(io, again); };
    weft::start_guest_run(io, [&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 50; ++i) weft::checkpoint(); woken = true; weft::this_task::sleep_for(20ms); });
            weft::testing::wait_all_tasks_blocked();
            waited = woken;          // not before the child waits, and not kept by the host's callbacks
            weft::testing::wait_all_tasks_blocked(1ms);
        });
    }, [&](std::exception_ptr e) { BOOST_TEST(what(e) == ""); stop = true; });
    again();
    io.run();
    BOOST_TEST(waited);
    BOOST_TEST(host_calls > 2);
}

// rule 112
BOOST_AUTO_TEST_CASE(a_host_that_goes_away_gets_a_warning_and_the_tasks_are_cancelled) {
    balanced b;
    bool unwound = false, completed = false;
    {
        asio::io_context io;
        weft::start_guest_run(io, [&] {
            struct end { bool& u; ~end() { u = true; } } e{unwound};
            asio::steady_timer t(weft::get_executor(), 1h);
            t.async_wait(weft::use_fiber);
        }, [&](std::exception_ptr) { completed = true; });
        io.run_for(2ms);
        BOOST_TEST(!unwound);
    }
    BOOST_TEST(unwound);
    static_cast<void>(completed);  // its handler was queued in a context that is gone: run or destroyed
    weft::run([] {});
}

BOOST_AUTO_TEST_CASE(errors_and_cancellation_reach_the_token) {
    balanced b;
    asio::io_context io;
    std::string first, second;
    weft::start_guest_run(io, [] { throw std::runtime_error("main failed"); }, [&](std::exception_ptr e) { first = what(e); });
    io.run();
    BOOST_TEST(first == "main failed");
    io.restart();
    asio::cancellation_signal cancel;
    bool unwound = false;
    weft::start_guest_run(io, [&] {
        struct end { bool& u; ~end() { u = true; } } e{unwound};
        weft::this_task::sleep_forever();
        return std::make_unique<int>(1);
    }, asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, std::unique_ptr<int> p) {
        BOOST_TEST(!p);
        try { std::rethrow_exception(e); } catch (boost::system::system_error const& x) { second = x.code() == asio::error::operation_aborted ? "aborted" : x.what(); }
    }));
    asio::steady_timer t(io, 1ms);
    t.async_wait([&](auto) { cancel.emit(asio::cancellation_type::terminal); });
    io.run();
    BOOST_TEST(second == "aborted");
    BOOST_TEST(unwound);
}

BOOST_AUTO_TEST_CASE(blocking_i_o_callbacks_loops_and_threads_work_in_a_guest) {
    balanced b;
    asio::io_context io;
    std::string got;
    local::socket a(io), z(io);
    asio::local::connect_pair(a, z);
    std::thread thread;
    weft::start_guest_run(io, [&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { asio::async_write(a, asio::buffer("hello", 5), weft::use_fiber); });
            char text[5];
            asio::async_read(z, asio::buffer(text), weft::use_fiber);
            got.assign(text, 5);
            got += weft::to_thread([] { return "+thread"; });
            weft::with_callback_loop([&](weft::callback_loop& loop) {
                loop.call_later(1ms, [&] { got += "+loop"; loop.stop(); });
                loop.wait_stopped();
            });
            weft::run_token token = weft::current_token();
            weft::event posted;
            thread = std::thread([&, token] { token.post([&] { posted.set(); }); });
            posted.wait();
        });
    }, [&](std::exception_ptr e) { BOOST_TEST(what(e) == ""); });
    io.run();
    thread.join();
    BOOST_TEST(got == "hello+thread+loop");
}

BOOST_AUTO_TEST_CASE(tokens_of_asio_and_misuse) {
    asio::io_context io;
    auto f = weft::start_guest_run(io, [] { return 4; }, asio::use_future);
    BOOST_CHECK_THROW(weft::start_guest_run(io, [] {}, [](std::exception_ptr) {}), weft::misuse_error);  // one a thread
    io.run();
    BOOST_TEST(f.get() == 4);
    weft::guest_options o;
    o.run.stack_size = 1;
    BOOST_CHECK_THROW(weft::start_guest_run(io, o, [] {}, [](std::exception_ptr) {}), weft::misuse_error);
    o.own_thread = true;
    BOOST_CHECK_THROW(weft::start_guest_run(io, o, [] {}, [](std::exception_ptr) {}), weft::misuse_error);
    weft::guest_options d;
    d.run.make_driver = [] { return weft::testing::make_virtual_driver(); };
    BOOST_CHECK_THROW(weft::start_guest_run(io, d, [] {}, [](std::exception_ptr) {}), weft::misuse_error);
    asio::thread_pool pool(1);
    bool on_pool = false;
    io.restart();
    weft::start_guest_run(io, [] {}, asio::bind_executor(pool.get_executor(), [&](std::exception_ptr) { on_pool = pool.get_executor().running_in_this_thread(); }));
    io.run();
    pool.join();
    BOOST_TEST(on_pool);
}

BOOST_AUTO_TEST_CASE(a_context_that_another_thread_runs_is_an_error_there) {
    asio::io_context io;
    bool completed = false, named = false;
    weft::start_guest_run(io, [] {}, [&](std::exception_ptr) { completed = true; });
    std::thread([&] { named = throws<weft::wrong_domain_error>([&] { io.run(); }); }).join();
    BOOST_TEST(named);
    // The turn that was asked for is lost with it. The io_context goes, and cancels the rest.
}

BOOST_AUTO_TEST_CASE(with_a_thread_of_its_own_several_threads_may_run_the_context) {
    balanced b;
    for (int round = 0; round < 10; ++round) {
        asio::io_context io;
        auto guard = asio::make_work_guard(io);
        std::vector<std::thread> threads;
        for (int i = 0; i < 2; ++i) threads.emplace_back([&] { io.run(); });
        std::atomic<bool> moved{false};
        std::atomic<int> sum{0};
        weft::guest_options o;
        o.own_thread = true;
        auto f = weft::start_guest_run(io, o, [&] {
            auto home = std::this_thread::get_id();
            local::socket a(io), z(io);  // the host's
            asio::local::connect_pair(a, z);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { for (int i = 0; i < 50; ++i) { asio::async_write(a, asio::buffer("x", 1), weft::use_fiber); if (std::this_thread::get_id() != home) moved = true; } });
                char c;
                for (int i = 0; i < 50; ++i) { asio::async_read(z, asio::buffer(&c, 1), weft::use_fiber); ++sum; if (std::this_thread::get_id() != home) moved = true; }
            });
            return 1;
        }, asio::use_future);
        BOOST_TEST(f.get() == 1);
        BOOST_TEST(sum == 50);
        BOOST_TEST(!moved);
        guard.reset();
        for (auto& t : threads) t.join();
    }
}

BOOST_AUTO_TEST_CASE(a_guest_on_its_own_thread_is_cancelled_through_the_token_and_by_the_end_of_the_host) {
    balanced b;
    asio::cancellation_signal cancel;
    weft::guest_options o;
    o.own_thread = true;
    std::atomic<int> unwound{0};
    auto wait = [&] {
        struct end { std::atomic<int>& u; ~end() { ++u; } } e{unwound};
        weft::this_task::sleep_forever();
    };
    {
        asio::io_context io;
        std::string error;
        weft::start_guest_run(io, o, wait, asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e) { error = what(e); }));
        asio::post(io, [&] { cancel.emit(asio::cancellation_type::terminal); });
        io.run();
        BOOST_TEST(unwound == 1);
        BOOST_TEST(error.find("cancelled") != std::string::npos);
    }
    { asio::io_context io; weft::start_guest_run(io, o, wait, [](std::exception_ptr) {}); }
    BOOST_TEST(unwound == 2);
}

BOOST_AUTO_TEST_SUITE_END()
