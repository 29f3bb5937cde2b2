// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_STATISTICS_HPP
#define WEFT_CORE_STATISTICS_HPP

#include <weft/core/time.hpp>

#include <cstddef>
#include <cstdint>

namespace weft {

/// Counts of one run at one moment. `ready + parked + running + foreign == living`.
struct run_statistics {
    std::size_t living{};          ///< tasks that have been started and have not ended, main included
    std::size_t ready{};           ///< runnable, new ones included
    std::size_t parked{};          ///< waiting in a cancellable or shielded wait
    std::size_t running{};         ///< 1, or 0 if asked from a callback
    std::size_t foreign{};         ///< suspended by a primitive of Boost.Fiber's own
    std::size_t deadlines{};       ///< entries of the deadline heap: armed scopes and sleeps
    time_point next_deadline{never};
    std::size_t fibers{};          ///< stacks that exist, idle ones included
    std::size_t idle_fibers{};
    std::size_t stack_size{};      ///< usable bytes of each
    std::uint64_t turns{};         ///< turns of the loop so far
    std::uint64_t switches{};      ///< task steps so far
    std::uint64_t spawned{};       ///< tasks started so far
    std::uint64_t seed{};          ///< of the run's random choices
};

}  // namespace weft

#endif
