// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_EXPLORE_HPP
#define WEFT_TESTING_EXPLORE_HPP

#include <weft/core/run.hpp>

#include <cstdint>
#include <functional>
#include <optional>

namespace weft::testing {

struct explore_options {
    enum class mode : std::uint8_t {
        exhaustive,  ///< every schedule, depth first, up to max_schedules
        seeded       ///< `runs` random schedules, from `seed` on
    };
    mode how{mode::exhaustive};
    std::size_t max_schedules{1'000'000};
    std::size_t runs{1'000};
    std::uint64_t seed{1};
    weft::run_options run;  ///< of each run; oracle, clock and driver are put in
    bool quiet{};           ///< do not print the replay line (for tests of explore itself)
};

struct explore_result {
    std::size_t schedules{};  ///< runs made
    bool complete{};          ///< exhaustive: all schedules were tried
};

/// Runs f as the main task of one run after another, each with another order of everything that the scheduler leaves
/// open, in virtual time and without I/O. f must do the same in the same schedule.
///
/// When f throws, a line `WEFT_SEED=… WEFT_SCHEDULE=…` is printed to stderr and the error goes on; with these variables in
/// the environment, explore makes that one run only. Called outside of a run.
explore_result explore(std::function<void()> const& f, explore_options options = {});

/// Inside explore: a choice of the test's own, below `alternatives`. 0 outside.
std::size_t choose(std::size_t alternatives);

}  // namespace weft::testing

#endif
