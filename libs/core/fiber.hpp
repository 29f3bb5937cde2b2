// SPDX-License-Identifier: BSL-1.0
// The Boost.Fiber side of the kernel. fiber.cpp, with fiber_algorithm.hpp, is the only file that includes Boost.Fiber.
#ifndef WEFT_LIBS_CORE_FIBER_HPP
#define WEFT_LIBS_CORE_FIBER_HPP

#include "core/frame_rule.hpp"
#include "core/stack.hpp"

#include <atomic>
#include <memory>
#include <unordered_map>

namespace boost::fibers { class context; }

namespace weft::detail {

class kernel;
class fiber_system;
class weft_algorithm;
struct task_record;

/// The layout of `*__cxa_get_globals()` in the Itanium C++ ABI.
struct eh_globals {
    void* caught{};
    unsigned uncaught{};
};

/// One flow of control that can be switched to: the loop (the thread's own stack), a worker, Boost's dispatcher, or a
/// fiber that the program made with Boost.Fiber itself. Holds what a switch must carry over while it is switched out.
struct fiber_slot {
    boost::fibers::context* ctx{};
    eh_globals eh{};
    int saved_errno{};
    void* stack_low{};          // the rest is for the sanitizers
    std::size_t stack_size{};
    void* fake_stack{};
    void* tsan_fiber{};
    bool dying{};
};

/// A stack beside the worker's own, while on_big_stack runs on it.
struct big_stack {
    std::uintptr_t guard{}, low{}, top{};  ///< [guard, low) faults
    big_stack* outer{};                    ///< what it was entered from: another one, or null for the worker's own
    code_position called_from{};           ///< on the outer one: where what leaves it goes on
};

/// A fiber that runs one task after another. Lives at the top of its own stack: a million blocked tasks touch that page
/// anyway, and allocate nothing more.
class alignas(64) worker : public fiber_slot {
public:
    bool quit{};           ///< at the end of the run: leave the loop
    task_record* task{};   ///< set by whoever switches to it; null while idle
    worker* next_idle{};
    std::uintptr_t outermost{};           ///< an address in the frame that ends every task's exception
    code_position const* waits_at{};      ///< while the task is parked: where; null if its cancellation is no exception
    stack_span stack{};
    big_stack* big{};      ///< the innermost that the task is on; null on its own stack
};

/// Owns the workers and performs every switch. All on the run's thread, but for request_dispatch().
class fiber_system {
public:
    fiber_system(kernel& k, stack_options const& options);
    /// Ends all workers, which must be idle, and gives Boost.Fiber its scheduling algorithm back.
    ~fiber_system();
    fiber_system(fiber_system const&) = delete;

    fiber_slot& loop() noexcept { return loop_; }
    fiber_slot& current() noexcept { return *current_; }
    /// Exceptions in flight in the running flow.
    unsigned uncaught() const noexcept { return globals_->uncaught; }
    /// Whether the running flow is inside a catch block.
    bool catching() const noexcept { return globals_->caught != nullptr; }

    /// An idle worker, or a new one. Throws stack_limit_error.
    worker& acquire();
    void release(worker& w) noexcept { w.next_idle = idle_; idle_ = &w; ++idle_count_; }
    void switch_to(fiber_slot& to) noexcept;

    std::size_t count() const noexcept { return count_; }
    std::size_t idle_count() const noexcept { return idle_count_; }

    /// Runs fibers made or woken by Boost.Fiber's own primitives, each once, and its dispatcher if it has work.
    /// Called on the loop. Returns whether any are ready again.
    bool run_foreign();
    bool foreign_ready() const noexcept;
    /// The earliest deadline in Boost.Fiber's own sleep queue.
    time_point foreign_deadline() const noexcept { return foreign_deadline_; }
    std::size_t foreign_fibers() const noexcept { return foreign_slots_.size(); }
    void request_dispatch() noexcept { dispatch_due_.store(true, std::memory_order_release); }

    /// The worker whose stack or guard holds the address, or null. Async-signal-safe.
    worker* find_by_address(void const* p, bool& in_guard) noexcept;
    std::size_t stack_high_water() const noexcept { return stacks_.high_water(); }

private:
    friend class weft_algorithm;
    void hook(fiber_slot& to) noexcept;
    worker& create();
    fiber_slot& slot_of(boost::fibers::context* ctx);
    fiber_slot& dispatcher_slot(boost::fibers::context* ctx) noexcept;
    void forget(boost::fibers::context* ctx) noexcept;  ///< a foreign fiber has ended
    void run_dispatcher();

    kernel& kernel_;
    stack_pool stacks_;
    eh_globals* globals_;
    int* errno_;
    fiber_slot loop_;
    fiber_slot* current_;
    worker* idle_{};
    std::size_t idle_count_{};
    std::size_t count_{};
    worker* creating_{};                     ///< awakened() hands the new context here
    fiber_slot dispatcher_;
    bool dispatcher_ready_{};
    std::atomic<bool> dispatch_due_{false};
    time_point foreign_deadline_{never};
    bool dispatcher_told_time_{};            ///< within one turn of the dispatcher: it has reported its next deadline
    std::unordered_map<boost::fibers::context*, std::unique_ptr<fiber_slot>> foreign_slots_;
    weft_algorithm* algorithm_{};
};

}  // namespace weft::detail

#endif
