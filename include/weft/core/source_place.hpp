// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_SOURCE_PLACE_HPP
#define WEFT_CORE_SOURCE_PLACE_HPP

#include <cstdint>

namespace weft {

/// A place in the program's text, for dumps and messages: a default argument that captures the caller's.
///
/// Not std::source_location, which clang 14 does not have with libstdc++.
class source_place {
public:
    constexpr source_place() = default;
    static source_place current(char const* file = __builtin_FILE(), unsigned line = __builtin_LINE()) noexcept {
        source_place p;
        // One word: user-space pointers have 47 bits, and every task has one of these.
        p.packed_ = reinterpret_cast<std::uintptr_t>(file) | std::uintptr_t{line < 0xffff ? line : 0xffff} << 48;
        return p;
    }
    char const* file() const noexcept {
        return packed_ ? reinterpret_cast<char const*>(packed_ & ((std::uintptr_t{1} << 48) - 1)) : "";
    }
    /// 65,535 also stands for any line above.
    unsigned line() const noexcept { return static_cast<unsigned>(packed_ >> 48); }

private:
    std::uintptr_t packed_{};
};

}  // namespace weft

#endif
