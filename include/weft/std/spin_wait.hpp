// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_SPIN_WAIT_HPP
#define WEFT_STD_SPIN_WAIT_HPP

#include <functional>

namespace weft {

namespace detail {
/// One round of a loop that waits for nothing in particular: lets others run and, after some rounds, sleeps.
void spin_round(unsigned round);
}  // namespace detail

/// Until pred() is true, for loops that ask again and again: `while (!done) {}` keeps every other task of the thread from running,
/// and never ends if one of these is to set it. Asks, lets others run, and sleeps longer and longer, up to a millisecond.
///
///     weft::spin_wait([&] { return done.load(); });
///
/// Blocks: while pred() is false; not a checkpoint if it is true at once. Throws: cancelled; wrong_domain_error in a callback; what pred throws.
/// Instead: what is told of the change: an event, a condition variable, atomic_wait. weft::atomic, where the loops stay as they are.
template <class P>
void spin_wait(P&& pred) {
    for (unsigned round = 0; !std::invoke(pred); ++round) detail::spin_round(round);
}

}  // namespace weft

#endif
