// SPDX-License-Identifier: BSL-1.0
#include "client.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <random>

namespace fleet {
namespace {

namespace http = boost::beast::http;

/// A connection and what Beast has read ahead on it.
struct link {
    tcp::socket socket{weft::get_executor()};
    boost::beast::flat_buffer buffer;

    explicit link(tcp::endpoint const& front) {
        socket.async_connect(front, weft::use_fiber);
        send_at_once(socket);
    }
};

/// One exchange. Returns whether the answer was 200.
bool exchange(std::optional<link>& to, tcp::endpoint const& front, unsigned key) {
    if (!to) to.emplace(front);
    http::request<http::empty_body> req(http::verb::get, "/item/" + std::to_string(key), 11);
    req.set(http::field::host, "fleet");
    http::async_write(to->socket, req, weft::use_fiber);
    http::response<http::string_body> res;
    http::async_read(to->socket, to->buffer, res, weft::use_fiber);
    if (!res.keep_alive()) to.reset();
    return res.result() == http::status::ok;
}

/// One request with its deadline, and its place in the books.
void request(world& w, std::optional<link>& to, tcp::endpoint const& front, unsigned key) {
    counted flying(w.in_flight);
    act_stats& stats = w.current();
    auto began = clock::now();
    try {
        bool ok = weft::fail_after(client_deadline, [&] { return exchange(to, front, key); });
        ++(ok ? stats.ok : stats.errors);
        if (!ok) return;
        auto took = clock::now() - began;
        stats.latency.record(took);
        w.recent.record(took);
    } catch (weft::too_slow_error const&) {
        to.reset();  // Beast stopped in the middle of a message: this connection is of no more use
        ++stats.deadline;
    } catch (boost::system::system_error const&) {
        to.reset();
        ++(w.draining ? stats.turned_away : stats.errors);
    }
}

}  // namespace

void run_client(world& w, unsigned id, tcp::endpoint front, std::stop_token stop) {
    std::optional<link> to;
    std::minstd_rand random(id + 1);
    std::uniform_real_distribution<> around(0.5, 1.5);
    // The first visits are spread over a think time, so that they do not all come at once.
    auto pause = std::chrono::duration<double, std::milli>(w.options.think) * (around(random) - 0.5);
    // A pause that was over in the moment of the stop has ended by itself: hence the second question.
    while (until_stopped(stop, [&] { weft::this_task::sleep_for(pause); }) && !stop.stop_requested()) {
        request(w, to, front, static_cast<unsigned>(random()));
        pause = std::chrono::duration<double, std::milli>(w.options.think) * around(random);
    }
}

}  // namespace fleet
