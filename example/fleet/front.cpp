// SPDX-License-Identifier: BSL-1.0
#include "front.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace fleet {
namespace {

namespace http = boost::beast::http;
using request = http::request<http::empty_body>;
using response = http::response<http::string_body>;

unsigned key_of(request const& r) {
    unsigned key = 0;
    for (char c : r.target()) if (c >= '0' && c <= '9') key = key * 10 + static_cast<unsigned>(c - '0');
    return key;
}

/// Asks two shards at once, and gives up as soon as the client does: its closing socket cancels the calls.
std::string ask_two(tcp::socket& client, std::vector<shard_client>& shards, unsigned key) {
    return weft::with_nursery({.name = "request"}, [&](weft::nursery& n) {
        n.start_service("watch client", [&] { if (peer_left(client)) n.cancel("the client went away"); });
        auto a = n.spawn("ask", [&] { return shards[key % shard_count].ask(key); });
        auto b = n.spawn("ask", [&] { return shards[(key + 1 + key / shard_count % (shard_count - 1)) % shard_count].ask(key); });
        return a.get() + ' ' + b.get();
    });
}

/// Null if there is nobody left to answer to.
std::optional<response> answer(world& w, tcp::socket& client, std::vector<shard_client>& shards, request const& r) {
    response res(http::status::ok, r.version());
    try {
        auto text = weft::move_on_after(server_budget, [&] { return ask_two(client, shards, key_of(r)); });
        if (text) res.body() = *text + '\n';
        else { ++w.over_budget; res.result(http::status::gateway_timeout); }
    } catch (weft::task_cancelled_error const&) {
        ++w.clients_left;
        return std::nullopt;
    } catch (weft::exception_group const& g) {
        res.result(http::status::bad_gateway);
        res.body() = g.what();
    }
    res.prepare_payload();
    return res;
}

/// One keep-alive connection, as blocking code. Only the wait for the next request is given up when the front drains.
void serve(world& w, tcp::socket socket, std::vector<shard_client>& shards, std::stop_token stop) {
    counted open(w.connections);
    send_at_once(socket);
    boost::beast::flat_buffer buffer;
    error_code ec;
    for (bool keep = true; keep;) {
        bool waited = buffer.size() > 0 || until_stopped(stop, [&] {
            socket.async_wait(tcp::socket::wait_read, weft::use_fiber[ec]);
            weft::check_cancelled();  // the [ec] form leaves the raising to the next cancellation point
        });
        if (!waited && socket.available(ec) == 0) return;  // a request that is here already is still answered
        request req;
        if (!weft::move_on_after(1s, [&] { http::async_read(socket, buffer, req, weft::use_fiber[ec]); }) || ec) return;
        auto res = answer(w, socket, shards, req);
        if (!res) return;
        keep = req.keep_alive() && !stop.stop_requested();
        res->keep_alive(keep);
        if (!weft::move_on_after(1s, [&] { http::async_write(socket, *res, weft::use_fiber[ec]); }) || ec) return;
    }
}

}  // namespace

void listen(world& w, door& d, weft::nursery& connections, std::vector<shard_client>& shards, weft::task_status<tcp::endpoint>& ready) {
    std::stop_token stop = weft::token_of(connections.scope());
    {
        tcp::acceptor acceptor(weft::get_executor(), {asio::ip::address_v4::loopback(), 0});
        ready.started(acceptor.local_endpoint());
        d.open.run([&] {
            for (;;) {
                error_code ec;
                tcp::socket socket = acceptor.async_accept(weft::use_fiber[ec]);
                if (ec) weft::this_task::sleep_for(10ms);  // out of descriptors, perhaps: let others close some
                else connections.start_soon("connection", [&w, &shards, stop, s = std::move(socket)]() mutable {
                    serve(w, std::move(s), shards, stop);
                    w.drain.last_connection = clock::now();
                });
            }
        });
    }
    w.drain.listener = clock::now();
    d.closed.set();
}

}  // namespace fleet
