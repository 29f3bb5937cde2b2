// SPDX-License-Identifier: BSL-1.0
// Clients for tests of HTTP and WebSocket servers. They send the bytes they are told and know nothing of Beast, so that a server's mistake is
// not theirs too.
#ifndef WEFT_TEST_WEB_CLIENT_HPP
#define WEFT_TEST_WEB_CLIENT_HPP

#include <weft/asio.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weft_test {

using tcp = boost::asio::ip::tcp;

/// A connection, and what was read ahead on it.
class raw_client {
public:
    explicit raw_client(tcp::endpoint const& at, int receive_buffer = 0) : socket_(weft::get_executor()) {
        socket_.open(at.protocol());
        if (receive_buffer) socket_.set_option(tcp::socket::receive_buffer_size(receive_buffer));
        socket_.async_connect(at, weft::use_fiber);
    }
    void send(std::string_view bytes) { boost::asio::async_write(socket_, boost::asio::buffer(bytes), weft::use_fiber); }
    void reset() {
        socket_.set_option(tcp::socket::linger(true, 0));
        socket_.close();
    }
    tcp::socket& socket() noexcept { return socket_; }
    /// Whether the peer closes now, without another byte.
    bool at_end() { return in_.empty() && !more(); }

protected:
    /// Reads on. False at the end, also by a reset.
    bool more() {
        char part[16384];
        boost::system::error_code ec;
        std::size_t n = socket_.async_read_some(boost::asio::buffer(part), weft::use_fiber[ec]);
        weft::check_cancelled();
        in_.append(part, n);
        return !ec;
    }
    /// Takes so many bytes off the front.
    std::string take(std::size_t n) {
        while (in_.size() < n) if (!more()) throw std::runtime_error("the connection ended after \"" + in_ + '"');
        std::string front = in_.substr(0, n);
        in_.erase(0, n);
        return front;
    }

    tcp::socket socket_;
    std::string in_;
};

struct web_answer {
    int status{};
    std::string head, body;
    bool has(std::string_view text) const { return head.find(text) != head.npos; }
    bool closes() const { return has("\r\nConnection: close\r\n"); }
};

class web_client : public raw_client {
public:
    using raw_client::raw_client;
    /// The next answer, whole. Empty if the connection ends before its first byte; throws if it ends within.
    std::optional<web_answer> read(bool without_body = false) {
        std::size_t end;
        while ((end = in_.find("\r\n\r\n")) == in_.npos) {
            if (more()) continue;
            if (in_.empty()) return std::nullopt;
            throw std::runtime_error("half of an answer: " + in_);
        }
        web_answer a;
        a.head = take(end + 4);
        a.status = std::stoi(a.head.substr(9, 3));
        constexpr std::string_view length = "\r\nContent-Length: ";
        if (auto at = a.head.find(length); at != a.head.npos && !without_body) a.body = take(std::stoul(a.head.substr(at + length.size())));
        return a;
    }
    /// One exchange on the kept connection.
    std::optional<web_answer> ask(std::string_view bytes, bool without_body = false) {
        send(bytes);
        return read(without_body);
    }
};

inline std::string get(std::string_view target) { return "GET " + std::string(target) + " HTTP/1.1\r\nHost: board\r\n\r\n"; }
inline std::string post(std::string_view target, std::string_view type, std::string_view body) {
    return "POST " + std::string(target) + " HTTP/1.1\r\nHost: board\r\nContent-Type: " + std::string(type) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

/// A WebSocket, frame by frame.
class live_client : public web_client {
public:
    struct frame {
        int opcode{};
        std::string text;
        int close_code() const { return opcode == 8 && text.size() >= 2 ? (static_cast<unsigned char>(text[0]) << 8) + static_cast<unsigned char>(text[1]) : 0; }
    };
    explicit live_client(tcp::endpoint const& at, std::string_view target = "/live", int receive_buffer = 0) : web_client(at, receive_buffer) {
        auto a = ask(request(target));
        if (!a || a->status != 101) throw std::runtime_error("no WebSocket: " + (a ? a->head : "closed"));
    }
    static std::string request(std::string_view target, std::string_view more = {}) {
        return "GET " + std::string(target) + " HTTP/1.1\r\nHost: board\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
               std::string(more) + "\r\n";
    }
    /// A frame that is whole and masked (with zeros, which leaves the bytes readable).
    static std::string masked(int opcode, std::string_view text) {
        std::string f(1, static_cast<char>(0x80 | opcode));
        if (text.size() < 126) {
            f += static_cast<char>(0x80 | text.size());
        } else {
            f += static_cast<char>(0xfe);
            f += static_cast<char>(text.size() >> 8);
            f += static_cast<char>(text.size() & 0xff);
        }
        return f.append(4, '\0').append(text);
    }
    void send_text(std::string_view text) { send(masked(1, text)); }
    frame next() {
        auto head = take(2);
        std::size_t length = static_cast<unsigned char>(head[1]) & 0x7f;
        if (length >= 126) {
            auto more = take(length == 126 ? 2 : 8);
            length = 0;
            for (char c : more) length = length << 8 | static_cast<unsigned char>(c);
        }
        return {head[0] & 0x0f, take(length)};
    }
    /// The next frame whose text has this in it.
    std::string next_with(std::string_view part) {
        for (;;) {
            frame f = next();
            if (f.opcode == 8) throw std::runtime_error("closed with " + std::to_string(f.close_code()));
            if (f.text.find(part) != f.text.npos) return f.text;
        }
    }
    /// The code of the close frame that comes, after whatever comes before it; answers it.
    int next_close() {
        for (;;) {
            frame f = next();
            if (f.opcode != 8) continue;
            send(masked(8, std::string_view(f.text).substr(0, 2)));
            return f.close_code();
        }
    }
};

}  // namespace weft_test

#endif
