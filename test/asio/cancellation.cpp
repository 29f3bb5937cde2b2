// SPDX-License-Identifier: BSL-1.0
// Cancelling a task that waits for an Asio operation: the handler decides, and nothing is lost.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <functional>
#include <memory>
#include <thread>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using local = asio::local::stream_protocol;

namespace {

error_code const aborted = asio::error::operation_aborted;

template <class F>
error_code thrown_code(F&& f) {
    try { f(); } catch (boost::system::system_error const& e) { return e.code(); }
    return {};
}

template <class F>
bool raises_cancelled(F&& f) {
    try { f(); } catch (weft::cancelled const&) { return true; }
    return false;
}

struct both_ends {
    local::socket a{weft::get_executor()}, b{weft::get_executor()};
    both_ends() { asio::local::connect_pair(a, b); }
};

/// An operation in the test's hands: it completes when told to, and reacts to a cancellation as `on_cancel` says.
struct manual_operation {
    std::function<void(error_code, int)> finish;
    std::function<void(asio::cancellation_type)> on_cancel;
    int started = 0, asked = 0;
    asio::cancellation_slot slot;  // the handler's, as it was at the start

    template <class Token>
    auto async_wait(Token&& token) {
        return asio::async_initiate<Token, void(error_code, int)>(
            [this](auto handler) {
                ++started;
                slot = asio::get_associated_cancellation_slot(handler);
                if (slot.is_connected()) {
                    slot.assign([this](asio::cancellation_type t) { ++asked; if (on_cancel) on_cancel(t); });
                }
                auto h = std::make_shared<decltype(handler)>(std::move(handler));
                finish = [h](error_code e, int n) { auto own = std::move(*h); std::move(own)(e, n); };
            },
            token);
    }
    /// Lets go of the handler's shell, whose slot refers to this object.
    ~manual_operation() { finish = nullptr; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(cancellation)

// --- aborted, but not by weft (rule 126) ---

// rule 126
BOOST_AUTO_TEST_CASE(a_wait_whose_timer_is_cancelled_by_the_program_fails_with_operation_aborted) {
    run_checked([] {
        asio::steady_timer timer(weft::get_executor(), 1h);
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                error_code e;
                BOOST_TEST(s.run([&] { e = thrown_code([&] { timer.async_wait(weft::use_fiber); }); }));
                BOOST_TEST(e == aborted);
            });
            weft::testing::wait_all_tasks_blocked();
            timer.cancel();
        });
        BOOST_TEST(!s.cancel_called());
        BOOST_TEST(!s.cancelled_caught());
    });
}

// rule 126
BOOST_AUTO_TEST_CASE(a_read_whose_socket_another_task_closes_fails_with_operation_aborted) {
    run_checked([] {
        both_ends p;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                char c;
                BOOST_TEST(thrown_code([&] { p.a.async_read_some(asio::buffer(&c, 1), weft::use_fiber); }) == aborted);
                weft::checkpoint();  // nothing was cancelled
            });
            weft::testing::wait_all_tasks_blocked();
            p.a.close();
        });
    });
}

// --- before the start ---

// rules 11, 149
BOOST_AUTO_TEST_CASE(an_operation_in_a_cancelled_scope_is_never_started) {
    run_checked([] {
        manual_operation op;
        int built = 0;
        weft::cancel_scope s;
        s.run([&] {
            s.cancel();
            BOOST_TEST(raises_cancelled([&] { op.async_wait(weft::use_fiber); }));
            error_code ec = asio::error::eof;
            BOOST_TEST(raises_cancelled([&] { op.async_wait(weft::use_fiber[ec]); }));
            BOOST_TEST(ec == asio::error::eof);
            BOOST_TEST(raises_cancelled([&] { op.async_wait(asio::as_tuple(weft::use_fiber)); }));
            BOOST_TEST(raises_cancelled([&] { weft::suspend_with([&](auto) { ++built; }); }));
        });
        BOOST_TEST(op.started == 0);
        BOOST_TEST(built == 0);
    });
}

