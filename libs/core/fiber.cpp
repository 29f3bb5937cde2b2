// SPDX-License-Identifier: BSL-1.0
// The only file that includes Boost.Fiber. Under ThreadSanitizer it is built without instrumentation: the sanitizer
// then sees a switch only where the hook announces it, never half of one.
#include "core/fiber.hpp"

#include "core/kernel.hpp"

#include <boost/fiber/algo/algorithm.hpp>
#include <boost/fiber/algo/round_robin.hpp>
#include <boost/fiber/context.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/scheduler.hpp>
#include <boost/version.hpp>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cxxabi.h>
#include <mutex>
#include <pthread.h>
#include <sys/stat.h>

// Boost.Context saves the exception globals itself from 1.88 on; two swaps would undo each other.
#define WEFT_SWAPS_EXCEPTION_STATE (BOOST_VERSION < 108800)

#if WEFT_ASAN
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack_save, void const* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack_save, void const** bottom_old, std::size_t* size_old);
}
#endif
#if WEFT_TSAN
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#endif

namespace weft::detail {

namespace bf = boost::fibers;

static_assert(std::is_trivially_destructible_v<worker> && alignof(worker) <= 64, "a worker goes with its stack");

namespace {

/// Whether this thread is the process's only one: a directory has two links, and one more for each entry.
bool alone_in_process() noexcept {
    struct stat s;
    return ::stat("/proc/self/task", &s) == 0 && s.st_nlink == 3;
}

#if WEFT_ASAN
/// Without its bounds AddressSanitizer cannot clean a stack that an exception unwinds. Nothing public tells where the stack of a fiber of Boost's
/// own lies: Boost.Fiber puts the context at its top, and Boost.Context a record, which begins with the stack_context, 256 bytes below. If the
/// allocator is so large that the record lies lower, what is read here makes no sense and is not used.
__attribute__((no_sanitize("address")))
void find_stack(fiber_slot& s) noexcept {
    if (s.ctx->is_context(bf::type::main_context)) {
        pthread_attr_t attr;
        if (::pthread_getattr_np(::pthread_self(), &attr) != 0) return;
        ::pthread_attr_getstack(&attr, &s.stack_low, &s.stack_size);
        ::pthread_attr_destroy(&attr);
        return;
    }
    auto ctx = reinterpret_cast<std::uintptr_t>(s.ctx), record = ctx - 256;
    auto const& c = *reinterpret_cast<boost::context::stack_context const*>(record);
    auto top = reinterpret_cast<std::uintptr_t>(c.sp), low = top - c.size;
    if (ctx % 256 != 0 || top <= ctx || top - ctx > (std::size_t{1} << 20) || low >= record || record - low > (std::size_t{1} << 30)) return;
    s.stack_low = reinterpret_cast<void*>(low);
    s.stack_size = record - low;
}
#else
void find_stack(fiber_slot&) noexcept {}
#endif

}  // namespace

/// Boost.Fiber's scheduling algorithm while a run is under way. weft switches with context::resume and never asks it;
/// what comes here comes from Boost.Fiber's own primitives, or from a fiber that ends. All of it goes back to the loop,
/// which resumes foreign fibers once a turn, and the dispatcher only when it has something to do.
///
/// The loop itself may come, too: a callback that blocks in such a primitive. Until it is woken, everything goes to the
/// dispatcher instead. That runs foreign fibers, but nothing of weft's, and else blocks the thread.
class weft_algorithm final : public bf::algo::algorithm {
public:
    explicit weft_algorithm(fiber_system& f) noexcept : fibers_(&f) {}

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
        if (!fibers_) return;
        fibers_->request_dispatch();
        fibers_->kernel_.wake();
        std::lock_guard lock(mutex_);
        notified_ = true;
        wake_.notify_one();
    }

    /// The run is over: what is left belongs to the next algorithm.
    void retire() noexcept { fibers_ = nullptr; }

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

    fiber_system* fibers_;
    bf::context* dispatcher_{};
    bf::scheduler::ready_queue_type ready_;  ///< holds the loop only while it waits
    bool loop_waits_{};                      ///< a callback is suspended; cleared when it is resumed

    std::mutex mutex_;                       ///< guards notified_
    std::condition_variable wake_;
    bool notified_{};                        ///< since the dispatcher last looked at its queues, while the loop waits
};

namespace {

/// Boost.Fiber's stack allocator concept, over a stack that the worker already has.
struct worker_stack {
    worker* w;
    stack_pool* pool;
    boost::context::stack_context allocate() {
        boost::context::stack_context c;
        c.sp = w;  // the worker itself lies above
        c.size = static_cast<std::size_t>(reinterpret_cast<std::byte*>(w) - w->stack.low);
        return c;
    }
    void deallocate(boost::context::stack_context& c) noexcept {
        auto* top = static_cast<std::byte*>(c.sp);
        pool->deallocate({top - c.size, top});
    }
};

}  // namespace

fiber_system::fiber_system(kernel& k, stack_options const& options)
    : kernel_(k), stacks_(options), globals_(reinterpret_cast<eh_globals*>(__cxxabiv1::__cxa_get_globals())),
      errno_(&errno), current_(&loop_) {
    loop_.ctx = bf::context::active();
    find_stack(loop_);
#if WEFT_TSAN
    loop_.tsan_fiber = __tsan_get_current_fiber();
    dispatcher_.tsan_fiber = __tsan_create_fiber(0);
#endif
    algorithm_ = new weft_algorithm(*this);
    loop_.ctx->get_scheduler()->set_algo(bf::algo::algorithm::ptr_t(algorithm_));
}

