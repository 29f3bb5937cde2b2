// SPDX-License-Identifier: BSL-1.0
#include "core/stack.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
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
constexpr std::size_t heap_space = 16 << 20;    // address space that stacks leave to the rest of the program
constexpr std::size_t spare_mappings = 64;      // mappings that they leave to it
constexpr std::size_t few_stacks = 48;          // up to which nothing is set aside: most runs have no more

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

std::string map_limit() {
    char digits[32];
    ssize_t n = -1;
    if (int fd = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC); fd >= 0) {  // no stream: this may run deep on a task's stack
        n = ::read(fd, digits, sizeof digits);
        ::close(fd);
    }
    return n > 1 ? "vm.max_map_count = " + std::string(digits, static_cast<std::size_t>(n - 1)) : "vm.max_map_count";
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
    release_spare();
}

// Stacks that took the last mapping would leave none for the heap: then what reports the error fails for want of memory.
bool stack_pool::set_aside_spare() noexcept {
    std::size_t page = page_size();
    void* p = ::mmap(nullptr, spare_mappings * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    spare_ = static_cast<std::byte*>(p);
    for (std::size_t i = 1; i < spare_mappings; i += 2) {
        if (::mprotect(spare_ + i * page, page, PROT_READ) != 0) { release_spare(); errno = ENOMEM; return false; }
    }
    return true;
}

void stack_pool::release_spare() noexcept {
    if (spare_) ::munmap(spare_, spare_mappings * page_size());
    spare_ = nullptr;
}

void stack_pool::exhausted(char const* call, int error) {
    release_spare();
    std::string because, help;
    if (options_.kind == stack_guard::protect) {
        because = "each guard made with mprotect splits a mapping, and the kernel allows " + map_limit() + " of them. ";
        help = "raise vm.max_map_count (sysctl), run on Linux 6.13 or newer, ";
    }
    if (call == std::string_view("mmap")) help += "raise the address-space limit (ulimit -v) or vm.overcommit_memory, make run_options::stack_size smaller, ";
    if (call == std::string_view("madvise")) {
        help = error == EINVAL ? "MADV_GUARD_INSTALL needs Linux 6.13: leave run_options::guard at stack_guard::automatic, "
                               : "raise the memory limit, ";
    }
    throw stack_limit_error(message("W020", "no further fiber stack can be had: " + std::string(call) + " failed with \"" +
                                    std::strerror(error) + "\" after " + std::to_string(stacks() - fresh_) + " stacks",
                                    because + "every task that blocks needs a stack with a guard, and weft never runs one unguarded.",
                                    help + "or limit the number of tasks that block at once (nursery_options::max_children)."));
}

void stack_pool::grow() {
    slabs_.push_back({nullptr, 0, std::make_unique<void*[]>(slab_stacks_)});  // before the mapping, which nothing would own if this threw
    void* p;
    std::size_t bytes;
    // What is left of the address space may still do for a smaller slab.
    for (;; slab_stacks_ /= 2) {
        try { free_.reserve(stacks() + slab_stacks_); }  // so that deallocate() never allocates
        catch (...) { slabs_.pop_back(); throw; }
        bytes = slab_stacks_ * stride_;
        p = ::mmap(nullptr, heap_space + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (p != MAP_FAILED) break;
        int error = errno;
        if (slab_stacks_ > 1) continue;
        slabs_.pop_back();
        exhausted("mmap", error);
    }
    ::munmap(p, heap_space);  // the lower end: the next slab then joins this one
    auto* base = static_cast<std::byte*>(p) + heap_space;
    ::madvise(base, bytes, MADV_NOHUGEPAGE);  // one huge page would make 2 MB of each stack resident
    slabs_.back().base = base;
    slabs_.back().stacks = fresh_ = slab_stacks_;
    if (slab_stacks_ < 1024) slab_stacks_ *= 2;
}

std::size_t stack_pool::stacks() const noexcept {
    std::size_t n = 0;
    for (slab const& s : slabs_) n += s.stacks;
    return n;
}

void stack_pool::guard(std::byte* base) {
    if (options_.kind == stack_guard::advise) { if (::madvise(base, options_.guard, madv_guard_install) != 0) exhausted("madvise", errno); return; }
    if (!spare_ && stacks() > few_stacks && !set_aside_spare()) exhausted("mprotect", errno);
    if (::mprotect(base, options_.guard, PROT_NONE) != 0) exhausted("mprotect", errno);
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

std::size_t stack_pool::high_water() const noexcept {
    std::size_t const page = page_size();
    std::size_t most = 0;
    unsigned char resident[64];
    for (slab const& s : slabs_) {
        std::size_t used = s.stacks - (&s == &slabs_.back() ? fresh_ : 0);
        for (std::size_t i = 0; i < used; ++i) {
            std::byte* low = s.base + i * stride_ + options_.guard;
            // From the far end, and only where none has been yet.
            for (std::size_t at = 0; at < options_.size - most; at += sizeof resident * page) {
                std::size_t pages = std::min(sizeof resident, (options_.size - most - at) / page);
                if (::mincore(low + at, pages * page, resident) != 0) break;
                auto* first = std::find_if(resident, resident + pages, [](unsigned char r) { return r & 1; });
                if (first == resident + pages) continue;
                most = options_.size - at - static_cast<std::size_t>(first - resident) * page;
                break;
            }
        }
    }
    return most;
}

void stack_pool::set_owner(stack_span span, void* owner) noexcept {
    for (auto s = slabs_.rbegin(); s != slabs_.rend(); ++s) {  // mostly the newest
        if (span.low < s->base || span.low >= s->base + s->stacks * stride_) continue;
        s->owners[static_cast<std::size_t>(span.low - s->base) / stride_] = owner;
        return;
    }
}

}  // namespace weft::detail
