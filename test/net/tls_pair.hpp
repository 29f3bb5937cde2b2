// SPDX-License-Identifier: BSL-1.0
// Two ends of a TLS connection in one run, a server on the loopback, and what tests of them need.
#ifndef WEFT_TEST_NET_TLS_PAIR_HPP
#define WEFT_TEST_NET_TLS_PAIR_HPP

#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/net/tls.hpp>
#include <weft/testing/tls_authority.hpp>

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <openssl/err.h>

namespace weft_test {

namespace asio = boost::asio;
using boost::system::error_code;
using weft::tls_errc;
using weft::tls_failure;
using weft::use_fiber;

using transport = asio::local::stream_protocol::socket;
using stream = weft::tls_stream<transport>;

inline std::pair<transport, transport> make_pair() {
    transport a(weft::get_executor()), b(weft::get_executor());
    asio::local::connect_pair(a, b);
    return {std::move(a), std::move(b)};
}

inline weft::testing::tls_authority const& authority() {
    static weft::testing::tls_authority const a;
    return a;
}

inline weft::tls_server_context const& good_server() {
    static weft::tls_server_context const c({.identity = authority().issue({"a.example", "*.b.example", "127.0.0.1", "::1"})});
    return c;
}

inline weft::tls_client_options trusting() { return {.server_name = "a.example", .authorities = authority().certificate(), .system_authorities = false}; }
inline weft::tls_client_context const& good_client() {
    static weft::tls_client_context const c(trusting());
    return c;
}

/// How a handshake ended on each side.
struct meeting {
    std::optional<stream> client, server;
    std::optional<weft::tls_error> client_error, server_error;
    tls_failure client_reason() const { return client_error ? client_error->reason() : tls_failure::other; }
    tls_failure server_reason() const { return server_error ? server_error->reason() : tls_failure::other; }
    std::string client_words() const { return client_error ? client_error->what() : "no error"; }
};

inline meeting meet(weft::tls_server_context const& server, weft::tls_client_context const& client, std::string name = {}) {
    meeting m;
    auto [a, b] = make_pair();
    weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
        n.start_soon("server", [&] {
            try { m.server.emplace(weft::tls_handshake_server(std::move(a), server)); } catch (weft::tls_error const& e) { m.server_error.emplace(e); }
        });
        try { m.client.emplace(weft::tls_handshake_client(std::move(b), client, name)); } catch (weft::tls_error const& e) { m.client_error.emplace(e); }
    });
    BOOST_TEST(ERR_peek_error() == 0u);
    return m;
}

inline meeting meet() { return meet(good_server(), good_client()); }

inline std::string read_text(stream& s, std::size_t n) {
    std::string text(n, ' ');
    asio::async_read(s, asio::buffer(text), use_fiber);
    return text;
}
inline void write_text(stream& s, std::string const& text) { asio::async_write(s, asio::buffer(text), use_fiber); }

inline error_code read_error(stream& s) {
    error_code e;
    char c;
    s.async_read_some(asio::buffer(&c, 1), use_fiber[e]);
    return e;
}
inline error_code write_error(stream& s) {
    error_code e;
    s.async_write_some(asio::buffer("x", 1), use_fiber[e]);
    return e;
}

inline bool contains(std::string const& text, std::string const& part) {
    bool found = text.find(part) != std::string::npos;
    if (!found) BOOST_TEST_MESSAGE("\"" << part << "\" is not in: " << text);
    return found;
}

using tcp = asio::ip::tcp;
using tls_socket = weft::tls_stream<tcp::socket>;

inline tcp::endpoint const anywhere(asio::ip::address_v4::loopback(), 0);

/// A server while the client runs, which is told its port; then it drains. Real time: the loopback is in the kernel's.
template <class Handler, class Client>
void with_server(weft::tls_server_context const& context, Handler handler, Client client, weft::serve_tls_options options = {}) {
    weft::testing::ledger outside;
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) {
            auto at = n.start("server", [&](weft::task_status<tcp::endpoint>& started) { weft::serve_tls(anywhere, context, handler, options, &started); });
            client(at.port());
            BOOST_TEST(n.shutdown(20s).in_time());
        });
    });
    BOOST_TEST(outside.difference() == "");
}

inline weft::tls_client_options trusting_loopback() { return {.authorities = authority().certificate(), .system_authorities = false}; }

}  // namespace weft_test

#endif
