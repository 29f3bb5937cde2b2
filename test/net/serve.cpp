// SPDX-License-Identifier: BSL-1.0
// Serving connections: permits, errors of accept, errors of handlers, an orderly end.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/net/connect.hpp>
#include <weft/net/serve.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

/// An acceptor that follows a script: an errno each, 0 for a connection; at its end it waits for ever.
struct fake_acceptor {
    struct socket_type { int number = 0; };
    std::vector<int> script;
    std::size_t at = 0;
    bool closed = false;
    std::vector<long> times;
    weft::time_point start = weft::current_time();
    explicit fake_acceptor(std::vector<int> s) : script(std::move(s)) {}

    template <class Token>
    auto async_accept(Token&& token) {
        times.push_back((weft::current_time() - start) / 1ms);
        return asio::async_initiate<Token, void(error_code, socket_type)>([this](auto handler) {
            if (at < script.size()) {
                int e = script[at++];
                asio::post(weft::get_executor(), [h = std::move(handler), e, n = at]() mutable { std::move(h)(error_code(e, boost::system::system_category()), socket_type{static_cast<int>(n)}); });
                return;
            }
            auto slot = asio::get_associated_cancellation_slot(handler);
            auto waiting = std::make_shared<decltype(handler)>(std::move(handler));
            slot.assign([waiting](asio::cancellation_type) {
                asio::post(weft::get_executor(), [waiting] { std::move (*waiting)(asio::error::operation_aborted, socket_type{}); });
            });
        }, token);
    }
    void close(error_code&) { closed = true; }
};

