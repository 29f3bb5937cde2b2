// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_FRAME_RULE_HPP
#define WEFT_LIBS_CORE_FRAME_RULE_HPP

#include <cstdint>

namespace weft::detail {

/// Where a flow of control stands: enough to find its callers. `pc` is the address that is executed next.
struct code_position {
    std::uintptr_t pc{}, sp{}, fp{};
};

/// Fills in a code_position with the place where it stands. The function must stay on the stack while the position is used.
#define WEFT_HERE(position) \
    asm volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2" : "=&r"((position).pc), "=m"((position).sp), "=m"((position).fp))

/// How to get from a frame to its caller, at one place of the code; and what is known of the function.
struct frame_rule {
    enum class base : std::uint8_t {
        none,     ///< cannot be told: no table, or one that uses what compilers do not need for C++
        sp,       ///< the caller's stack pointer is sp + offset
        fp,       ///< it is fp + offset
        at_fp     ///< it is stored at fp + offset (functions that realign their stack)
    };
    enum class saved : std::uint8_t {
        no,       ///< the caller's fp is in the register still
        frame,    ///< stored at the caller's stack pointer + fp_offset
        fp        ///< stored at fp + fp_offset
    };
    base from{base::none};
    saved fp_saved{saved::no};
    bool outermost{};              ///< nobody called it
    bool is_cxx{};                 ///< its exceptions are handled by C++'s personality routine
    std::int32_t offset{};
    std::int32_t fp_offset{};
    std::uintptr_t function{};     ///< its start
    std::uintptr_t handlers{};     ///< its table of handlers (LSDA), 0 if it has none
};

/// The rule for the instruction at `place` (for a caller: the call, one byte before its return address), from the unwind
/// tables of the module. Complexity: as long as the function's table, a microsecond: keep what it returns.
frame_rule rule_at(std::uintptr_t place) noexcept;

}  // namespace weft::detail

#endif
