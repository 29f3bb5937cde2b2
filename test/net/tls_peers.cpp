// SPDX-License-Identifier: BSL-1.0
// TLS with others: OpenSSL's own programs, Beast over it. An executable of its own, as Beast is heavy.
#include "net/tls_pair.hpp"

#include <weft/net/process.hpp>

#include <boost/asio/read_until.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace weft_test;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

struct folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("weft-tls-peers-" + std::to_string(::getpid()));
    folder() { std::filesystem::create_directory(path); }
    ~folder() { std::filesystem::remove_all(path); }
    std::string write(char const* name, weft::tls_pem const& pem) const {
        std::ofstream(path / name) << pem.text();
        return path / name;
    }
};

/// Lines of a program's output until one has the word; "" if the output ends before.
template <class Pipe>
std::string line_with(Pipe& pipe, std::string& buffer, std::string const& word) {
    for (;;) {
        error_code e;
        std::size_t n = asio::async_read_until(pipe, asio::dynamic_buffer(buffer), '\n', use_fiber[e]);
        if (e) return "";
        std::string line = buffer.substr(0, n);
        buffer.erase(0, n);
        if (line.find(word) != std::string::npos) return line;
    }
}

void echo(tls_socket& s) {
    char data[512];
    for (error_code e;;) {
        std::size_t n = s.async_read_some(asio::buffer(data), use_fiber[e]);
        if (e) return;
        asio::async_write(s, asio::buffer(data, n), use_fiber);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(openssl_programs)

BOOST_AUTO_TEST_CASE(s_client_checks_us_talks_and_resumes) {
    folder f;
    std::string ca = f.write("ca.pem", authority().certificate());
    int resumed = 0, connections = 0;
    weft::tls_server_context context({.identity = authority().issue({"127.0.0.1"}), .alpn = {"echo"}});
    with_server(context, [&](tls_socket& s) { ++connections; resumed += s.resumed(); echo(s); }, [&](std::uint16_t port) {
        for (std::string const version : {"-tls1_2", "-tls1_3"}) {
            std::vector<std::string> command{"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-CAfile", ca, "-verify_return_error", "-verify_ip", "127.0.0.1",
                                             "-alpn", "echo", version, "-sess_out", (f.path / "session").string()};
            for (bool second : {false, true}) {
                if (second) command.insert(command.end(), {"-sess_in", (f.path / "session").string()});
                weft::with_process(command, {.in = weft::process_stream::pipe, .out = weft::process_stream::pipe, .err = weft::process_stream::null}, [&](weft::process& p) {
                    std::string seen;
                    BOOST_TEST(line_with(p.out(), seen, "ALPN protocol: echo") != "");
                    BOOST_TEST(line_with(p.out(), seen, "Verify return code: 0") != "");
                    asio::async_write(p.in(), asio::buffer("hello weft\n", 11), use_fiber);
                    BOOST_TEST(line_with(p.out(), seen, "hello weft") != "");
                    asio::async_write(p.in(), asio::buffer("Q\n", 2), use_fiber);  // it sends a close_notify
                    BOOST_TEST(p.wait().success());
                });
            }
        }
        auto old = weft::run_process({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, {.check = false});
        BOOST_TEST(!old.status.success());
        BOOST_TEST(contains(old.err, "alert protocol version"));
    });
    BOOST_TEST(connections == 4);
    BOOST_TEST(resumed == 2);
}

BOOST_AUTO_TEST_CASE(a_client_that_asks_for_a_new_handshake_is_refused_and_told) {
    error_code seen;
    with_server(good_server(), [&](tls_socket& s) {
        char data[64];
        while (!seen) {
            std::size_t n = s.async_read_some(asio::buffer(data), use_fiber[seen]);
            if (!seen) asio::async_write(s, asio::buffer(data, n), use_fiber);
        }
    }, [](std::uint16_t port) {
        weft::with_process({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-tls1_2", "-legacy_renegotiation"},
                           {.in = weft::process_stream::pipe, .out = weft::process_stream::pipe, .err = weft::process_stream::pipe}, [&](weft::process& p) {
            std::string out, err;
            asio::async_write(p.in(), asio::buffer("an echo\n", 8), use_fiber);
            BOOST_TEST(line_with(p.out(), out, "an echo") != "");
            asio::async_write(p.in(), asio::buffer("R\n", 2), use_fiber);
            BOOST_TEST(line_with(p.err(), err, "no renegotiation") != "");
            BOOST_TEST(!p.wait().success());
        });
    });
    BOOST_TEST((seen == tls_errc::renegotiation), seen.message());
}

BOOST_AUTO_TEST_CASE(s_server_is_checked_and_talks) {
    folder f;
    auto id = authority().issue({"127.0.0.1"});
    std::string chain = f.write("chain.pem", id.chain), key = f.write("key.pem", id.key), ca = f.write("ca.pem", authority().certificate());
    weft::testing::ledger outside;
    weft::run([&] {
        weft::with_process({"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key, "-CAfile", ca, "-Verify", "1", "-verify_return_error", "-rev"},
                           {.in = weft::process_stream::null, .out = weft::process_stream::pipe, .err = weft::process_stream::null}, [&](weft::process& p) {
            std::string seen, line = line_with(p.out(), seen, "ACCEPT ");
            auto port = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
            for (auto version : {weft::tls_version::v1_2, weft::tls_version::v1_3}) {
                auto o = trusting_loopback();
                o.identity = authority().issue({"client.example"});
                o.max_version = version;
                auto s = weft::tls_connect("127.0.0.1", port, o);
                BOOST_TEST((s.version() == version));
                asio::async_write(s, asio::buffer("hello\n", 6), use_fiber);
                std::string back;
                asio::async_read_until(s, asio::dynamic_buffer(back), '\n', use_fiber);
                BOOST_TEST(back == "olleh\n");
                s.close();
                BOOST_CHECK_THROW(weft::tls_connect("127.0.0.1", port, weft::tls_client_options{}), weft::tls_error);  // the system does not know the test's authority
            }
            p.terminate();
        });
    });
    BOOST_TEST(outside.difference() == "");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(beast_over_tls)

BOOST_AUTO_TEST_CASE(http_requests_are_answered_on_one_connection) {
    with_server(good_server(), [](tls_socket& s) {
        beast::flat_buffer buffer;
        for (;;) {
            http::request<http::string_body> request;
            error_code e;
            http::async_read(s, buffer, request, use_fiber[e]);
            if (e == http::error::end_of_stream) return;
            BOOST_REQUIRE(!e);
            http::response<http::string_body> response{http::status::ok, request.version()};
            response.body() = std::string(request.target()) + " and " + request.body();
            response.prepare_payload();
            http::async_write(s, response, use_fiber);
        }
    }, [](std::uint16_t port) {
        auto s = weft::tls_connect("127.0.0.1", port, trusting_loopback());
        beast::flat_buffer buffer;
        for (std::size_t size : {0, 10, 200'000}) {
            http::request<http::string_body> request{http::verb::post, "/target", 11};
            request.body() = std::string(size, 'b');
            request.prepare_payload();
            http::async_write(s, request, use_fiber);
            http::response<http::string_body> response;
            http::async_read(s, buffer, response, use_fiber);
            BOOST_TEST((response.body() == "/target and " + std::string(size, 'b')));
        }
        s.close();
    });
}

BOOST_AUTO_TEST_CASE(websockets_talk_and_close) {
    with_server(good_server(), [](tls_socket s) {
        beast::websocket::stream<tls_socket> ws(std::move(s));
        ws.async_accept(use_fiber);
        beast::flat_buffer buffer;
        ws.async_read(buffer, use_fiber);
        ws.async_write(buffer.data(), use_fiber);
        error_code e;
        ws.async_read(buffer, use_fiber[e]);
        BOOST_TEST((e == beast::websocket::error::closed));
    }, [](std::uint16_t port) {
        beast::websocket::stream<tls_socket> ws(weft::tls_connect("127.0.0.1", port, trusting_loopback()));
        ws.async_handshake("127.0.0.1", "/", use_fiber);
        ws.async_write(asio::buffer("over tls", 8), use_fiber);
        beast::flat_buffer buffer;
        ws.async_read(buffer, use_fiber);
        BOOST_TEST(beast::buffers_to_string(buffer.data()) == "over tls");
        ws.async_close(beast::websocket::close_code::normal, use_fiber);
    });
}

BOOST_AUTO_TEST_SUITE_END()
