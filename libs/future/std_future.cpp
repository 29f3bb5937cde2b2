// SPDX-License-Identifier: BSL-1.0
#include <weft/future/std_future.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"

#include <thread>

namespace weft::detail {

namespace {

/// A thread that looks until the future is ready, or it is told to stop: std's futures tell nobody. The future must stay where
/// it is meanwhile, so the thread does not outlive this object.
class watcher {
public:
    watcher(bool (*look)(void const*, std::chrono::milliseconds), void const* f) : thread_([=, this] {
        while (!stop_.load(std::memory_order_relaxed) && !look(f, std::chrono::milliseconds(10))) {}
        std::unique_lock lock(queue_.lock());
        done_ = true;
        waiter* w = queue_.take();
        lock.unlock();
        if (w) w->wake();
    }) {}
    ~watcher() {
        stop_.store(true, std::memory_order_relaxed);
        thread_.join();
    }
    void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }
    /// Until the thread is done; false if the wait was cancelled before.
    bool wait(bool cancellable) {
        waiter w("weft::wait", false);
        std::unique_lock lock(queue_.lock());
        if (done_) return true;
        return queue_.wait(lock, w, {.reason = {"std::future", this, nullptr}, .cancellable = cancellable}) != wait_state::cancelled;
    }

private:
    wait_queue<spin_lock> queue_;  // guards done_
    bool done_{};
    std::atomic<bool> stop_{false};
    std::thread thread_;           // last: it uses the others
};

}  // namespace

void wait_on_thread(bool (*look)(void const* f, std::chrono::milliseconds d), void const* f) {
    waiter self("weft::wait", true);
    if (!self.task()) {
        while (!look(f, std::chrono::hours(1))) {}
        return;
    }
    lowlevel::cancel_point();
    if (look(f, std::chrono::milliseconds(0))) { checkpoint(); return; }
    watcher w(look, f);
    if (w.wait(true)) return;
    w.stop();
    w.wait(false);
    if (!look(f, std::chrono::milliseconds(0))) lowlevel::raise_cancelled();
}

}  // namespace weft::detail
