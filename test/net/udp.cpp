// SPDX-License-Identifier: BSL-1.0
// Datagrams: whole or truncated, errors of earlier ones, closing.
#include "fixture.hpp"

#include <weft/net/udp.hpp>

#include <sys/socket.h>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using udp = asio::ip::udp;

namespace {

weft::udp_socket bound() { return weft::udp_socket::bind({asio::ip::address_v4::loopback(), 0}); }

struct block {
    char data[64];
    auto buffer() { return asio::buffer(data); }
};
std::string text(block const& b, weft::udp_socket::datagram const& d) { return {b.data, d.size}; }

error_code code_of(std::function<void()> const& f) {
    try { f(); } catch (boost::system::system_error const& e) { return e.code(); }
    return {};
}
/// A port where nobody listens.
udp::endpoint nobody() {
    auto s = bound();
    return s.local_endpoint();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datagrams)

BOOST_AUTO_TEST_CASE(each_is_received_as_it_was_sent_and_says_from_whom) {
    run_checked([] {
        auto a = bound(), b = bound();
        a.send_to("one", b.local_endpoint());
        a.send_to(asio::const_buffer(), b.local_endpoint());
        std::array<asio::const_buffer, 2> parts{asio::buffer("tw", 2), asio::buffer("o", 1)};
        a.send_to(parts, b.local_endpoint());
        block k;
        auto d = b.receive_from(k.buffer());
        BOOST_TEST(text(k, d) == "one");
        BOOST_TEST((d.from == a.local_endpoint()));
        BOOST_TEST(!d.truncated());
        BOOST_TEST(b.receive_from(k.buffer()).size == 0u);  // an empty one
        BOOST_TEST(text(k, b.receive_from(k.buffer())) == "two");
        // One that waits.
        std::string got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("receiver", [&] { got = text(k, b.receive_from(k.buffer())); });
            weft::testing::wait_all_tasks_blocked();
            a.send_to("late", b.local_endpoint());
        });
        BOOST_TEST(got == "late");
    });
}

BOOST_AUTO_TEST_CASE(what_did_not_fit_is_told) {
    run_checked([] {
        auto a = bound(), b = bound();
        a.send_to("0123456789", b.local_endpoint());
        a.send_to("next", b.local_endpoint());
        char c[4];
        auto d = b.receive_from(asio::buffer(c));
        BOOST_TEST(d.truncated());
        BOOST_TEST(d.size == 4u);
        BOOST_TEST(d.dropped == 6u);
        BOOST_TEST(std::string(c, 4) == "0123");
        BOOST_TEST(!b.receive_from(asio::buffer(c)).truncated());
        BOOST_TEST((code_of([&] { a.send_to(std::string(70'000, 'x'), b.local_endpoint()); }) == asio::error::message_size));
        std::vector<asio::const_buffer> many(65, asio::buffer("x", 1));
        BOOST_CHECK_THROW(a.send_to(many, b.local_endpoint()), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(a_refused_datagram_is_told_to_the_receiver_and_not_to_the_next_send) {
    run_checked([] {
        auto there = nobody();
        auto a = weft::udp_socket::connect(there);
        block k;
        a.send("first");  // refused: the answer comes at once, on loopback
        a.send("second");  // is sent, whatever became of the first
        BOOST_TEST((code_of([&] { a.receive_from(k.buffer()); }) == asio::error::connection_refused));
        weft::move_on_after(1s, [&] { for (;;) if (code_of([&] { a.receive_from(k.buffer()); }) != asio::error::connection_refused) break; });
        // Told to one that waits.
        error_code ec;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("receiver", [&] { ec = code_of([&] { a.receive_from(k.buffer()); }); });
            weft::testing::wait_all_tasks_blocked();
            a.send("third");
        });
        BOOST_TEST((ec == asio::error::connection_refused));
        // And it goes on when somebody listens there.
        auto b = weft::udp_socket::bind(there);
        a.send("fourth");
        auto d = b.receive_from(k.buffer());
        BOOST_TEST(text(k, d) == "fourth");
        b.send_to("back", d.from);
        BOOST_TEST(text(k, a.receive_from(k.buffer())) == "back");
        // A socket that is not connected hears of nothing.
        auto c = bound();
        c.send_to("x", nobody());
        c.send_to("y", nobody());
        BOOST_TEST(!weft::move_on_after(1s, [&] { c.receive_from(k.buffer()); }));
    });
}

BOOST_AUTO_TEST_CASE(closing_wakes_who_waits_and_a_second_receiver_is_an_error) {  // rules 113, 114
    run_checked([] {
        auto a = bound();
        block k;
        bool closed = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("receiver", [&] { try { a.receive_from(k.buffer()); } catch (weft::closed_resource_error const&) { closed = true; } });
            weft::testing::wait_all_tasks_blocked();
            BOOST_CHECK_THROW(a.receive_from(k.buffer()), weft::busy_resource_error);
            a.send_to("x", bound().local_endpoint());  // sending is another direction
            a.close();
        });
        BOOST_TEST(closed);
        BOOST_TEST(!a.is_open());
        BOOST_CHECK_THROW(a.receive_from(k.buffer()), weft::closed_resource_error);
        BOOST_CHECK_THROW(a.send("x"), weft::closed_resource_error);
        closed = false;
        auto b = std::make_unique<weft::udp_socket>(bound());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("receiver", [&, p = b.get()] { try { p->receive_from(k.buffer()); } catch (weft::closed_resource_error const&) { closed = true; } });
            weft::testing::wait_all_tasks_blocked();
            b.reset();
        });
        BOOST_TEST(closed);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_receive_loses_no_datagram) {
    run_checked([] {
        auto a = bound(), b = bound();
        block k;
        a.send_to("one", b.local_endpoint());
        weft::cancel_scope before;
        before.cancel();
        before.run([&] { b.receive_from(k.buffer()); });
        BOOST_TEST(before.cancelled_caught());
        BOOST_TEST(text(k, b.receive_from(k.buffer())) == "one");
        BOOST_TEST(!weft::move_on_after(1s, [&] { b.receive_from(k.buffer()); }));
        weft::cancel_scope s;
        std::string got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("receiver", [&] { s.run([&] { got = text(k, b.receive_from(k.buffer())); }); });
            weft::testing::wait_all_tasks_blocked();
            a.send_to("two", b.local_endpoint());
            s.cancel();
        });
        if (got.empty()) got = text(k, b.receive_from(k.buffer()));
        BOOST_TEST(got == "two");
    });
    weft::testing::cancel_everywhere([] {
        auto a = bound(), b = bound();
        block k;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("peer", [&] { auto d = b.receive_from(k.buffer()); b.send_to(asio::buffer(k.data, d.size), d.from); });
            block m;
            a.send_to("ping", b.local_endpoint());
            a.receive_from(m.buffer());
        });
    });
}

BOOST_AUTO_TEST_CASE(a_name_is_looked_up) {
    run_checked([] {
        auto b = bound();
        auto a = weft::connect_udp("127.0.0.1", b.local_endpoint().port());
        a.send("x");
        block k;
        BOOST_TEST(b.receive_from(k.buffer()).size == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
