// SPDX-License-Identifier: BSL-1.0
// Child processes: pipes, ends, cancellation; every one is reaped.
#include "fixture.hpp"

#include <weft/net/process.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <csignal>
#include <sys/wait.h>

using namespace weft_test;
namespace asio = boost::asio;
using steady = std::chrono::steady_clock;
using command = std::vector<std::string>;

namespace {
/// In real time, as processes take no notice of another; afterwards there is no child left.
template <class F>
void run_real(F&& f) {
    weft::testing::ledger before;
    weft::run(f);
    BOOST_TEST(before.difference() == "");
    BOOST_TEST((::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD));
}
command shell(std::string script) { return {"sh", "-c", std::move(script)}; }
}  // namespace

BOOST_AUTO_TEST_SUITE(process)

BOOST_AUTO_TEST_CASE(a_program_is_run_to_its_end_with_input_and_output) {
    run_real([] {
        auto r = weft::run_process({"tr", "a-z", "A-Z"}, {.input = "hello"});
        BOOST_TEST(r.out == "HELLO");
        BOOST_TEST(r.status.success());
        BOOST_TEST(weft::run_process(shell("echo o; echo e >&2")).err == "e\n");
        BOOST_TEST(weft::run_process({"/bin/pwd"}, {.directory = "/"}).out == "/\n");
        BOOST_TEST(weft::run_process(shell("echo $X"), {.environment = std::vector<std::string>{"X=17"}}).out == "17\n");
        BOOST_TEST(weft::run_process({"cat"}).out == "");  // its input is empty
        std::string large(1'000'000, 'x');  // more than a pipe holds, both ways
        BOOST_TEST((weft::run_process({"cat"}, {.input = large}).out == large));
        BOOST_TEST(weft::run_process({"true"}, {.input = large}).status.success());  // does not read it
    });
}

BOOST_AUTO_TEST_CASE(a_failure_is_an_error_that_tells_how_it_ended_and_what_it_said) {
    run_real([] {
        try {
            weft::run_process(shell("echo reason >&2; exit 3"));
            BOOST_ERROR("no exception");
        } catch (weft::process_error const& e) {
            BOOST_TEST(e.status().exit_code == 3);
            BOOST_TEST(std::string(e.what()).find("reason") != std::string::npos);
            BOOST_TEST(std::string(e.what()).find("exited with 3") != std::string::npos);
        }
        auto r = weft::run_process(shell("kill -9 $$"), {.check = false});
        BOOST_TEST(r.status.signal == SIGKILL);
        BOOST_TEST(!r.status.success());
        BOOST_CHECK_THROW(weft::run_process({"no-such-program-here"}), boost::system::system_error);
        BOOST_CHECK_THROW(weft::run_process({"/etc/passwd"}), boost::system::system_error);
        BOOST_CHECK_THROW(weft::run_process({}), weft::misuse_error);
        BOOST_CHECK_THROW(weft::run_process({"yes"}, {.max_output = 1000}), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(a_child_has_default_signals_and_none_of_our_descriptors) {
    run_real([] {
        weft::run_process({"true"}, {.input = "x"});  // SIGPIPE is ignored in this process from here on; yes ends by it
        BOOST_TEST(weft::run_process(shell("(yes; echo $? >&2) | head -n 1")).err == "141\n");
        int p[2];
        BOOST_REQUIRE(::pipe(p) == 0);  // without close-on-exec
        BOOST_TEST(weft::run_process(shell("ls /proc/self/fd | wc -l")).out == weft::run_process(shell("ls /proc/self/fd | wc -l")).out);
        BOOST_TEST(weft::run_process(shell("if [ -e /proc/self/fd/" + std::to_string(p[1]) + " ]; then echo open; fi")).out == "");
        ::close(p[0]);
        ::close(p[1]);
    });
}

BOOST_AUTO_TEST_CASE(a_conversation_through_pipes) {
    run_real([] {
        std::string got = weft::with_process({"cat"}, {.in = weft::process_stream::pipe, .out = weft::process_stream::pipe}, [](weft::process& p) {
            std::string all;
            for (std::string line : {"one\n", "two\n"}) {
                asio::async_write(p.in(), asio::buffer(line), weft::use_fiber);
                char buffer[4];
                asio::async_read(p.out(), asio::buffer(buffer), weft::use_fiber);
                all.append(buffer, 4);
            }
            BOOST_CHECK_THROW(p.err(), weft::misuse_error);
            return all;
        });  // its input is closed, so it ends
        BOOST_TEST(got == "one\ntwo\n");
    });
}

BOOST_AUTO_TEST_CASE(several_tasks_wait_and_a_cancelled_one_leaves_the_process_alone) {
    run_real([] {
        weft::with_process({"sleep", "0.05"}, {}, [](weft::process& p) {
            BOOST_TEST(!weft::move_on_after(1ms, [&] { p.wait(); }));
            int ended = 0;
            weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 3; ++i) n.start_soon([&] { if (p.wait().success()) ++ended; }); });
            BOOST_TEST(ended == 3);
            BOOST_TEST(p.wait().success());
            p.kill();  // it has ended: no effect
        });
    });
}

// rule 122
BOOST_AUTO_TEST_CASE(a_cancellation_asks_it_to_end_and_then_ends_it) {
    run_real([] {
        auto start = steady::now();
        BOOST_TEST(!weft::move_on_after(5ms, [] { weft::run_process({"sleep", "100"}); }));
        weft::process_status cleaned;
        weft::move_on_after(50ms, [&] {
            weft::with_process(shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"), {.out = weft::process_stream::pipe}, [&](weft::process& p) {
                char c;
                asio::async_read(p.out(), asio::buffer(&c, 1), weft::use_fiber);  // the trap is set
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) {
                    p.terminate();
                    weft::cancel_scope s;
                    s.set_shield(true);
                    s.run([&] { cleaned = p.wait(); });
                    throw;
                }
            });
        });
        BOOST_TEST(cleaned.exit_code == 7);
        BOOST_TEST((steady::now() - start < 4s));  // without the grace time
        BOOST_CHECK_THROW(weft::with_process(shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"), {.out = weft::process_stream::pipe, .grace = 20ms}, [&](weft::process& p) {
            char c;
            asio::async_read(p.out(), asio::buffer(&c, 1), weft::use_fiber);
            throw std::runtime_error("the body failed");  // TERM has no effect: KILL, after the grace time
        }), std::runtime_error);
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_the_process_is_reaped) {
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    weft::testing::cancel_everywhere([] { weft::run_process({"cat"}, {.input = "text"}); }, o);
    BOOST_TEST((::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD));
}

BOOST_AUTO_TEST_SUITE_END()
