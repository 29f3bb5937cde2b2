// SPDX-License-Identifier: BSL-1.0
// The only file that includes Boost.Fiber, with fiber_algorithm.hpp, which is a part of it. Under ThreadSanitizer it is built without instrumentation: the sanitizer
// then sees a switch only where the hook announces it, never half of one.
#include "core/fiber.hpp"

#include "core/fiber_algorithm.hpp"
#include "core/kernel.hpp"

#include <boost/fiber/algo/round_robin.hpp>
#include <boost/fiber/context.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/version.hpp>

#include <cerrno>
#include <cxxabi.h>
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

static_assert(std::is_trivially_destructible_v<worker> && alignof(worker) <= 64, "a worker goes with its stack");
static_assert(sizeof(worker) == 128, "it takes from the first page of a stack");

namespace {

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

/// Frees the fake stack (detect_stack_use_after_return) of a worker whose context is destroyed. Only the current one can be freed: so it is made
/// that for a moment. One of a fiber that the program made is never freed, as nobody tells when its context is destroyed.
__attribute__((no_sanitize("address")))
void drop_fake_stack(void* fake_stack, fiber_slot const& running) noexcept {
    if (!fake_stack) return;
    void* own;
    __sanitizer_start_switch_fiber(&own, running.stack_low, running.stack_size);
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
    __sanitizer_start_switch_fiber(nullptr, running.stack_low, running.stack_size);
    __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
}
#else
void find_stack(fiber_slot&) noexcept {}
#endif

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
    algorithm_ = &weft_algorithm::of_this_thread();
    loop_.ctx->get_scheduler()->set_algo(bf::algo::algorithm::ptr_t(algorithm_));
    algorithm_->begin(*this);
    dispatcher_.fake_stack = algorithm_->dispatcher_fake_stack;
}

fiber_system::~fiber_system() {
#if WEFT_ASAN
    std::vector<void*> fake_stacks;
#endif
    while (idle_) {
        worker* w = idle_;
        idle_ = w->next_idle;
        w->quit = true;
        switch_to(*w);
#if WEFT_TSAN
        __tsan_destroy_fiber(w->tsan_fiber);
#endif
#if WEFT_ASAN
        fake_stacks.push_back(w->fake_stack);
#endif
    }
    run_dispatcher();  // destroys the contexts of the fibers that ended
#if WEFT_ASAN
    for (void* f : fake_stacks) drop_fake_stack(f, loop_);
    algorithm_->dispatcher_fake_stack = dispatcher_.fake_stack;
#endif
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
    // Also of a fiber that ends: its last frames return when Boost destroys its context.
    __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_low, to.stack_size);
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
