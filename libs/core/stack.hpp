// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_STACK_HPP
#define WEFT_LIBS_CORE_STACK_HPP

#include <weft/core/run.hpp>

#include <cstddef>
#include <vector>

namespace weft::detail {

struct stack_options {
    std::size_t size;
    std::size_t guard;
    stack_guard kind;
};

/// One stack: [low - guard, low) faults, [low, top) is usable.
struct stack_span {
    std::byte* low{};
    std::byte* top{};
    std::size_t size() const noexcept { return static_cast<std::size_t>(top - low); }
};

/// Hands out stacks cut from slabs. A slab is one mapping of many stacks, each with its guard below it.
///
/// The tops vary by a few cache lines from stack to stack: stacks of equal alignment would all compete for the same
/// cache sets (50 ns a switch instead of 20 with 1,000 tasks).
class stack_pool {
public:
    explicit stack_pool(stack_options const& options);
    ~stack_pool();
    stack_pool(stack_pool const&) = delete;

    stack_span allocate();                    ///< throws stack_limit_error
    void deallocate(stack_span s) noexcept;
    std::size_t size() const noexcept { return options_.size; }
    /// What set_owner said of the stack that the address lies in, or in whose guard; null for any other address.
    /// Async-signal-safe.
    void* owner_of(void const* p, bool& in_guard) const noexcept;
    void set_owner(stack_span s, void* owner) noexcept;
    /// Bytes that the deepest of all stacks has touched so far, in whole pages: asks the kernel which are resident.
    std::size_t high_water() const noexcept;

private:
    struct slab { std::byte* base; std::size_t stacks; std::unique_ptr<void*[]> owners; };
    void grow();
    void guard(std::byte* base);
    std::size_t stacks() const noexcept;      ///< of all slabs, those not handed out yet included
    bool set_aside_spare() noexcept;          ///< false, with errno, if they cannot be had
    void release_spare() noexcept;
    [[noreturn]] WEFT_COLD void exhausted(char const* call, int error);

    stack_options options_;
    std::size_t stride_;
    std::size_t slab_stacks_;
    std::vector<slab> slabs_;
    std::vector<std::byte*> free_;  ///< bases of stacks whose guard is in place
    std::size_t fresh_{};           ///< stacks of the last slab that were never handed out
    std::size_t colour_{};
    std::byte* spare_{};            ///< mappings set aside for the rest of the program, let go at the limit; mprotect only
};

}  // namespace weft::detail

#endif
