// SPDX-License-Identifier: BSL-1.0
#include <weft/core/on_big_stack.hpp>

#include "core/kernel.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <sys/mman.h>

#if WEFT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

// Calls fn(arg) with the stack pointer at `top`. The flow is strictly nested, so there is no context to save: a frame pointer finds the way back, also
// for debuggers.
extern "C" void weft_call_on_stack(void* top, void (*fn)(void*), void* arg);
asm(R"(
    .text
    .p2align 4
    .type weft_call_on_stack, @function
weft_call_on_stack:
    .cfi_startproc
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    movq %rdi, %rsp
    movq %rdx, %rdi
    callq *%rsi
    movq %rbp, %rsp
    popq %rbp
    .cfi_def_cfa %rsp, 8
    retq
    .cfi_endproc
    .size weft_call_on_stack, . - weft_call_on_stack
)");

namespace weft::detail {
namespace {

constexpr std::size_t guard_size = 64 * 1024;

/// The mapping, for as long as f runs.
class big_mapping {
public:
    explicit big_mapping(std::size_t size) : bytes_((size + 4095) / 4096 * 4096 + guard_size) {
        void* p = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (p == MAP_FAILED) refused("mmap", size);
        base_ = static_cast<std::byte*>(p);
        ::madvise(base_, bytes_, MADV_NOHUGEPAGE);  // a huge page would make 2 MB of it resident
        if (::mprotect(base_, guard_size, PROT_NONE) != 0) {
            int error = errno;
            ::munmap(base_, bytes_);
            errno = error;
            refused("mprotect", size);
        }
#ifdef VALGRIND_STACK_REGISTER
        valgrind_id_ = VALGRIND_STACK_REGISTER(low(), top());
#endif
    }
    ~big_mapping() {
#if WEFT_ASAN
        ASAN_UNPOISON_MEMORY_REGION(low(), static_cast<std::size_t>(top() - low()));
#endif
#ifdef VALGRIND_STACK_DEREGISTER
        VALGRIND_STACK_DEREGISTER(valgrind_id_);
#endif
        ::munmap(base_, bytes_);
    }
    big_mapping(big_mapping const&) = delete;

    std::byte* low() const noexcept { return base_ + guard_size; }
    std::byte* top() const noexcept { return base_ + bytes_; }

private:
    [[noreturn]] static void refused(char const* call, std::size_t size) {
        int error = errno;
        throw stack_limit_error(message("W022", "on_big_stack: no stack of " + std::to_string(size / 1024) + " KiB can be had: " + call +
                                        " failed with \"" + std::strerror(error) + "\"" + in_task(), "",
                                        "pass a smaller size, raise the address-space limit (ulimit -v), or limit how many tasks are on big stacks at once."));
    }

    std::size_t bytes_;
    std::byte* base_{};
#ifdef VALGRIND_STACK_REGISTER
    unsigned valgrind_id_{};
#endif
};

/// What the two sides of the switch share; on the outer stack.
struct crossing {
    void (*fn)(void*);
    void* arg;
    std::exception_ptr error;
    void const* outer_low;  // for AddressSanitizer, of the stack that was left
    std::size_t outer_size;
};

// Nothing may be thrown across: AddressSanitizer, told of a switch, would clean the wrong stack.
void run_body(crossing& c) noexcept {
    try { c.fn(c.arg); } catch (...) { c.error = caught_error(); }
}

#if WEFT_ASAN
__attribute__((no_sanitize("address")))
#endif
void entry(void* p) {
    auto& c = *static_cast<crossing*>(p);
#if WEFT_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &c.outer_low, &c.outer_size);
#endif
    run_body(c);
#if WEFT_ASAN
    __sanitizer_start_switch_fiber(nullptr, c.outer_low, c.outer_size);
#endif
}

#if WEFT_ASAN
__attribute__((no_sanitize("address")))
#endif
void cross(big_mapping const& m, crossing& c) noexcept {
#if WEFT_ASAN
    void* fake_stack;
    __sanitizer_start_switch_fiber(&fake_stack, m.low(), static_cast<std::size_t>(m.top() - m.low()));
#endif
    weft_call_on_stack(m.top(), entry, &c);
#if WEFT_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

/// The flow that runs, if it is a run's, knows which stack it is on: for the sanitizers when it waits, for what looks ahead for
/// noexcept frames, and for who reports an overflow.
class on_flow {
public:
    on_flow(big_mapping const& m, big_stack& b) noexcept : slot_(this_kernel ? &this_kernel->fibers().current() : nullptr) {
        if (!slot_) return;
        low_ = std::exchange(slot_->stack_low, m.low());
        size_ = std::exchange(slot_->stack_size, static_cast<std::size_t>(m.top() - m.low()));
        task_record const* t = this_kernel->current();
        if (t) { worker_ = t->fiber_; b.outer = std::exchange(worker_->big, &b); }
    }
    ~on_flow() {
        if (!slot_) return;
        slot_->stack_low = low_;
        slot_->stack_size = size_;
        if (worker_) worker_->big = worker_->big->outer;
    }
    on_flow(on_flow const&) = delete;

private:
    fiber_slot* slot_;
    worker* worker_{};
    void* low_{};
    std::size_t size_{};
};

}  // namespace

void call_on_big_stack(std::size_t size, void (*fn)(void*), void* arg) {
    if (size < 16 * 1024) throw_misuse("on_big_stack with less than 16 KiB", "pass bytes; the default is 8 MiB.");
    if (size > (std::size_t{1} << 34)) throw_misuse("on_big_stack with more than 16 GiB", "pass bytes, not bits; the default is 8 MiB.");
    big_mapping m(size);
    crossing c{fn, arg, nullptr, nullptr, 0};
    big_stack b{reinterpret_cast<std::uintptr_t>(m.low()) - guard_size, reinterpret_cast<std::uintptr_t>(m.low()), reinterpret_cast<std::uintptr_t>(m.top()), nullptr, {}};
    WEFT_HERE(b.called_from);
    {
        on_flow f(m, b);
        cross(m, c);
    }
    if (c.error) std::rethrow_exception(std::move(c.error));
}

}  // namespace weft::detail
