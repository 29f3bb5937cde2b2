// SPDX-License-Identifier: BSL-1.0
// Callback loops: their executor under ordinary Asio objects, outstanding work at the exit, readers and writers.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using local = asio::local::stream_protocol;

namespace {
/// A pipe, closed at the end.
struct pipe_ends {
    int read, write;
    pipe_ends() {
        int p[2];
        BOOST_REQUIRE(::pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0);
        read = p[0];
        write = p[1];
    }
    ~pipe_ends() { ::close(read); ::close(write); }
    char take() const { char c = 0; return ::read(read, &c, 1) == 1 ? c : '\0'; }
    void give(char c) const { BOOST_REQUIRE(::write(write, &c, 1) == 1); }
};

/// A session as Asio programs have them: it lives as long as an operation of its socket is pending.
struct echo : std::enable_shared_from_this<echo> {
    local::socket socket;
    std::array<char, 16> buffer{};
    int& ended;
    echo(local::socket s, int& e) : socket(std::move(s)), ended(e) {}
    ~echo() { ++ended; }
    void read() {
        socket.async_read_some(asio::buffer(buffer), [self = shared_from_this()](error_code e, std::size_t n) {
            if (!e) asio::async_write(self->socket, asio::buffer(self->buffer, n), [self](error_code f, std::size_t) { if (!f) self->read(); });
        });
    }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(callback_loop_io)

BOOST_AUTO_TEST_CASE(handlers_of_io_objects_run_on_the_loop_they_were_made_for) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            weft::with_callback_loop([&](weft::callback_loop& other) {
                asio::steady_timer erased(loop.get_executor(), std::chrono::nanoseconds(0));  // any_io_executor
                asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, weft::callback_executor> typed(other.get_executor(), std::chrono::nanoseconds(0));
                std::string log;
                erased.async_wait([&](error_code) { BOOST_TEST(weft::callback_loop::current() == &loop); log += "e"; });
                typed.async_wait([&](error_code) { BOOST_TEST(weft::callback_loop::current() == &other); log += "t"; loop.stop(); });
                loop.wait_stopped();
                erased.async_wait(weft::use_fiber);
                typed.async_wait(asio::bind_executor(loop.get_executor(), [&](error_code) { BOOST_TEST(weft::callback_loop::current() == &loop); other.stop(); }));
                other.wait_stopped();
                BOOST_TEST(log.size() == 2u);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(dispatch_from_a_callback_runs_at_once_and_post_never_does) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            std::string log;
            auto ex = loop.get_executor();
            asio::strand<weft::callback_executor> strand(ex);
            loop.call([&] {
                asio::dispatch(ex, [&] { log += "d"; });
                asio::post(ex, [&] { log += "p"; });
                asio::dispatch(strand, [&] { log += "s"; });
                asio::post(strand, [&] { log += "q"; });
                log += "|";
            });
            asio::dispatch(ex, [&] { log += "x"; });  // a task is no callback
            log += "/";
            loop.synchronize();
            BOOST_TEST(log.substr(0, 3) == "ds|");
            BOOST_TEST(log.find('/') < log.find('x'));
            BOOST_TEST(log.size() == 7u);
            asio::any_io_executor any = ex, same = loop.get_executor();
            BOOST_TEST((any == same));
            BOOST_TEST((ex != asio::require(ex, asio::execution::blocking.never)));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_composed_operation_of_somebody_else_s_works_on_it) {
    run_checked([] {
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            auto twice = [](auto& timer, auto&& token) {
                return asio::async_compose<decltype(token), void(error_code, int)>([&timer, n = 0](auto& self, error_code e = {}) mutable {
                    if (e || n == 2) { self.complete(e, n); return; }
                    ++n;
                    timer.expires_after(std::chrono::nanoseconds(1));
                    timer.async_wait(std::move(self));
                }, token, timer);
            };
            asio::steady_timer timer(loop.get_executor());
            BOOST_TEST(twice(timer, weft::use_fiber) == 2);
            int by_callback = 0;
            twice(timer, [&](error_code, int n) { by_callback = n; BOOST_TEST(weft::callback_loop::current() == &loop); loop.stop(); });
            loop.wait_stopped();
            BOOST_TEST(by_callback == 2);
        });
    });
}

BOOST_AUTO_TEST_CASE(pending_operations_keep_the_loop_open_until_they_have_ended) {
    run_checked([] {
        int ended = 0;
        local::socket client(weft::get_executor());
        weft::with_nursery([&](weft::nursery& n) {
            weft::with_callback_loop([&](weft::callback_loop& loop) {
                local::socket server(loop.get_executor());
                local::socket mine(loop.get_executor());
                asio::local::connect_pair(server, mine);
                client.assign(local(), mine.release());
                std::make_shared<echo>(std::move(server), ended)->read();
                n.start_soon([&] {
                    char c = 'a';
                    for (int i = 0; i < 3; ++i) {
                        asio::write(client, asio::buffer(&c, 1));
                        asio::async_read(client, asio::buffer(&c, 1), weft::use_fiber);
                    }
                    BOOST_TEST(ended == 0);
                    client.close();  // lets the session end, and the loop with it
                });
                BOOST_TEST(loop.statistics().work > 0u);
            });
            BOOST_TEST(ended == 1);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_exit_does_not_wait_for_pending_operations) {
    run_checked([] {
        int ended = 0;
        bool aborted = false;
        {
            local::socket client(weft::get_executor()), server(weft::get_executor());
            asio::local::connect_pair(server, client);
            weft::move_on_after(1ms, [&] {
                weft::with_callback_loop([&](weft::callback_loop& loop) {
                    local::socket s(loop.get_executor(), local(), server.release());
                    std::make_shared<echo>(std::move(s), ended)->read();
                    // One whose owner goes with the body: its handler is on the way when the body is left, and still runs.
                    asio::steady_timer mine(loop.get_executor(), 1h);
                    mine.async_wait([&](error_code e) { aborted = e == asio::error::operation_aborted; });
                    weft::this_task::sleep_forever();
                });
            });
            BOOST_TEST(ended == 0);
            BOOST_TEST(aborted);
        }  // the other end is closed: the session's handler comes to a closed loop, and is destroyed
        while (ended == 0) weft::this_task::yield();
    });
}

BOOST_AUTO_TEST_CASE(a_work_guard_that_nobody_releases_is_a_deadlock_that_is_reported) {
    bool found = false;
    try {
        weft::run([] {
            std::optional<asio::executor_work_guard<weft::callback_executor>> guard;
            weft::with_callback_loop([&](weft::callback_loop& loop) { guard.emplace(loop.get_executor()); loop.call([] {}); weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { weft::this_task::sleep_for(1ms); guard.reset(); }); }); });
        });
        found = true;  // released in time
    } catch (...) {}
    BOOST_TEST(found);
}

BOOST_AUTO_TEST_CASE(readers_and_writers_are_called_while_the_descriptor_is_ready) {
    run_checked([] {
        pipe_ends p;
        std::string got;
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            loop.add_reader(p.read, [&] { if (char c = p.take()) got += c; if (got.size() == 3) loop.stop(); });
            p.give('a');
            p.give('b');
            int written = 0;
            loop.add_writer(p.write, [&] { p.give('c'); if (++written == 1) BOOST_TEST(loop.remove_writer(p.write)); });
            loop.wait_stopped();
            std::sort(got.begin(), got.end());
            BOOST_TEST(got == "abc");
            BOOST_TEST(written == 1);
            BOOST_TEST(!loop.remove_writer(p.write));
        });  // the reader is dropped
        p.give('d');
        weft::this_task::sleep_for(1ms);
        BOOST_TEST(got == "abc");
    });
}

