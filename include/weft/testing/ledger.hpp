// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_LEDGER_HPP
#define WEFT_TESTING_LEDGER_HPP

#include <cstddef>
#include <string>

namespace weft::testing {

/// Books of what a piece of a run must give back. Made before it, balanced after it, in the same run or outside of one.
///
///     weft::testing::ledger l;
///     work();
///     BOOST_TEST(l.difference() == "");
class ledger {
public:
    ledger();
    /// What is there now and was not when the ledger was made: tasks, armed deadlines, idle waiters, descriptors;
    /// "" if nothing. Compares only descriptors outside of a run. Asio's signal pipe and the like live as long as the run's
    /// io_context: leave descriptors out inside a run whose body makes the first signal_set, and compare them after it.
    std::string difference(bool with_descriptors = true) const;

private:
    std::size_t tasks_{}, deadlines_{}, descriptors_{};
    bool in_run_{};
};

/// The number of open descriptors of this process.
std::size_t open_descriptors();

}  // namespace weft::testing

#endif
