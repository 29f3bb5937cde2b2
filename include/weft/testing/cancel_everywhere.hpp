// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_CANCEL_EVERYWHERE_HPP
#define WEFT_TESTING_CANCEL_EVERYWHERE_HPP

#include <weft/core/run.hpp>

#include <functional>

namespace weft::testing {

struct cancel_everywhere_options {
    weft::run_options run;       ///< of each run; a mock_clock of its own is put in unless `real_time`
    bool real_time{};            ///< keep run.clock: for scenarios whose peers live by real time
    std::size_t sample{};        ///< not 0: cancel at so many points and waits only, spread evenly; for slow scenarios
    bool may_swallow{};          ///< a task may catch `cancelled` and end normally, as destructors that must not let it out make it
    std::size_t max_points{10'000};  ///< more points than this are an error, not a reason to test only some
};

struct cancel_everywhere_result {
    std::size_t points{};  ///< cancellation points that one undisturbed run of f passes
    std::size_t waits{};   ///< parks among them
    std::size_t runs{};    ///< runs made: one undisturbed, one for each point, one for each wait
};

/// Runs f in a cancel scope in a run of its own: once undisturbed, to count its cancellation points; then once for each
/// point, the scope being cancelled right before it; then once for each wait, the scope being cancelled while the task
/// waits there. After each run the ledger must balance: no task, deadline, busy stack or descriptor is left.
///
/// f should pass the same points in each run (fixed seeds are used); a point that a run does not reach is not cancelled
/// at, and that run goes on undisturbed. It may end normally or be cancelled; any other exception is a failure, and so are
/// a ledger that does not balance and a task that ends normally although `cancelled` was raised in it (see may_swallow):
/// assertion_error, or f's own error, after a line on stderr that names the point. Called outside of a run.
cancel_everywhere_result cancel_everywhere(std::function<void()> const& f, cancel_everywhere_options options = {});

}  // namespace weft::testing

#endif
