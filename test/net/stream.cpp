// SPDX-License-Identifier: BSL-1.0
// Reading and writing that tries the call first: sockets, pipes, descriptors, and other streams.
#include "fixture.hpp"

#include <weft/net/stream.hpp>
#include <weft/testing/memory_stream.hpp>

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/connect_pipe.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/writable_pipe.hpp>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <pty.h>
#include <thread>
#include <unistd.h>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using socket_type = asio::local::stream_protocol::socket;

namespace {

struct socket_pair {
    socket_type a{weft::get_executor()}, b{weft::get_executor()};
    socket_pair() { asio::local::connect_pair(a, b); }
};
struct pipe_pair {
    asio::readable_pipe b{weft::get_executor()};
    asio::writable_pipe a{weft::get_executor()};
    pipe_pair() { asio::connect_pipe(b, a); }
};
struct memory_pair {
    std::pair<weft::testing::memory_stream, weft::testing::memory_stream> both = weft::testing::memory_stream_pair({.capacity = 4096});
    weft::testing::memory_stream& a = both.first;
    weft::testing::memory_stream& b = both.second;
};

template <class S>
std::string read_up_to(S& s, std::size_t n) {
    std::string text(n, '\0');
    text.resize(weft::read_some(s, asio::buffer(text)));
    return text;
}
template <class S>
std::string read_all(S& s) {
    std::string all;
    for (;;) {
        std::string part = read_up_to(s, 1000);
        if (part.empty()) return all;
        all += part;
    }
}
std::string pattern(std::size_t n) {
    std::string s(n, '\0');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>('a' + i % 23);
    return s;
}

/// What is true of each kind of stream, for a pair of which a is written to and b is read from.
template <class Pair>
void behaves_as_a_stream() {
    run_checked([] {
        Pair p;
        weft::write_all(p.a, "hello");
        BOOST_TEST(read_up_to(p.b, 3) == "hel");
        BOOST_TEST(read_up_to(p.b, 100) == "lo");
        weft::write_all(p.a, std::string());
        BOOST_TEST(weft::read_some(p.b, asio::mutable_buffer()) == 0u);
        // A read that waits, and more than any buffer holds, in parts.
        std::string big = pattern(500'000), got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] { got = read_all(p.b); });
            weft::testing::wait_all_tasks_blocked();
            std::array<asio::const_buffer, 3> parts{asio::buffer(big.data(), 100'000), asio::const_buffer(), asio::buffer(big.data() + 100'000, 399'990)};
            weft::write_all(p.a, parts);
            std::vector<asio::const_buffer> single;
            for (std::size_t i = 499'990; i < 500'000; ++i) single.push_back(asio::buffer(big.data() + i, 1));
            for (std::size_t i = 0; i < 100; ++i) single.push_back(asio::const_buffer());
            weft::write_all(p.a, single);
            p.a.close();
        });
        BOOST_TEST((got == big));
        BOOST_TEST(weft::read_some(p.b, asio::buffer(big)) == 0u);  // still at its end
        error_code ec = asio::error::eof;
        BOOST_TEST(weft::read_some(p.b, asio::buffer(big), ec) == 0u);
        BOOST_TEST(!ec);
    });
}

/// Reads in several buffers, more than one call can take.
template <class Pair>
void fills_buffers_in_their_order() {
    run_checked([] {
        Pair p;
        std::string text = pattern(200);
        weft::write_all(p.a, text);
        std::string got(200, '\0');
        std::vector<asio::mutable_buffer> parts;
        for (char& c : got) parts.push_back(asio::buffer(&c, 1));
        std::size_t n = weft::read_some(p.b, parts);
        BOOST_TEST(n >= 16u);
        BOOST_TEST(got.substr(0, n) == text.substr(0, n));
    });
}

template <class Pair>
void is_cancelled_without_loss() {
    run_checked([] {
        Pair p;
        char c;
        bool done = weft::move_on_after(1s, [&] { weft::read_some(p.b, asio::buffer(&c, 1)); });
        BOOST_TEST(!done);
        weft::write_all(p.a, "x");
        weft::cancel_scope s;
        s.cancel();
        bool reached = false;
        s.run([&] { weft::read_some(p.b, asio::buffer(&c, 1)); reached = true; });  // cancelled before: nothing is read
        BOOST_TEST(!reached);
        BOOST_TEST(read_up_to(p.b, 5) == "x");
        // While it waits, and something comes in the same turn as the cancellation: it has the byte, or the next one has it.
        weft::cancel_scope s2;
        std::string got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] { s2.run([&] { got = read_up_to(p.b, 5); }); });
            weft::testing::wait_all_tasks_blocked();
            weft::write_all(p.a, "y");
            s2.cancel();
        });
        if (got.empty()) got = read_up_to(p.b, 5);
        BOOST_TEST(got == "y");
        // The form that reports.
        weft::cancel_scope s3;
        error_code ec;
        bool raised = true;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] {
                s3.run([&] {
                    weft::read_some(p.b, asio::buffer(&c, 1), ec);
                    raised = false;
                    weft::checkpoint();
                });
            });
            weft::testing::wait_all_tasks_blocked();
            s3.cancel();
        });
        BOOST_TEST((ec == asio::error::operation_aborted));
        BOOST_TEST(!raised);
        BOOST_TEST(s3.cancelled_caught());
    });
}

