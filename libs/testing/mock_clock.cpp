// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/mock_clock.hpp>

namespace weft::testing {

bool mock_clock::idle(time_point next) noexcept {
    if (next == never) return false;
    if (next <= now_) return true;  // somebody called jump(): the deadlines it passed are due
    if (!autojump_) return false;
    now_ = next;
    return true;
}

}  // namespace weft::testing
