// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_KNOWN_FUNCTION_HPP
#define WEFT_LIBS_CORE_KNOWN_FUNCTION_HPP

#include <cstdint>

namespace weft::detail {

/// The functions of the C++ runtime that the code of a landing pad leads to.
enum class known_function : std::uint8_t {
    other,
    terminate,    ///< std::terminate, or clang's helper that calls it
    resume,       ///< _Unwind_Resume: the exception goes on
    begin_catch,  ///< __cxa_begin_catch: a handler begins
    rethrow       ///< __cxa_rethrow: "throw;"
};

/// What the four bytes at p, a displacement of an instruction that ends at `next`, point to.
std::uintptr_t displaced(std::uintptr_t next, std::uint8_t const* p) noexcept;
/// Which of them a call of `target` reaches: itself, or through an entry of a procedure linkage table, whether the dynamic
/// linker has bound it or not.
known_function function_at(std::uintptr_t target) noexcept;
/// The same for a call through the pointer at `slot`.
known_function function_in_slot(std::uintptr_t slot) noexcept;
/// Whether the address lies in the code of a loaded module: nothing else is read as code.
bool is_code(std::uintptr_t address) noexcept;

}  // namespace weft::detail

#endif
