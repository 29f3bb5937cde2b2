// SPDX-License-Identifier: BSL-1.0
// An ordinary program of threads, compiled twice: as it stands, and with WITH_WEFT. The eight lines at the top are the whole difference.
#ifdef WITH_WEFT
#include <weft/std.hpp>
namespace threads = weft;
#define MAIN WEFT_MAIN
#else
#include <condition_variable>
#include <latch>
#include <mutex>
#include <thread>
namespace threads = std;
#define MAIN int main
#endif

#include <cstdio>
#include <fstream>
#include <queue>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;

long kernel_says(std::string const& key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) if (line.starts_with(key)) return std::stol(line.substr(key.size()));
    return -1;
}

struct office {
    threads::mutex m;
    threads::condition_variable door;
    threads::condition_variable_any arrived;
    bool open = false;
    long inside = 0, most = 0, taken = 0;
    std::queue<int> answers;
};

void client(office& o) {
    threads::unique_lock lock(o.m);
    o.most = std::max(o.most, ++o.inside);
    o.door.wait(lock, [&] { return o.open; });
    for (int call = 0; call < 3; ++call) {
        lock.unlock();
        threads::this_thread::sleep_for(50ms);  // a service that takes its time
        lock.lock();
        o.answers.push(1);
        o.arrived.notify_one();
    }
    --o.inside;
}

void collect(threads::stop_token stop, office& o) {
    threads::unique_lock lock(o.m);
    while (o.arrived.wait(lock, stop, [&] { return !o.answers.empty(); })) { o.taken += o.answers.front(); o.answers.pop(); }
}

int crowd(long wanted) {
    auto start = std::chrono::steady_clock::now();
    office o;
    long kernel_threads = 0;
    {
        threads::jthread collector(collect, std::ref(o));
        std::vector<threads::thread> clients;
        try {
            while (std::ssize(clients) < wanted) clients.emplace_back(client, std::ref(o));
        } catch (std::system_error const&) {}  // as many as there can be
        while (threads::lock_guard(o.m), o.most < std::ssize(clients)) threads::this_thread::sleep_for(1ms);
        kernel_threads = kernel_says("Threads:");
        { threads::lock_guard lock(o.m); o.open = true; }
        o.door.notify_all();
        for (auto& c : clients) c.join();
    }
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%ld %ld %ld %ld %.3f\n", o.most, o.taken, kernel_threads, kernel_says("VmHWM:"), took.count());
    return 0;
}

struct account { threads::mutex m; long balance = 100; };

void transfer(account& from, account& to, threads::latch& both) {
    threads::lock_guard first(from.m);
    both.arrive_and_wait();  // what is rare in a real program happens each time here
    threads::lock_guard second(to.m);
    --from.balance; ++to.balance;
}

int stuck() {
    account a, b;
    threads::latch both(2);
    threads::jthread one(transfer, std::ref(a), std::ref(b), std::ref(both)), other(transfer, std::ref(b), std::ref(a), std::ref(both));
    return 0;
}

MAIN(int argc, char** argv) {
    return argc > 1 ? crowd(std::stol(argv[1])) : stuck();
}
