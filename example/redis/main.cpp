// SPDX-License-Identifier: BSL-1.0
// redis: a client of Redis in blocking style (folder client), and a tour of it.
//
//     example/run redis [PORT or PATH]         of a server; by default port 6379 of this machine
//
// The tour writes keys that begin with weft:tour: and deletes them. What to look at:
//
// - Many tasks share one connection. pump.cpp has one writer, which sends all requests that have come meanwhile with one write, and one
//   reader, which gives each reply to the oldest request. There is no lock: all are tasks of one run.
// - A caller that is cancelled leaves at once. Its request stays in its place, so that nobody else gets its reply.
// - A lost connection fails what was pending, says whether it was sent, and is made again.
// - reply.hpp reads RESP as the grammar is written: functions that call each other, and wait in the middle. Each length is checked
//   against a limit before anything is allocated for it.
#include "redis/client/client.hpp"

#include <weft/weft.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using namespace std::chrono_literals;

int failures = 0;

template <class... A>
void expect(bool good, char const* format, A... values) {
    std::printf(format, values...);
    std::puts(good ? "" : "   <- WRONG");
    failures += !good;
}

std::string key(std::string const& name) { return "weft:tour:" + name; }

void many_tasks(redis::client& c) {
    auto before = c.statistics();
    long sum = 0;
    weft::with_nursery([&](weft::nursery& n) {
        for (int i = 0; i < 1000; ++i) n.start_soon("counter", [&] { sum += c.request({"INCR", key("counter")}).as_integer(); });
    });
    auto after = c.statistics();
    expect(sum == 1000L * 1001 / 2, "pipelining: 1000 tasks, one connection; %zu requests in %zu writes", after.requests - before.requests,
           after.writes - before.writes);
}

void leaving(redis::client& c) {
    c.request({"SET", key("a"), "a"});
    c.request({"SET", key("b"), "b"});
    c.request({"CLIENT", "PAUSE", "300", "ALL"});  // the server answers nobody for so many milliseconds
    std::string b;
    bool got = false;
    weft::with_nursery([&](weft::nursery& n) {
        n.start_soon("hurried", [&] { got = weft::move_on_after(20ms, [&] { c.request({"GET", key("a")}); }); });
        n.start_soon("patient", [&] { weft::this_task::sleep_for(5ms); b = c.request({"GET", key("b")}).as_text(); });
    });
    expect(!got && b == "b", "cancellation: one caller left without its reply; the other one got its own: %s", b.c_str());
}

void messages(weft::nursery& n, redis::client& c, redis::client_options const& options) {
    auto news = redis::subscribe(n, options, {key("news")});
    for (char const* text : {"one", "two", "end"}) c.request({"PUBLISH", key("news"), text});
    std::string all;
    for (redis::message& m : news) {
        if (m.payload == "end") break;
        all += m.payload + " ";
    }
    expect(all == "one two ", "subscription: %s", all.c_str());
}

void loss(redis::client& c) {
    bool named = false;
    try {
        std::string id = std::to_string(c.request({"CLIENT", "ID"}).as_integer());
        c.request({"CLIENT", "KILL", "ID", id, "SKIPME", "no"});
        c.request({"PING"});  // the server may answer a KILL of its own connection before it closes it
    } catch (redis::connection_lost_error const& e) {
        named = true;
        std::printf("loss: %s\n", e.what());
    }
    auto pong = c.request({"PING"}).as_text();
    expect(named && pong == "PONG", "then: %s, over connection number %zu", pong.c_str(), c.statistics().connections);
}

int tour(redis::client_options const& options) {
    weft::with_nursery([&](weft::nursery& n) {
        redis::client c(n, options);
        auto reply = c.transaction({{"SET", key("x"), "20"}, {"INCRBY", key("x"), "22"}});
        expect(reply.at(1).as_integer() == 42, "transaction: %ld", static_cast<long>(reply.at(1).as_integer()));
        many_tasks(c);
        leaving(c);
        messages(n, c, options);
        loss(c);
        c.request({"DEL", key("x"), key("a"), key("b"), key("counter")});
    });
    return failures;
}

}  // namespace

int main(int argc, char** argv) {
    redis::client_options options;
    if (argc == 2 && argv[1][0] == '/') options.socket = argv[1];
    else if (argc == 2) options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    if (argc > 2 || (options.port == 0 && options.socket.empty())) {
        std::fputs("usage: redis [PORT or /PATH/OF/SOCKET]\n", stderr);
        return 2;
    }
    try {
        return weft::run([&] { return tour(options); }) ? 1 : 0;
    } catch (std::exception const& e) {
        std::fprintf(stderr, "redis: %s\n", e.what());
        return 1;
    }
}
