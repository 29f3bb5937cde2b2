// SPDX-License-Identifier: BSL-1.0
// Channels beside Boost.Fiber's, in one process and run: medians of interleaved rounds. `channel [rounds]`.
#include "bench.hpp"

#include <weft/sync/channel.hpp>
#include <weft/weft.hpp>

#include <boost/fiber/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace {

struct bench {
    char const* name;
    std::function<double()> weft;
    std::function<double()> fiber;  // empty: no counterpart
    double target;                  // ns; 0: none
};

template <class Make>
double ping_pong(Make make) {
    constexpr int n = 500'000;
    double r = 0;
    weft::run([&] {
        auto ping = make();
        auto pong = make();
        weft::with_nursery([&](weft::nursery& s) {
            s.start_soon([&] { for (int i = 0; i < n; ++i) pong.sender.send(ping.receiver.receive()); });
            r = ns_per(n, [&] { for (int i = 0; i < n; ++i) { ping.sender.send(i); pong.receiver.receive(); } });
        });
    });
    return r;
}

template <class Make>
double stream(Make make) {
    constexpr int n = 2'000'000;
    double r = 0;
    weft::run([&] {
        auto ends = make();
        weft::with_nursery([&](weft::nursery& s) {
            s.start_soon([&] { for (int i = 0; i < n; ++i) ends.sender.send(i); });
            r = ns_per(n, [&] { for (int i = 0; i < n; ++i) ends.receiver.receive(); });
        });
    });
    return r;
}

double fiber_ping_pong() {
    constexpr int n = 200'000;
    boost::fibers::unbuffered_channel<int> ping, pong;
    double r = 0;
    boost::fibers::fiber a([&] { int v = 0; for (int i = 0; i < n; ++i) { ping.pop(v); pong.push(v); } });
    boost::fibers::fiber b([&] { r = ns_per(n, [&] { int v = 0; for (int i = 0; i < n; ++i) { ping.push(i); pong.pop(v); } }); });
    a.join();
    b.join();
    return r;
}

double fiber_stream() {
    constexpr int n = 1'000'000;
    boost::fibers::buffered_channel<int> c(64);
    double r = 0;
    boost::fibers::fiber a([&] { for (int i = 0; i < n; ++i) c.push(i); });
    boost::fibers::fiber b([&] { r = ns_per(n, [&] { int v = 0; for (int i = 0; i < n; ++i) c.pop(v); }); });
    a.join();
    b.join();
    return r;
}

// A task of one run and a plain thread, which blocks in the kernel: wake-ups dominate.
double across_threads(std::size_t capacity) {
    constexpr int n = 20'000;
    auto ends = weft::shared::make_channel<int>(capacity);
    std::thread t([tx = std::move(ends.sender)]() mutable { for (int i = 0; i < n; ++i) tx.send(i); });
    double r = 0;
    weft::run([&] { r = ns_per(n, [&] { for (int v : ends.receiver) asm volatile("" : : "r"(v)); }); });
    t.join();
    return r;
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    auto local = [](std::size_t capacity, unsigned yield_every) {
        return [=] { return weft::make_channel<int>({.capacity = capacity, .name = {}, .yield_every = yield_every}); };
    };
    auto shared = [](std::size_t capacity, unsigned yield_every) {
        return [=] { return weft::shared::make_channel<int>({.capacity = capacity, .name = {}, .yield_every = yield_every}); };
    };
    std::vector<bench> benches{
        {"unbuffered, round trip", [=] { return ping_pong(local(0, 1)); }, fiber_ping_pong, 75},
        {"unbuffered, round trip, yield_every 16", [=] { return ping_pong(local(0, 16)); }, fiber_ping_pong, 75},
        {"buffered 64, an item", [=] { return stream(local(64, 1)); }, fiber_stream, 12},
        {"buffered 64, an item, yield_every 16", [=] { return stream(local(64, 16)); }, fiber_stream, 12},
        {"buffered 64, an item, yield_every 64", [=] { return stream(local(64, 64)); }, fiber_stream, 12},
        {"shared, unbuffered, round trip", [=] { return ping_pong(shared(0, 1)); }, {}, 0},
        {"shared, buffered 64, an item", [=] { return stream(shared(64, 1)); }, {}, 0},
        {"shared, buffered 64, an item, yield_every 16", [=] { return stream(shared(64, 16)); }, {}, 0},
        {"shared, thread to task, unbuffered, an item", [] { return across_threads(0); }, {}, 0},
        {"shared, thread to task, buffered 64, an item", [] { return across_threads(64); }, {}, 0},
    };
    std::printf("%-54s %10s %12s %8s %8s\n", "ns; medians", "weft", "Boost.Fiber", "ratio", "target");
    for (bench const& b : benches) {
        std::vector<double> w, f;
        for (int i = 0; i < rounds; ++i) {
            w.push_back(b.weft());
            if (b.fiber) f.push_back(b.fiber());
        }
        double wm = median(w);
        std::printf("%-54s %10.1f ", b.name, wm);
        if (b.fiber) std::printf("%12.1f %8.3f", median(f), wm / median(f));
        else std::printf("%12s %8s", "", "");
        if (b.target > 0) std::printf(" %8.1f%s", b.target, wm <= b.target ? "" : "  above");
        std::printf("\n");
        std::fflush(stdout);
    }
}
