// SPDX-License-Identifier: BSL-1.0
// The rows of doc/reference/operations.md about Asio's TLS streams, one test a row; and a TLS conversation cancelled at every point.
#include "asio/operation_row.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <vector>

using namespace weft_test;
namespace ssl = asio::ssl;
using local = asio::local::stream_protocol;
using stream = ssl::stream<local::socket>;

namespace {

/// A server's context with a new key and a certificate that nobody else has signed.
ssl::context make_server_context() {
    ssl::context c(ssl::context::tls_server);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* cert = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    BOOST_TEST_REQUIRE((SSL_CTX_use_certificate(c.native_handle(), cert) == 1 && SSL_CTX_use_PrivateKey(c.native_handle(), key) == 1));
    X509_free(cert);
    EVP_PKEY_free(key);
    return c;
}
ssl::context& server_context() { static ssl::context c = make_server_context(); return c; }
ssl::context& client_context() { static ssl::context c(ssl::context::tls_client); return c; }

struct ends {
    stream near{weft::get_executor(), client_context()}, far{weft::get_executor(), server_context()};
    ends() { asio::local::connect_pair(near.next_layer(), far.next_layer()); }
    void release() { far.next_layer().close(); }
    /// Nothing more can be said on it: the record layer stopped anywhere.
    void check_over(outcome const&) { BOOST_TEST(near.next_layer().is_open()); }
};

struct open_ends : ends {
    explicit open_ends(weft::nursery& n) {
        auto accepted = n.spawn([&] { far.async_handshake(stream::server, weft::use_fiber); });
        near.async_handshake(stream::client, weft::use_fiber);
        accepted.get();
    }
};

struct handshake : ends {
    template <class Token> auto start(Token&& token) { return near.async_handshake(stream::client, std::forward<Token>(token)); }
    void afterwards(outcome const& o) { check_over(o); }
};

struct read_some : open_ends {
    using open_ends::open_ends;
    char c{};
    template <class Token> auto start(Token&& token) { return near.async_read_some(asio::buffer(&c, 1), std::forward<Token>(token)); }
    void afterwards(outcome const& o) { check_over(o); }
};

struct write_some : open_ends {
    explicit write_some(weft::nursery& n) : open_ends(n) {
        std::vector<char> const much(1 << 16, 'f');  // the socket is full, so that a record waits
        near.next_layer().non_blocking(true);
        for (error_code ec; !ec;) near.next_layer().write_some(asio::buffer(much), ec);
    }
    template <class Token> auto start(Token&& token) { return near.async_write_some(asio::buffer("x", 1), std::forward<Token>(token)); }
    void afterwards(outcome const& o) { check_over(o); }
};

struct shut_down : open_ends {
    using open_ends::open_ends;  // the peer does not answer
    template <class Token> auto start(Token&& token) { return near.async_shutdown(std::forward<Token>(token)); }
    void afterwards(outcome const& o) { check_over(o); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(operations_ssl)

BOOST_AUTO_TEST_CASE(ssl_async_handshake) { check_row<handshake>({"terminal"}); }
BOOST_AUTO_TEST_CASE(ssl_async_read_some) { check_row<read_some>({"terminal", aborted, 0}); }
BOOST_AUTO_TEST_CASE(ssl_async_write_some) { check_row<write_some>({"terminal", aborted, 0}); }
BOOST_AUTO_TEST_CASE(ssl_async_shutdown) { check_row<shut_down>({"terminal"}); }

BOOST_AUTO_TEST_CASE(a_tls_conversation_can_be_cancelled_everywhere) {
    static_cast<void>(server_context());
    auto r = weft::testing::cancel_everywhere([] {
        ends e;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("server", [&] {
                stream s(std::move(e.far));
                s.async_handshake(stream::server, weft::use_fiber);
                char text[5];
                asio::async_read(s, asio::buffer(text), weft::use_fiber);
                asio::async_write(s, asio::buffer(text), weft::use_fiber);
                error_code ec;
                s.async_shutdown(weft::use_fiber[ec]);
            });
            n.start_soon("client", [&] {
                stream s(std::move(e.near));
                s.async_handshake(stream::client, weft::use_fiber);
                asio::async_write(s, asio::buffer("hello", 5), weft::use_fiber);
                char text[5];
                asio::async_read(s, asio::buffer(text), weft::use_fiber);
                error_code ec;
                s.async_shutdown(weft::use_fiber[ec]);
            });
        });
    });
    BOOST_TEST(r.waits >= 4u);
}

BOOST_AUTO_TEST_SUITE_END()
