// SPDX-License-Identifier: BSL-1.0
// board: a message board over HTTP and WebSocket, with its page for the browser. Ends in order: no new connections, what is under way is
// answered, live sockets are told goodbye; then it shows its accounts.
#include "options.hpp"
#include "server.hpp"

#include <weft/net/signals.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdio>

#include <signal.h>

namespace {

using namespace board;
using boost::asio::ip::tcp;

void print(std::string_view line) {
    std::printf("board: %.*s\n", static_cast<int>(line.size()), line.data());
    std::fflush(stdout);  // somebody may wait for the line at the other end of a pipe
}

std::string url(tcp::endpoint const& at) {
    auto host = at.address().to_string();
    return "http://" + (at.address().is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(at.port()) + '/';
}

/// Waits for a signal, and ends the server in order. Returns how that went.
std::string drain(weft::nursery& n, weft::signal_receiver& signals, store& messages, options const& o) {
    int first = signals.receive();
    if (!o.quiet) print(std::string(first == SIGINT ? "SIGINT" : "SIGTERM") + ": draining for up to " + std::to_string(o.grace.count()) + " s; a second signal ends at once");
    std::string how = "ended in order";
    weft::cancel_scope in_order("drain");
    bool undisturbed = in_order.run([&] {
        weft::with_nursery({.name = "drain"}, [&](weft::nursery& watch) {
            watch.start_service("second signal", [&] {
                signals.receive();
                in_order.cancel("a second signal");
            });
            messages.close();
            if (!n.shutdown(o.grace).in_time()) how = "ended by force: the grace time was over";
        });
    });
    if (!undisturbed) {
        n.cancel("a second signal");
        return "ended by force: a second signal";
    }
    return how;
}

/// One that comes from now on is too late for anything: the accounts are still shown.
void ignore_signals(weft::signal_receiver& signals) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    while (signals.try_receive()) {}
}

int run_board(options o) {
    auto address = boost::asio::ip::make_address(o.host);
    auto room = make_room_for(o.max_connections);
    if (room < o.max_connections) print("the hard limit of open descriptors (ulimit -Hn) has room for " + std::to_string(room) + " connections only, not " + std::to_string(o.max_connections));
    limits limit;
    limit.last_call = std::chrono::milliseconds(o.grace) / 10;
    accounts books;
    std::string how;
    weft::run([&] {
        weft::with_signals({SIGINT, SIGTERM}, [&](weft::signal_receiver& signals) {
            store messages(limit);
            site s{limit, messages, books, {}, {}};
            if (!o.quiet) s.log = [](std::string_view line) { print(line); };
            weft::with_nursery({.name = "server"}, [&](weft::nursery& n) {
                s.stop = weft::token_of(n.scope());
                auto at = n.start("serve", [&s, address, &o, room](weft::task_status<tcp::endpoint>& started) { serve_site(s, {address, o.port}, room, started); });
                print(url(at));
                how = drain(n, signals, messages, o);
            });
            ignore_signals(signals);
        });
    });
    print(how);
    print(to_string(books));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::string wrong;
    auto o = parse_options(argc, argv, wrong);
    if (!o || o->help) {
        if (!o) std::fprintf(stderr, "board: cannot understand \"%s\"\n", wrong.c_str());
        std::fputs(usage, o ? stdout : stderr);
        return o ? 0 : 2;
    }
    try {
        return run_board(*o);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "board: %s\n", e.what());
        return 1;
    }
}