// rule 149
BOOST_AUTO_TEST_CASE(an_operation_that_starts_after_the_deadline_is_never_started) {
    weft::testing::mock_clock clock;
    weft::run_options o;
    o.clock = &clock;
    run_checked(o, [&] {
        manual_operation op;
        BOOST_TEST(!weft::move_on_after(1s, [&] {
            clock.jump(2s);  // no task has run since: only the clock knows
            op.async_wait(weft::use_fiber);
        }));
        BOOST_TEST(op.started == 0);
    });
}

// --- during ---

// rule 125
BOOST_AUTO_TEST_CASE(cancelling_the_scope_aborts_a_timer_a_read_an_accept_and_a_connect_less_write) {
    run_checked([] {
        auto ex = weft::get_executor();
        auto check = [](auto&& wait) {
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { BOOST_TEST(!s.run(wait)); });
                weft::testing::wait_all_tasks_blocked();
                s.cancel("enough");
            });
            BOOST_TEST(s.cancelled_caught());
        };
        asio::steady_timer timer(ex, 1h);
        check([&] { timer.async_wait(weft::use_fiber); });
        both_ends p;
        char c;
        check([&] { p.a.async_read_some(asio::buffer(&c, 1), weft::use_fiber); });
        asio::ip::tcp::acceptor acceptor(ex, {asio::ip::address_v4::loopback(), 0});
        check([&] { acceptor.async_accept(weft::use_fiber); });
        std::vector<char> much(8 << 20);
        check([&] { asio::async_write(p.b, asio::buffer(much), weft::use_fiber); });
        BOOST_TEST(p.a.is_open());
    });
}

// rule 139
BOOST_AUTO_TEST_CASE(the_cancelled_that_an_operation_raises_carries_the_reason) {
    run_checked([] {
        asio::steady_timer timer(weft::get_executor(), 1h);
        weft::cancel_scope s;
        std::string reason;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    try { timer.async_wait(weft::use_fiber); }
                    catch (weft::cancelled const& c) { reason = c.reason(); throw; }
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s.cancel("enough");
        });
        BOOST_TEST(reason == "enough");
    });
}

BOOST_AUTO_TEST_CASE(a_deadline_aborts_an_operation) {
    run_checked([] {
        asio::steady_timer timer(weft::get_executor(), 1h);
        auto before = weft::current_time();
        BOOST_TEST(!weft::move_on_after(5s, [&] { timer.async_wait(weft::use_fiber); }));
        BOOST_TEST((weft::current_time() - before == 5s));
        both_ends p;
        char c;
        BOOST_CHECK_THROW(weft::fail_after(5s, [&] { p.a.async_read_some(asio::buffer(&c, 1), weft::use_fiber); }), weft::too_slow_error);
    });
}

BOOST_AUTO_TEST_CASE(a_failing_sibling_aborts_an_operation) {
    run_checked([] {
        asio::steady_timer timer(weft::get_executor(), 1h);
        bool was_cancelled = false;
        BOOST_CHECK_THROW(weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                try { timer.async_wait(weft::use_fiber); }
                catch (weft::cancelled const& c) { was_cancelled = c.source() == weft::cancel_source::child_failed; throw; }
            });
            n.start_soon([] { weft::testing::wait_all_tasks_blocked(); throw std::runtime_error("x"); });
        }), weft::exception_group);
        BOOST_TEST(was_cancelled);
    });
}

BOOST_AUTO_TEST_CASE(another_thread_cancels_through_a_post_to_the_executor) {
    run_checked([] {
        asio::steady_timer timer(weft::get_executor(), 1h);
        weft::cancel_scope s;
        std::thread thread;
        BOOST_TEST(!s.run([&] {
            thread = std::thread([&s, ex = weft::get_executor()] { asio::post(ex, [&s] { s.cancel("from a thread"); }); });
            timer.async_wait(weft::use_fiber);
        }));
        thread.join();
        BOOST_TEST(s.reason() == "from a thread");
    });
}

BOOST_AUTO_TEST_CASE(an_operation_is_asked_once_and_with_terminal_only) {
    run_checked([] {
        manual_operation op;
        asio::cancellation_type type{};
        op.on_cancel = [&](asio::cancellation_type t) { type = t; };
        weft::cancel_scope outer, s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(!outer.run([&] { s.run([&] { op.async_wait(weft::use_fiber); }); })); });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            outer.cancel();
            BOOST_TEST(op.asked == 1);
            BOOST_TEST((type == asio::cancellation_type::terminal));
            op.finish(aborted, 0);
        });
        BOOST_TEST(op.asked == 1);
    });
}

