// SPDX-License-Identifier: BSL-1.0
#include "core/noexcept_ahead.hpp"

#include "core/code_walk.hpp"
#include "core/handler_table.hpp"
#include "core/kernel.hpp"

#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <memory>

namespace weft::detail {

namespace {

using fate = noexcept_ahead::fate;

/// What becomes of `cancelled` where it arrives at `place`; followed on to where a handler rethrows it, and behind a cleanup.
fate fate_at(frame_rule const& rule, std::uintptr_t place, int depth = 8) noexcept {
    if (!rule.is_cxx || !rule.handlers || depth == 0) return fate::passes;
    meeting m = meet(rule.handlers, rule.function, place, typeid(cancelled));
    if (m.what == meeting::kind::terminates) return fate::terminates;
    if (m.what == meeting::kind::passes) return fate::passes;
    landing to = follow_landing_pad(m.landing_pad);
    if (to.terminates && m.what != meeting::kind::handler) return fate::terminates;  // its own handler is what it takes of the ways
    auto behind = [&](std::uintptr_t call) { return fate_at(rule_at(call - 1), call - 1, depth - 1); };
    if (m.what == meeting::kind::cleanup) return to.resumes ? behind(to.resumes) : fate::passes;
    fate f = m.what == meeting::kind::handler ? fate::handled : fate::swallowed;
    for (std::uintptr_t call : to.rethrows) {
        if (call == 0) break;
        if (fate again = behind(call); again == fate::terminates) return again;
        f = fate::passes;
    }
    return f;
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
        i->second.what = fate_at(i->second.rule, place);
    }
    return i->second;
}

std::uintptr_t noexcept_ahead::find(code_position from, cancel_state const* scope, std::uintptr_t limit, stack_bounds bounds) {
    // Whether a scope of the task's lies in a frame: then the handler there is the scope's, which throws again at its end.
    auto holds_scope = [&](std::uintptr_t low, std::uintptr_t high) {
        task_record const* owner = scope ? state_access::owner(*scope) : nullptr;
        for (auto const* s = scope; s && state_access::owner(*s) == owner; s = state_access::parent(*s)) {
            auto at = reinterpret_cast<std::uintptr_t>(state_access::frame(*s));
            if (at >= low && at < high) return true;
        }
        return false;
    };
    code_position at = from;
    std::uintptr_t place = at.pc;
    for (bool first = true;; first = false) {
        judged const& here = judge(place);
        if (here.what == fate::terminates && !first) return here.rule.function;  // the first is at no call, and weft's own
        if (here.what == fate::swallowed && !first) return 0;
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
        if (here.what == fate::handled && !first && !holds_scope(at.sp, caller)) return 0;
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
