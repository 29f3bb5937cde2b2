// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_CLOCK_HPP
#define WEFT_CORE_CLOCK_HPP

#include <weft/core/time.hpp>

namespace weft {

/// Where a run takes its time from. The default is the steady clock; tests put `testing::mock_clock` there.
///
/// A virtual clock stands still until somebody moves it; `run` then asks it, whenever no task can run, whether it
/// wants to jump to the next deadline.
class clock_source {
public:
    virtual ~clock_source() = default;
    virtual time_point now() noexcept = 0;
    /// True if time does not pass by itself.
    virtual bool is_virtual() const noexcept { return false; }
    /// Nothing can run until `next` (never, if no deadline is set). A virtual clock may move itself there.
    /// Returns whether it moved.
    virtual bool idle(time_point next) noexcept { static_cast<void>(next); return false; }
    /// How long, in real time, the run must have been idle before idle() is asked. Zero: at once.
    virtual duration idle_threshold() const noexcept { return duration::zero(); }
};

/// The time of the run this is called in. Throws not_running_error outside of one.
time_point current_time();

}  // namespace weft

#endif
