// SPDX-License-Identifier: BSL-1.0
// serve_tls and tls_connect on the loopback. One executable with tls.cpp.
#include "net/tls_pair.hpp"

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(serving_tls)

BOOST_AUTO_TEST_CASE(connections_are_served_and_closed_in_order_when_the_handler_returns) {
    with_server(good_server(), [](tls_socket& s) { asio::async_write(s, asio::buffer("hello", 5), use_fiber); }, [](std::uint16_t port) {
        weft::tls_client_context context(trusting_loopback());
        for (int i = 0; i < 3; ++i) {
            auto s = weft::tls_connect("127.0.0.1", port, context);
            std::string text;
            error_code e;
            asio::async_read(s, asio::dynamic_buffer(text), use_fiber[e]);
            BOOST_TEST(text == "hello");
            BOOST_TEST((e == asio::error::eof));
            s.close();
        }
        auto o = trusting_loopback();
        o.server_name = "elsewhere.example";
        BOOST_CHECK_THROW(weft::tls_connect("127.0.0.1", port, o), weft::tls_error);
    });
}

BOOST_AUTO_TEST_CASE(a_handler_may_take_the_stream_and_then_closes_it_itself) {
    with_server(good_server(), [](tls_socket s) { s.close(); }, [](std::uint16_t port) {
        auto s = weft::tls_connect("127.0.0.1", port, trusting_loopback());
        char c;
        error_code e;
        s.async_read_some(asio::buffer(&c, 1), use_fiber[e]);
        BOOST_TEST((e == asio::error::eof));
    });
}

BOOST_AUTO_TEST_CASE(clients_that_fail_or_keep_silent_are_reported_and_do_not_end_the_server) {
    for (bool silent : {false, true}) {
        bool refused = false, late = false;
        int served = 0;
        weft::event reported;
        auto report = [&](std::exception_ptr e) {
            try { std::rethrow_exception(e); }
            catch (weft::tls_error const& x) { refused = x.reason() == tls_failure::not_tls; }
            catch (weft::too_slow_error const&) { late = true; }
            reported.set();
        };
        weft::serve_tls_options options;
        options.handshake_limit = silent ? weft::duration(10ms) : weft::duration(100s);
        options.on_handshake_error = report;
        with_server(good_server(), [&](tls_socket&) { ++served; }, [&](std::uint16_t port) {
            tcp::socket s(weft::get_executor());
            s.async_connect({asio::ip::address_v4::loopback(), port}, use_fiber);
            if (!silent) asio::async_write(s, asio::buffer("GET / HTTP/1.1\r\n\r\n", 18), use_fiber);
            reported.wait();
            if (!silent) weft::tls_connect("127.0.0.1", port, trusting_loopback()).close();
        }, options);
        BOOST_TEST(refused == !silent);
        BOOST_TEST(late == silent);
        BOOST_TEST(served == (silent ? 0 : 1));
    }
}

BOOST_AUTO_TEST_CASE(a_client_that_goes_before_its_handshake_is_no_error_of_the_server) {
    int served = 0;
    with_server(good_server(), [&](tls_socket&) { ++served; }, [&](std::uint16_t port) {
        { tcp::socket gone(weft::get_executor()); gone.async_connect({asio::ip::address_v4::loopback(), port}, use_fiber); }
        weft::tls_connect("127.0.0.1", port, trusting_loopback()).close();
    });
    BOOST_TEST(served == 1);
}

BOOST_AUTO_TEST_SUITE_END()