// --- who wins (rules 11 and 125) ---

// rules 11, 125
BOOST_AUTO_TEST_CASE(a_success_that_comes_after_the_cancellation_is_returned_and_the_next_point_raises) {
    run_checked([] {
        manual_operation op;
        int got = 0;
        bool raised = false;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    got = op.async_wait(weft::use_fiber);
                    raised = raises_cancelled([] { weft::check_cancelled(); });
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::testing::wait_all_tasks_blocked();  // it ignores the request, and goes on
            BOOST_TEST(got == 0);
            BOOST_TEST(n.child_count() == 1u);
            op.finish({}, 42);
        });
        BOOST_TEST(op.asked >= 1);
        BOOST_TEST(got == 42);
        BOOST_TEST(raised);
        BOOST_TEST(!s.cancelled_caught());
    });
}

// rule 125
BOOST_AUTO_TEST_CASE(another_error_than_aborted_wins_over_the_cancellation) {
    run_checked([] {
        manual_operation op;
        error_code got;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { got = thrown_code([&] { op.async_wait(weft::use_fiber); }); }); });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            op.finish(asio::error::connection_reset, 0);
        });
        BOOST_TEST(got == asio::error::connection_reset);
    });
}

// rule 11
BOOST_AUTO_TEST_CASE(a_completion_and_a_cancellation_in_the_same_turn_give_the_result_and_raise_at_the_next_point) {
    run_checked([] {
        manual_operation op;
        int got = 0;
        bool raised = false;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    got = op.async_wait(weft::use_fiber);
                    raised = raises_cancelled([] { weft::checkpoint(); });
                });
            });
            weft::testing::wait_all_tasks_blocked();
            op.finish({}, 42);  // in a task: the waiter becomes ready, and has not run yet
            s.cancel();
            BOOST_TEST(got == 0);
        });
        BOOST_TEST(op.asked == 0);
        BOOST_TEST(got == 42);
        BOOST_TEST(raised);
    });
}

// rule 11
BOOST_AUTO_TEST_CASE(data_that_had_arrived_is_not_lost_to_a_cancellation_in_the_same_turn) {
    run_checked([] {
        both_ends p;
        std::size_t got = 0;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                char c[8];
                s.run([&] { got += p.a.async_read_some(asio::buffer(c), weft::use_fiber); });
            });
            weft::testing::wait_all_tasks_blocked();
            p.b.write_some(asio::buffer("hello", 5));
            s.cancel();
        });
        // Either it was read, or it is still in the socket.
        std::size_t left = p.a.available();
        BOOST_TEST(got + left == 5u);
    });
}

// rule 125
BOOST_AUTO_TEST_CASE(an_operation_that_completes_inside_the_cancellation_call_wakes_its_task_afterwards) {
    run_checked([] {
        manual_operation op;
        bool inside = false, woken_inside = false;
        op.on_cancel = [&, keep = std::make_shared<int>(7)](asio::cancellation_type) {
            inside = true;
            op.finish(aborted, 0);
            inside = false;
            BOOST_TEST(*keep == 7);  // the canceller must outlive its own call
        };
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { BOOST_TEST(raises_cancelled([&] { op.async_wait(weft::use_fiber); })); woken_inside = inside; }); });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(n.child_count() == 0u);
        });
        BOOST_TEST(!woken_inside);
    });
}

// The same with a canceller that owns the handler, as one in a library would.
BOOST_AUTO_TEST_CASE(a_canceller_may_go_on_after_it_has_called_the_handler) {
    run_checked([] {
        int after = 0;
        auto init = [&](auto handler) {
            auto slot = asio::get_associated_cancellation_slot(handler);
            auto h = std::make_shared<decltype(handler)>(std::move(handler));
            slot.assign([h, &after, value = std::string("a string that lives on the heap, not inside of itself")](asio::cancellation_type) {
                auto own = std::move(*h);
                std::move(own)(aborted);
                after = static_cast<int>(value.size());
            });
        };
        BOOST_TEST(!weft::move_on_after(1s, [&] { asio::async_initiate<weft::use_fiber_t const, void(error_code)>(init, weft::use_fiber); }));
        BOOST_TEST(after == 53);
    });
}

