// SPDX-License-Identifier: BSL-1.0
#include <weft/task/timeouts.hpp>

namespace weft::detail {

void throw_too_slow(cancel_state const& s, bool result_missing) {
    auto info = s.info();
    if (!info || info->source == cancel_source::deadline) {
        throw too_slow_error(message("W040", "the deadline passed before the body ended" + in_task(), "",
                                     "give it more time, or use move_on_after to go on without the result."));
    }
    if (result_missing) {
        throw task_cancelled_error(message("W045", "the scope of fail_after was cancelled before the body had a result: " + info->reason + in_task(), "",
                                           "use move_on_after, which returns an optional."));
    }
}

}  // namespace weft::detail
