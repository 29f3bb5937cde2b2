// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_MOCK_CLOCK_HPP
#define WEFT_TESTING_MOCK_CLOCK_HPP

#include <weft/core/clock.hpp>

namespace weft::testing {

/// A clock that stands still. When no task can run, it jumps to the next deadline, so that a day of sleeping passes at
/// once; or, with autojump off, only jump() moves it.
///
///     weft::testing::mock_clock clock;
///     weft::run_options options;  options.clock = &clock;
///     weft::run(options, [] { weft::this_task::sleep_for(24h); });
///
/// Source: Trio's MockClock; differs in that autojump is on at first.
class mock_clock : public clock_source {
public:
    explicit mock_clock(bool autojump = true) noexcept : autojump_(autojump) {}

    time_point now() noexcept override { return now_; }
    bool is_virtual() const noexcept override { return true; }
    bool idle(time_point next) noexcept override;
    duration idle_threshold() const noexcept override { return threshold_; }

    /// Moves the clock; deadlines on the way fire in the next turn. Throws misuse_error if d is negative.
    template <class Rep, class Period>
    void jump(std::chrono::duration<Rep, Period> d) { now_ += weft::detail::checked_duration(d, "mock_clock::jump"); }
    void set_autojump(bool on) noexcept { autojump_ = on; }
    /// The real time for which nothing must have been able to run before the clock jumps; for tests with real I/O.
    void set_autojump_threshold(duration d) noexcept { threshold_ = d; autojump_ = true; }

private:
    time_point now_{std::chrono::hours(1)};  // not zero, so that "an hour ago" is a point in time too
    duration threshold_{};
    bool autojump_;
};

}  // namespace weft::testing

#endif
