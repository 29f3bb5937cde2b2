// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TEST_CORE_RECURSION_HPP
#define WEFT_TEST_CORE_RECURSION_HPP

#include <weft/config.hpp>

namespace weft_test {

inline int volatile recursion_ends = 0;  // never, but the compiler must not know

/// Uses up any stack.
WEFT_NOINLINE inline int for_ever(int n) {
    int volatile frame[64];
    frame[n % 64] = n;
    return recursion_ends ? 0 : for_ever(n + 1) + frame[n % 64];
}

}  // namespace weft_test

#endif
