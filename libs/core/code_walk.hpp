// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_CODE_WALK_HPP
#define WEFT_LIBS_CORE_CODE_WALK_HPP

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// Length in bytes of the x86-64 instruction at p, 0 if it is none that compilers write.
std::size_t instruction_length(std::uint8_t const* p) noexcept;

/// What the code of a landing pad comes to. Addresses are those behind a call.
struct landing {
    bool terminates{};                        ///< calls std::terminate on some way, and no way goes on unwinding
    std::uintptr_t resumes{};                 ///< of _Unwind_Resume, 0 if none is reached
    std::array<std::uintptr_t, 4> rethrows{}; ///< of "throw;" in handlers that begin here, as many as there are
};

/// Follows the machine code from a landing pad, both ways at each branch, until it ends the program or goes on unwinding, and through
/// handlers. g++ and clang end a cleanup that must not throw with a call of std::terminate, and clang
/// lands in nothing else where a function is noexcept: the tables alone do not tell these from an ordinary handler.
/// Memory read: the code, and the tables of the dynamic linker. Complexity: at most a few hundred instructions.
landing follow_landing_pad(std::uintptr_t pad) noexcept;

}  // namespace weft::detail

#endif