// rules 125, 151
BOOST_AUTO_TEST_CASE(a_canceller_that_throws_ends_the_run_and_the_task_still_waits_for_its_handler) {
    bool returned_early = true;
    try {
        run_checked([&] {
            manual_operation op;
            op.on_cancel = [](asio::cancellation_type) { throw std::range_error("x"); };
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    weft::cancel_scope shield;
                    shield.set_shield(true);
                    shield.run([&] { for (int i = 0; i < 5; ++i) weft::checkpoint(); weft::this_task::sleep_for(2s); });
                    returned_early = op.finish == nullptr;
                    op.finish({}, 42);
                });
                n.start_soon([&] { BOOST_TEST(weft::move_on_after(1s, [&] { return op.async_wait(weft::use_fiber); }).value_or(0) == 42); op.finish = nullptr; });
            });
        });
        BOOST_ERROR("run returned");
    } catch (weft::exception_group const&) {}
    BOOST_TEST(!returned_early);
}

// --- between two steps ---

// As Beast's composed operations: each step listens for itself, and none remembers what came between two.
BOOST_AUTO_TEST_CASE(a_request_that_comes_between_two_steps_of_an_operation_is_repeated) {
    for (int late = 1; late <= 20; late += 19) run_checked([&] {
        int steps = 0;
        weft::cancel_scope s;
        auto init = [&](auto handler) {
            auto h = std::make_shared<decltype(handler)>(std::move(handler));
            auto step = std::make_shared<std::function<void()>>();
            *step = [&, h, late, keep = std::weak_ptr(step)] {
                if (++steps < late) { asio::post(weft::get_executor(), [s = keep.lock()] { (*s)(); }); return; }
                asio::get_associated_cancellation_slot(*h).assign([h](asio::cancellation_type) { auto own = std::move(*h); std::move(own)(aborted); });
            };
            asio::post(weft::get_executor(), [&] { s.cancel(); });
            asio::post(weft::get_executor(), [step] { (*step)(); });
        };
        s.run([&] { asio::async_initiate<weft::use_fiber_t const, void(error_code)>(init, weft::use_fiber); });
        BOOST_TEST(steps == late);
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(an_operation_that_takes_no_notice_is_asked_ever_more_rarely) {
    run_checked([] {
        manual_operation op;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { BOOST_TEST(op.async_wait(weft::use_fiber) == 42); }); });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::testing::wait_all_tasks_blocked(50ms);
            int at_50_ms = op.asked;
            BOOST_TEST((at_50_ms > 4 && at_50_ms < 20));
            op.finish({}, 42);
            weft::testing::wait_all_tasks_blocked(5ms);
            BOOST_TEST(op.asked == at_50_ms);
        });
    });
}

// --- channels: their aborted has another name ---

// Without a buffer: Asio 1.26 leaves a buffered channel that refuses every later send once a receive was cancelled.
BOOST_AUTO_TEST_CASE(a_cancelled_receive_from_an_asio_channel_raises_cancelled) {
    run_checked([] {
        asio::experimental::channel<asio::io_context::executor_type, void(error_code, int)> channel(weft::get_executor());
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        BOOST_TEST(!s.run([&] { channel.async_receive(weft::use_fiber); }));
        BOOST_TEST(s.cancelled_caught());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { channel.async_send(error_code(), 42, weft::use_fiber); });
            BOOST_TEST(channel.async_receive(weft::use_fiber) == 42);
        });
    });
}

// rule 126
BOOST_AUTO_TEST_CASE(an_asio_channel_s_own_cancel_and_close_are_ordinary_errors) {
    run_checked([] {
        asio::experimental::channel<asio::io_context::executor_type, void(error_code, int)> channel(weft::get_executor());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(thrown_code([&] { channel.async_receive(weft::use_fiber); }) == asio::experimental::error::channel_cancelled); });
            weft::testing::wait_all_tasks_blocked();
            channel.cancel();
        });
        channel.close();
        BOOST_TEST(thrown_code([&] { channel.async_receive(weft::use_fiber); }) == asio::experimental::error::channel_closed);
    });
}

