// SPDX-License-Identifier: BSL-1.0
#include "core/known_function.hpp"

#include "core/code_walk.hpp"

#include <array>
#include <cstring>
#include <cxxabi.h>
#include <elf.h>
#include <exception>
#include <link.h>
#include <unwind.h>

namespace weft::detail {

namespace {

known_function by_address(std::uintptr_t a) noexcept {
    if (a == reinterpret_cast<std::uintptr_t>(&std::terminate)) return known_function::terminate;
    if (a == reinterpret_cast<std::uintptr_t>(&_Unwind_Resume)) return known_function::resume;
    if (a == reinterpret_cast<std::uintptr_t>(&__cxxabiv1::__cxa_begin_catch)) return known_function::begin_catch;
    if (a == reinterpret_cast<std::uintptr_t>(&__cxxabiv1::__cxa_rethrow)) return known_function::rethrow;
    return known_function::other;
}

known_function by_name(char const* name) noexcept {
    if (std::strcmp(name, "_ZSt9terminatev") == 0) return known_function::terminate;
    if (std::strcmp(name, "_Unwind_Resume") == 0) return known_function::resume;
    if (std::strcmp(name, "__cxa_begin_catch") == 0) return known_function::begin_catch;
    if (std::strcmp(name, "__cxa_rethrow") == 0) return known_function::rethrow;
    return known_function::other;
}

/// What a slot that lazy binding has not filled yet is for: asked of the relocations of the module that it lies in.
struct slot_search { std::uintptr_t slot; known_function found; };

int search_module(dl_phdr_info* info, std::size_t, void* arg) noexcept {
    auto& s = *static_cast<slot_search*>(arg);
    bool inside = false;
    ElfW(Dyn) const* dynamic = nullptr;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        auto const& h = info->dlpi_phdr[i];
        std::uintptr_t low = info->dlpi_addr + h.p_vaddr;
        if (h.p_type == PT_LOAD && s.slot >= low && s.slot < low + h.p_memsz) inside = true;
        if (h.p_type == PT_DYNAMIC) dynamic = reinterpret_cast<ElfW(Dyn) const*>(low);
    }
    if (!inside) return 0;
    if (!dynamic) return 1;
    std::uintptr_t relocations = 0, symbols = 0, strings = 0, size = 0;
    for (auto const* d = dynamic; d->d_tag != DT_NULL; ++d) {
        std::uintptr_t p = d->d_un.d_ptr < info->dlpi_addr ? d->d_un.d_ptr + info->dlpi_addr : d->d_un.d_ptr;  // relocated in place, or not
        if (d->d_tag == DT_JMPREL) relocations = p;
        if (d->d_tag == DT_SYMTAB) symbols = p;
        if (d->d_tag == DT_STRTAB) strings = p;
        if (d->d_tag == DT_PLTRELSZ) size = d->d_un.d_val;
    }
    if (!relocations || !symbols || !strings) return 1;
    auto const* r = reinterpret_cast<ElfW(Rela) const*>(relocations);
    for (std::size_t i = 0; i < size / sizeof *r; ++i) {
        if (info->dlpi_addr + r[i].r_offset != s.slot) continue;
        auto const& symbol = reinterpret_cast<ElfW(Sym) const*>(symbols)[ELF64_R_SYM(r[i].r_info)];
        s.found = by_name(reinterpret_cast<char const*>(strings) + symbol.st_name);
        break;
    }
    return 1;
}

/// A loaded segment of a module. One that is executable, if that is asked.
struct segment {
    std::uintptr_t low, high;
    bool holds(std::uintptr_t address) const noexcept { return address >= low && address < high; }
};
struct segment_search { std::uintptr_t address; bool executable; segment found; };

int search_segments(dl_phdr_info* info, std::size_t, void* arg) noexcept {
    auto& s = *static_cast<segment_search*>(arg);
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        auto const& h = info->dlpi_phdr[i];
        std::uintptr_t low = info->dlpi_addr + h.p_vaddr;
        segment found{low, low + (h.p_memsz > 16 ? h.p_memsz - 16 : 0)};  // an instruction is read as a whole
        if (h.p_type == PT_LOAD && (!s.executable || (h.p_flags & PF_X)) && found.holds(s.address)) s.found = found;
    }
    return s.found.high != 0;
}

bool is_loaded(std::uintptr_t address, bool executable) noexcept {
    static thread_local segment last[2];  // the next question is about the same module
    if (last[executable].holds(address)) return true;
    segment_search s{address, executable, {}};
    ::dl_iterate_phdr(search_segments, &s);
    if (s.found.high != 0) last[executable] = s.found;
    return s.found.high != 0;
}

// An entry of a linkage table is one indirect jump, perhaps marked for branch tracking.
known_function through_linkage_table(std::uintptr_t target) noexcept {
    auto const* p = reinterpret_cast<std::uint8_t const*>(target);
    constexpr std::uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    if (std::memcmp(p, endbr64, sizeof endbr64) == 0) p += sizeof endbr64;
    if (*p == 0xf2) ++p;
    if (p[0] != 0xff || p[1] != 0x25) return known_function::other;
    return function_in_slot(displaced(reinterpret_cast<std::uintptr_t>(p) + 6, p + 2));
}

// clang's own helper: begins to catch and terminates, and does nothing else. It is in each object file that needs it, without a name at run time.
bool is_clangs_terminate(std::uintptr_t at) noexcept {
    bool caught = false;
    for (int i = 0; i < 6; ++i) {
        auto const* p = reinterpret_cast<std::uint8_t const*>(at);
        std::size_t n = instruction_length(p);
        if (n == 0 || *p == 0xc3 || *p == 0xe9 || *p == 0xeb) return false;
        at += n;
        if (*p != 0xe8) continue;
        std::uintptr_t target = displaced(at, p + 1);
        known_function f = by_address(target);
        if (f == known_function::other && is_code(target)) f = through_linkage_table(target);
        if (f != (caught ? known_function::terminate : known_function::begin_catch)) return false;
        if (caught) return true;
        caught = true;
    }
    return false;
}

}  // namespace

std::uintptr_t displaced(std::uintptr_t next, std::uint8_t const* p) noexcept {
    std::int32_t d;
    std::memcpy(&d, p, sizeof d);
    return next + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(d));
}

bool is_code(std::uintptr_t address) noexcept { return is_loaded(address, true); }

known_function function_in_slot(std::uintptr_t slot) noexcept {
    if (!is_loaded(slot, false)) return known_function::other;
    std::uintptr_t target;
    std::memcpy(&target, reinterpret_cast<void const*>(slot), sizeof target);
    if (known_function f = by_address(target); f != known_function::other) return f;
    slot_search s{slot, known_function::other};
    ::dl_iterate_phdr(search_module, &s);
    return s.found;
}

namespace {

known_function look_at(std::uintptr_t target) noexcept {
    if (known_function f = by_address(target); f != known_function::other) return f;
    if (!is_code(target)) return known_function::other;
    if (known_function f = through_linkage_table(target); f != known_function::other) return f;
    return is_clangs_terminate(target) ? known_function::terminate : known_function::other;
}

}  // namespace

known_function function_at(std::uintptr_t target) noexcept {
    struct answer { std::uintptr_t target; known_function function; };
    static thread_local std::array<answer, 256> answers;  // the same few functions are called again and again
    answer& a = answers[(target ^ (target >> 8)) % answers.size()];
    if (a.target != target) a = {target, look_at(target)};
    return a.function;
}

}  // namespace weft::detail
