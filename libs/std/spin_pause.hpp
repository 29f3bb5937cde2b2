// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_STD_SPIN_PAUSE_HPP
#define WEFT_LIBS_STD_SPIN_PAUSE_HPP

#include <algorithm>
#include <chrono>

namespace weft::detail {

/// Between two rounds of a loop that asks for what nobody tells of: nothing, a yield, 64 times; then longer and longer, up to a millisecond.
constexpr std::chrono::microseconds spin_pause(unsigned round) noexcept {
    constexpr unsigned eager = 64;
    return std::chrono::microseconds(round < eager ? 0 : std::min(1000u, 10u * (round - eager + 1)));
}

}  // namespace weft::detail

#endif
