// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_CHECKPOINTS_HPP
#define WEFT_TESTING_CHECKPOINTS_HPP

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace weft::testing {

/// What the assertions of this room throw.
struct assertion_error : std::logic_error { using std::logic_error::logic_error; };

namespace detail {
struct checkpoint_counts { std::uint64_t cancel_points, schedule_points; };
/// Counts this task's checkpoints while it lives. Nests.
class checkpoint_counter {
public:
    checkpoint_counter();
    ~checkpoint_counter();
    checkpoint_counter(checkpoint_counter const&) = delete;
    checkpoint_counts counts() const;
private:
    struct impl;
    impl* impl_;
};
void require_checkpoint(checkpoint_counts c);
void require_no_checkpoint(checkpoint_counts c);
}  // namespace detail

/// Runs f and throws assertion_error unless it was a cancellation point and a schedule point for this task.
/// Nothing is asserted if f throws. Source: Trio's assert_checkpoints.
template <class F>
void assert_checkpoints(F&& f) {
    detail::checkpoint_counter c;
    f();
    detail::require_checkpoint(c.counts());
}

/// Runs f and throws assertion_error if it was a cancellation point or a schedule point for this task.
template <class F>
void assert_no_checkpoints(F&& f) {
    detail::checkpoint_counter c;
    f();
    detail::require_no_checkpoint(c.counts());
}

}  // namespace weft::testing

#endif
