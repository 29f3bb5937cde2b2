// SPDX-License-Identifier: BSL-1.0
// Reads .eh_frame: the rules by which a frame's caller is found. The unwinder that throws exceptions reads the same, but walks only
// from where it is called, and not over a task that is suspended.
#include "core/frame_rule.hpp"

#include "core/dwarf_reader.hpp"

#include <array>
#include <unwind.h>

extern "C" {
struct dwarf_eh_bases { void* tbase; void* dbase; void* func; };
void const* _Unwind_Find_FDE(void* pc, dwarf_eh_bases* bases);
_Unwind_Reason_Code __gxx_personality_v0(int, _Unwind_Action, std::uint64_t, _Unwind_Exception*, _Unwind_Context*);
}

namespace weft::detail {

namespace {

constexpr std::uint64_t reg_fp = 6, reg_sp = 7, reg_return = 16;

/// What the table has said so far, at the place that is looked for.
struct row {
    frame_rule::base from{frame_rule::base::none};
    std::int64_t offset{};
    frame_rule::saved fp_saved{frame_rule::saved::no};
    std::int64_t fp_offset{};
    bool known_fp{true};
    bool outermost{};
};

/// The entry that an FDE shares with others.
struct common_entry {
    std::uint64_t code_align{};
    std::int64_t data_align{};
    std::uint8_t pointers{};                        ///< encoding of the FDE's addresses
    std::uint8_t handlers{dwarf_reader::omitted};   ///< encoding of the handler table's address
    bool augmented{}, signal{}, is_cxx{}, readable{};
    std::uint8_t const* program{};
    std::uint8_t const* end{};
};

common_entry read_common(std::uint8_t const* p) noexcept {
    common_entry c;
    dwarf_reader in{p};
    std::uint64_t length = in.raw<std::uint32_t>();
    if (length == 0xffffffff) length = in.raw<std::uint64_t>();
    c.end = in.at + length;
    in.raw<std::uint32_t>();
    std::uint8_t version = in.raw<std::uint8_t>();
    char const* letters = reinterpret_cast<char const*>(in.at);
    in.at += std::strlen(letters) + 1;
    c.code_align = in.uleb();
    c.data_align = in.sleb();
    if (version == 1) in.raw<std::uint8_t>();
    else if (version == 3) in.uleb();
    else return c;
    c.readable = true;
    if (*letters != 'z') {
        c.readable = *letters == '\0';
        c.program = in.at;
        return c;
    }
    c.augmented = true;
    std::uint64_t size = in.uleb();
    c.program = in.at + size;
    for (++letters; *letters; ++letters) {
        switch (*letters) {
            case 'R': c.pointers = in.raw<std::uint8_t>(); break;
            case 'L': c.handlers = in.raw<std::uint8_t>(); break;
            case 'S': c.signal = true; break;
            case 'P': {
                std::uint8_t encoding = in.raw<std::uint8_t>();
                c.is_cxx = in.pointer(encoding) == reinterpret_cast<std::uintptr_t>(&__gxx_personality_v0);
                break;
            }
            default: return c;  // the rest is skipped by its size
        }
    }
    return c;
}

// The two expressions that compilers write for stacks they realign: a register and an offset, and what is stored there.
bool simple_expression(dwarf_reader in, std::uint64_t size, std::int64_t& offset, bool& dereferenced) noexcept {
    auto const* end = in.at + size;
    if (size < 2 || in.raw<std::uint8_t>() != 0x76) return false;  // DW_OP_breg6
    offset = in.sleb();
    dereferenced = in.at < end && *in.at == 0x06;                  // DW_OP_deref
    return in.at + (dereferenced ? 1 : 0) == end;
}

/// Runs call frame instructions up to a place.
class program {
public:
    program(common_entry const& c, row& r) noexcept : common_(c), row_(r) {}

