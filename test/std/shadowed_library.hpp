// SPDX-License-Identifier: BSL-1.0
// A header-only library as one finds them: written for std's threads, in the ways in which libraries name them. It knows nothing of weft.
#ifndef BYSTANDER_SHADOWED_LIBRARY_HPP
#define BYSTANDER_SHADOWED_LIBRARY_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace bystander {

/// Qualified names.
class pool {
public:
    explicit pool(unsigned n) {
        for (unsigned i = 0; i < n; ++i) threads_.emplace_back([this] { work(); });
    }
    ~pool() {
        {
            std::lock_guard<std::mutex> lock(m_);
            done_ = true;
        }
        changed_.notify_all();
        for (auto& t : threads_) t.join();
    }
    template <class F>
    auto submit(F f) -> std::future<decltype(f())> {
        auto task = std::make_shared<std::packaged_task<decltype(f())()>>(std::move(f));
        auto result = task->get_future();
        {
            std::scoped_lock lock(m_);
            jobs_.push_back([task] { (*task)(); });
        }
        changed_.notify_one();
        return result;
    }
    std::unordered_set<std::thread::id> workers() {
        std::unordered_set<std::thread::id> ids;
        for (auto& t : threads_) ids.insert(t.get_id());
        return ids;
    }

private:
    void work() {
        for (std::unique_lock lock(m_);;) {
            changed_.wait(lock, [this] { return done_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            std::function<void()> f = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            f();
            lock.lock();
        }
    }

    std::mutex m_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    std::vector<std::thread> threads_;
    bool done_ = false;
};

/// A using-directive, a nested inline namespace, a using-declaration, an alias.
inline namespace v1 {
namespace detail {
using namespace std;
using namespace std::chrono_literals;

struct cache {
    string get(int key) {
        shared_lock<shared_mutex> lock(m);
        auto i = find(keys.begin(), keys.end(), key);
        return i == keys.end() ? "none" : to_string(*i);
    }
    void put(int key) {
        lock_guard<shared_mutex> lock(m);
        this_thread::sleep_for(1ms);
        keys.push_back(key);
    }
    shared_mutex m;
    vector<int> keys;
};
}  // namespace detail

using std::timed_mutex;
using gate = std::binary_semaphore;
namespace th = std::this_thread;

inline bool busy_for(timed_mutex& m, std::chrono::milliseconds d) {
    std::unique_lock<timed_mutex> lock(m, d);
    return !lock;
}
}  // namespace v1

inline int initialised() {
    static std::once_flag once;
    static int n = 0;
    std::call_once(once, [] { ++n; });
    return n;
}

inline int sum_of_halves(std::vector<int> const& v) {
    auto half = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
    auto add = [](auto from, auto to) { int n = 0; for (; from != to; ++from) n += *from; return n; };
    std::future<int> left = std::async(std::launch::async, add, v.begin(), half);
    std::promise<int> p;
    std::shared_future<int> right = p.get_future().share();
    std::jthread t([&, p = std::move(p)](std::stop_token) mutable { p.set_value(add(half, v.end())); });
    return left.get() + right.get();
}

/// Hands a number over by spinning, and the answer by waiting.
inline int doubled_by_atomics(int n) {
    std::atomic<int> given{0}, answer{0};
    std::atomic_bool taken = false;
    std::thread t([&] {
        while (given == 0) {}
        taken = true;
        answer.store(2 * given, std::memory_order_release);
        answer.notify_one();
    });
    std::this_thread::yield();
    given = n;
    while (!taken.load()) {}
    answer.wait(0);
    t.join();
    return answer;
}

/// Loops until it is asked to stop.
inline int ticks_until_stopped(std::chrono::milliseconds for_how_long) {
    int ticks = 0;
    std::latch started(1);
    {
        std::jthread t([&](std::stop_token stop) {
            started.count_down();
            while (!stop.stop_requested()) { ++ticks; th::sleep_for(std::chrono::milliseconds(10)); }
        });
        started.wait();
        std::this_thread::sleep_for(for_how_long);
    }
    return ticks;
}

/// A defect of the library's: nobody ever notifies.
inline void hangs() {
    std::mutex m;
    std::condition_variable changed;
    std::unique_lock<std::mutex> lock(m);
    changed.wait(lock);
}

inline std::string me() {
    std::ostringstream s;
    s << std::this_thread::get_id();
    return s.str();
}

using escaped = ::std::thread;

}  // namespace bystander

#endif