/// One that can say at once that nobody waits: `waiting` connections do.
struct ready_acceptor : fake_acceptor {
    using fake_acceptor::fake_acceptor;
    int waiting = 0, taken_at_once = 0;
    void non_blocking(bool, error_code& ec) { ec.clear(); }
    socket_type accept(error_code& ec) {
        if (waiting == 0) { ec = asio::error::would_block; return {}; }
        --waiting;
        ec.clear();
        return {1000 + ++taken_at_once};
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(serving)

// rule 117
BOOST_AUTO_TEST_CASE(errors_of_capacity_are_retried_after_a_pause_those_of_a_connection_at_once_and_others_end_it) {
    run_checked([] {
        fake_acceptor a({EMFILE, 0, ENFILE, ECONNABORTED, ENOBUFS, 0, EBADF});
        int served = 0;
        BOOST_CHECK_THROW(weft::serve(a, [&](auto) { ++served; }), weft::exception_group);
        BOOST_TEST(served == 2);
        BOOST_TEST((a.times == std::vector<long>{0, 100, 100, 200, 200, 300, 300}));
        BOOST_TEST(!a.closed);
    });
}

BOOST_AUTO_TEST_CASE(no_more_handlers_run_at_once_than_are_allowed) {
    run_checked([] {
        fake_acceptor a({0, 0, 0, 0, 0, 0});
        int now = 0, most = 0, served = 0;
        weft::move_on_after(1s, [&] {
            weft::serve(a, [&](auto) { most = std::max(most, ++now); weft::this_task::sleep_for(10ms); --now; ++served; }, {.max_connections = 2});
        });
        BOOST_TEST(most == 2);
        BOOST_TEST(served == 6);
        BOOST_TEST((a.times == std::vector<long>{0, 0, 10, 10, 20, 20, 30}));  // it does not even accept what it cannot serve
    });
}

BOOST_AUTO_TEST_CASE(connections_that_wait_already_are_taken_at_once_some_at_a_time_and_never_beyond_the_permits) {
    run_checked([] {
        ready_acceptor a({0, 0});
        a.waiting = 300;
        int served = 0;
        weft::move_on_after(1s, [&] { weft::serve(a, [&](auto) { ++served; }); });
        BOOST_TEST(a.taken_at_once == 300);
        BOOST_TEST(served == 302);
        BOOST_TEST(a.at == 2u);  // 256 behind the first, the rest behind the second
        ready_acceptor b({0, 0, 0});
        b.waiting = 40;
        int now = 0, most = 0;
        weft::move_on_after(15ms, [&] {
            weft::serve(b, [&](auto) { most = std::max(most, ++now); weft::this_task::sleep_for(10ms); --now; }, {.max_connections = 3});
        });
        BOOST_TEST(most == 3);
    });
}

BOOST_AUTO_TEST_CASE(an_error_of_a_handler_ends_the_server_unless_somebody_takes_it) {
    run_checked([] {
        fake_acceptor a({0, 0, 0});
        BOOST_CHECK_THROW(weft::serve(a, [](auto s) { if (s.number == 2) throw std::runtime_error("x"); weft::this_task::sleep_forever(); }), weft::exception_group);
        fake_acceptor b({0, 0, 0});
        int taken = 0, served = 0;
        weft::move_on_after(1s, [&] {
            weft::serve(b, [&](auto s) { if (s.number == 2) throw std::runtime_error("x"); ++served; }, {.on_error = [&](std::exception_ptr) { ++taken; }});
        });
        BOOST_TEST(taken == 1);
        BOOST_TEST(served == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_requested_stop_closes_the_listener_and_lets_the_handlers_end_until_the_grace_time_is_over) {
    run_checked([] {
        fake_acceptor a({0, 0});
        int ended = 0, cancelled = 0;
        weft::shutdown_report report;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("server", [&] {
                weft::serve(a, [&](auto s) {
                    try { weft::this_task::sleep_for(s.number == 1 ? 50ms : 1h); ++ended; } catch (weft::cancelled const&) { ++cancelled; throw; }
                });
                BOOST_ERROR("the second handler was to be cancelled");
            });
            weft::this_task::sleep_for(10ms);
            report = n.shutdown(100ms);
        });
        BOOST_TEST(a.closed);
        BOOST_TEST(ended == 1);
        BOOST_TEST(cancelled == 1);
        BOOST_TEST(!report.in_time());
        fake_acceptor b({0});
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("server", [&] { weft::serve(b, [](auto) { weft::this_task::sleep_for(50ms); }); ++ended; });
            weft::this_task::sleep_for(10ms);
            BOOST_TEST(n.shutdown(1s).in_time());
        });
        BOOST_TEST(ended == 2);
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    weft::testing::cancel_everywhere([] {
        fake_acceptor a({0, EMFILE, 0});
        weft::move_on_after(200ms, [&] { weft::serve(a, [](auto) { weft::this_task::sleep_for(5ms); }, {.max_connections = 1}); });
    });
}

BOOST_AUTO_TEST_CASE(a_real_server_tells_its_address_serves_and_drains) {
    weft::testing::ledger before;
    weft::run([] {
        int right = 0;
        weft::with_nursery([&](weft::nursery& n) {
            auto at = n.start("server", [&](weft::task_status<tcp::endpoint>& started) {
                weft::serve_tcp(tcp::endpoint(asio::ip::address_v4::loopback(), 0), [](tcp::socket s) {
                    char c;
                    error_code ec;
                    while (asio::async_read(s, asio::buffer(&c, 1), weft::use_fiber[ec]) == 1) asio::async_write(s, asio::buffer(&c, 1), weft::use_fiber);
                }, {.max_connections = 3}, &started);
            });
            weft::with_nursery([&](weft::nursery& clients) {
                for (int i = 0; i < 10; ++i) clients.start_soon([&] {
                    auto s = weft::connect_tcp({at});
                    char c = 'x', d = 0;
                    asio::async_write(s, asio::buffer(&c, 1), weft::use_fiber);
                    asio::async_read(s, asio::buffer(&d, 1), weft::use_fiber);
                    if (c == d) ++right;
                });
            });
            BOOST_TEST(n.shutdown(5s).in_time());
        });
        BOOST_TEST(right == 10);
    });
    BOOST_TEST(before.difference() == "");
}

BOOST_AUTO_TEST_SUITE_END()
