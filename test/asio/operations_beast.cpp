// SPDX-License-Identifier: BSL-1.0
// The rows of doc/reference/operations.md about Beast, one test a row; and an HTTP and a WebSocket conversation cancelled at every point.
#include "asio/full_listener.hpp"
#include "asio/operation_row.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>

using namespace weft_test;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;

namespace {

char const* const all = "total partial terminal";

struct stream_connect : full_listener {
    beast::tcp_stream s{weft::get_executor()};
    template <class Token> auto start(Token&& token) { return s.async_connect(where, std::forward<Token>(token)); }
    void release() { s.close(); }
    void afterwards(outcome const&) {
        BOOST_TEST(s.socket().is_open());
        s.close();
        make_room();
        s.async_connect(where, weft::use_fiber);
    }
};

/// Two ends of a TCP connection: `near` is Beast's, `far` the test's.
struct connection {
    beast::tcp_stream near{weft::get_executor()};
    tcp::socket far{weft::get_executor()};
    beast::flat_buffer buffer;

    connection() {
        tcp::acceptor acceptor(weft::get_executor(), {asio::ip::address_v4::loopback(), 0});
        near.socket().connect(acceptor.local_endpoint());
        far = acceptor.accept();
        near.socket().set_option(tcp::no_delay(true));
        far.set_option(tcp::no_delay(true));
        near.socket().set_option(tcp::socket::send_buffer_size(1 << 16));  // so that a write of a megabyte waits
        far.set_option(tcp::socket::receive_buffer_size(1 << 16));
    }
    void say(std::string_view text) { asio::write(far, asio::buffer(text.data(), text.size())); }
    void release() { far.close(); }
};

/// Reads until the other side has nothing more to say; how much that was. It waits for what is on its way.
std::size_t drain(tcp::socket& s, std::size_t expected) {
    std::vector<char> into(1 << 16);
    std::size_t all = 0;
    while (all < expected) all += s.async_read_some(asio::buffer(into), weft::use_fiber);
    weft::testing::wait_all_tasks_blocked();
    return all + s.available();
}

struct stream_read : connection {
    char c{};
    template <class Token> auto start(Token&& token) { return near.async_read_some(asio::buffer(&c, 1), std::forward<Token>(token)); }
    void afterwards(outcome const&) {
        say("x");
        BOOST_TEST(start(weft::use_fiber) == 1u);
    }
};

struct stream_write : connection {
    std::size_t before = 0;
    stream_write() {
        std::vector<char> const much(1 << 16, 'f');
        near.socket().non_blocking(true);
        for (error_code ec; !ec;) before += near.socket().write_some(asio::buffer(much), ec);
    }
    template <class Token> auto start(Token&& token) { return near.async_write_some(asio::buffer("x", 1), std::forward<Token>(token)); }
    void afterwards(outcome const&) {
        BOOST_TEST(drain(far, before) == before);
        BOOST_TEST(start(weft::use_fiber) == 1u);
    }
};

using request = http::request<http::string_body>;

struct half_a_request : connection {
    half_a_request() { say("POST /a HTTP/1.1\r\nHost: x\r\nContent-Le"); }
    void say_rest() { say("ngth: 4\r\n\r\nbody"); }
};

struct http_read_message : half_a_request {
    request message;
    template <class Token> auto start(Token&& token) { return http::async_read(near, buffer, message, std::forward<Token>(token)); }
    void afterwards(outcome const&) {
        BOOST_TEST(near.socket().is_open());
        say_rest();
        error_code ec;
        request again;
        http::async_read(near, buffer, again, weft::use_fiber[ec]);  // what was parsed has gone with the first read
        BOOST_TEST((ec && ec.category() == make_error_code(http::error::bad_method).category()));
    }
};

struct http_read_parser : half_a_request {
    http::request_parser<http::string_body> parser;
    template <class Token> auto start(Token&& token) { return http::async_read(near, buffer, parser, std::forward<Token>(token)); }
    void afterwards(outcome const&) {
        say_rest();
        start(weft::use_fiber);
        BOOST_TEST(parser.get().body() == "body");
    }
};

struct http_read_header : half_a_request {
    http::request_parser<http::string_body> parser;
    template <class Token> auto start(Token&& token) { return http::async_read_header(near, buffer, parser, std::forward<Token>(token)); }
    void afterwards(outcome const&) {
        say_rest();
        start(weft::use_fiber);
        BOOST_TEST(parser.get()[http::field::content_length] == "4");
    }
};

struct http_write : connection {
    http::response<http::string_body> message{http::status::ok, 11, std::string(1 << 20, 'w')};
    http::serializer<false, http::string_body> serializer{message};
    http_write() { message.prepare_payload(); }
};
struct http_write_message : http_write {
    template <class Token> auto start(Token&& token) { return http::async_write(near, message, std::forward<Token>(token)); }
    void afterwards(outcome const& o) {
        BOOST_TEST(near.socket().is_open());
        BOOST_TEST((*o.count > 0 && *o.count < message.body().size()));
        BOOST_TEST(drain(far, *o.count) == *o.count);
    }
};
struct http_write_serializer : http_write {
    template <class Token> auto start(Token&& token) { return http::async_write(near, serializer, std::forward<Token>(token)); }
    void afterwards(outcome const& o) {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                beast::flat_buffer b;
                http::response_parser<http::string_body> p;
                p.body_limit(boost::none);
                http::async_read(far, b, p, weft::use_fiber);
                BOOST_TEST((p.get().body() == message.body()));
            });
            BOOST_TEST(*o.count + start(weft::use_fiber) > message.body().size());
        });
    }
};