// rule 137
BOOST_AUTO_TEST_CASE(a_replaced_or_removed_reader_is_not_called_again_even_when_its_call_was_queued) {
    run_checked([] {
        pipe_ends p;
        weft::with_callback_loop([&](weft::callback_loop& loop) {
            int first = 0, second = 0;
            loop.add_reader(p.read, [&] {
                ++first;
                loop.add_reader(p.read, [&] { ++second; p.take(); loop.stop(); });
            });
            p.give('x');
            loop.wait_stopped();
            BOOST_TEST(first == 1);
            BOOST_TEST(second == 1);
            pipe_ends q;
            bool late = false;
            // Both are ready in one pass; whichever runs first removes the other, whose call may be queued already.
            p.give('y');
            q.give('y');
            int calls = 0;
            loop.add_reader(p.read, [&] { ++calls; p.take(); loop.remove_reader(q.read); late = calls > 1; });
            loop.add_reader(q.read, [&] { ++calls; q.take(); loop.remove_reader(p.read); late = calls > 1; });
            while (calls == 0) weft::this_task::yield();
            for (int i = 0; i < 5; ++i) loop.synchronize();
            BOOST_TEST(calls == 1);
            BOOST_TEST(!late);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_reader_that_throws_goes_on_and_bad_descriptors_are_refused) {
    run_checked([] {
        pipe_ends p;
        int failures = 0;
        weft::with_callback_loop({.exception_handler = [&](std::exception_ptr) { ++failures; }}, [&](weft::callback_loop& loop) {
            loop.add_reader(p.read, [&] { char c = p.take(); if (c == 'x') loop.stop(); else throw std::runtime_error("reader"); });
            p.give('a');
            p.give('b');
            p.give('x');
            loop.wait_stopped();
            BOOST_TEST(failures == 2);
            BOOST_CHECK_THROW(loop.add_reader(-1, [] {}), boost::system::system_error);
            int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
            BOOST_CHECK_THROW(loop.add_reader(file, [] {}), boost::system::system_error);
            ::close(file);
        });
    });
}

BOOST_AUTO_TEST_CASE(an_executor_that_outlives_its_run_destroys_what_it_is_given) {
    std::optional<weft::callback_executor> ex;
    weft::run([&] { weft::with_callback_loop([&](weft::callback_loop& loop) { ex = loop.get_executor(); }); });
    auto held = std::make_shared<int>();
    asio::post(*ex, [held] {});
    std::thread([&, held] { asio::post(*ex, [held] {}); }).join();
    BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
