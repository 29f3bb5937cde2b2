// SPDX-License-Identifier: BSL-1.0
// Descriptors as alternatives of a select, and operations as tasks with a future.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

using namespace weft_test;
namespace asio = boost::asio;
using local = asio::local::stream_protocol;
using tcp = asio::ip::tcp;

namespace {
struct pair {
    local::socket a{weft::get_executor()}, z{weft::get_executor()};
    pair() { asio::local::connect_pair(a, z); }
    void give(char c) { asio::write(a, asio::buffer(&c, 1)); }
    char take() { char c = 0; z.read_some(asio::buffer(&c, 1)); return c; }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(select_asio)

// rules 143, 144
BOOST_AUTO_TEST_CASE(a_readable_socket_is_taken_and_one_that_is_not_loses_nothing) {
    run_checked([] {
        pair p, q;
        p.give('x');
        BOOST_TEST(weft::select(weft::on_readable(p.z, [&] { return p.take(); }), weft::on_readable(q.z, [&] { return q.take(); })) == 'x');
        BOOST_TEST(weft::select(weft::on_readable(p.z, [&] { return 'r'; }), weft::on_writable(q.z, [&] { return 'w'; })) == 'w');
        BOOST_TEST(weft::select(weft::on_readable(p.z, [] { return 'r'; }), weft::on_timeout(1ms, [] { return 't'; })) == 't');
        p.give('y');
        q.give('z');
        std::string got;
        for (int i = 0; i < 2; ++i) got += weft::select(weft::on_readable(p.z, [&] { return p.take(); }), weft::on_readable(q.z, [&] { return q.take(); }));
        std::sort(got.begin(), got.end());
        BOOST_TEST(got == "yz");  // each once
    });
}

BOOST_AUTO_TEST_CASE(a_select_over_a_socket_a_channel_and_a_timeout_wakes_for_whichever_comes) {
    run_checked([] {
        pair p;
        auto [tx, rx] = weft::make_channel<char>(0);
        std::string got;
        weft::with_nursery([&, &tx = tx, &rx = rx](weft::nursery& n) {
            n.start_soon([&] {
                weft::this_task::sleep_for(1ms);
                tx.send('c');
                weft::this_task::sleep_for(1ms);
                p.give('s');
            });
            for (int i = 0; i < 3; ++i) {
                got += weft::select(weft::on_readable(p.z, [&] { return p.take(); }), rx.on_receive([](char c) { return c; }), weft::on_timeout(5ms, [] { return 't'; }));
            }
        });
        BOOST_TEST(got == "cst");
    });
}

BOOST_AUTO_TEST_CASE(errors_of_the_wait_leave_the_select) {
    run_checked([] {
        pair p;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { p.z.close(); });
            BOOST_CHECK_THROW(weft::select(weft::on_readable(p.z, [] {}), weft::on_timeout(1s, [] {})), boost::system::system_error);
        });
        BOOST_CHECK_THROW(weft::select(weft::on_readable(p.z, [] {})), boost::system::system_error);  // not open
        pair q;
        q.a.close();
        weft::select(weft::on_readable(q.z, [&] { BOOST_CHECK_THROW(q.take(), boost::system::system_error); }));  // an end of file is readable
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    weft::testing::cancel_everywhere([] {
        pair p, q;
        weft::event e;
        for (int i = 0; i < 3; ++i) {
            if (i == 1) q.give('x');
            weft::select(weft::on_readable(p.z, [] {}), weft::on_readable(q.z, [&] { q.take(); }), e.on_set([] {}), weft::on_timeout(1ms, [] {}));
        }
    }, o);
    run_checked([] {
        pair p;
        weft::cancel_scope before;
        before.cancel();
        BOOST_TEST(!before.run([&] { weft::select(weft::on_readable(p.z, [] {})); }));
        BOOST_TEST(!weft::move_on_after(1ms, [&] { weft::select(weft::on_readable(p.z, [] {})); }));
        weft::with_nursery([&](weft::nursery& n) {  // by a sibling
            n.start_soon([&] { weft::checkpoint(); n.cancel(); });
            weft::select(weft::on_readable(p.z, [] {}));
        });
        p.give('k');
        BOOST_TEST(p.take() == 'k');  // the socket is as before
    });
}

BOOST_AUTO_TEST_CASE(any_operation_is_selected_through_the_future_of_a_task) {
    run_checked([] {
        tcp::acceptor listener(weft::get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        auto accepted = weft::async([&] { return listener.async_accept(weft::use_fiber); });
        BOOST_TEST(weft::select(accepted.on_ready([](tcp::socket) { return 'a'; }), weft::on_timeout(1ms, [] { return 't'; })) == 't');
        tcp::socket client(weft::get_executor());
        client.async_connect(listener.local_endpoint(), weft::use_fiber);
        BOOST_TEST(weft::select(accepted.on_ready([](tcp::socket s) { return s.is_open() ? 'a' : '?'; }), weft::on_timeout(10s, [] { return 't'; })) == 'a');
        BOOST_TEST(!weft::move_on_after(1ms, [&] { weft::async([&] { return listener.async_accept(weft::use_fiber); }).get(); }));
    });
}

BOOST_AUTO_TEST_SUITE_END()
