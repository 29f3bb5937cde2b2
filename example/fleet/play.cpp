// SPDX-License-Identifier: BSL-1.0
#include "play.hpp"

#include "client.hpp"
#include "front.hpp"
#include "process.hpp"
#include "view.hpp"

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstring>

namespace fleet {
namespace {

/// The acts, until a signal cancels the script.
void perform(world& w, view& v) {
    constexpr std::array<char const*, 4> lines{
        "act 1: calm. Every request asks two of the four shards.",
        "act 2: shard 1 answers after a second. Clients give up after 300 ms, and with them all that works for them.",
        "act 3: recovery. Shard 1 is quick again.",
        "act 4: shutdown. The program sends itself SIGTERM and drains."};
    for (unsigned a = calm; a < shutdown_act; ++a) {
        w.slow_shard = a == slow_shard ? 1 : shard_count;
        w.now = a;
        v.announce(lines[a]);
        weft::this_task::sleep_for(w.options.length[a]);
    }
    v.announce(lines[shutdown_act]);
    w.self_signal = true;
    std::raise(SIGTERM);
    weft::this_task::sleep_forever();
}

/// The first signal ends the acts, and so begins the drain; a second one cancels everything.
void handle_signals(world& w, asio::signal_set& signals, weft::cancel_scope& script, weft::nursery& all) {
    for (;;) {
        int number = signals.async_wait(weft::use_fiber);
        if (++w.signals == 1) {
            w.drain.signal = clock::now();
            script.cancel(strsignal(number));
        } else {
            w.drain.forced = true;
            all.cancel("a second signal");
        }
    }
}

/// Stage by stage. The stop level reaches connections and clients at once, since their nurseries are nested: nobody
/// begins anything new, everybody finishes what is under way.
void drain(world& w, view& v, door& entrance, weft::nursery& connections, weft::nursery& clients) {
    w.now = shutdown_act;
    v.announce(w.self_signal ? "SIGTERM: draining" : "signal: draining; a second one ends everything at once");
    w.draining = true;
    entrance.open.cancel("draining");
    entrance.closed.wait();
    bool in_time = connections.shutdown(800ms).in_time();
    in_time = clients.shutdown(150ms).in_time() && in_time;
    if (!in_time) w.drain.forced = true;
    w.drain.clients = clock::now();
}

}  // namespace

void play(world& w) {
    asio::signal_set signals(weft::get_executor(), SIGINT, SIGTERM);
    hold_signals(false);
    weft::cancel_scope script("the acts");
    door entrance;
    view shown(w);
    std::vector<tcp::acceptor> doors;
    for (unsigned i = 0; i < shard_count; ++i) doors.emplace_back(weft::get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));

    // The order of the end is the shape of the tree: services end last, and among themselves the last one first.
    weft::with_nursery({.name = "fleet"}, [&](weft::nursery& all) {
        all.start_service("signals", [&] { handle_signals(w, signals, script, all); });
        std::vector<shard_client> shards;
        for (unsigned i = 0; i < shard_count; ++i) {
            all.start_service("shard", [&w, &doors, i] { serve_shard(w, i, doors[i]); });
            shards.emplace_back(w, i, doors[i].local_endpoint());
        }
        all.start_service("view", [&] { shown.run(); });
        weft::with_nursery({.name = "connections"}, [&](weft::nursery& connections) {
            tcp::endpoint front = connections.start("listener", [&](weft::task_status<tcp::endpoint>& ready) { listen(w, entrance, connections, shards, ready); });
            weft::with_nursery({.name = "clients"}, [&](weft::nursery& clients) {
                std::stop_token stop = weft::token_of(clients.scope());
                for (unsigned i = 0; i < w.options.clients; ++i) clients.start_soon("client", [&w, i, front, stop] { run_client(w, i, front, stop); });
                script.run([&] { perform(w, shown); });
                drain(w, shown, entrance, connections, clients);
            });
        });
    });
    w.drain.shards = clock::now();
    hold_signals(true);
}

}  // namespace fleet
