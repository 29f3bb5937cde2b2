// SPDX-License-Identifier: BSL-1.0
// Promises, beside Boost.Fiber's in the same process and run. Prints medians of five rounds, interleaved, and the ratio.
// `future [rounds]`.
#include "bench.hpp"

#include <weft/future/async.hpp>
#include <weft/future/gather.hpp>
#include <weft/future/promise.hpp>
#include <weft/weft.hpp>

#include <boost/fiber/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

namespace {

struct bench {
    char const* name;
    std::function<double()> weft;
    std::function<double()> fiber;  // empty: no counterpart
};

constexpr int rounds_each = 300'000;

// One round is two promises and two waits; each side makes the promise that it waits for next.
double weft_round_trip() {
    double r = 0;
    weft::run([&] {
        weft::promise<int> to_server, to_client;
        auto server_end = to_server.get_future();
        auto client_end = to_client.get_future();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                for (int i = 0; i < rounds_each; ++i) {
                    int v = server_end.get();
                    to_server = {};
                    server_end = to_server.get_future();
                    to_client.set_value(v + 1);
                }
            });
            weft::checkpoint();
            r = ns_per(rounds_each, [&] {
                for (int i = 0; i < rounds_each; ++i) {
                    to_server.set_value(i);
                    if (client_end.get() != i + 1) std::abort();
                    to_client = {};
                    client_end = to_client.get_future();
                }
            });
        });
    });
    return r;
}

double fiber_round_trip() {
    using boost::fibers::promise;
    promise<int> to_server, to_client;
    auto server_end = to_server.get_future();
    auto client_end = to_client.get_future();
    boost::fibers::fiber server([&] {
        for (int i = 0; i < rounds_each; ++i) {
            int v = server_end.get();
            to_server = promise<int>();
            server_end = to_server.get_future();
            to_client.set_value(v + 1);
        }
    });
    double r = 0;
    boost::fibers::fiber client([&] {
        r = ns_per(rounds_each, [&] {
            for (int i = 0; i < rounds_each; ++i) {
                to_server.set_value(i);
                if (client_end.get() != i + 1) std::abort();
                to_client = promise<int>();
                client_end = to_client.get_future();
            }
        });
    });
    client.join();
    server.join();
    return r;
}

double weft_ready() {
    constexpr int n = 1'000'000;
    return ns_per(n, [] {
        for (int i = 0; i < n; ++i) {
            weft::promise<int> p;
            auto f = p.get_future();
            p.set_value(i);
            if (f.get() != i) std::abort();
        }
    });
}

double fiber_ready() {
    constexpr int n = 1'000'000;
    return ns_per(n, [] {
        for (int i = 0; i < n; ++i) {
            boost::fibers::promise<int> p;
            auto f = p.get_future();
            p.set_value(i);
            if (f.get() != i) std::abort();
        }
    });
}

double weft_async() {
    constexpr int n = 200'000;
    double r = 0;
    weft::run([&] { r = ns_per(n, [&] { for (int i = 0; i < n; ++i) weft::async([i] { return i; }).get(); }); });
    return r;
}

double fiber_async() {
    constexpr int n = 100'000;
    return ns_per(n, [] { for (int i = 0; i < n; ++i) boost::fibers::async([i] { return i; }).get(); });
}

double weft_gather() {
    constexpr int n = 200'000;
    double r = 0;
    weft::run([&] { r = ns_per(n, [&] { for (int i = 0; i < n; ++i) weft::gather([i] { return i; }, [i] { return i; }); }); });
    return r;
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
    std::vector<bench> all{
        {"promise round trip between two tasks", weft_round_trip, fiber_round_trip},
        {"promise fulfilled and read, no wait", weft_ready, fiber_ready},
        {"async and get", weft_async, fiber_async},
        {"gather of two", weft_gather, {}},
    };
    std::printf("%-40s %10s %10s %7s\n", "ns", "weft", "fiber", "ratio");
    for (auto& b : all) {
        std::vector<double> w, f;
        for (int i = 0; i < rounds; ++i) {
            w.push_back(b.weft());
            if (b.fiber) f.push_back(b.fiber());
        }
        double mw = median(w);
        if (f.empty()) std::printf("%-40s %10.1f %10s %7s\n", b.name, mw, "-", "-");
        else { double mf = median(f); std::printf("%-40s %10.1f %10.1f %7.2f\n", b.name, mw, mf, mw / mf); }
    }
}
