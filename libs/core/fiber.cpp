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

#include <condition_variable>
#include <cerrno>
#include <cxxabi.h>
#include <mutex>
#include <pthread.h>

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

/// Boost.Fiber's scheduling algorithm while a run is under way. weft switches with context::resume and never asks it;
/// what comes here comes from Boost.Fiber's own primitives, or from a fiber that ends. All of it goes back to the loop,
/// which resumes foreign fibers once a turn, and the dispatcher only when it has something to do.
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
            ctx->ready_link(ready_);
            if (fibers_) fibers_->kernel_.need_turn();
        }
    }

    bf::context* pick_next() noexcept override {
        if (!fibers_) return take();  // handing over to the next algorithm
        fiber_system& f = *fibers_;
        bf::context* active = f.current_->ctx;
        if (active == dispatcher_) {
            if (!f.dispatcher_told_time_) return nullptr;  // it answers with suspend_until, then asks again
            f.hook(f.loop_);
            return f.loop_.ctx;
        }
        f.request_dispatch();  // a fiber ended, or went to Boost.Fiber's sleep queue: the dispatcher must look
        if (f.current_ == &f.loop_) {
            // A callback blocks in a primitive of Boost.Fiber's own. Nothing of weft's can run meanwhile: let the
            // dispatcher and the other foreign fibers try to wake it.
            if (!ready_.empty()) return switch_to_foreign(take());
            f.dispatcher_told_time_ = false;
            f.dispatcher_.ctx = dispatcher_;
            f.hook(f.dispatcher_);
            return dispatcher_;
        }
        if (!f.current_->dying) f.kernel_.suspended_by_foreign(*f.current_);
        f.hook(f.loop_);
        return f.loop_.ctx;
    }

    bool has_ready_fibers() const noexcept override {
        return !ready_.empty() || (!fibers_ && dispatcher_);
    }

    void suspend_until(std::chrono::steady_clock::time_point const& when) noexcept override {
        if (!fibers_) return;
        fibers_->foreign_deadline_ = when;
        fibers_->dispatcher_told_time_ = true;
    }

    void notify() noexcept override {  // any thread
        if (fibers_) { fibers_->request_dispatch(); fibers_->kernel_.wake(); }
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
    bf::context* switch_to_foreign(bf::context* ctx) {
        fibers_->hook(fibers_->slot_of(ctx));
        return ctx;
    }

    fiber_system* fibers_;
    bf::context* dispatcher_{};
    bf::scheduler::ready_queue_type ready_;
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
    pthread_attr_t attr;
    if (::pthread_getattr_np(::pthread_self(), &attr) == 0) {
        ::pthread_attr_getstack(&attr, &loop_.stack_low, &loop_.stack_size);
        ::pthread_attr_destroy(&attr);
    }
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
    bool in_guard;
    if (void* w = stacks_.owner_of(ctx, in_guard)) return *static_cast<worker*>(w);  // its control block lies on its stack
    auto& slot = foreign_slots_[ctx];
    if (!slot) {
        slot = std::make_unique<fiber_slot>();
        slot->ctx = ctx;
#if WEFT_TSAN
        slot->tsan_fiber = __tsan_create_fiber(0);
#endif
    }
    return *slot;
}

bool fiber_system::foreign_ready() const noexcept {
    return dispatch_due_.load(std::memory_order_acquire) || algorithm_->has_ready_fibers();
}

void fiber_system::run_dispatcher() {
    dispatch_due_.store(false, std::memory_order_relaxed);
    if (!dispatcher_ready_ || !algorithm_->dispatcher()) return;
    dispatcher_ready_ = false;
    dispatcher_told_time_ = false;
    dispatcher_.ctx = algorithm_->dispatcher();
    switch_to(dispatcher_);
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
