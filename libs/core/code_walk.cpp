// SPDX-License-Identifier: BSL-1.0
// Lengths of x86-64 instructions, and the ways that lead on from a landing pad.
#include "core/code_walk.hpp"

#include "core/known_function.hpp"

#include <array>
#include <cstring>

namespace weft::detail {

namespace {

std::size_t modrm_length(std::uint8_t const* p) noexcept {
    unsigned mod = p[0] >> 6, rm = p[0] & 7;
    if (mod == 3) return 1;
    std::size_t n = 1;
    bool wide_base = rm == 5;
    if (rm == 4) {
        ++n;
        wide_base = (p[1] & 7) == 5;
    }
    if (mod == 1) return n + 1;
    if (mod == 2 || wide_base) return n + 4;
    return n;
}

struct shape { bool known, modrm; std::size_t immediate; };

// Of an opcode of one byte. `wide` is the size of an operand's immediate, 2 or 4.
shape one_byte(std::uint8_t op, std::uint8_t next, std::size_t wide, bool rex_w) noexcept {
    if (op < 0x40) {
        unsigned low = op & 7;
        if (low < 4) return {true, true, 0};
        if (low == 4) return {true, false, 1};
        if (low == 5) return {true, false, wide};
        return {false, false, 0};
    }
    bool test = ((next >> 3) & 7) < 2;  // of F6 and F7: the forms of test have an immediate
    switch (op) {
        case 0x63: case 0x84: case 0x85: case 0x86: case 0x87: case 0x88: case 0x89: case 0x8a: case 0x8b: case 0x8c: case 0x8d: case 0x8e:
        case 0x8f: case 0xd0: case 0xd1: case 0xd2: case 0xd3: case 0xfe: case 0xff: return {true, true, 0};
        case 0x69: case 0x81: case 0xc7: return {true, true, wide};
        case 0x6b: case 0x80: case 0x83: case 0xc0: case 0xc1: case 0xc6: return {true, true, 1};
        case 0xf6: return {true, true, test ? 1u : 0u};
        case 0xf7: return {true, true, test ? wide : 0};
        case 0x68: case 0xa9: return {true, false, wide};
        case 0x6a: case 0xa8: case 0xcd: case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xeb: return {true, false, 1};
        case 0xe8: case 0xe9: return {true, false, 4};
        case 0xc2: case 0xca: return {true, false, 2};
        case 0xc8: return {true, false, 3};
        case 0xa0: case 0xa1: case 0xa2: case 0xa3: return {true, false, 8};
        case 0x9a: case 0xce: case 0xd4: case 0xd5: case 0xd6: case 0xea: case 0x60: case 0x61: case 0x62: case 0x82: return {false, false, 0};
        default: break;
    }
    if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) || (op >= 0xb0 && op <= 0xb7)) return {true, false, 1};
    if (op >= 0xb8 && op <= 0xbf) return {true, false, rex_w ? 8 : wide};
    if (op >= 0xd8 && op <= 0xdf) return {true, true, 0};
    return {true, false, 0};
}

// Behind 0F. Also of map 1 of the VEX and EVEX encodings, which have the same immediates.
shape two_byte(std::uint8_t op) noexcept {
    if (op >= 0x80 && op <= 0x8f) return {true, false, 4};
    if ((op >= 0xc8 && op <= 0xcf) || (op >= 0x30 && op <= 0x37)) return {true, false, 0};
    switch (op) {
        case 0x05: case 0x06: case 0x07: case 0x08: case 0x09: case 0x0b: case 0x0e: case 0x77:
        case 0xa0: case 0xa1: case 0xa2: case 0xa8: case 0xa9: case 0xaa: return {true, false, 0};
        case 0x70: case 0x71: case 0x72: case 0x73: case 0xa4: case 0xac: case 0xba: case 0xc2: case 0xc4: case 0xc5: case 0xc6: return {true, true, 1};
        default: return {true, true, 0};
    }
}

std::size_t vector_length(std::uint8_t const* p, std::size_t opcode_at, unsigned map) noexcept {
    std::uint8_t op = p[opcode_at];
    if (map == 1 && op == 0x77) return opcode_at + 1;
    std::size_t immediate = map == 3 ? 1 : map == 1 ? two_byte(op).immediate : 0;
    return opcode_at + 1 + modrm_length(p + opcode_at + 1) + immediate;
}

bool is_prefix(std::uint8_t b) noexcept {
    switch (b) {
        case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3: case 0x2e: case 0x36: case 0x3e: case 0x26: case 0x64: case 0x65: return true;
        default: return false;
    }
}

}  // namespace

