// SPDX-License-Identifier: BSL-1.0
#include "redis/client/link.hpp"

#include <weft/asio.hpp>
#include <weft/net/connect.hpp>
#include <weft/task/timeouts.hpp>

#include <boost/asio/local/stream_protocol.hpp>

namespace redis {

void encode(command const& c, std::string& to) {
    if (c.empty()) throw weft::misuse_error("redis: a command without a name");
    to += "*" + std::to_string(c.size()) + "\r\n";
    for (auto const& word : c) to.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
}

link::link(client_options const& o) : socket_(weft::get_executor()), reader_(socket_), limits_(o.limits) {
    std::string where = o.socket.empty() ? o.host + ":" + std::to_string(o.port) : o.socket;
    try {
        weft::fail_after(o.connect_limit, [&] {
            connect(o);
            greet(o);
        });
    } catch (reply_error const&) {
        throw;
    } catch (weft::too_slow_error const&) {
        throw connect_error("redis: no connection to " + where + " in time");
    } catch (std::exception const& e) {
        throw connect_error("redis: no connection to " + where + ": " + e.what());
    }
}

void link::connect(client_options const& o) {
    if (o.socket.empty()) {
        socket_ = weft::connect_tcp(o.host, o.port);
    } else {
        boost::asio::local::stream_protocol::socket s(weft::get_executor());
        s.async_connect({o.socket}, weft::use_fiber);
        socket_ = std::move(s);
    }
}

void link::greet(client_options const& o) {
    bool spoken = false;
    if (o.protocol >= 3) {
        command hello{"HELLO", "3"};
        if (!o.password.empty()) hello.insert(hello.end(), {"AUTH", o.user, o.password});
        value v = request(hello);
        spoken = !v.is_error();
        // A server from before version 6 does not know the command, or not RESP3.
        if (!spoken && !v.text.starts_with("ERR unknown command") && !v.text.starts_with("NOPROTO")) v.throw_if_error();
    }
    if (!spoken && !o.password.empty()) request({"AUTH", o.user, o.password}).throw_if_error();
    if (o.database != 0) request({"SELECT", std::to_string(o.database)}).throw_if_error();
}

void link::write(std::string_view bytes) { weft::write_all(socket_, boost::asio::buffer(bytes.data(), bytes.size())); }

value link::request(command const& c) {
    std::string bytes;
    encode(c, bytes);
    write(bytes);
    return read();
}

}  // namespace redis
