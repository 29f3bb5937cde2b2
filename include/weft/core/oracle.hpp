// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_ORACLE_HPP
#define WEFT_CORE_ORACLE_HPP

#include <cstddef>
#include <cstdint>

namespace weft {

/// The kinds of choice that the scheduler leaves open.
enum class choice : std::uint8_t {
    ready_task,     ///< which task of the batch runs next
    checkpoint,     ///< 0: a checkpoint switches, 1: it keeps running
    timer_tie,      ///< which of the deadlines that passed in the same turn fires next
    select,         ///< which of the ready alternatives a select takes
    user            ///< a choice that a test made itself, with testing::choose
};

/// Supplies every choice of a run's scheduler, so that a run can be repeated, or every order of it tried.
///
/// Without an oracle the ready queue is a FIFO of batches whose direction is drawn from the run's seed, and a handler
/// resumes its task directly. With one, every resumption goes through the ready queue, so that its order is a choice.
class oracle {
public:
    virtual ~oracle() = default;
    /// Returns a number below `alternatives`, which is at least 2. Called on the run's thread only.
    virtual std::size_t choose(choice kind, std::size_t alternatives) noexcept = 0;
};

}  // namespace weft

#endif
