// SPDX-License-Identifier: BSL-1.0
// What talks through the proxy in its test: clients and servers.
#ifndef WEFT_TEST_PROGRAMS_PROXY_CLIENT_HPP
#define WEFT_TEST_PROGRAMS_PROXY_CLIENT_HPP

#include "program.hpp"

#include <weft/net/connect.hpp>

#include <boost/asio/write.hpp>

#include <csignal>
#include <cstring>

namespace weft_test {

namespace asio = boost::asio;
using boost::system::error_code;

/// The proxy under test.
struct proxy_running : running {
    std::uint16_t port{};

    tcp::socket connect() { return weft::connect_tcp("127.0.0.1", port); }
    /// Its accounts up to and with the last line, of the first backend.
    std::string accounts() {
        process.signal(SIGHUP);
        std::string text;
        for (char const* line : {"connections ", "ended ", "bytes ", "backend "}) text += line_with(line) + '\n';
        return text;
    }
};

inline std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

/// Runs the proxy before these backends while body(proxy_running&) does. `start` is the command it is started with.
template <class F>
void with_proxy(std::vector<std::uint16_t> const& backends, std::vector<std::string> options, F&& body, std::vector<std::string> start = {}) {
    std::vector<std::string> command = std::move(start);
    command.insert(command.end(), {program(), "--listen", "127.0.0.1:0"});
    for (auto port : backends) command.insert(command.end(), {"--to", local(port)});
    command.insert(command.end(), options.begin(), options.end());
    with_program(command, [&](running& r) {
        proxy_running p{{r.process}};
        std::string line = p.line_with("listening on 127.0.0.1:");
        p.port = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
        body(p);
    });
}

/// Bytes that no other seed has.
inline std::string pattern(unsigned seed, std::size_t size) {
    std::uint64_t state = seed + 1;
    std::string text(size + sizeof state, '\0');
    for (std::size_t i = 0; i < size; i += sizeof state) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        std::memcpy(&text[i], &state, sizeof state);
    }
    text.resize(size);
    return text;
}

inline void send(tcp::socket& s, std::string_view text) { asio::async_write(s, asio::buffer(text), weft::use_fiber); }
inline void end_sending(tcp::socket& s) { s.shutdown(tcp::socket::shutdown_send); }
inline std::string receive(tcp::socket& s, std::size_t n) {
    std::string text(n, '\0');
    weft::fail_after(in_the_end, [&] { asio::async_read(s, asio::buffer(text), weft::use_fiber); });
    return text;
}
/// All until the end, and how it ended: asio::error::eof for a FIN.
inline std::pair<std::string, error_code> receive_all(tcp::socket& s) {
    std::string text;
    error_code ec;
    weft::fail_after(in_the_end, [&] { asio::async_read(s, asio::dynamic_buffer(text), weft::use_fiber[ec]); });
    if (!ec) ec = asio::error::eof;  // async_read takes it for success where everything was asked for
    return {text, ec};
}
/// How it ended, after so many bytes that are thrown away.
inline error_code ending(tcp::socket& s, std::size_t* bytes = nullptr) {
    std::vector<char> buffer(256 * 1024);
    std::size_t all = 0;
    error_code ec;
    weft::fail_after(in_the_end, [&] { while (!ec) all += s.async_read_some(asio::buffer(buffer), weft::use_fiber[ec]); });
    if (bytes) *bytes = all;
    return ec;
}
inline void reset(tcp::socket& s) {
    s.set_option(tcp::socket::linger(true, 0));
    s.close();
}

/// Sends back what comes, each bit turned round, as it comes; ends when the other side has ended.
inline void turn_round(tcp::socket s) {
    std::string buffer(16 * 1024, '\0');
    error_code ec;
    for (;;) {
        std::size_t n = s.async_read_some(asio::buffer(buffer), weft::use_fiber[ec]);
        if (ec) break;
        for (std::size_t i = 0; i < n; ++i) buffer[i] = static_cast<char>(~buffer[i]);
        send(s, std::string_view(buffer).substr(0, n));
    }
    end_sending(s);
}

/// Says how many bytes came, once they have ended.
inline void count_bytes(tcp::socket s) {
    auto [text, ec] = receive_all(s);
    send(s, std::to_string(text.size()) + " bytes, " + (ec == asio::error::eof ? "ended" : "broken"));
}

}  // namespace weft_test

#endif
