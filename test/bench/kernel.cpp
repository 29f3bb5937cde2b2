// SPDX-License-Identifier: BSL-1.0
// The kernel's benches, beside bare Boost.Fiber in the same process and run. Prints medians of five rounds, interleaved,
// and the ratio; absolute times depend on the machine, ratios less so. `kernel [rounds [NAME]]`, NAME a part of the benches' names; `kernel million` blocks a
// million guarded tasks and prints what each keeps resident.
#include "bench.hpp"

#include <weft/weft.hpp>

#include <boost/fiber/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

std::size_t resident_bytes() {
    std::ifstream f("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    f >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

struct bench {
    char const* name;
    std::function<double()> weft;
    std::function<double()> fiber;  // empty: no counterpart
    double target;                  // ns, on the machine of the targets; 0: none
};

double weft_yield(int tasks) {
    int const each = 2'000'000 / tasks;
    double r = 0;
    weft::run([&] {
        r = ns_per(static_cast<std::size_t>(each) * static_cast<std::size_t>(tasks), [&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < tasks; ++i) n.start_soon([=] { for (int k = 0; k < each; ++k) weft::this_task::yield(); });
            });
        });
    });
    return r;
}

double fiber_yield(int tasks) {
    int const each = 1'000'000 / tasks;
    return ns_per(static_cast<std::size_t>(each) * static_cast<std::size_t>(tasks), [&] {
        std::vector<boost::fibers::fiber> all;
        for (int i = 0; i < tasks; ++i) all.emplace_back([=] { for (int k = 0; k < each; ++k) boost::this_fiber::yield(); });
        for (auto& f : all) f.join();
    });
}

double weft_spawn_sequential() {
    constexpr int n = 300'000;
    double r = 0;
    weft::run([&] {
        r = ns_per(n, [&] {
            for (int i = 0; i < n; ++i) weft::with_nursery([](weft::nursery& s) { s.start_soon([] {}); });
        });
    });
    return r;
}

// One long-lived nursery, a child started and awaited each time: what a server loop does.
double weft_spawn_in_one_nursery() {
    constexpr int n = 500'000;
    double r = 0;
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& s) {
            r = ns_per(n, [&] {
                for (int i = 0; i < n; ++i) { s.start_soon([] {}); weft::yield_shielded(); }
            });
        });
    });
    return r;
}

double fiber_spawn_sequential() {
    constexpr int n = 100'000;
    return ns_per(n, [&] { for (int i = 0; i < n; ++i) boost::fibers::fiber([] {}).join(); });
}

double weft_spawn_batch() {
    constexpr int n = 10'000, rounds = 50;
    double r = 0;
    weft::run([&] {
        auto round = [&] { weft::with_nursery([&](weft::nursery& s) { for (int i = 0; i < n; ++i) s.start_soon([] {}); }); };
        round();
        r = ns_per(n * rounds, [&] { for (int k = 0; k < rounds; ++k) round(); });
    });
    return r;
}

double fiber_spawn_batch() {
    constexpr int n = 10'000, rounds = 3;
    return ns_per(n * rounds, [&] {
        for (int k = 0; k < rounds; ++k) {
            std::vector<boost::fibers::fiber> all;
            all.reserve(n);
            for (int i = 0; i < n; ++i) all.emplace_back([] {});
            for (auto& f : all) f.join();
        }
    });
}

double weft_park_round_trip() {
    constexpr int n = 1'000'000;
    double r = 0;
    weft::run([&] {
        weft::lowlevel::task_ref a, b;
        auto park = [] { weft::lowlevel::park([] { return weft::lowlevel::abort::succeeded; }); };
        weft::with_nursery([&](weft::nursery& s) {
            s.start_soon([&] { a = weft::lowlevel::current_task(); for (int i = 0; i < n; ++i) { park(); weft::lowlevel::unpark(b); } });
            s.start_soon([&] {
                b = weft::lowlevel::current_task();
                weft::this_task::yield();
                weft::this_task::yield();
                r = ns_per(n, [&] { for (int i = 0; i < n; ++i) { weft::lowlevel::unpark(a); park(); } });
            });
        });
    });
    return r;
}

// Two binary semaphores made of Boost.Fiber's mutex and condition: the nearest that it offers.
double fiber_park_round_trip() {
    constexpr int n = 200'000;
    boost::fibers::unbuffered_channel<int> ping, pong;
    double r = 0;
    boost::fibers::fiber a([&] { int v = 0; for (int i = 0; i < n; ++i) { ping.pop(v); pong.push(v); } });
    boost::fibers::fiber b([&] { r = ns_per(n, [&] { int v = 0; for (int i = 0; i < n; ++i) { ping.push(i); pong.pop(v); } }); });
    a.join();
    b.join();
    return r;
}

double weft_scope_with_deadline() {
    constexpr int n = 3'000'000;
    double r = 0;
    weft::run([&] {
        r = ns_per(n, [&] {
            for (int i = 0; i < n; ++i) weft::move_on_after(std::chrono::seconds(5), [&] { asm volatile("" : : "r"(i) : "memory"); });
        });
    });
    return r;
}

