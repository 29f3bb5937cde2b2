// SPDX-License-Identifier: BSL-1.0
// 100,000 timers of 1 to 1,000 ms, all set at once: tasks of weft that sleep, beside callbacks of asio::steady_timer in an
// io_context. Processor time of the whole, with what makes and ends tasks and timers, and how late each came. `timers [rounds]`.
#include "bench.hpp"

#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <sys/resource.h>

namespace {

constexpr int timers = 100'000;

struct result { double cpu_ms, p50_us, p99_us; };

std::chrono::milliseconds span_of(int i) { return std::chrono::milliseconds(1 + static_cast<long>(i) * 7919 % 1000); }

double cpu_ms() {
    rusage r{};
    ::getrusage(RUSAGE_SELF, &r);
    auto ms = [](timeval t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; };
    return ms(r.ru_utime) + ms(r.ru_stime);
}

template <class F>
result measure(F&& f) {
    std::vector<double> late;
    late.reserve(timers);
    double before = cpu_ms();
    f([&](clock_type::time_point due) { late.push_back(std::chrono::duration<double, std::micro>(clock_type::now() - due).count()); });
    result r{cpu_ms() - before, 0, 0};
    std::sort(late.begin(), late.end());
    r.p50_us = late[late.size() / 2];
    r.p99_us = late[late.size() * 99 / 100];
    return r;
}

result tasks() {
    return measure([](auto fired) {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < timers; ++i) {
                    n.start_soon([&fired, due = clock_type::now() + span_of(i)] {
                        weft::this_task::sleep_until(due);
                        fired(due);
                    });
                }
            });
        });
    });
}

result callbacks() {
    return measure([](auto fired) {
        boost::asio::io_context io(1);
        for (int i = 0; i < timers; ++i) {
            auto due = clock_type::now() + span_of(i);
            auto t = std::make_unique<boost::asio::steady_timer>(io, due);
            auto& timer = *t;
            timer.async_wait([&fired, due, t = std::move(t)](boost::system::error_code) { fired(due); });
        }
        io.run();
    });
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    std::vector<double> cpu[2], p50[2], p99[2], ratio;
    for (int i = 0; i < rounds; ++i) {
        result r[2] = {callbacks(), tasks()};
        for (int k = 0; k < 2; ++k) { cpu[k].push_back(r[k].cpu_ms); p50[k].push_back(r[k].p50_us); p99[k].push_back(r[k].p99_us); }
        ratio.push_back(r[1].cpu_ms / r[0].cpu_ms);
    }
    std::printf("%d timers, medians%12s %14s %14s\n", timers, "CPU ms", "late µs, p50", "p99");
    for (int k = 0; k < 2; ++k) std::printf("%-22s %13.0f %13.0f %13.0f\n", k ? "weft, sleeping tasks" : "asio callbacks", median(cpu[k]), median(p50[k]), median(p99[k]));
    std::printf("CPU, weft to callbacks: %.2f\n", median(ratio));
}