// rule 125
BOOST_AUTO_TEST_CASE(a_channel_that_was_closed_wins_over_the_cancellation) {
    run_checked([] {
        manual_operation op;
        error_code got;
        op.on_cancel = [&](asio::cancellation_type) { op.finish(asio::experimental::error::channel_closed, 0); };
        weft::move_on_after(1s, [&] { got = thrown_code([&] { op.async_wait(weft::use_fiber); }); });
        BOOST_TEST(got == asio::experimental::error::channel_closed);
    });
}

// --- on another thread's loop ---

BOOST_AUTO_TEST_CASE(operations_of_another_thread_s_loop_are_cancelled_and_awaited) {
    asio::io_context other;
    auto work = asio::make_work_guard(other);
    std::thread thread([&] { other.run(); });
    {
        asio::steady_timer timer(other, 1h);
        local::socket a(other), b(other);
        asio::local::connect_pair(a, b);
        run_checked([&] {
            for (int i = 0; i < 50; ++i) BOOST_TEST_REQUIRE(!weft::move_on_after(1s, [&] { timer.async_wait(weft::use_fiber); }));
            std::array<char, 10> buffer;
            b.write_some(asio::buffer("half", 4));
            error_code ec;
            std::size_t n = 99;
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& nu) {
                nu.start_soon([&] { s.run([&] { n = asio::async_read(a, asio::buffer(buffer), weft::use_fiber[ec]); }); });
                while (a.available() > 0) weft::checkpoint();
                weft::testing::wait_all_tasks_blocked(2ms);
                s.cancel();
            });
            BOOST_TEST(n == 4u);
            BOOST_TEST(ec == aborted);
        });
    }
    work.reset();
    thread.join();
}

// --- the [ec] form ---

// rule 125
BOOST_AUTO_TEST_CASE(the_ec_form_reports_the_abort_and_the_next_point_raises) {
    run_checked([] {
        asio::steady_timer timer(weft::get_executor(), 1h);
        error_code a, b, c;
        bool raised = false;
        weft::move_on_after(1s, [&] {
            timer.async_wait(weft::use_fiber[a]);
            raised = raises_cancelled([] { weft::checkpoint(); });
        });
        weft::move_on_after(1s, [&] { timer.async_wait(asio::redirect_error(weft::use_fiber, b)); weft::check_cancelled(); b = {}; });
        weft::move_on_after(1s, [&] { std::tie(c) = timer.async_wait(asio::as_tuple(weft::use_fiber)); weft::check_cancelled(); c = {}; });
        BOOST_TEST(a == aborted);
        BOOST_TEST(raised);
        BOOST_TEST(b == aborted);
        BOOST_TEST(c == aborted);
    });
}

// rule 12
BOOST_AUTO_TEST_CASE(the_partial_count_of_a_composed_read_reaches_the_caller) {
    run_checked([] {
        both_ends p;
        std::array<char, 100> buffer{};
        error_code ec;
        std::size_t n = 99;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& nu) {
            nu.start_soon([&] { s.run([&] { n = asio::async_read(p.a, asio::buffer(buffer), weft::use_fiber[ec]); }); });
            p.b.write_some(asio::buffer("0123456789", 10));
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
        });
        BOOST_TEST(n == 10u);
        BOOST_TEST(ec == aborted);
        BOOST_TEST(std::string(buffer.data(), 10) == "0123456789");
    });
}

BOOST_AUTO_TEST_CASE(what_a_cancelled_read_until_had_read_stays_in_its_buffer) {
    run_checked([] {
        both_ends p;
        std::string text;
        p.b.write_some(asio::buffer("half a li", 9));
        BOOST_TEST(!weft::move_on_after(1s, [&] { asio::async_read_until(p.a, asio::dynamic_buffer(text), '\n', weft::use_fiber); }));
        p.b.write_some(asio::buffer("ne\n", 3));
        std::size_t n = asio::async_read_until(p.a, asio::dynamic_buffer(text), '\n', weft::use_fiber);
        BOOST_TEST(text.substr(0, n) == "half a line\n");
    });
}

