// SPDX-License-Identifier: BSL-1.0
// TLS handshakes: what is checked, what is agreed on, and what the errors say. Streams: tls_stream.cpp; other implementations: tls_peers.cpp.
#include "net/tls_pair.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace weft_test;
using weft::tls_pem;

namespace {

/// What is sent to a side that shakes hands, before the connection ends.
std::optional<weft::tls_error> shake_with(std::string const& bytes, bool server) {
    std::optional<weft::tls_error> error;
    auto [a, b] = make_pair();
    asio::async_write(b, asio::buffer(bytes), use_fiber);
    b.shutdown(transport::shutdown_send);
    try {
        if (server) weft::tls_handshake_server(std::move(a), good_server());
        else weft::tls_handshake_client(std::move(a), good_client());
    } catch (weft::tls_error const& e) { error.emplace(e); }
    return error;
}

/// The bytes that OpenSSL as a client sends first.
std::string client_hello(int version, char const* ciphers = "ALL:@SECLEVEL=0") {
    SSL_CTX* ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_cipher_list(ctx, ciphers);
    SSL* ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    char* data{};
    long n = BIO_get_mem_data(SSL_get_wbio(ssl), &data);
    std::string bytes(data, static_cast<std::size_t>(n));
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(handshake)

BOOST_AUTO_TEST_CASE(both_sides_talk_and_know_what_was_agreed) {
    run_checked([] {
        auto m = meet();
        BOOST_REQUIRE(m.client);
        BOOST_REQUIRE(m.server);
        write_text(*m.client, "hello");
        BOOST_TEST(read_text(*m.server, 5) == "hello");
        write_text(*m.server, "world");
        BOOST_TEST(read_text(*m.client, 5) == "world");
        BOOST_TEST((m.client->version() == weft::tls_version::v1_3));
        BOOST_TEST(m.client->cipher() == m.server->cipher());
        BOOST_TEST(m.client->cipher() != "");
        BOOST_TEST(m.client->alpn() == "");
        BOOST_TEST(m.server->server_name() == "a.example");
        BOOST_TEST(!m.server->resumed());
        BOOST_TEST(!m.server->peer_certificate());
        auto c = m.client->peer_certificate();
        BOOST_REQUIRE(c);
        BOOST_TEST(c->subject == "CN=weft test");
        BOOST_TEST(c->issuer == "CN=weft test authority");
        BOOST_TEST((c->dns_names == std::vector<std::string>{"a.example", "*.b.example"}));
        BOOST_TEST((c->ip_addresses == std::vector<std::string>{"127.0.0.1", "::1"}));
        BOOST_TEST((c->not_before < std::chrono::system_clock::now() && std::chrono::system_clock::now() < c->not_after));
        BOOST_TEST(c->sha256.size() == 64u);
    });
}

BOOST_AUTO_TEST_CASE(names_wildcards_and_addresses_are_checked_by_their_rules) {
    run_checked([] {
        for (char const* name : {"a.example", "A.EXAMPLE", "a.example.", "x.b.example", "127.0.0.1", "::1"}) {
            auto m = meet(good_server(), good_client(), name);
            BOOST_TEST(m.client.has_value(), name << ": " << m.client_words());
        }
        for (char const* name : {"b.example", "x.y.b.example", "c.example", "127.0.0.2", "::2", "weft test"}) {
            auto m = meet(good_server(), good_client(), name);
            BOOST_TEST((m.client_reason() == tls_failure::wrong_host), name << ": " << m.client_words());
            BOOST_TEST((m.server_reason() == tls_failure::certificate_refused));  // the alert has told it
        }
    });
}

BOOST_AUTO_TEST_CASE(a_certificate_that_cannot_be_trusted_is_refused_with_the_reason_in_words) {
    run_checked([] {
        weft::testing::tls_authority other("another authority");
        struct row { weft::tls_identity identity; std::string name; tls_failure reason; std::vector<std::string> words; };
        for (row const& r : {
                 row{authority().issue({"a.example"}, {.valid_from = -48h, .valid_to = -24h}), "a.example", tls_failure::expired, {"CN=weft test", "expired on", "UTC", "clock"}},
                 row{authority().issue({"a.example"}, {.valid_from = 24h, .valid_to = 48h}), "a.example", tls_failure::not_yet_valid, {"is valid from", "clock"}},
                 row{authority().issue({"a.example"}, {.self_signed = true}), "a.example", tls_failure::self_signed, {"self-signed", "authorities"}},
                 row{other.issue({"a.example"}), "a.example", tls_failure::unknown_authority, {"CN=another authority", "not known", "authorities"}},
                 row{authority().issue({"d.example", "10.0.0.1"}), "a.example", tls_failure::wrong_host, {"\"a.example\"", "d.example, 10.0.0.1", "server_name"}},
                 row{authority().issue({}, {.subject = "a.example"}), "a.example", tls_failure::wrong_host, {"no name at all"}},  // a common name is none
             }) {
            for (auto version : {weft::tls_version::v1_2, weft::tls_version::v1_3}) {
                auto o = trusting();
                o.max_version = version;
                auto m = meet(weft::tls_server_context({.identity = r.identity}), weft::tls_client_context(o));
                BOOST_TEST((m.client_reason() == r.reason), m.client_words());
                for (auto const& w : r.words) BOOST_TEST(contains(m.client_words(), w));
                BOOST_TEST(contains(m.client_words(), "error[W140]: the TLS handshake with \"a.example\" failed"));
                BOOST_TEST((m.client_error && m.client_error->code().category() == weft::tls_library_category()));
                BOOST_TEST(m.server_error.has_value());
                o.accept_any_certificate = true;
                BOOST_TEST(meet(weft::tls_server_context({.identity = r.identity}), weft::tls_client_context(o)).client.has_value());
            }
        }
        auto nobody = trusting();
        nobody.authorities = {};
        BOOST_TEST(contains(meet(good_server(), weft::tls_client_context(nobody)).client_words(), "nobody is trusted here"));
        nobody.system_authorities = true;  // the system's do not know the test's
        BOOST_TEST((meet(good_server(), weft::tls_client_context(nobody)).client_reason() == tls_failure::unknown_authority));
        auto own = authority().issue({"a.example"}, {.self_signed = true});
        nobody.authorities = own.chain;  // as the help for a self-signed one says
        BOOST_TEST(meet(weft::tls_server_context({.identity = own}), weft::tls_client_context(nobody)).client.has_value());
    });
}

BOOST_AUTO_TEST_CASE(without_a_name_there_is_no_check_and_so_no_handshake) {
    run_checked([] {
        auto o = trusting();
        o.server_name = "";
        auto [a, b] = make_pair();
        BOOST_CHECK_THROW(weft::tls_handshake_client(std::move(a), o), weft::misuse_error);
        char c;
        error_code e;
        b.async_read_some(asio::buffer(&c, 1), use_fiber[e]);
        BOOST_TEST((e == asio::error::eof));  // it is closed
    });
}

BOOST_AUTO_TEST_CASE(a_client_shows_its_certificate_where_it_is_asked) {
    run_checked([] {
        auto server = [](weft::tls_client_certificate c) {
            return weft::tls_server_context({.identity = authority().issue({"a.example"}), .client_certificate = c, .client_authorities = authority().certificate()});
        };
        weft::testing::tls_authority other("another authority");
        for (auto version : {weft::tls_version::v1_2, weft::tls_version::v1_3}) {
            auto o = trusting();
            o.max_version = version;
            auto without = weft::tls_client_context(o);
            auto m = meet(server(weft::tls_client_certificate::asked), without);
            BOOST_TEST((m.server && !m.server->peer_certificate()));
            m = meet(server(weft::tls_client_certificate::required), without);
            BOOST_TEST((m.server_reason() == tls_failure::certificate_required));
            if (version == weft::tls_version::v1_2) {
                BOOST_TEST(m.client_error.has_value());
            } else {  // the client's handshake is over before the server has seen that there is no certificate
                BOOST_REQUIRE(m.client);
                error_code e = read_error(*m.client);
                BOOST_TEST((e.category() == weft::tls_library_category()));
                BOOST_TEST(contains(e.message(), "certificate required"));
                BOOST_TEST((read_error(*m.client) == tls_errc::broken));
                BOOST_TEST((write_error(*m.client) == tls_errc::broken));
            }
            o.identity = authority().issue({"someone.example"}, {.subject = "someone"});
            auto with = weft::tls_client_context(o);
            for (auto c : {weft::tls_client_certificate::asked, weft::tls_client_certificate::required}) {
                m = meet(server(c), with);
                BOOST_REQUIRE(m.server);
                BOOST_TEST(m.server->peer_certificate()->subject == "CN=someone");
            }
            o.identity = other.issue({"someone.example"});
            m = meet(server(weft::tls_client_certificate::asked), weft::tls_client_context(o));
            BOOST_TEST((m.server_reason() == tls_failure::unknown_authority));
        }
        BOOST_CHECK_THROW(weft::tls_server_context({.identity = authority().issue({"a"}), .client_certificate = weft::tls_client_certificate::asked}), weft::tls_error);
    });
}

BOOST_AUTO_TEST_CASE(the_servers_best_protocol_that_the_client_offers_is_taken) {
    run_checked([] {
        struct row { std::vector<std::string> server, client; std::string agreed; };
        for (row const& r : {row{{"h2", "http/1.1"}, {"http/1.1", "h2"}, "h2"}, row{{"h2", "http/1.1"}, {"x", "http/1.1"}, "http/1.1"}, row{{"h2"}, {}, ""}, row{{}, {"h2"}, ""}}) {
            auto o = trusting();
            o.alpn = r.client;
            auto m = meet(weft::tls_server_context({.identity = authority().issue({"a.example"}), .alpn = r.server}), weft::tls_client_context(o));
            BOOST_REQUIRE(m.client);
            BOOST_TEST(m.client->alpn() == r.agreed);
            BOOST_TEST(m.server->alpn() == r.agreed);
        }
        auto o = trusting();
        o.alpn = {"ftp"};
        auto m = meet(weft::tls_server_context({.identity = authority().issue({"a.example"}), .alpn = {"h2"}}), weft::tls_client_context(o));
        BOOST_TEST((m.client_reason() == tls_failure::no_common_protocol));
        BOOST_TEST((m.server_reason() == tls_failure::no_common_protocol));
        o.alpn = {""};
        BOOST_CHECK_THROW(weft::tls_client_context{o}, weft::tls_error);
    });
}

BOOST_AUTO_TEST_CASE(the_name_that_a_client_asks_for_chooses_the_certificate) {
    run_checked([] {
        auto named = [](std::string name, std::string subject) { return authority().issue({name}, {.subject = subject}); };
        weft::tls_server_context server({.identity = named("a.example", "default"), .by_name = {{"b.example", named("b.example", "b")}, {"*.C.example", named("*.c.example", "c")}}, .alpn = {"h2"}});
        struct row { std::string name, subject; };
        for (row const& r : {row{"a.example", "CN=default"}, row{"b.example", "CN=b"}, row{"B.Example", "CN=b"}, row{"x.c.example", "CN=c"}}) {
            auto o = trusting();
            o.alpn = {"h2"};
            auto m = meet(server, weft::tls_client_context(o), r.name);
            BOOST_REQUIRE(m.client);
            BOOST_TEST(m.client->peer_certificate()->subject == r.subject);
            BOOST_TEST(m.client->alpn() == "h2");  // whichever it is
        }
        BOOST_TEST((meet(server, good_client(), "x.y.c.example").client_reason() == tls_failure::wrong_host));  // gets the default
    });
}

BOOST_AUTO_TEST_CASE(old_versions_are_refused_and_the_limits_of_both_sides_hold) {
    run_checked([] {
        auto o = trusting();
        o.max_version = weft::tls_version::v1_2;
        auto m = meet(good_server(), weft::tls_client_context(o));
        BOOST_REQUIRE(m.client);
        BOOST_TEST((m.client->version() == weft::tls_version::v1_2));
        m = meet(weft::tls_server_context({.identity = authority().issue({"a.example"}), .min_version = weft::tls_version::v1_3}), weft::tls_client_context(o));
        BOOST_TEST((m.client_reason() == tls_failure::no_common_version), m.client_words());
        BOOST_TEST((m.server_reason() == tls_failure::no_common_version));
        o.min_version = weft::tls_version::v1_3;
        BOOST_CHECK_THROW(weft::tls_client_context{o}, weft::tls_error);
        auto e = shake_with(client_hello(TLS1_1_VERSION), true);
        BOOST_REQUIRE(e);
        BOOST_TEST((e->reason() == tls_failure::no_common_version), e->what());
    });
}

BOOST_AUTO_TEST_CASE(what_is_no_tls_is_told_from_what_is_broken_off) {
    run_checked([] {
        std::string hello = client_hello(TLS1_3_VERSION);
        struct row { std::string bytes; bool server; tls_failure reason; };
        for (row const& r : {
                 row{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, tls_failure::not_tls},
                 row{"SSH-2.0-OpenSSH_9.2p1\r\n", true, tls_failure::not_tls},
                 row{"HTTP/1.1 400 Bad Request\r\n\r\n", false, tls_failure::not_tls},
                 row{std::string(100, '\0'), false, tls_failure::not_tls},
                 row{"", true, tls_failure::connection_lost}, row{"", false, tls_failure::connection_lost},
                 row{hello.substr(0, 1), true, tls_failure::connection_lost}, row{hello.substr(0, 5), true, tls_failure::connection_lost},
                 row{hello.substr(0, hello.size() - 1), true, tls_failure::connection_lost}, row{hello, true, tls_failure::connection_lost},
             }) {
            auto e = shake_with(r.bytes, r.server);
            BOOST_REQUIRE(e);
            BOOST_TEST((e->reason() == r.reason), e->what());
        }
    });
}

BOOST_AUTO_TEST_CASE(what_the_peer_says_in_refusing_is_understood) {
    run_checked([] {
        struct row { char alert; bool server; tls_failure reason; };
        for (row const& r : {row{40, false, tls_failure::no_common_cipher}, row{42, false, tls_failure::certificate_refused}, row{48, false, tls_failure::certificate_refused}, row{70, false, tls_failure::no_common_version},
                             row{112, false, tls_failure::unknown_name}, row{116, false, tls_failure::certificate_required}, row{120, false, tls_failure::no_common_protocol}, row{80, false, tls_failure::other}}) {
            auto e = shake_with(std::string("\x15\x03\x03\x00\x02\x02", 6) + r.alert, r.server);
            BOOST_REQUIRE(e);
            BOOST_TEST((e->reason() == r.reason), e->what());
            BOOST_TEST(contains(e->what(), "(alert " + std::to_string(r.alert) + ")"));
        }
        auto e = shake_with(client_hello(TLS1_2_VERSION, "AES128-SHA256"), true);  // for keys of RSA; the server's are others
        BOOST_REQUIRE(e);
        BOOST_TEST((e->reason() == tls_failure::no_common_cipher), e->what());
    });
}

// OpenSSL's queue of errors is the thread's: what another task or library has left there never surfaces.
BOOST_AUTO_TEST_CASE(errors_of_other_tasks_on_the_thread_never_surface) {
    run_checked([] {
        auto leave_rubbish = [] { ERR_put_error(ERR_LIB_X509, 0, X509_R_KEY_VALUES_MISMATCH, __FILE__, __LINE__); };
        auto expired = weft::tls_server_context({.identity = authority().issue({"a.example"}, {.valid_from = -48h, .valid_to = -24h})});
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon("expired", [&] { leave_rubbish(); BOOST_TEST((meet(expired, good_client()).client_reason() == tls_failure::expired)); });
                n.start_soon("wrong host", [&] { leave_rubbish(); BOOST_TEST((meet(good_server(), good_client(), "z.example").client_reason() == tls_failure::wrong_host)); });
                n.start_soon("no tls", [&] { leave_rubbish(); BOOST_TEST((shake_with("GET / HTTP/1.1\r\n\r\n", true)->reason() == tls_failure::not_tls)); });
                n.start_soon("good", [&] {
                    leave_rubbish();
                    auto m = meet();
                    leave_rubbish();
                    write_text(*m.client, "x");
                    leave_rubbish();
                    BOOST_TEST(read_text(*m.server, 1) == "x");
                    BOOST_TEST(ERR_peek_error() == 0u);
                });
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(a_context_that_cannot_work_says_why) {
    auto folder = std::filesystem::temp_directory_path() / ("weft-tls-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    struct remove { std::filesystem::path p; ~remove() { std::filesystem::remove_all(p); } } afterwards{folder};
    auto write = [&](char const* name, std::string const& text) { std::ofstream(folder / name) << text; return folder / name; };
    auto id = authority().issue({"a.example"}), other = authority().issue({"a.example"});
    EVP_PKEY* key = EVP_EC_gen("P-256");
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(), reinterpret_cast<unsigned char const*>("secret"), 6, nullptr, nullptr);
    char* data{};
    long size = BIO_get_mem_data(out, &data);
    std::string encrypted(data, static_cast<std::size_t>(size));
    BIO_free(out);
    EVP_PKEY_free(key);

    auto why = [](weft::tls_identity i) -> std::string {
        try { weft::tls_server_context c({.identity = std::move(i)}); return "nothing"; } catch (weft::tls_error const& e) { return (e.reason() == tls_failure::configuration ? "" : "wrong reason: ") + std::string(e.what()); }
    };
    BOOST_TEST(why({.chain = tls_pem::file(write("chain.pem", id.chain.text())), .key = tls_pem::file(write("key.pem", id.key.text()))}) == "nothing");
    BOOST_TEST(why({.chain = tls_pem::file(write("both.pem", id.chain.text() + authority().certificate().text() + id.key.text()))}) == "nothing");  // a whole chain and its key
    BOOST_TEST(contains(why({.chain = tls_pem::file(folder / "none.pem")}), "none.pem\""));
    BOOST_TEST(contains(why({.chain = tls_pem::file(folder / "none.pem")}), "No such file"));
    BOOST_TEST(contains(why({.chain = tls_pem::text("rubbish")}), "no certificate"));
    BOOST_TEST(contains(why({.chain = tls_pem::text(id.chain.text() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), .key = id.key}), "cannot be read"));
    BOOST_TEST(contains(why({.chain = id.chain, .key = tls_pem::text("rubbish")}), "the key of"));
    BOOST_TEST(contains(why({.chain = id.chain, .key = other.key}), "mismatch"));
    BOOST_TEST(contains(why({}), "needs a certificate"));
    BOOST_TEST(contains(why({.chain = id.chain, .key = tls_pem::text(encrypted)}), "key_password"));                                 // and nobody was asked
    BOOST_TEST(contains(why({.chain = id.chain, .key = tls_pem::text(encrypted), .key_password = "secret"}), "mismatch"));           // it could be read
    BOOST_TEST(contains(why({.chain = id.chain, .key = tls_pem::text(encrypted), .key_password = "wrong"}), "cannot be read"));
    BOOST_TEST(ERR_peek_error() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
