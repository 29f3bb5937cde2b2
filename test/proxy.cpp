// SPDX-License-Identifier: BSL-1.0
// The proxy's relay between two pairs of sockets: its idle limit on a virtual clock, and cancelled at all its points.
#include "fixture.hpp"

#include "../example/proxy/relay.hpp"

#include <weft/asio.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

std::pair<tcp::socket, tcp::socket> connected_pair() {
    tcp::acceptor a(weft::get_executor(), {asio::ip::address_v4::loopback(), 0});
    tcp::socket one(weft::get_executor());
    one.connect(a.local_endpoint());
    return {std::move(one), a.accept()};
}

/// A relay with a client before it and a server behind it.
struct bridge {
    std::pair<tcp::socket, tcp::socket> front = connected_pair(), back = connected_pair();
    tcp::socket &client = front.first, &server = back.first;
    proxy::accounts books;

    void relay(std::chrono::milliseconds idle) {
        proxy::peer a(std::move(front.second)), b(std::move(back.second));
        proxy::relay(a, b, idle, books);
    }
};

void pass_one_byte(tcp::socket& from, tcp::socket& to) {
    char c = 'x';
    asio::async_write(from, asio::buffer(&c, 1), weft::use_fiber);
    asio::async_read(to, asio::buffer(&c, 1), weft::use_fiber);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(proxy_relay)

BOOST_AUTO_TEST_CASE(a_byte_in_either_direction_is_enough_not_to_be_idle) {
    weft::testing::mock_clock clock;
    clock.set_autojump(false);
    weft::run_options options;
    options.clock = &clock;
    run_checked(options, [&] {
        bridge b;
        weft::with_nursery([&](weft::nursery& n) {
            auto relay = n.spawn("relay", [&] { b.relay(10s); });
            for (int i = 0; i < 5; ++i) {  // 90 s in all
                clock.jump(9s);
                pass_one_byte(b.client, b.server);
                clock.jump(9s);
                pass_one_byte(b.server, b.client);
            }
            BOOST_TEST(b.books.relaying == 1u);
            weft::testing::wait_all_tasks_blocked();  // the relay has seen the last byte, too
            clock.jump(10s);
            relay.join();
        });
        char c;
        error_code ec;
        b.client.async_read_some(asio::buffer(&c, 1), weft::use_fiber[ec]);
        BOOST_TEST(ec == asio::error::connection_reset);
        BOOST_TEST(b.books.idle == 1u);
        BOOST_TEST(b.books.bytes_up == 5u);
        BOOST_TEST(b.books.bytes_down == 5u);
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    auto r = weft::testing::cancel_everywhere([] {
        bridge b;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("relay", [&] { b.relay(60s); });
            pass_one_byte(b.client, b.server);
            b.client.shutdown(tcp::socket::shutdown_send);
            char c;
            error_code ec;
            b.server.async_read_some(asio::buffer(&c, 1), weft::use_fiber[ec]);
            weft::check_cancelled();
            pass_one_byte(b.server, b.client);
            b.server.close();
        });
    }, o);
    BOOST_TEST(r.points > 5u);
    BOOST_TEST(r.runs > 5u);
}

BOOST_AUTO_TEST_SUITE_END()
