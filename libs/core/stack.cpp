// SPDX-License-Identifier: BSL-1.0
#include "core/stack.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#if WEFT_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

namespace weft::detail {
namespace {

constexpr int madv_guard_install = 102;  // Linux 6.13; older headers do not have the name
constexpr std::size_t colour_step = 256; // Boost.Fiber aligns its control block to 256
constexpr std::size_t colours = 6;       // more, and a blocked task's frames would spill into a second page

std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

std::size_t page_size() {
    static std::size_t const size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

bool kernel_has_guards() {
    static bool const has = [] {
        std::size_t page = page_size();
        void* p = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return false;
        bool ok = ::madvise(p, page, madv_guard_install) == 0;
        ::munmap(p, page);
        return ok;
    }();
    return has;
}

[[noreturn]] WEFT_COLD void exhausted(char const* call, int error, std::size_t stacks, stack_guard kind) {
    std::string help = kind == stack_guard::protect
        ? "guards made with mprotect split mappings: raise vm.max_map_count (sysctl), run on Linux 6.13 or newer, or limit "
          "the number of tasks that block at once (nursery_options::max_children)."
        : "raise vm.overcommit_memory or the address-space limit (ulimit -v), make run_options::stack_size smaller, or "
          "limit the number of tasks that block at once (nursery_options::max_children).";
    throw stack_limit_error(message("W020", "no further fiber stack can be had: " + std::string(call) + " failed with \"" +
                                    std::strerror(error) + "\" after " + std::to_string(stacks) + " stacks",
                                    "every task that blocks needs a stack with a guard, and weft never runs one unguarded.", help));
}

}  // namespace

stack_pool::stack_pool(stack_options const& options) : options_(options) {
    options_.size = round_up(options.size, page_size());
    options_.guard = round_up(options.guard, page_size());
    if (options_.kind == stack_guard::automatic) options_.kind = kernel_has_guards() ? stack_guard::advise : stack_guard::protect;
    stride_ = options_.size + options_.guard;
    slab_stacks_ = 16;
}

stack_pool::~stack_pool() {
    for (slab const& s : slabs_) {
#if WEFT_ASAN
        for (std::size_t i = 0; i < s.stacks; ++i) ASAN_UNPOISON_MEMORY_REGION(s.base + i * stride_ + options_.guard, options_.size);
#endif
        ::munmap(s.base, s.stacks * stride_);
    }
}

void stack_pool::grow() {
    std::size_t bytes = slab_stacks_ * stride_;
    void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p == MAP_FAILED) {
        int error = errno;
        std::size_t n = 0;
        for (slab const& s : slabs_) n += s.stacks;
        exhausted("mmap", error, n, stack_guard::advise);
    }
    ::madvise(p, bytes, MADV_NOHUGEPAGE);  // one huge page would make 2 MB of each stack resident
    slabs_.push_back({static_cast<std::byte*>(p), slab_stacks_, std::make_unique<void*[]>(slab_stacks_)});
    std::size_t total = 0;
    for (slab const& s : slabs_) total += s.stacks;
    free_.reserve(total);  // so that deallocate() never allocates
    fresh_ = slab_stacks_;
    if (slab_stacks_ < 1024) slab_stacks_ *= 2;
}

void stack_pool::guard(std::byte* base) {
    int failed = options_.kind == stack_guard::advise ? ::madvise(base, options_.guard, madv_guard_install)
                                                      : ::mprotect(base, options_.guard, PROT_NONE);
    if (failed != 0) {
        int error = errno;
        std::size_t n = 0;
        for (slab const& s : slabs_) n += s.stacks;
        exhausted(options_.kind == stack_guard::advise ? "madvise(MADV_GUARD_INSTALL)" : "mprotect", error, n - fresh_, options_.kind);
    }
}

stack_span stack_pool::allocate() {
    std::byte* base;
    if (!free_.empty()) {
        base = free_.back();
        free_.pop_back();
    } else {
        if (fresh_ == 0) grow();
        slab const& s = slabs_.back();
        base = s.base + (s.stacks - fresh_) * stride_;
        guard(base);
        --fresh_;
    }
    stack_span span{base + options_.guard, base + stride_ - (colour_++ % colours) * colour_step};
#ifdef VALGRIND_STACK_REGISTER
    static_cast<void>(VALGRIND_STACK_REGISTER(span.low, span.top));
#endif
    return span;
}

void stack_pool::deallocate(stack_span s) noexcept {
#if WEFT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(s.low, options_.size);
#endif
    free_.push_back(s.low - options_.guard);
}

void* stack_pool::owner_of(void const* p, bool& in_guard) const noexcept {
    in_guard = false;
    auto address = reinterpret_cast<std::uintptr_t>(p);
    for (slab const& s : slabs_) {
        auto base = reinterpret_cast<std::uintptr_t>(s.base);
        if (address < base || address >= base + s.stacks * stride_) continue;
        in_guard = (address - base) % stride_ < options_.guard;
        return s.owners[(address - base) / stride_];
    }
    return nullptr;
}

void stack_pool::set_owner(stack_span span, void* owner) noexcept {
    for (slab& s : slabs_) {
        if (span.low >= s.base && span.low < s.base + s.stacks * stride_) s.owners[static_cast<std::size_t>(span.low - s.base) / stride_] = owner;
    }
}

}  // namespace weft::detail
