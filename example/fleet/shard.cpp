// SPDX-License-Identifier: BSL-1.0
#include "shard.hpp"

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace fleet {
namespace {

/// A second of "work" that nobody needs once the peer has left. Returns whether the peer stayed.
bool work_slowly(tcp::socket& socket) {
    bool left = false;
    weft::with_nursery({.name = "slow answer"}, [&](weft::nursery& n) {
        n.start_service("watch peer", [&] {
            left = peer_left(socket);
            if (left) n.cancel("the front went away");
        });
        weft::this_task::sleep_for(slow_answer);
    });
    return !left;
}

void serve_link(world& w, unsigned id, tcp::socket socket) {
    send_at_once(socket);
    std::string in, out;
    error_code ec;
    for (;;) {
        std::size_t n = asio::async_read_until(socket, asio::dynamic_buffer(in), '\n', weft::use_fiber[ec]);
        if (ec) return;  // the front has closed it
        if (w.slow_shard == id && !work_slowly(socket)) {
            ++w.calls_dropped;
            return;
        }
        out = std::to_string(id) + ':' + in.substr(0, n);
        in.erase(0, n);
        asio::async_write(socket, asio::buffer(out), weft::use_fiber[ec]);
        if (ec) return;
    }
}

}  // namespace

void serve_shard(world& w, unsigned id, tcp::acceptor& acceptor) {
    weft::with_nursery({.name = "shard " + std::to_string(id)}, [&](weft::nursery& links) {
        for (;;) {
            tcp::socket socket = acceptor.async_accept(weft::use_fiber);
            links.start_soon("link", [&w, id, s = std::move(socket)]() mutable { serve_link(w, id, std::move(s)); });
        }
    });
}

tcp::socket shard_client::take() {
    if (!idle_.empty()) {
        tcp::socket socket = std::move(idle_.back());
        idle_.pop_back();
        return socket;
    }
    tcp::socket socket(weft::get_executor());
    socket.async_connect(where_, weft::use_fiber);
    send_at_once(socket);
    return socket;
}

std::string shard_client::ask(unsigned key) {
    counted waiting(world_.shard_calls[id_]);
    tcp::socket socket = take();
    std::string text = std::to_string(key) + '\n';
    asio::async_write(socket, asio::buffer(text), weft::use_fiber);
    text.clear();
    std::size_t n = asio::async_read_until(socket, asio::dynamic_buffer(text), '\n', weft::use_fiber);
    text.resize(n - 1);
    idle_.push_back(std::move(socket));
    return text;
}

}  // namespace fleet