template <class Pair>
void tells_how_much_was_written_when_it_is_cancelled() {
    run_checked([] {
        Pair p;
        std::string big = pattern(1'000'000);
        error_code ec;
        std::size_t written = 0;
        weft::cancel_scope s;
        s.set_deadline(weft::current_time() + 1s);
        s.run([&] {
            written = weft::write_all(p.a, asio::buffer(big), ec);
            BOOST_TEST((ec == asio::error::operation_aborted));
            weft::checkpoint();
            BOOST_ERROR("the next point raises");
        });
        BOOST_TEST(written > 0u);
        BOOST_TEST(written < big.size());
        BOOST_TEST(!weft::move_on_after(1s, [&] { weft::write_all(p.a, asio::buffer(big)); }));  // and without a count: it raises
        p.a.close();
        std::string got = read_all(p.b);
        BOOST_TEST((got.substr(0, written) == big.substr(0, written)));
    });
}

template <class Pair>
void is_cancelled_everywhere() {
    weft::testing::cancel_everywhere([] {
        Pair p;
        std::string big = pattern(300'000), got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] {
                std::string block(100'000, '\0');
                while (std::size_t m = weft::read_some(p.b, asio::buffer(block))) got.append(block, 0, m);
            });
            weft::write_all(p.a, big);
            p.a.close();
        });
        if (got != big) throw std::runtime_error("it differs");
    }, {.run = {}, .sample = 60});
}

template <class Pair>
void all_of_it() {
    behaves_as_a_stream<Pair>();
    fills_buffers_in_their_order<Pair>();
    is_cancelled_without_loss<Pair>();
    tells_how_much_was_written_when_it_is_cancelled<Pair>();
    is_cancelled_everywhere<Pair>();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(stream)

BOOST_AUTO_TEST_CASE(sockets) { all_of_it<socket_pair>(); }
BOOST_AUTO_TEST_CASE(pipes) {
    ::signal(SIGPIPE, SIG_IGN);
    all_of_it<pipe_pair>();
}

BOOST_AUTO_TEST_CASE(what_need_not_wait_does_not_go_through_the_loop) {
    run_checked([] {
        socket_pair p;
        char block[1000];
        std::string text = pattern(1000);
        auto turns = weft::lowlevel::current_statistics().turns;
        for (int i = 0; i < 7; ++i) {  // fourteen operations: the sixteenth would yield
            weft::write_all(p.a, asio::buffer(text));
            BOOST_TEST(weft::read_some(p.b, asio::buffer(block)) == 1000u);  // all it has room for, so that the next is tried at once, too
        }
        BOOST_TEST(weft::lowlevel::current_statistics().turns == turns);
    });
}

BOOST_AUTO_TEST_CASE(one_that_never_waits_lets_others_run) {
    run_checked([] {
        socket_pair p, q;
        std::atomic<bool> stop{false};
        int others = 0, timers = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("busy", [&] {
                char block[10];
                for (int i = 0; i < 10'000; ++i) {
                    weft::write_all(p.a, "0123456789");
                    weft::read_some(p.b, asio::buffer(block));
                }
                stop = true;
                n.cancel();
            });
            n.start_soon("other", [&] { while (!stop) { weft::this_task::yield(); ++others; } });
            n.start_soon("connection", [&] { for (;;) { char c; weft::write_all(q.a, "x"); weft::read_some(q.b, asio::buffer(&c, 1)); ++timers; } });
        });
        BOOST_TEST(others > 1000);
        BOOST_TEST(timers > 1000);
    });
}

