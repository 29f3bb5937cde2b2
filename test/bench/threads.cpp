// SPDX-License-Identifier: BSL-1.0
// Cross-thread wake-ups: a task and a thread, two tasks of two runs, calls through a token. Round trips in µs.
#include <weft/sync/event.hpp>
#include <weft/threads/run_token.hpp>
#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
constexpr int rounds = 20'000;

template <class F>
double per_round(int n, F&& f) {
    auto start = clock_type::now();
    f();
    return std::chrono::duration<double, std::micro>(clock_type::now() - start).count() / n;
}

struct events {
    std::vector<weft::shared::event> ping = std::vector<weft::shared::event>(rounds), pong = std::vector<weft::shared::event>(rounds);
};

double two_runs() {
    events e;
    weft::shared::event up;
    std::thread t([&] { weft::run([&] { up.set(); for (int i = 0; i < rounds; ++i) { e.ping[i].wait(); e.pong[i].set(); } }); });
    up.wait();
    double d = 0;
    weft::run([&] { d = per_round(rounds, [&] { for (int i = 0; i < rounds; ++i) { e.ping[i].set(); e.pong[i].wait(); } }); });
    t.join();
    return d;
}

double run_and_thread() {
    events e;
    std::thread t([&] { for (int i = 0; i < rounds; ++i) { e.ping[i].wait(); e.pong[i].set(); } });
    double d = 0;
    weft::run([&] { d = per_round(rounds, [&] { for (int i = 0; i < rounds; ++i) { e.ping[i].set(); e.pong[i].wait(); } }); });
    t.join();
    return d;
}

double calls() {
    weft::shared::event up, stop;
    weft::run_token token;
    std::thread t([&] { weft::run([&] { token = weft::current_token(); up.set(); stop.wait(); }); });
    up.wait();
    double d = 0;
    weft::run([&] { d = per_round(rounds, [&] { for (int i = 0; i < rounds; ++i) token.call([] {}); }); });
    stop.set();
    t.join();
    return d;
}

double asio_posts() {
    boost::asio::io_context a, b;
    auto wa = boost::asio::make_work_guard(a), wb = boost::asio::make_work_guard(b);
    std::thread t([&] { b.run(); });
    int left = rounds;
    double d = per_round(rounds, [&] {
        std::function<void()> go = [&] {
            if (left-- == 0) { a.stop(); return; }
            boost::asio::post(b, [&] { boost::asio::post(a, [&] { go(); }); });
        };
        boost::asio::post(a, [&] { go(); });
        a.run();
    });
    b.stop();
    t.join();
    return d;
}

double threads() {
    std::mutex m;
    std::condition_variable c;
    int turn = 0;
    std::thread t([&] { std::unique_lock l(m); for (int i = 0; i < rounds; ++i) { c.wait(l, [&] { return turn == 1; }); turn = 0; c.notify_one(); } });
    double d = per_round(rounds, [&] { std::unique_lock l(m); for (int i = 0; i < rounds; ++i) { turn = 1; c.notify_one(); c.wait(l, [&] { return turn == 0; }); } });
    t.join();
    return d;
}

}  // namespace

int main() {
    for (int round = 0; round < 3; ++round) {
        std::printf("two runs %.2f   run and thread %.2f   token.call %.2f   asio::post %.2f   std::condition_variable %.2f   (µs a round trip)\n",
                    two_runs(), run_and_thread(), calls(), asio_posts(), threads());
        std::fflush(stdout);
    }
}
