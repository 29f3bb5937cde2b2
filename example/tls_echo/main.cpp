// SPDX-License-Identifier: BSL-1.0
// A TLS server that speaks two protocols on one port: "http/1.1" for browsers and curl, and lines that come back for everybody else,
// such as openssl s_client. The client chooses by ALPN. SIGTERM or Ctrl-C end it in order.
//
//   example/run tls_echo [--port 4433] [--chain chain.pem --key key.pem] [--authority-to ca.pem]
//
// Without a chain it makes an authority of its own, for this run, and writes its certificate to the file given:
//
//   openssl s_client -connect 127.0.0.1:4433 -CAfile ca.pem        curl --cacert ca.pem https://127.0.0.1:4433/
#include <weft/net/buffered_reader.hpp>
#include <weft/net/signals.hpp>
#include <weft/net/stream.hpp>
#include <weft/net/tls.hpp>
#include <weft/testing/tls_authority.hpp>
#include <weft/weft.hpp>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

namespace {

using namespace std::chrono_literals;
using tcp = boost::asio::ip::tcp;
using tls_socket = weft::tls_stream<tcp::socket>;

struct arguments {
    std::uint16_t port{4433};
    std::string chain{}, key{}, authority_to{};
};

arguments parse(int argc, char** argv) {
    arguments a;
    for (int i = 1; i < argc; i += 2) {
        std::string name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
        if (value.empty()) throw std::invalid_argument(name + " needs a value");
        else if (name == "--port") a.port = static_cast<std::uint16_t>(std::stoi(value));
        else if (name == "--chain") a.chain = value;
        else if (name == "--key") a.key = value;
        else if (name == "--authority-to") a.authority_to = value;
        else throw std::invalid_argument("unknown: " + name);
    }
    return a;
}

weft::tls_server_context make_context(arguments const& a) {
    std::vector<std::string> const protocols{"http/1.1", "lines"};
    if (!a.chain.empty()) return weft::tls_server_context({.identity = {.chain = weft::tls_pem::file(a.chain), .key = weft::tls_pem::file(a.key)}, .alpn = protocols});
    weft::testing::tls_authority authority("tls_echo, for this run only");
    if (!a.authority_to.empty()) std::ofstream(a.authority_to) << authority.certificate().text();
    return weft::tls_server_context({.identity = authority.issue({"localhost", "127.0.0.1", "::1"}), .alpn = protocols});
}

void answer_http(tls_socket& s) {
    std::string head = weft::buffered_reader(s).read_until("\r\n\r\n", 16 * 1024);
    std::string body = "You speak " + s.cipher() + " and asked: " + head.substr(0, head.find("\r\n")) + "\n";
    weft::write_all(s, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

void echo_lines(tls_socket& s) {
    weft::buffered_reader reader(s);
    for (;;) {
        // An idle client is said goodbye to. A cancelled read leaves the connection whole, so there is a clean end.
        auto line = weft::move_on_after(30s, [&] { return reader.read_line(4096); });
        if (!line || !*line) return;
        weft::write_all(s, **line + "\n");
    }
}

}  // namespace

int main(int argc, char** argv) try {
    arguments a = parse(argc, argv);
    weft::tls_server_context const context = make_context(a);
    weft::run([&] {
        weft::with_signals({SIGINT, SIGTERM}, [&](weft::signal_receiver& signals) {
            weft::with_nursery([&](weft::nursery& n) {
                weft::serve_tls_options options{.connections = {.max_connections = 1000}};
                auto report = [](std::exception_ptr e) {
                    try { std::rethrow_exception(e); } catch (std::exception const& x) { std::cerr << x.what() << std::endl; }
                };
                options.connections.on_error = options.on_handshake_error = report;
                auto at = n.start("server", [&](weft::task_status<tcp::endpoint>& started) {
                    weft::serve_tls({boost::asio::ip::address_v4::loopback(), a.port}, context, [](tls_socket& s) {
                        if (s.alpn() == "http/1.1") answer_http(s); else echo_lines(s);
                    }, options, &started);
                });
                std::cout << "listening on " << at << std::endl;
                signals.receive();
                bool in_time = n.shutdown(5s).in_time();
                std::cout << (in_time ? "all connections have ended" : "some connections were cut") << std::endl;
            });
        });
    });
    return 0;
} catch (std::exception const& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
