// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_POSIX_INTERPOSE_NEXT_SYMBOL_HPP
#define WEFT_LIBS_POSIX_INTERPOSE_NEXT_SYMBOL_HPP

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace weft::detail {

/// Sets f to the function of that name behind this program's own, of that version if there is one. Ends the program if there is none.
template <class F>
void find_next(F*& f, char const* name, char const* version = nullptr) {
    void* p = version ? ::dlvsym(RTLD_NEXT, name, version) : nullptr;
    if (!p) p = ::dlsym(RTLD_NEXT, name);
    if (!p) {
        std::fprintf(stderr, "weft_posix: there is no %s behind this program; a static C library cannot be interposed.\n", name);
        std::abort();
    }
    f = reinterpret_cast<F*>(p);
}

}  // namespace weft::detail

#endif