fiber_system::~fiber_system() {
    while (idle_) {
        worker* w = idle_;
        idle_ = w->next_idle;
        w->quit = true;
        switch_to(*w);
#if WEFT_TSAN
        __tsan_destroy_fiber(w->tsan_fiber);
#endif
    }
    run_dispatcher();  // destroys the contexts of the fibers that ended
    algorithm_->retire();
    loop_.ctx->get_scheduler()->set_algo(bf::algo::algorithm::ptr_t(new bf::algo::round_robin));
#if WEFT_TSAN
    __tsan_destroy_fiber(dispatcher_.tsan_fiber);
    for (auto& [ctx, slot] : foreign_slots_) __tsan_destroy_fiber(slot->tsan_fiber);
#endif
}

worker& fiber_system::acquire() {
    if (idle_) {
        worker& w = *idle_;
        idle_ = w.next_idle;
        --idle_count_;
        return w;
    }
    return create();
}

worker& fiber_system::create() {
    stack_span stack = stacks_.allocate();
    worker& w = *::new (static_cast<void*>(stack.top - sizeof(worker))) worker;
    w.stack = stack;
    stacks_.set_owner(stack, &w);
    w.stack_low = w.stack.low;
    w.stack_size = w.stack.size();
#if WEFT_TSAN
    w.tsan_fiber = __tsan_create_fiber(0);
#endif
    ++count_;
    creating_ = &w;
    // launch::post: dispatch would switch past the hook. Detached: the worker ends when it is told to.
    bf::fiber(bf::launch::post, std::allocator_arg, worker_stack{&w, &stacks_}, [this, &w] {
        *globals_ = eh_globals{};
        kernel_.worker_main(w);
        w.dying = true;
    }).detach();
    creating_ = nullptr;
    return w;
}

// Everything that a switch must carry over happens here, before the jump: called by switch_to and by pick_next.
#if WEFT_ASAN
__attribute__((no_sanitize("address")))
#endif
void fiber_system::hook(fiber_slot& to) noexcept {
    fiber_slot& from = *current_;
    from.saved_errno = *errno_;
    *errno_ = to.saved_errno;
#if WEFT_SWAPS_EXCEPTION_STATE
    from.eh = *globals_;
    *globals_ = to.eh;
#endif
#if WEFT_ASAN
    __sanitizer_start_switch_fiber(from.dying ? nullptr : &from.fake_stack, to.stack_low, to.stack_size);
    __sanitizer_finish_switch_fiber(to.fake_stack, nullptr, nullptr);
#endif
#if WEFT_TSAN
    __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
    current_ = &to;
}

#if WEFT_ASAN
__attribute__((no_sanitize("address")))
#endif
void fiber_system::switch_to(fiber_slot& to) noexcept {
    hook(to);
    to.ctx->resume();
}

fiber_slot& fiber_system::slot_of(bf::context* ctx) {
    if (ctx == loop_.ctx) return loop_;
    bool in_guard;
    if (worker* w = find_by_address(ctx, in_guard)) return *w;  // its control block lies on its stack
    auto& slot = foreign_slots_[ctx];
    if (!slot) {
        slot = std::make_unique<fiber_slot>();
        slot->ctx = ctx;
        find_stack(*slot);
#if WEFT_TSAN
        slot->tsan_fiber = __tsan_create_fiber(0);
#endif
    }
    return *slot;
}

fiber_slot& fiber_system::dispatcher_slot(bf::context* ctx) noexcept {
    if (dispatcher_.ctx != ctx) {
        dispatcher_.ctx = ctx;
        find_stack(dispatcher_);
    }
    return dispatcher_;
}

void fiber_system::forget(bf::context* ctx) noexcept {
    auto i = foreign_slots_.find(ctx);
    if (i == foreign_slots_.end()) return;
#if WEFT_TSAN
    __tsan_destroy_fiber(i->second->tsan_fiber);
#endif
    foreign_slots_.erase(i);
}

bool fiber_system::foreign_ready() const noexcept {
    return dispatch_due_.load(std::memory_order_acquire) || algorithm_->has_ready_fibers();
}

void fiber_system::run_dispatcher() {
    dispatch_due_.store(false, std::memory_order_relaxed);
    if (!dispatcher_ready_ || !algorithm_->dispatcher()) return;
    dispatcher_ready_ = false;
    dispatcher_told_time_ = false;
    switch_to(dispatcher_slot(algorithm_->dispatcher()));
}

bool fiber_system::run_foreign() {
    if (foreign_deadline_ != never && foreign_deadline_ <= std::chrono::steady_clock::now()) {
        foreign_deadline_ = never;
        request_dispatch();
    }
    if (dispatch_due_.load(std::memory_order_acquire)) run_dispatcher();
    // One pass: a foreign fiber that yields for ever must not keep the loop from I/O.
    for (int n = 0; n < 64 && algorithm_->has_ready_fibers(); ++n) {
        bf::context* ctx = algorithm_->take();
        fiber_slot& slot = slot_of(ctx);
        kernel_.resumed_by_foreign(slot);
        switch_to(slot);
    }
    return foreign_ready();
}

worker* fiber_system::find_by_address(void const* p, bool& in_guard) noexcept {
    return static_cast<worker*>(stacks_.owner_of(p, in_guard));
}

}  // namespace weft::detail
