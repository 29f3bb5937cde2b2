// SPDX-License-Identifier: BSL-1.0
#include "proxy.hpp"

#include "accounts.hpp"
#include "backends.hpp"
#include "descriptors.hpp"
#include "listener.hpp"
#include "peer.hpp"
#include "relay.hpp"

#include <weft/asio.hpp>
#include <weft/inspect.hpp>
#include <weft/net/serve.hpp>
#include <weft/net/signals.hpp>
#include <weft/weft.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>

namespace proxy {
namespace {

void handle(arrival a, backends& all, options const& o, accounts& books) {
    counted here(books.open);
    ++books.accepted;
    books.most_open = std::max(books.most_open, books.open);
    peer client(std::move(a.client));
    try {
        a.spare.give_up();  // for the socket that is opened now
        auto connected = all.connect();
        if (!connected) {
            ++books.unserved;
            return;
        }
        peer server(*std::move(connected));
        relay(client, server, o.idle, books);
    } catch (weft::cancelled const&) {
        ++books.cut;
        throw;
    }
}

/// Answers signals. The first that asks for the end sets `drain`, the second one cuts what is under way.
void obey(weft::signal_receiver& signals, weft::nursery& n, weft::event& drain, accounts const& books, backends const& all) {
    for (int s : signals) {
        if (s == SIGTERM || s == SIGINT) {
            if (drain.is_set()) n.cancel("a second signal");
            drain.set();
            continue;
        }
        print(std::cout, books, all);
        if (s == SIGUSR1) weft::inspect::dump(std::cout);
        std::cout.flush();
    }
}

/// An error of one connection is not the end of the others.
void report(std::exception_ptr e, accounts& books) {
    ++books.failed;
    try {
        std::rethrow_exception(e);
    } catch (std::exception const& x) {
        std::cerr << "proxy: a connection has failed: " << x.what() << std::endl;
    }
}

}  // namespace

void serve(options const& o) {
    accounts books;
    backends all(o.to, o.connect, books);
    std::size_t room = connections_with_descriptors(), most = o.max_connections == 0 ? room : o.max_connections;
    if (most > room) {
        std::cerr << "proxy: the limit of open descriptors has room for " << room << " connections only, not " << most << '\n';
        most = room;
    }
    weft::with_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1}, [&](weft::signal_receiver& signals) {
        listener door(o.listen, books);
        weft::event drain;
        weft::serve_options limits{.max_connections = most, .on_error = [&](std::exception_ptr e) { report(e, books); }};
        weft::with_nursery({.name = "proxy"}, [&](weft::nursery& n) {
            std::cout << "listening on " << door.local_endpoint() << std::endl;
            n.start_service("signals", [&] { obey(signals, n, drain, books, all); });
            n.start_soon("server", [&] { weft::serve(door, [&](arrival a) { handle(std::move(a), all, o, books); }, limits); });
            drain.wait();
            std::cout << "draining " << books.open << " connections" << std::endl;
            n.shutdown(o.grace);
        });
    });
    print(std::cout, books, all);
}

}  // namespace proxy