/// A WebSocket whose other end is Beast's, too, or, before the handshake, the bare socket.
struct web_socket : connection {
    websocket::stream<tcp::socket> ws{near.release_socket()};
    bool lost() { return !ws.is_open(); }
};
struct open_web_socket : web_socket {
    websocket::stream<tcp::socket> peer{std::move(far)};
    explicit open_web_socket(weft::nursery& n) {
        auto accepted = n.spawn([&] { peer.async_accept(weft::use_fiber); });
        ws.async_handshake("host", "/", weft::use_fiber);
        accepted.get();
    }
    void release() { peer.next_layer().close(); }
    /// What a cancelled operation leaves: a stream that says that it is closed, over a socket that may not be used any more.
    void check_lost() {
        BOOST_TEST(lost());
        error_code ec;
        beast::flat_buffer b;
        ws.async_read(b, weft::use_fiber[ec]);
        BOOST_TEST(ec == aborted);
    }
};

struct websocket_handshake : web_socket {
    template <class Token> auto start(Token&& token) { return ws.async_handshake("host", "/", std::forward<Token>(token)); }
    void afterwards(outcome const&) { BOOST_TEST(lost()); }
};
struct websocket_accept : web_socket {
    websocket_accept() { say("GET / HTTP/1.1\r\nHost: x\r\nUpgr"); }
    template <class Token> auto start(Token&& token) { return ws.async_accept(std::forward<Token>(token)); }
    void afterwards(outcome const&) { BOOST_TEST(lost()); }
};
struct websocket_read : open_web_socket {
    using open_web_socket::open_web_socket;
    template <class Token> auto start(Token&& token) { return ws.async_read(buffer, std::forward<Token>(token)); }
    void afterwards(outcome const&) { check_lost(); }
};
struct websocket_write : open_web_socket {
    using open_web_socket::open_web_socket;
    std::string const much = std::string(1 << 20, 'w');
    template <class Token> auto start(Token&& token) { return ws.async_write(asio::buffer(much), std::forward<Token>(token)); }
    void afterwards(outcome const&) { check_lost(); }
};
struct websocket_ping : open_web_socket {
    std::string const much = std::string(1 << 20, 'w');
    explicit websocket_ping(weft::nursery& n) : open_web_socket(n) {
        std::vector<char> const more(1 << 16, 'f');  // the socket is full, so that the ping waits
        ws.next_layer().non_blocking(true);
        for (error_code ec; !ec;) ws.next_layer().write_some(asio::buffer(more), ec);
    }
    template <class Token> auto start(Token&& token) { return ws.async_ping({}, std::forward<Token>(token)); }
    void afterwards(outcome const&) { check_lost(); }
};
struct websocket_close : open_web_socket {
    using open_web_socket::open_web_socket;  // the peer does not answer
    template <class Token> auto start(Token&& token) { return ws.async_close(websocket::close_code::normal, std::forward<Token>(token)); }
    void afterwards(outcome const&) { BOOST_TEST(lost()); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(operations_beast)

BOOST_AUTO_TEST_CASE(tcp_stream_async_connect) { check_row<stream_connect>({all}); }
BOOST_AUTO_TEST_CASE(tcp_stream_async_read_some) { check_row<stream_read>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(tcp_stream_async_write_some) { check_row<stream_write>({all, aborted, 0}); }
BOOST_AUTO_TEST_CASE(http_async_read_into_a_message) { check_row<http_read_message>({"terminal"}); }
BOOST_AUTO_TEST_CASE(http_async_read_into_a_parser) { check_row<http_read_parser>({"terminal"}); }
BOOST_AUTO_TEST_CASE(http_async_read_header) { check_row<http_read_header>({"terminal"}); }
BOOST_AUTO_TEST_CASE(http_async_write_of_a_message) { check_row<http_write_message>({"terminal"}); }
BOOST_AUTO_TEST_CASE(http_async_write_of_a_serializer) { check_row<http_write_serializer>({"terminal"}); }
BOOST_AUTO_TEST_CASE(websocket_async_handshake) { check_row<websocket_handshake>({"terminal"}); }
BOOST_AUTO_TEST_CASE(websocket_async_accept) { check_row<websocket_accept>({"terminal"}); }
BOOST_AUTO_TEST_CASE(websocket_async_read) { check_row<websocket_read>({"terminal"}); }
BOOST_AUTO_TEST_CASE(websocket_async_write) { check_row<websocket_write>({"terminal"}); }
BOOST_AUTO_TEST_CASE(websocket_async_ping) { check_row<websocket_ping>({"terminal"}); }
BOOST_AUTO_TEST_CASE(websocket_async_close) { check_row<websocket_close>({"terminal"}); }

// --- at every point ---

BOOST_AUTO_TEST_CASE(an_http_exchange_can_be_cancelled_everywhere) {
    auto r = weft::testing::cancel_everywhere([] {
        auto ex = weft::get_executor();
        tcp::acceptor acceptor(ex, {asio::ip::address_v4::loopback(), 0});
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("server", [&] {
                beast::tcp_stream peer(acceptor.async_accept(weft::use_fiber));
                beast::flat_buffer buffer;
                for (int i = 0; i < 2; ++i) {
                    request q;
                    http::async_read(peer, buffer, q, weft::use_fiber);
                    http::response<http::string_body> a(http::status::ok, q.version(), q.body() + "!");
                    a.prepare_payload();
                    http::async_write(peer, a, weft::use_fiber);
                }
            });
            n.start_soon("client", [&] {
                beast::tcp_stream to(ex);
                to.async_connect(acceptor.local_endpoint(), weft::use_fiber);
                beast::flat_buffer buffer;
                for (int i = 0; i < 2; ++i) {
                    request q(http::verb::post, "/", 11, "hello");
                    q.prepare_payload();
                    http::async_write(to, q, weft::use_fiber);
                    http::response<http::string_body> a;
                    http::async_read(to, buffer, a, weft::use_fiber);
                    BOOST_TEST_REQUIRE(a.body() == "hello!");
                }
            });
        });
    });
    BOOST_TEST(r.waits >= 6u);
}

BOOST_AUTO_TEST_CASE(a_websocket_conversation_can_be_cancelled_everywhere) {
    auto r = weft::testing::cancel_everywhere([] {
        auto ex = weft::get_executor();
        tcp::acceptor acceptor(ex, {asio::ip::address_v4::loopback(), 0});
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("server", [&] {
                websocket::stream<tcp::socket> peer(acceptor.async_accept(weft::use_fiber));
                peer.async_accept(weft::use_fiber);
                beast::flat_buffer buffer;
                for (error_code ec;;) {
                    peer.async_read(buffer, weft::use_fiber[ec]);
                    if (ec) break;
                    peer.async_write(buffer.data(), weft::use_fiber);
                    buffer.clear();
                }
            });
            n.start_soon("client", [&] {
                websocket::stream<tcp::socket> ws(ex);
                ws.next_layer().async_connect(acceptor.local_endpoint(), weft::use_fiber);
                ws.async_handshake("host", "/", weft::use_fiber);
                ws.async_ping({}, weft::use_fiber);
                ws.async_write(asio::buffer("hello", 5), weft::use_fiber);
                beast::flat_buffer buffer;
                ws.async_read(buffer, weft::use_fiber);
                BOOST_TEST_REQUIRE(beast::buffers_to_string(buffer.data()) == "hello");
                ws.async_close(websocket::close_code::normal, weft::use_fiber);
            });
        });
    });
    BOOST_TEST(r.waits >= 6u);
}

