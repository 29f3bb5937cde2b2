// SPDX-License-Identifier: BSL-1.0
// Timers: tasks of weft that sleep, beside callbacks of asio::steady_timer in an io_context. How much processor time they take, and how late
// they are. Two workloads: 100,000 timers of 1 to 1,000 ms, all set at once, with all that makes and ends tasks and timers; and 1,000 that
// each come back every 10 ms, without. `timers [rounds]`.
#include "bench.hpp"

#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <sys/resource.h>

namespace {

constexpr int timers = 100'000;
constexpr int recurring = 1'000;
constexpr std::chrono::microseconds period{10'000};
constexpr auto settled = std::chrono::milliseconds(200), observed = std::chrono::milliseconds(1'000);

struct result { double cpu_ms, p50_us, p99_us; };

std::chrono::milliseconds span_of(int i) { return std::chrono::milliseconds(1 + static_cast<long>(i) * 7919 % 1000); }

double cpu_ms() {
    rusage r{};
    ::getrusage(RUSAGE_SELF, &r);
    auto ms = [](timeval t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; };
    return ms(r.ru_utime) + ms(r.ru_stime);
}

class watch {
public:
    void begin() { late_.clear(); before_ = cpu_ms(); }
    void fired(clock_type::time_point due) { late_.push_back(std::chrono::duration<double, std::micro>(clock_type::now() - due).count()); }
    result end() {
        result r{cpu_ms() - before_, 0, 0};
        std::sort(late_.begin(), late_.end());
        r.p50_us = late_[late_.size() / 2];
        r.p99_us = late_[late_.size() * 99 / 100];
        return r;
    }

private:
    std::vector<double> late_ = reserved();
    double before_{};
    static std::vector<double> reserved() { std::vector<double> v; v.reserve(2 * timers); return v; }
};

template <class F>
result measure(F&& f) {
    watch w;
    w.begin();
    f([&](clock_type::time_point due) { w.fired(due); });
    return w.end();
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

clock_type::time_point first_of(int i, clock_type::time_point start) { return start + period * i / recurring; }

result recurring_tasks() {
    watch w;
    result r{};
    weft::run([&] {
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < recurring; ++i) {
                n.start_soon([&w, due = first_of(i, clock_type::now())]() mutable {
                    for (;; due += period) { weft::this_task::sleep_until(due); w.fired(due); }
                });
            }
            weft::this_task::sleep_for(settled);
            w.begin();
            weft::this_task::sleep_for(observed);
            r = w.end();
            n.cancel();
        });
    });
    return r;
}

struct recurring_timer {
    boost::asio::steady_timer timer;
    watch& w;
    void next() {
        timer.async_wait([this](boost::system::error_code) {
            w.fired(timer.expiry());
            timer.expires_at(timer.expiry() + period);
            next();
        });
    }
};

result recurring_callbacks() {
    watch w;
    boost::asio::io_context io(1);
    std::vector<std::unique_ptr<recurring_timer>> all;
    for (int i = 0; i < recurring; ++i) {
        all.emplace_back(new recurring_timer{boost::asio::steady_timer(io, first_of(i, clock_type::now())), w});
        all.back()->next();
    }
    io.run_for(settled);
    w.begin();
    io.run_for(observed);
    return w.end();
}

void compare(int rounds, char const* what, result (*of_callbacks)(), result (*of_tasks)()) {
    std::vector<double> cpu[2], p50[2], p99[2], ratio;
    for (int i = 0; i < rounds; ++i) {
        result r[2] = {of_callbacks(), of_tasks()};
        for (int k = 0; k < 2; ++k) { cpu[k].push_back(r[k].cpu_ms); p50[k].push_back(r[k].p50_us); p99[k].push_back(r[k].p99_us); }
        ratio.push_back(r[1].cpu_ms / r[0].cpu_ms);
    }
    std::printf("%s, medians\n%-22s %13s %13s %13s\n", what, "", "CPU ms", "late µs, p50", "p99");
    for (int k = 0; k < 2; ++k) std::printf("%-22s %13.0f %13.0f %13.0f\n", k ? "weft, sleeping tasks" : "asio callbacks", median(cpu[k]), median(p50[k]), median(p99[k]));
    std::printf("CPU, weft to callbacks: %.2f\n", median(ratio));
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    compare(rounds, "100,000 timers at once", callbacks, tasks);
    compare(rounds, "1,000 timers, every 10 ms, for a second", recurring_callbacks, recurring_tasks);
}
