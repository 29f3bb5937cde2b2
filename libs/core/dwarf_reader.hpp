// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_DWARF_READER_HPP
#define WEFT_LIBS_CORE_DWARF_READER_HPP

#include <cstdint>
#include <cstring>

namespace weft::detail {

/// Reads the numbers of unwind and handler tables, whose forms are those of the DWARF and the Itanium C++ exception ABI.
struct dwarf_reader {
    std::uint8_t const* at;

    template <class T>
    T raw() noexcept {
        T v;
        std::memcpy(&v, at, sizeof v);
        at += sizeof v;
        return v;
    }
    std::uint64_t uleb() noexcept {
        std::uint64_t v = 0;
        for (unsigned shift = 0;; shift += 7) {
            std::uint8_t b = *at++;
            if (shift < 64) v |= std::uint64_t(b & 0x7f) << shift;
            if (!(b & 0x80)) return v;
        }
    }
    std::int64_t sleb() noexcept {
        std::uint64_t v = 0;
        unsigned shift = 0;
        std::uint8_t b;
        do {
            b = *at++;
            if (shift < 64) v |= std::uint64_t(b & 0x7f) << shift;
            shift += 7;
        } while (b & 0x80);
        if (shift < 64 && (b & 0x40)) v |= ~std::uint64_t(0) << shift;
        return static_cast<std::int64_t>(v);
    }

    static constexpr std::uint8_t omitted = 0xff;
    static constexpr std::uint8_t indirect = 0x80;

    /// The number in the form of `encoding`, without what it is relative to.
    std::int64_t value(std::uint8_t encoding) noexcept {
        switch (encoding & 0x0f) {
            case 0x1: return static_cast<std::int64_t>(uleb());
            case 0x2: return raw<std::uint16_t>();
            case 0x3: return raw<std::uint32_t>();
            case 0x9: return sleb();
            case 0xa: return raw<std::int16_t>();
            case 0xb: return raw<std::int32_t>();
            default: return raw<std::int64_t>();  // absolute, or eight bytes
        }
    }
    /// An address; 0 stays 0.
    std::uintptr_t pointer(std::uint8_t encoding) noexcept {
        auto here = reinterpret_cast<std::uintptr_t>(at);
        std::int64_t v = value(encoding);
        if (v == 0) return 0;
        auto p = static_cast<std::uintptr_t>(v);
        if ((encoding & 0x70) == 0x10) p += here;
        if (encoding & indirect) std::memcpy(&p, reinterpret_cast<void const*>(p), sizeof p);
        return p;
    }
    /// Bytes of the forms that have a fixed size.
    static std::size_t size_of(std::uint8_t encoding) noexcept {
        switch (encoding & 0x07) {
            case 0x2: return 2;
            case 0x3: return 4;
            default: return 8;
        }
    }
};

}  // namespace weft::detail

#endif