double clock_read() {
    constexpr int n = 3'000'000;
    return ns_per(n, [] { for (int i = 0; i < n; ++i) { auto t = clock_type::now(); asm volatile("" : : "r"(&t) : "memory"); } });
}

double longest_stall_ms = 0;

double weft_cancel_100k() {
    constexpr int n = 100'000;
    double r = 0;
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& outer) {
            double longest = 0;
            outer.start_service([&] {  // wakes every millisecond: what it oversleeps is the stall of the loop
                for (;;) {
                    auto t = clock_type::now();
                    weft::this_task::sleep_for(std::chrono::milliseconds(1));
                    longest = std::max(longest, std::chrono::duration<double, std::milli>(clock_type::now() - t).count() - 1);
                }
            });
            clock_type::time_point start;
            weft::with_nursery([&](weft::nursery& s) {
                for (int i = 0; i < n; ++i) s.start_soon([] { weft::this_task::sleep_forever(); });
                while (weft::lowlevel::current_statistics().parked < n) weft::this_task::sleep_for(std::chrono::milliseconds(5));
                longest = 0;
                start = clock_type::now();
                s.cancel();
            });
            r = std::chrono::duration<double, std::nano>(clock_type::now() - start).count() / n;
            weft::this_task::sleep_for(std::chrono::milliseconds(2));
            longest_stall_ms = std::max(longest_stall_ms, longest);
        });
    });
    return r;
}

double fiber_wake_100k() {
    constexpr int n = 30'000;  // protected or not, its default stacks cost a mapping each
    boost::fibers::mutex m;
    boost::fibers::condition_variable c;
    bool go = false;
    std::vector<boost::fibers::fiber> all;
    all.reserve(n);
    for (int i = 0; i < n; ++i) all.emplace_back([&] { std::unique_lock l(m); c.wait(l, [&] { return go; }); });
    boost::this_fiber::yield();
    for (int i = 0; i < 3; ++i) boost::this_fiber::yield();
    return ns_per(n, [&] {
        { std::unique_lock l(m); go = true; }
        c.notify_all();
        for (auto& f : all) f.join();
    });
}

double weft_memory(std::size_t n) {
    double r = 0;
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& s) {
            std::size_t before = resident_bytes();
            for (std::size_t i = 0; i < n; ++i) s.start_soon([] { weft::this_task::sleep_forever(); });
            while (weft::lowlevel::current_statistics().ready > 0) weft::this_task::yield();
            r = static_cast<double>(resident_bytes() - before) / static_cast<double>(n) / 1024;
            s.cancel();
        });
    });
    return r;
}

double fiber_memory(std::size_t n) {
    boost::fibers::mutex m;
    boost::fibers::condition_variable c;
    bool go = false;
    std::vector<boost::fibers::fiber> all;
    all.reserve(n);
    std::size_t before = resident_bytes();
    for (std::size_t i = 0; i < n; ++i) all.emplace_back([&] { std::unique_lock l(m); c.wait(l, [&] { return go; }); });
    for (int i = 0; i < 3; ++i) boost::this_fiber::yield();
    double r = static_cast<double>(resident_bytes() - before) / static_cast<double>(n) / 1024;
    { std::unique_lock l(m); go = true; }
    c.notify_all();
    for (auto& f : all) f.join();
    return r;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "million") == 0) {
        auto t = clock_type::now();
        double kb = weft_memory(1'000'000);
        std::printf("1,000,000 blocked guarded tasks: %.2f KB resident each; %.1f s with their cancellation\n", kb,
                    std::chrono::duration<double>(clock_type::now() - t).count());
        return 0;
    }
    int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    std::vector<bench> benches{
        {"yield, 2 tasks, a switch", [] { return weft_yield(2); }, [] { return fiber_yield(2); }, 20},
        {"yield, 1,000 tasks, a switch", [] { return weft_yield(1000); }, [] { return fiber_yield(1000); }, 30},
        {"spawn and join, one by one (a nursery each)", weft_spawn_sequential, fiber_spawn_sequential, 55},
        {"spawn and wait, one by one in one nursery", weft_spawn_in_one_nursery, fiber_spawn_sequential, 55},
        {"spawn 10,000 and join, each", weft_spawn_batch, fiber_spawn_batch, 20},
        {"park/unpark round trip (fiber: channel)", weft_park_round_trip, fiber_park_round_trip, 75},
        {"scope with deadline, entered and left", weft_scope_with_deadline, {}, 30},
        {"  of which the clock read", clock_read, {}, 0},
        {"cancel 100,000 blocked and join, each (fiber: wake)", weft_cancel_100k, fiber_wake_100k, 2000},
        {"memory of a blocked task, KB (100,000; fiber 20,000)", [] { return weft_memory(100'000); }, [] { return fiber_memory(20'000); }, 4.3},
    };
    std::printf("%-54s %10s %12s %8s %8s\n", "ns unless said; medians", "weft", "Boost.Fiber", "ratio", "target");
    std::string_view only = argc > 2 ? argv[2] : "";
    for (bench const& b : benches) {
        if (std::string_view(b.name).find(only) == std::string_view::npos) continue;
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
    std::printf("longest stall of the loop during the cancellations: %.1f ms (target 10)\n", longest_stall_ms);
}