BOOST_AUTO_TEST_CASE(errors_are_those_of_the_call) {
    run_checked([] {
        socket_pair p;
        p.b.close();
        BOOST_CHECK_EXCEPTION(weft::write_all(p.a, "x"), boost::system::system_error, [](auto const& e) { return e.code() == asio::error::broken_pipe; });  // and no SIGPIPE
        error_code ec;
        BOOST_TEST(weft::write_all(p.a, "x", ec) == 0u);
        BOOST_TEST((ec == asio::error::broken_pipe));
        char c;
        BOOST_CHECK_EXCEPTION(weft::read_some(p.b, asio::buffer(&c, 1)), boost::system::system_error, [](auto const& e) { return e.code() == asio::error::bad_descriptor; });
        weft::read_some(p.b, asio::buffer(&c, 1), ec);
        BOOST_TEST((ec == asio::error::bad_descriptor));
    });
}

BOOST_AUTO_TEST_CASE(an_abort_that_weft_did_not_ask_for_is_an_error) {
    run_checked([] {
        socket_pair p;
        error_code ec;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] {
                char c;
                try { weft::read_some(p.b, asio::buffer(&c, 1)); } catch (boost::system::system_error const& e) { ec = e.code(); }
            });
            weft::testing::wait_all_tasks_blocked();
            p.b.cancel();
        });
        BOOST_TEST((ec == asio::error::operation_aborted));
    });
}

BOOST_AUTO_TEST_CASE(descriptors_that_cannot_be_asked_not_to_block_are_waited_for) {
    run_checked([] {
        int near, far;
        BOOST_REQUIRE(::openpty(&near, &far, nullptr, nullptr, nullptr) == 0);
        asio::posix::stream_descriptor a(weft::get_executor(), near), b(weft::get_executor(), far);
        std::string got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] { got = read_up_to(b, 100); });
            weft::testing::wait_all_tasks_blocked();
            weft::write_all(a, "line\n");
        });
        BOOST_TEST(got == "line\n");
        BOOST_TEST(!weft::move_on_after(1s, [&] { read_up_to(b, 100); }));
    });
}

BOOST_AUTO_TEST_CASE(a_file_is_read_from_its_position) {
    run_checked([] {
        int ends[2];
        BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        asio::posix::stream_descriptor r(weft::get_executor(), ends[0]), w(weft::get_executor(), ends[1]);
        weft::write_all(w, "ab");
        BOOST_TEST(read_up_to(r, 1) == "a");
        BOOST_TEST(read_up_to(r, 1) == "b");
        w.close();
        BOOST_TEST(read_up_to(r, 1) == "");
    });
}

BOOST_AUTO_TEST_CASE(other_streams_run_their_operation) { all_of_it<memory_pair>(); }

BOOST_AUTO_TEST_CASE(a_wait_is_cancelled_by_a_failing_sibling_and_from_another_thread) {
    run_checked([] {
        socket_pair p;
        int cancelled = 0;
        auto read = [&] {
            char c;
            try { weft::read_some(p.b, asio::buffer(&c, 1)); } catch (weft::cancelled const&) { ++cancelled; throw; }
        };
        auto failing = [&](weft::nursery& n) {
            n.start_soon("reader", read);
            weft::testing::wait_all_tasks_blocked();
            throw std::runtime_error("sibling");
        };
        BOOST_CHECK_THROW(weft::with_nursery(failing), weft::exception_group);
        BOOST_TEST(cancelled == 1);
        weft::cancel_scope s;
        std::thread other;
        auto token = weft::current_token();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("reader", [&] { s.run(read); });
            weft::testing::wait_all_tasks_blocked();
            other = std::thread([&] { token.post([&] { s.cancel(); }); });
        });
        other.join();
        BOOST_TEST(cancelled == 2);
        weft::write_all(p.a, "x");
        BOOST_TEST(read_up_to(p.b, 5) == "x");
    });
}

BOOST_AUTO_TEST_CASE(in_a_callback_and_outside_of_a_run_it_is_an_error) {
    asio::io_context io;
    socket_type alone(io);
    char c;
    BOOST_CHECK_THROW(weft::read_some(alone, asio::buffer(&c, 1)), weft::not_running_error);
    BOOST_CHECK_THROW(weft::write_all(alone, "x"), weft::not_running_error);
    run_checked([] {
        socket_pair p;
        bool right = false;
        weft::event done;
        asio::post(weft::get_executor(), [&] { right = throws<weft::wrong_domain_error>([&] { weft::write_all(p.a, "x"); }); done.set(); });
        done.wait();
        BOOST_TEST(right);
    });
}

BOOST_AUTO_TEST_SUITE_END()
