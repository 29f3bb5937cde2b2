// SPDX-License-Identifier: BSL-1.0
#include "view.hpp"

#include "process.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <cstdio>

namespace fleet {
namespace {

double seconds(clock::duration d) { return std::chrono::duration<double>(d).count(); }

act_stats totals(world const& w) {
    act_stats t;
    for (auto const& a : w.acts) {
        t.ok += a.ok;
        t.deadline += a.deadline;
        t.errors += a.errors;
        t.turned_away += a.turned_away;
    }
    return t;
}

}  // namespace

void view::run() {
    struct last_look { view& v; ~last_look() { if (v.drawn_) v.draw(); } } at_end{*this};
    for (unsigned tick = 1;; ++tick) {
        weft::this_task::sleep_for(20ms);
        sample();
        if (tick % 50 == 0) {
            std::uint64_t ok = totals(world_).ok;
            rate_ = ok - ok_before_;
            ok_before_ = ok;
            world_.last_second = world_.recent;
            world_.recent = {};
            if (!world_.options.live && !world_.options.ci) print_line();
        }
        if (world_.options.live && tick % 10 == 0) draw();
    }
}

void view::sample() {
    std::size_t& most = world_.current().max_tasks;
    most = std::max(most, weft::lowlevel::current_statistics().living);
}

void view::announce(std::string_view text) {
    erase();
    std::printf("%5.1f s  %.*s\n", seconds(clock::now() - world_.began), static_cast<int>(text.size()), text.data());
    if (world_.options.live) draw();
    std::fflush(stdout);
}

void view::erase() {
    if (drawn_) std::fputs("\033[10A\033[J", stdout);
    drawn_ = false;
}

void view::print_line() {
    auto all = totals(world_);
    std::printf("%5.1f s  %-10s  %5zu tasks  %5zu descriptors  %6llu/s  p50 %6.1f ms  p99 %6.1f ms  %7llu ok  %6llu cancelled  %llu errors\n",
                seconds(clock::now() - world_.began), act_names[world_.now], weft::lowlevel::current_statistics().living, open_descriptors(),
                static_cast<unsigned long long>(rate_), world_.last_second.quantile(0.5), world_.last_second.quantile(0.99),
                static_cast<unsigned long long>(all.ok), static_cast<unsigned long long>(all.deadline), static_cast<unsigned long long>(all.errors));
    std::fflush(stdout);
}

void view::draw() {
    erase();
    auto const& w = world_;
    auto all = totals(w);
    auto s = weft::lowlevel::current_statistics();
    auto u = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::string shards;
    for (unsigned i = 0; i < shard_count; ++i) {
        shards += "  " + std::to_string(i) + (w.slow_shard == i ? " SLOW " : ": ") + std::to_string(w.shard_calls[i]);
    }
    std::printf("  ------------------------------------------------------------ Ctrl-C drains\n");
    std::printf("  act %u of %u    %-12s %40.1f s\n", w.now + 1, static_cast<unsigned>(act_count), act_names[w.now], seconds(clock::now() - w.began));
    std::printf("  tasks       %6zu    parked %zu, ready %zu, stacks %zu\n", s.living, s.parked, s.ready, s.fibers);
    std::printf("  descriptors %6zu    client connections at the front: %u\n", open_descriptors(), w.connections);
    std::printf("  clients     %6u    waiting for an answer: %u\n", w.options.clients, w.in_flight);
    std::printf("  requests  %8llu    ok, %llu a second\n", u(all.ok), u(rate_));
    std::printf("  cancelled %8llu    by a deadline of %lld ms      errors %llu\n", u(all.deadline), static_cast<long long>(client_deadline.count()), u(all.errors));
    std::printf("  latency               p50 %.1f ms   p99 %.1f ms   in the last second\n", w.last_second.quantile(0.5), w.last_second.quantile(0.99));
    std::printf("  shard calls        %s\n", shards.c_str());
    std::printf("  cancelled trees %llu  at the front, %llu slow answers dropped by the shard\n", u(w.clients_left), u(w.calls_dropped));
    std::fflush(stdout);
    drawn_ = true;
}

}  // namespace fleet
