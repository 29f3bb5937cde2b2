// SPDX-License-Identifier: BSL-1.0
// Locks, semaphores, conditions and events beside Boost.Fiber's and std's, in one process and run: medians of interleaved
// rounds. `sync [rounds]`.
#include "bench.hpp"

#include <weft/weft.hpp>

#include <boost/fiber/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <vector>

namespace {

template <class M>
void lock_and_unlock(M& m, int n) {
    for (int i = 0; i < n; ++i) {
        m.lock();
        asm volatile("" ::: "memory");  // the two are not folded into one
        m.unlock();
    }
}

template <class M>
double uncontended() {
    constexpr int n = 5'000'000;
    double r = 0;
    weft::run([&] { M m; r = ns_per(n, [&] { lock_and_unlock(m, n); }); });
    return r;
}

// Two tasks that always want the same lock: whoever unlocks hands it over, and waits for it again. A round trip is two
// hand-overs and two switches.
template <class M>
double hand_over() {
    constexpr int n = 500'000;
    double r = 0;
    weft::run([&] {
        M m;
        auto work = [&] {
            m.lock();
            for (int i = 0; i < 3; ++i) weft::this_task::yield();  // from here on the other one waits
            for (int i = 0; i < n; ++i) { m.unlock(); m.lock(); }
            m.unlock();
        };
        weft::with_nursery([&](weft::nursery& s) {
            s.start_soon(work);
            r = ns_per(n, work);
        });
    });
    return r;
}

template <class S>
double semaphore_ping_pong() {
    constexpr int n = 500'000;
    double r = 0;
    weft::run([&] {
        S ping(0), pong(0);
        weft::with_nursery([&](weft::nursery& s) {
            s.start_soon([&] { for (int i = 0; i < n; ++i) { ping.acquire(); pong.release(); } });
            r = ns_per(n, [&] { for (int i = 0; i < n; ++i) { ping.release(); pong.acquire(); } });
        });
    });
    return r;
}

template <class S>
double semaphore_uncontended() {
    constexpr int n = 5'000'000;
    double r = 0;
    weft::run([&] { S s(1); r = ns_per(n, [&] { for (int i = 0; i < n; ++i) { s.release(); s.try_acquire(); } }); });
    return r;
}

template <class M, class C>
double condition_ping_pong() {
    constexpr int n = 300'000;
    double r = 0;
    weft::run([&] {
        M m;
        C c;
        bool turn = false;
        auto play = [&](bool mine) {
            std::unique_lock<M> lock(m);
            for (int i = 0; i < n; ++i) {
                while (turn != mine) c.wait(lock);
                turn = !mine;
                c.notify_one();
            }
        };
        weft::with_nursery([&](weft::nursery& s) {
            s.start_soon([&] { play(true); });
            r = ns_per(n, [&] { play(false); });
        });
    });
    return r;
}

double fiber_uncontended() {
    constexpr int n = 2'000'000;
    boost::fibers::mutex m;
    return ns_per(n, [&] { lock_and_unlock(m, n); });
}

double fiber_hand_over() {
    constexpr int n = 200'000;
    boost::fibers::mutex m;
    double r = 0;
    auto work = [&] {
        m.lock();
        boost::this_fiber::yield();
        for (int i = 0; i < n; ++i) { m.unlock(); boost::this_fiber::yield(); m.lock(); }  // not handed over: without a yield the first would keep it
        m.unlock();
    };
    boost::fibers::fiber a(work), b([&] { r = ns_per(n, work); });
    a.join();
    b.join();
    return r;
}

double std_uncontended() {
    constexpr int n = 5'000'000;
    std::mutex m;
    return ns_per(n, [&] { lock_and_unlock(m, n); });
}

struct bench {
    char const* name;
    std::function<double()> weft;
    std::function<double()> peer;  // empty: none
    double target;                 // ns; 0: none
};

}  // namespace

int main(int argc, char** argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    std::vector<bench> const all{
        {"local::mutex, lock and unlock (Boost.Fiber)", &uncontended<weft::local::mutex>, &fiber_uncontended, 3},
        {"mutex, lock and unlock (std::mutex)", &uncontended<weft::mutex>, &std_uncontended, 15},
        {"local::mutex, hand-over, round trip (Boost.Fiber)", &hand_over<weft::local::mutex>, &fiber_hand_over, 70},
        {"mutex, hand-over, round trip", &hand_over<weft::mutex>, {}, 0},
        {"local::semaphore, release and try_acquire", &semaphore_uncontended<weft::local::counting_semaphore<4>>, {}, 3},
        {"semaphore, the same", &semaphore_uncontended<weft::counting_semaphore<4>>, {}, 15},
        {"local::semaphore, round trip", &semaphore_ping_pong<weft::local::counting_semaphore<4>>, {}, 70},
        {"semaphore, round trip", &semaphore_ping_pong<weft::counting_semaphore<4>>, {}, 0},
        {"local::condition_variable, round trip", &condition_ping_pong<weft::local::mutex, weft::local::condition_variable>, {}, 0},
        {"condition_variable, round trip", &condition_ping_pong<weft::mutex, weft::condition_variable>, {}, 0},
    };
    std::vector<std::vector<double>> w(all.size()), p(all.size());
    for (int r = 0; r < rounds; ++r) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            w[i].push_back(all[i].weft());
            if (all[i].peer) p[i].push_back(all[i].peer());
        }
    }
    std::printf("%-52s %10s %10s %8s %8s\n", "ns; medians", "weft", "peer", "ratio", "target");
    for (std::size_t i = 0; i < all.size(); ++i) {
        double a = median(w[i]);
        std::printf("%-52s %10.1f", all[i].name, a);
        if (all[i].peer) std::printf(" %10.1f %8.3f", median(p[i]), a / median(p[i]));
        else std::printf(" %10s %8s", "", "");
        if (all[i].target > 0) std::printf(" %8.0f%s", all[i].target, a > all[i].target ? "  above" : "");
        std::printf("\n");
    }
}
