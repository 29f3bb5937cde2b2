// SPDX-License-Identifier: BSL-1.0
#include "threads/thread_cache.hpp"

#include "core/context_map.hpp"
#include "core/kernel.hpp"

#include <condition_variable>
#include <cerrno>
#include <mutex>
#include <pthread.h>
#include <thread>

namespace weft::detail {

thread_local thread_call* current_call = nullptr;

namespace {

constexpr auto idle_time = std::chrono::seconds(10);

struct job { thread_call* call{}; std::string name; };

/// One cached thread, while it is idle. In its own frame.
struct idle_thread {
    job next;
    std::condition_variable given;
    idle_thread* below{};
};

/// The most recently used thread is on top, so that the others fall idle and end. Never destroyed: detached threads may
/// outlive main.
struct thread_cache {
    std::mutex mutex;
    idle_thread* top{};  // guarded by mutex

    static thread_cache& instance() { static thread_cache* c = new thread_cache; return *c; }

    // Both under the mutex. The count is right at once: a thread that was given work is not idle, even if it still sleeps.
    void add(idle_thread& t) noexcept {
        t.below = top;
        top = &t;
        idle_helper_threads.fetch_add(1);
    }
    void remove(idle_thread& t) noexcept {
        for (idle_thread** p = &top; *p; p = &(*p)->below) if (*p == &t) { *p = t.below; break; }
        idle_helper_threads.fetch_sub(1);
    }
};

void perform(job& j) noexcept {
    ::pthread_setname_np(::pthread_self(), (j.name.empty() ? std::string("weft-thread") : j.name.substr(0, 15)).c_str());
    thread_call& c = *std::exchange(j.call, nullptr);
    current_call = &c;
    foreign_locals = std::exchange(c.locals, nullptr);
    errno = 0;
    c.execute();
    context_map::release(foreign_locals);
    current_call = nullptr;
    run_ref home = c.home;  // c may go as soon as it is pushed
    if (!home.push(c)) c.release();
}

void thread_main(job j) {
    thread_cache& cache = thread_cache::instance();
    for (;;) {
        perform(j);
        idle_thread self;
        std::unique_lock lock(cache.mutex);
        cache.add(self);
        if (!self.given.wait_for(lock, idle_time, [&] { return self.next.call != nullptr; })) { cache.remove(self); return; }
        j = std::move(self.next);
    }
}

}  // namespace

void start_on_cached_thread(thread_call& c, std::string const& name) {
    thread_cache& cache = thread_cache::instance();
    {
        std::lock_guard lock(cache.mutex);
        if (idle_thread* t = cache.top) {
            t->next.name = name;  // may throw: before anything has changed
            cache.remove(*t);
            t->next.call = &c;
            t->given.notify_one();  // under the lock: its frame holds the condition
            return;
        }
    }
    std::thread(thread_main, job{&c, name}).detach();
}

}  // namespace weft::detail