// --- shields ---

BOOST_AUTO_TEST_CASE(a_shielded_operation_is_not_asked) {
    run_checked([] {
        manual_operation op;
        int got = 0;
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                s.run([&] {
                    weft::cancel_scope shield;
                    shield.set_shield(true);
                    shield.run([&] { got = op.async_wait(weft::use_fiber); weft::checkpoint(); got += 1; });
                    weft::checkpoint();
                    got = 0;
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s.cancel();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(op.asked == 0);
            op.finish({}, 42);
        });
        BOOST_TEST(got == 43);
        BOOST_TEST(s.cancelled_caught());
    });
}

// rule 147
BOOST_AUTO_TEST_CASE(a_destructor_that_reads_during_unwinding_completes_its_read) {
    run_checked([] {
        both_ends p;
        char got = 0;
        struct reader {
            both_ends& p;
            char& got;
            ~reader() { char c; p.a.async_read_some(asio::buffer(&c, 1), weft::use_fiber); got = c; }
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                weft::move_on_after(1s, [&] { reader r{p, got}; weft::this_task::sleep_forever(); });
            });
            weft::this_task::sleep_for(2s);
            BOOST_TEST(got == 0);
            p.b.write_some(asio::buffer("x", 1));
        });
        BOOST_TEST(got == 'x');
    });
}

// --- the slot ---

BOOST_AUTO_TEST_CASE(after_the_completion_the_operation_s_slot_holds_nothing) {
    run_checked([] {
        manual_operation op;
        auto alive = std::make_shared<int>();
        std::weak_ptr<int> canceller = alive;
        auto init = [&](auto handler) {
            asio::get_associated_cancellation_slot(handler).assign([keep = std::move(alive)](asio::cancellation_type) {});
            op.slot = asio::get_associated_cancellation_slot(handler);
            asio::post(weft::get_executor(), [h = std::move(handler)]() mutable { std::move(h)(error_code()); });
        };
        weft::cancel_scope s;
        s.run([&] {
            asio::async_initiate<weft::use_fiber_t const, void(error_code)>(init, weft::use_fiber);
            BOOST_TEST(canceller.expired());
            s.cancel();
        });
    });
}

// --- everywhere ---

BOOST_AUTO_TEST_CASE(an_echo_over_tcp_can_be_cancelled_everywhere) {
    auto r = weft::testing::cancel_everywhere([] {
        auto ex = weft::get_executor();
        asio::ip::tcp::acceptor acceptor(ex, {asio::ip::address_v4::loopback(), 0});
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("server", [&] {
                auto peer = acceptor.async_accept(weft::use_fiber);
                std::array<char, 4> b;
                for (error_code ec;;) {
                    std::size_t got = peer.async_read_some(asio::buffer(b), weft::use_fiber[ec]);
                    if (ec) break;
                    asio::async_write(peer, asio::buffer(b, got), weft::use_fiber);
                }
            });
            n.start_soon("client", [&] {
                asio::ip::tcp::socket s(ex);
                s.async_connect(acceptor.local_endpoint(), weft::use_fiber);
                for (int i = 0; i < 3; ++i) {
                    asio::async_write(s, asio::buffer("ping", 4), weft::use_fiber);
                    std::array<char, 4> b;
                    asio::async_read(s, asio::buffer(b), weft::use_fiber);
                }
            });
        });
    });
    BOOST_TEST(r.waits >= 10u);
    BOOST_TEST(r.runs == r.points + r.waits + 1);
}

BOOST_AUTO_TEST_CASE(waits_for_timers_can_be_cancelled_everywhere) {
    auto r = weft::testing::cancel_everywhere([] {
        asio::steady_timer a(weft::get_executor()), b(weft::get_executor());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 3; ++i) { a.expires_after(0s); a.async_wait(weft::use_fiber); } });
            n.start_soon([&] { b.expires_after(1h); weft::move_on_after(1s, [&] { b.async_wait(weft::use_fiber); }); });
        });
    });
    BOOST_TEST(r.waits == 4u);
    BOOST_TEST(r.points >= 4u);
}

BOOST_AUTO_TEST_SUITE_END()