// The first step of this read has completed, and its handler is queued: nobody hears a request that is made now.
BOOST_AUTO_TEST_CASE(a_cancellation_between_two_steps_of_a_read_is_not_lost) {
    run_checked([] {
        http_read_message s;
        weft::cancel_scope scope;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                scope.run([&] {
                    asio::post(weft::get_executor(), [&] { scope.cancel(); });
                    s.start(weft::use_fiber);
                });
            });
            n.start_service([&] { weft::this_task::sleep_for(1h); s.release(); });
        });
        BOOST_TEST(scope.cancelled_caught());
    });
}

// A connection whose exchange was cut off is closed by its owner's frame: the other side hears of it, and the server goes on.
BOOST_AUTO_TEST_CASE(a_request_that_is_given_up_ends_its_connection_and_not_the_server) {
    run_checked([] {
        auto ex = weft::get_executor();
        tcp::acceptor acceptor(ex, {asio::ip::address_v4::loopback(), 0});
        int served = 0, cut_off = 0;
        auto ask = [&] {
            beast::tcp_stream to(ex);
            to.async_connect(acceptor.local_endpoint(), weft::use_fiber);
            request q(http::verb::post, "/", 11, "hello");
            q.prepare_payload();
            http::async_write(to, q, weft::use_fiber);
            beast::flat_buffer buffer;
            http::response<http::string_body> a;
            http::async_read(to, buffer, a, weft::use_fiber);
        };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service("server", [&] {
                for (;;) {
                    beast::tcp_stream peer(acceptor.async_accept(weft::use_fiber));
                    beast::flat_buffer buffer;
                    request q;
                    http::async_read(peer, buffer, q, weft::use_fiber);
                    if (++served == 1) {
                        error_code ec;
                        char c;
                        peer.async_read_some(asio::buffer(&c, 1), weft::use_fiber[ec]);  // the client has gone, and says so
                        cut_off += ec == asio::error::eof;
                        continue;
                    }
                    http::response<http::string_body> a(http::status::ok, 11, "fine");
                    a.prepare_payload();
                    http::async_write(peer, a, weft::use_fiber);
                }
            });
            BOOST_TEST(!weft::move_on_after(1s, ask));
            ask();
        });
        BOOST_TEST(served == 2);
        BOOST_TEST(cut_off == 1);
    });
}

BOOST_AUTO_TEST_SUITE_END()
