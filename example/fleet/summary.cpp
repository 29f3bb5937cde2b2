// SPDX-License-Identifier: BSL-1.0
#include "view.hpp"

#include "process.hpp"

#include <weft/config.hpp>

#include <cstdio>

namespace fleet {
namespace {

double ms_after(clock::time_point t, clock::time_point start) {
    return t < start ? 0 : std::chrono::duration<double, std::milli>(t - start).count();
}

struct verdict {
    bool fine = true;
    void require(bool condition, char const* what, double got) {
        if (condition) return;
        std::printf("fleet --ci: FAILED: %s; got %g\n", what, got);
        fine = false;
    }
};

}  // namespace

void print_summary(world const& w) {
    std::printf("\n%-12s %9s %9s %9s %7s %8s %9s %9s %9s\n", "act", "requests", "ok", "deadline", "errors", "turned", "p50", "p99", "tasks");
    std::printf("%-12s %9s %9s %9s %7s %8s %9s %9s %9s\n", "", "", "", "cancelled", "", "away", "ms", "ms", "at most");
    for (unsigned i = 0; i < act_count; ++i) {
        act_stats const& a = w.acts[i];
        std::printf("%-12s %9llu %9llu %9llu %7llu %8llu %9.1f %9.1f %9zu\n", act_names[i], static_cast<unsigned long long>(a.requests()),
                    static_cast<unsigned long long>(a.ok), static_cast<unsigned long long>(a.deadline), static_cast<unsigned long long>(a.errors),
                    static_cast<unsigned long long>(a.turned_away), a.latency.quantile(0.5), a.latency.quantile(0.99), a.max_tasks);
    }
    auto const& d = w.drain;
    std::printf("\n%llu requests cancelled at the front because their client left, %llu slow answers dropped by the shard because the front left\n",
                static_cast<unsigned long long>(w.clients_left), static_cast<unsigned long long>(w.calls_dropped));
    std::printf("drain, ms after the signal: listener %.1f, last connection %.1f, clients %.1f, shards %.1f%s\n", ms_after(d.listener, d.signal),
                ms_after(d.last_connection, d.signal), ms_after(d.clients, d.signal), ms_after(d.shards, d.signal), d.forced ? " (by force)" : "");
}

bool check(world const& w, std::size_t leaked_tasks, long leaked_sockets) {
    verdict v;
    v.require(leaked_tasks == 0, "no task may be left", static_cast<double>(leaked_tasks));
    v.require(leaked_sockets == 0, "no socket may be left", static_cast<double>(leaked_sockets));
    if (w.interrupted()) return v.fine;  // a user's signal: the acts were not played to their end
    v.require(w.acts[calm].requests() >= w.options.clients, "calm: each client makes a request", static_cast<double>(w.acts[calm].requests()));
    v.require(w.acts[slow_shard].deadline > 0, "slow shard: deadlines cancel requests", static_cast<double>(w.acts[slow_shard].deadline));
    v.require(w.acts[slow_shard].ok > 0, "slow shard: requests to the others are answered", static_cast<double>(w.acts[slow_shard].ok));
    v.require(w.clients_left > 0, "slow shard: the front notices that clients leave", static_cast<double>(w.clients_left));
    v.require(w.calls_dropped > 0, "slow shard: the shard notices that the front leaves", static_cast<double>(w.calls_dropped));
    // A deadline of 300 ms means nothing on a machine that does not let the program run.
    double starved = seconds_without_cpu() / std::chrono::duration<double>(clock::now() - w.began).count();
    if (WEFT_TSAN) {
        std::printf("fleet --ci: with ThreadSanitizer a request takes twenty times as long: the shares of answered requests are not judged\n");
    } else if (starved > 0.25) {
        std::printf("fleet --ci: ready but without a processor for %.0f %% of the time: the shares of answered requests are not judged\n", 100 * starved);
    } else {
        // Two late ones are no share of anything where a short run makes 80 requests in all.
        v.require(w.acts[calm].ok_share(2) >= 0.99, "calm: 99 % of the requests are answered", w.acts[calm].ok_share());
        v.require(w.acts[recovery].ok_share(2) >= 0.98, "recovery: 98 % of the requests are answered", w.acts[recovery].ok_share());
    }
    for (auto const& a : w.acts) v.require(a.errors == 0, "no request fails", static_cast<double>(a.errors));
    auto const& d = w.drain;
    v.require(!d.forced, "drain: nobody is ended by force", d.forced);
    v.require(d.signal < d.listener && d.listener <= d.last_connection && d.last_connection <= d.clients && d.clients <= d.shards,
              "drain: the listener ends first, then connections, clients, shards; listener, ms", ms_after(d.listener, d.signal));
    v.require(ms_after(d.shards, d.signal) < 1000, "drain: takes less than a second; ms", ms_after(d.shards, d.signal));
    if (v.fine) std::printf("fleet --ci: all numbers are as they should be\n");
    return v.fine;
}

}  // namespace fleet
