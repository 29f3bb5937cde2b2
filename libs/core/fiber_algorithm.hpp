// SPDX-License-Identifier: BSL-1.0
// What Boost.Fiber's scheduler asks of us. A part of fiber.cpp, which alone includes it.
#ifndef WEFT_LIBS_CORE_FIBER_ALGORITHM_HPP
#define WEFT_LIBS_CORE_FIBER_ALGORITHM_HPP

#include "core/kernel.hpp"

#include <boost/fiber/algo/algorithm.hpp>
#include <boost/fiber/context.hpp>
#include <boost/fiber/scheduler.hpp>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <sys/stat.h>

namespace weft::detail {

namespace bf = boost::fibers;

/// Whether this thread is the process's only one: a directory has two links, and one more for each entry.
inline bool alone_in_process() noexcept {
    struct stat s;
    return ::stat("/proc/self/task", &s) == 0 && s.st_nlink == 3;
}

/// Boost.Fiber's scheduling algorithm while a run is under way. weft switches with context::resume and never asks it;
/// what comes here comes from Boost.Fiber's own primitives, or from a fiber that ends. All of it goes back to the loop,
/// which resumes foreign fibers once a turn, and the dispatcher only when it has something to do.
///
/// The loop itself may come, too: a callback that blocks in such a primitive. Until it is woken, everything goes to the
/// dispatcher instead. That runs foreign fibers, but nothing of weft's, and else blocks the thread.
class weft_algorithm final : public bf::algo::algorithm {
public:
    /// One a thread, for all of its runs: another thread may still be in notify() when what it woke has ended the run.
    static weft_algorithm& of_this_thread() {
        thread_local boost::intrusive_ptr<weft_algorithm> own(new weft_algorithm);
        return *own;
    }

    void* dispatcher_fake_stack{};  ///< AddressSanitizer's; the dispatcher, too, lives on between runs

    void awakened(bf::context* ctx) noexcept override {
        if (ctx->is_context(bf::type::dispatcher_context)) {
            dispatcher_ = ctx;
            if (fibers_) fibers_->dispatcher_ready_ = true;
        } else if (fibers_ && fibers_->creating_) {
            fibers_->creating_->ctx = ctx;
        } else {
            if (fibers_) follow_launch();
            ctx->ready_link(ready_);
            if (fibers_) fibers_->kernel_.need_turn();
        }
    }

    bf::context* pick_next() noexcept override {
        if (!fibers_) return take();  // handing over to the next algorithm
        fiber_system& f = *fibers_;
        if (f.current_ != &f.dispatcher_) {
            leave_current();
            if (!loop_waits_) return go(f.loop_);
            f.dispatcher_ready_ = false;
            return go(f.dispatcher_slot(dispatcher_));
        }
        if (loop_waits_) return pick_while_loop_waits();
        if (!f.dispatcher_told_time_) return nullptr;  // it answers with suspend_until, then asks again
        return go(f.loop_);
    }

    bool has_ready_fibers() const noexcept override {
        return !ready_.empty() || (!fibers_ && dispatcher_);
    }

    void suspend_until(std::chrono::steady_clock::time_point const& when) noexcept override {
        if (!fibers_) return;
        if (loop_waits_) { block_thread(when); return; }
        fibers_->foreign_deadline_ = when;
        fibers_->dispatcher_told_time_ = true;
    }

    void notify() noexcept override {  // any thread
        std::lock_guard lock(mutex_);
        if (!fibers_) return;
        fibers_->request_dispatch();
        fibers_->kernel_.wake();
        notified_ = true;
        wake_.notify_one();
    }

    /// After it has taken over from another algorithm, which hands over what is ready: the kernel is not complete then.
    void begin(fiber_system& f) noexcept {
        std::lock_guard lock(mutex_);
        fibers_ = &f;
        f.dispatcher_ready_ = dispatcher_ != nullptr;
        f.request_dispatch();  // for fibers that sleep already, and wakes from other threads until now
    }
    /// The run is over: what is left belongs to the next algorithm.
    void retire() noexcept { std::lock_guard lock(mutex_); fibers_ = nullptr; }

    bf::context* dispatcher() const noexcept { return dispatcher_; }

    bf::context* take() noexcept {
        bf::context* ctx;
        if (!ready_.empty()) { ctx = &ready_.front(); ready_.pop_front(); }
        else { ctx = dispatcher_; dispatcher_ = nullptr; }
        return ctx;
    }

private:
    // The running flow gives way to Boost.Fiber: it waits, yields, launches a fiber or ends.
    void leave_current() noexcept {
        fiber_system& f = *fibers_;
        fiber_slot& from = *f.current_;
        f.request_dispatch();  // for the fiber that ended, or a new first in Boost.Fiber's sleep queue
        if (from.dying) return;  // a worker: the run is over
        if (&from == &f.loop_) loop_waits_ = true;
        else if (from.ctx->terminated_is_linked()) from.dying = true;
        else f.kernel_.suspended_by_foreign(from);
        f.kernel_.need_turn();
    }

    bf::context* go(fiber_slot& to) noexcept {
        fiber_slot& from = *fibers_->current_;
        fibers_->hook(to);
        if (from.dying) fibers_->forget(from.ctx);  // the next fiber may get the same address
        return to.ctx;
    }

    // launch::dispatch jumps into the new fiber without asking; the first we hear is that its maker is ready again.
    void follow_launch() noexcept {
        bf::context* active = bf::context::active();
        if (active == fibers_->current_->ctx) return;
        leave_current();
        go(fibers_->slot_of(active));
    }

    // No worker: when its task parks, it would go on to the loop, or to another task, as if no callback were half done.
    bf::context* pick_while_loop_waits() noexcept {
        for (auto i = ready_.begin(); i != ready_.end(); ++i) {
            bf::context* ctx = &*i;
            bool in_guard;
            if (fibers_->find_by_address(ctx, in_guard)) continue;
            ready_.erase(i);
            if (ctx == fibers_->loop_.ctx) loop_waits_ = false;
            return go(fibers_->slot_of(ctx));
        }
        return nullptr;
    }

    void block_thread(std::chrono::steady_clock::time_point const& when) noexcept {
        auto notified = [&] { return notified_; };
        std::unique_lock lock(mutex_);
        if (when != never) {
            wake_.wait_until(lock, when, notified);
        } else if (!notified_) {
            // Other threads notify under the mutex. So if there is none now, there is none that was about to.
            if (alone_in_process()) fibers_->kernel_.callback_stuck();
            if (!wake_.wait_for(lock, std::chrono::seconds(10), notified)) {
                std::fputs(message("W104", "a callback has waited for 10 s in a primitive of Boost.Fiber's own", "no task can run meanwhile.",
                                   "wait in a task (weft::spawn); if a task is to wake the callback, it never will.").c_str(), stderr);
                wake_.wait(lock, notified);
            }
        }
        notified_ = false;  // the dispatcher looks at its queues next
    }

    fiber_system* fibers_{};                 ///< null between runs; changed by this thread, under mutex_
    bf::context* dispatcher_{};
    bf::scheduler::ready_queue_type ready_;  ///< holds the loop only while it waits
    bool loop_waits_{};                      ///< a callback is suspended; cleared when it is resumed

    std::mutex mutex_;                       ///< guards notified_, and fibers_ against other threads
    std::condition_variable wake_;
    bool notified_{};                        ///< since the dispatcher last looked at its queues, while the loop waits
};

}  // namespace weft::detail

#endif
