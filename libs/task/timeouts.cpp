// SPDX-License-Identifier: BSL-1.0
#include <weft/task/timeouts.hpp>

namespace weft::detail {

void throw_too_slow(cancel_state const& s) {
    auto info = s.info();
    std::string why = info && info->source != cancel_source::deadline ? "the scope was cancelled: " + info->reason
                                                                      : "the deadline passed before the body ended";
    throw too_slow_error(message("W040", why + in_task(), "", "give it more time, or use move_on_after to go on without the result."));
}

}  // namespace weft::detail