std::size_t instruction_length(std::uint8_t const* p) noexcept {
    std::size_t n = 0;
    std::size_t wide = 4;
    for (; is_prefix(p[n]); ++n) {
        if (p[n] == 0x66) wide = 2;
        if (n > 14) return 0;
    }
    bool rex_w = false;
    if ((p[n] & 0xf0) == 0x40) {
        rex_w = (p[n] & 8) != 0;
        if (rex_w) wide = 4;
        ++n;
    }
    std::uint8_t op = p[n];
    if (op == 0xc5) return vector_length(p, n + 2, 1);
    if (op == 0xc4) return vector_length(p, n + 3, p[n + 1] & 0x1f);
    if (op == 0x62) return vector_length(p, n + 4, p[n + 1] & 7);
    shape s{};
    if (op != 0x0f) {
        s = one_byte(op, p[n + 1], wide, rex_w);
        n += 1;
    } else if (p[n + 1] == 0x38) {
        s = {true, true, 0};
        n += 3;
    } else if (p[n + 1] == 0x3a) {
        s = {true, true, 1};
        n += 3;
    } else {
        s = two_byte(p[n + 1]);
        n += 2;
    }
    if (!s.known) return 0;
    return n + (s.modrm ? modrm_length(p + n) : 0) + s.immediate;
}

namespace {

/// Addresses still to be followed and those already seen. When either is full the rest is given up: what was found counts.
struct ways {
    struct way {
        std::uintptr_t at;
        bool handling;  ///< a handler has begun: what ends the program or unwinds from here on is another matter
        bool operator==(way const&) const = default;
    };
    std::array<way, 32> open;
    std::size_t opened{};
    std::array<way, 64> begun;
    std::size_t begins{};
    void add(std::uintptr_t at, bool handling) noexcept {
        way w{at, handling};
        for (std::size_t i = 0; i < begins; ++i) if (begun[i] == w) return;
        if (opened == open.size() || begins == begun.size()) return;
        begun[begins++] = w;
        open[opened++] = w;
    }
};

void note_rethrow(landing& found, std::uintptr_t behind) noexcept {
    for (auto& r : found.rethrows) {
        if (r == behind) return;
        if (r == 0) { r = behind; return; }
    }
}

/// Follows straight code until it ends. Branches are put on `todo`.
void follow(ways::way from, ways& todo, landing& found, unsigned& budget) noexcept {
    std::uintptr_t at = from.at;
    bool handling = from.handling;
    for (; budget > 0; --budget) {
        auto const* p = reinterpret_cast<std::uint8_t const*>(at);
        std::size_t n = instruction_length(p);
        if (n == 0) return;
        std::uintptr_t next = at + n;
        std::size_t i = 0;
        while (is_prefix(p[i])) ++i;  // "bnd jmp", "data16 call"
        if ((p[i] & 0xf0) == 0x40) ++i;
        std::uint8_t op = p[i], second = p[i + 1];
        bool call = op == 0xe8, jump = op == 0xe9, indirect = op == 0xff && (second == 0x15 || second == 0x25);
        if (call || jump || indirect) {
            std::uintptr_t target = displaced(next, p + n - 4);
            switch (indirect ? function_in_slot(target) : function_at(target)) {
                case known_function::terminate: if (!handling) found.terminates = true; return;
                case known_function::resume: if (!handling) found.resumes = next; return;
                case known_function::rethrow: note_rethrow(found, next); return;
                case known_function::begin_catch: handling = true; break;
                case known_function::other: break;
            }
            if (indirect && second == 0x25) return;
            if (jump) { todo.add(target, handling); return; }
        } else if (op == 0xeb) {
            todo.add(next + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(static_cast<std::int8_t>(second))), handling);
            return;
        } else if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3)) {
            todo.add(next + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(static_cast<std::int8_t>(second))), handling);
        } else if (op == 0x0f && second >= 0x80 && second <= 0x8f) {
            todo.add(displaced(next, p + n - 4), handling);
        } else if (op == 0xc3 || op == 0xc2 || op == 0xcc || op == 0xf4 || (op == 0x0f && second == 0x0b) || (op == 0xff && (second & 0x38) == 0x20)) {
            return;
        }
        at = next;
    }
}

}  // namespace

landing follow_landing_pad(std::uintptr_t pad) noexcept {
    landing found;
    ways todo;
    unsigned budget = 1000;
    todo.add(pad, false);
    while (todo.opened != 0) {
        ways::way w = todo.open[--todo.opened];
        if (is_code(w.at)) follow(w, todo, found, budget);
    }
    if (found.resumes) found.terminates = false;
    return found;
}

}  // namespace weft::detail
