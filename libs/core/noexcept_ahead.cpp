// SPDX-License-Identifier: BSL-1.0
#include "core/noexcept_ahead.hpp"

#include "core/code_walk.hpp"
#include "core/handler_table.hpp"

#include <weft/core/cancelled.hpp>

#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <memory>

namespace weft::detail {

namespace {

/// Whether `cancelled`, arriving at `place`, ends the program there; or where it is rethrown by the handler, or where unwinding goes on
/// behind the cleanup that it meets.
bool ends_program(frame_rule const& rule, std::uintptr_t place, int depth = 8) noexcept {
    if (!rule.is_cxx || !rule.handlers || depth == 0) return false;
    meeting m = meet(rule.handlers, rule.function, place, typeid(cancelled));
    if (m.what == meeting::kind::terminates) return true;
    if (m.what == meeting::kind::passes) return false;
    landing to = follow_landing_pad(m.landing_pad);
    if (to.terminates && m.what != meeting::kind::handler) return true;  // its own handler is what it takes of the ways
    auto goes_on = [&](std::uintptr_t behind) { return behind != 0 && ends_program(rule_at(behind - 1), behind - 1, depth - 1); };
    for (std::uintptr_t behind : to.rethrows) if (goes_on(behind)) return true;
    return m.what == meeting::kind::cleanup && goes_on(to.resumes);
}

#if WEFT_ASAN
__attribute__((no_sanitize("address")))  // between the variables of a frame lies what it must not touch, and what is asked for here
#endif
bool load(std::uintptr_t at, noexcept_ahead::stack_bounds b, std::uintptr_t& value) noexcept {
    if (at % sizeof(std::uintptr_t) != 0 || at < b.low || at >= b.top) return false;
    value = *reinterpret_cast<std::uintptr_t const volatile*>(at);
    return true;
}

}  // namespace

noexcept_ahead::judged const& noexcept_ahead::judge(std::uintptr_t place) {
    auto [i, is_new] = places_.try_emplace(place);
    if (is_new) {
        i->second.rule = rule_at(place);
        i->second.terminates = ends_program(i->second.rule, place);
    }
    return i->second;
}

std::uintptr_t noexcept_ahead::find(code_position from, std::uintptr_t limit, stack_bounds bounds) {
    code_position at = from;
    std::uintptr_t place = at.pc;
    for (bool first = true;; first = false) {
        judged const& here = judge(place);
        if (here.terminates && !first) return here.rule.function;  // the first is at no call, and weft's own
        std::uintptr_t base = 0;
        switch (here.rule.from) {
            case frame_rule::base::sp: base = at.sp; break;
            case frame_rule::base::fp:
            case frame_rule::base::at_fp: base = at.fp; break;
            case frame_rule::base::none: return 0;
        }
        std::uintptr_t caller = base + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(here.rule.offset));
        if (here.rule.from == frame_rule::base::at_fp && !load(caller, bounds, caller)) return 0;
        if (here.rule.outermost || caller > limit || caller <= at.sp) return 0;
        if (here.rule.fp_saved != frame_rule::saved::no) {
            std::uintptr_t saved = (here.rule.fp_saved == frame_rule::saved::frame ? caller : at.fp) + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(here.rule.fp_offset));
            if (!load(saved, bounds, at.fp)) return 0;
        }
        if (!load(caller - sizeof(std::uintptr_t), bounds, at.pc)) return 0;
        at.sp = caller;
        place = at.pc - 1;  // in the call: what lies behind it may belong to other code
    }
}

std::string function_name(std::uintptr_t function) {
    Dl_info info{};
    if (!::dladdr(reinterpret_cast<void*>(function), &info)) return "a function without a name";
    if (info.dli_sname && info.dli_saddr == reinterpret_cast<void*>(function)) {
        int status = 0;
        std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), &std::free);
        return status == 0 ? text.get() : info.dli_sname;
    }
    char offset[24];
    std::snprintf(offset, sizeof offset, "+0x%zx", static_cast<std::size_t>(function - reinterpret_cast<std::uintptr_t>(info.dli_fbase)));
    char const* file = info.dli_fname ? info.dli_fname : "program";
    if (char const* slash = std::strrchr(file, '/')) file = slash + 1;
    return std::string(file) + offset;
}

}  // namespace weft::detail