    /// False if it holds something unknown.
    bool run(std::uint8_t const* p, std::uint8_t const* end, std::uintptr_t location, std::uintptr_t place) noexcept {
        dwarf_reader in{p};
        while (in.at < end) {
            std::uint8_t op = in.raw<std::uint8_t>();
            std::uint64_t step = 0;
            switch (op & 0xc0) {
                case 0x40: step = op & 0x3f; break;
                case 0x80: set_saved(op & 0x3f, static_cast<std::int64_t>(in.uleb()) * common_.data_align); continue;
                case 0xc0: restore(op & 0x3f); continue;
                default:
                    if (op == 0x02) step = in.raw<std::uint8_t>();
                    else if (op == 0x03) step = in.raw<std::uint16_t>();
                    else if (op == 0x04) step = in.raw<std::uint32_t>();
                    else if (!other(op, in)) return false;
            }
            location += step * common_.code_align;
            if (location > place) return true;
        }
        return true;
    }
    void initial_done() noexcept { initial_ = row_; }

private:
    void set_saved(std::uint64_t reg, std::int64_t offset) noexcept {
        if (reg != reg_fp) return;
        row_.fp_saved = frame_rule::saved::frame;
        row_.fp_offset = offset;
        row_.known_fp = true;
    }
    void restore(std::uint64_t reg) noexcept {
        if (reg == reg_return) row_.outermost = initial_.outermost;
        if (reg != reg_fp) return;
        row_.fp_saved = initial_.fp_saved;
        row_.fp_offset = initial_.fp_offset;
        row_.known_fp = initial_.known_fp;
    }
    void set_base(std::uint64_t reg) noexcept {
        row_.from = reg == reg_sp ? frame_rule::base::sp : reg == reg_fp ? frame_rule::base::fp : frame_rule::base::none;
    }
    bool other(std::uint8_t op, dwarf_reader& in) noexcept {
        switch (op) {
            case 0x00: return true;
            case 0x05: { auto reg = in.uleb(); set_saved(reg, static_cast<std::int64_t>(in.uleb()) * common_.data_align); return true; }
            case 0x06: restore(in.uleb()); return true;
            case 0x07: { auto reg = in.uleb(); if (reg == reg_return) row_.outermost = true; if (reg == reg_fp) row_.known_fp = false; return true; }
            case 0x08: if (in.uleb() == reg_fp) { row_.fp_saved = frame_rule::saved::no; row_.known_fp = true; } return true;
            case 0x09: { auto reg = in.uleb(); in.uleb(); if (reg == reg_fp) row_.known_fp = false; return true; }
            case 0x0a: if (depth_ == stack_.size()) return false; stack_[depth_++] = row_; return true;
            case 0x0b: if (depth_ == 0) return false; row_ = stack_[--depth_]; return true;
            case 0x0c: set_base(in.uleb()); row_.offset = static_cast<std::int64_t>(in.uleb()); return true;
            case 0x0d: set_base(in.uleb()); return true;
            case 0x0e: row_.offset = static_cast<std::int64_t>(in.uleb()); return true;
            case 0x0f: return base_expression(in);
            case 0x10: return saved_expression(in);
            case 0x11: { auto reg = in.uleb(); set_saved(reg, in.sleb() * common_.data_align); return true; }
            case 0x12: set_base(in.uleb()); row_.offset = in.sleb() * common_.data_align; return true;
            case 0x13: row_.offset = in.sleb() * common_.data_align; return true;
            case 0x14: { auto reg = in.uleb(); in.uleb(); if (reg == reg_fp) row_.known_fp = false; return true; }
            case 0x15: { auto reg = in.uleb(); in.sleb(); if (reg == reg_fp) row_.known_fp = false; return true; }
            case 0x16: { auto reg = in.uleb(); in.at += in.uleb(); if (reg == reg_fp) row_.known_fp = false; return true; }
            case 0x2e: in.uleb(); return true;
            default: return false;
        }
    }
    bool base_expression(dwarf_reader& in) noexcept {
        std::uint64_t size = in.uleb();
        bool stored = false;
        std::int64_t offset = 0;
        bool simple = simple_expression(in, size, offset, stored);
        row_.from = !simple ? frame_rule::base::none : stored ? frame_rule::base::at_fp : frame_rule::base::fp;
        row_.offset = offset;
        in.at += size;
        return true;
    }
    bool saved_expression(dwarf_reader& in) noexcept {
        auto reg = in.uleb();
        std::uint64_t size = in.uleb();
        bool stored = false;
        std::int64_t offset = 0;
        if (reg == reg_fp) {
            row_.known_fp = simple_expression(in, size, offset, stored) && !stored;
            row_.fp_saved = frame_rule::saved::fp;
            row_.fp_offset = offset;
        }
        in.at += size;
        return true;
    }

    common_entry const& common_;
    row& row_;
    row initial_;
    std::array<row, 8> stack_;
    std::size_t depth_{};
};

}  // namespace

frame_rule rule_at(std::uintptr_t place) noexcept {
    frame_rule rule;
    dwarf_eh_bases bases{};
    auto const* fde = static_cast<std::uint8_t const*>(_Unwind_Find_FDE(reinterpret_cast<void*>(place), &bases));
    if (!fde) return rule;
    dwarf_reader in{fde};
    std::uint64_t length = in.raw<std::uint32_t>();
    if (length == 0xffffffff) length = in.raw<std::uint64_t>();
    auto const* end = in.at + length;
    auto const* here = in.at;
    common_entry c = read_common(here - in.raw<std::uint32_t>());
    if (!c.readable || c.signal) return rule;
    std::uintptr_t begin = in.pointer(c.pointers);
    in.value(c.pointers & 0x0f);
    if (c.augmented) {
        std::uint64_t size = in.uleb();
        auto const* behind = in.at + size;
        if (c.handlers != dwarf_reader::omitted) rule.handlers = in.pointer(c.handlers);
        in.at = behind;
    }
    rule.function = begin;
    rule.is_cxx = c.is_cxx;
    row r;
    program frame(c, r);
    if (!frame.run(c.program, c.end, 0, ~std::uintptr_t(0))) return rule;
    frame.initial_done();
    if (!frame.run(in.at, end, begin, place)) return rule;
    rule.outermost = r.outermost;
    rule.offset = static_cast<std::int32_t>(r.offset);
    rule.fp_saved = r.fp_saved;
    rule.fp_offset = static_cast<std::int32_t>(r.fp_offset);
    if (r.known_fp) rule.from = r.from;
    return rule;
}

}  // namespace weft::detail
