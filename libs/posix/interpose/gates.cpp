// SPDX-License-Identifier: BSL-1.0
#include "posix/interpose/gates.hpp"

#include <weft/core/errors.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace weft::detail {

constinit thread_local gate_table<gate> mine;

void gate_base::watch_from(void const* call) noexcept {
    Dl_info module{};
    bool known = ::dladdr(call, &module) != 0;
    char const* file = known ? module.dli_fname : "?";
    if (char const* slash = std::strrchr(file, '/')) file = slash + 1;
    std::snprintf(locked_at, sizeof locked_at, "%s+0x%zx", file, reinterpret_cast<std::uintptr_t>(call) - reinterpret_cast<std::uintptr_t>(module.dli_fbase));
    watch.emplace("a lock of the operating system's is held", weft::source_place::current(locked_at, 0));
}

void stopped_for_ever(char const* call) noexcept {
    std::fputs(message("W107", std::string(call) + " in a callback, of a lock that a task of this thread holds across its wait",
                       "the task cannot go on before the callback returns: the thread would stop here for ever.",
                       "do in the callback what needs no lock, or let a task do it (spawn).").c_str(), stderr);
    std::abort();
}

void left(gate& g) {
    if (g.depth > 0) { --g.depth; return; }
    g.watch.reset();
    g.lock.unlock();
    mine.drop(g);
}

}  // namespace weft::detail
