// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_LATCH_HPP
#define WEFT_SYNC_LATCH_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <atomic>
#include <cstddef>
#include <limits>

namespace weft {

/// A latch at one moment.
struct latch_statistics {
    std::ptrdiff_t expected{};  ///< arrivals to come
    std::size_t waiting{};
};

/// Opens once it was counted down to zero, and stays open. std::latch's interface.
///
///     weft::latch ready(3);
///     for (int i = 0; i < 3; ++i) n.start_soon([&] { prepare(); ready.count_down(); serve(); });
///     ready.wait();
///
/// weft::latch may be used by tasks of any run and by plain threads, before and outside of a run too; weft::local::latch
/// stays on one runtime. May be destroyed by whoever is woken last; with waiters that aborts with a message.
/// Hazard: a task that fails before it counts down keeps the others waiting; in a nursery its failure cancels them.
/// Memory order: each count_down() happens-before the return of a wait().
template <class L>
class basic_latch {
public:
    /// The name shows up in dumps; it is not copied. Throws: misuse_error if expected is negative.
    constexpr explicit basic_latch(std::ptrdiff_t expected, char const* name = nullptr) : left_(expected), name_(name) {
        if (expected < 0) detail::throw_misuse("a latch was made with a negative count", "pass how often it will be counted down.");
    }
    basic_latch(basic_latch const&) = delete;
    basic_latch& operator=(basic_latch const&) = delete;
    ~basic_latch();

    static constexpr std::ptrdiff_t max() noexcept { return (std::numeric_limits<std::ptrdiff_t>::max)(); }

    /// Never blocks; may be called from callbacks.
    /// Throws: misuse_error unless 0 <= n <= what is left. Guarantee: strong. Complexity: O(1), the last one O(waiters).
    void count_down(std::ptrdiff_t n = 1) { arrive(n); }
    /// Whether it is open. Never blocks; may be called from callbacks. Yields only in a loop, after hundreds of failures without a wait between.
    bool try_wait() const noexcept {
        if (left_.load(std::memory_order_acquire) == 0) return true;
        if constexpr (L::shared) return detail::tried_in_vain();
        return false;
    }
    /// Waits until it is open.
    /// Blocks: always a checkpoint. Cancellation: leaves no waiter behind.
    /// Throws: cancelled; wrong_domain_error; deadlock_error. Complexity: O(1), no allocation. Source: std::latch.
    void wait() const;
    /// count_down(n), then wait(). Blocks and throws as these.
    /// Cancellation: raised before it has counted, or while it waits: then the count stands.
    void arrive_and_wait(std::ptrdiff_t n = 1);
    latch_statistics statistics() const noexcept;

private:
    bool arrive(std::ptrdiff_t n);  ///< whether it is open now
    void wait(detail::waiter& w) const;
    static std::string describe(void const* self);

    std::atomic<std::ptrdiff_t> left_;  // reaches 0 under the queue's lock only
    char const* name_;
    detail::wait_queue<L> mutable queue_;
};

extern template class basic_latch<detail::spin_lock>;
extern template class basic_latch<detail::no_lock>;

using latch = basic_latch<detail::spin_lock>;
namespace local { using latch = basic_latch<detail::no_lock>; }
namespace shared { using weft::latch; }

}  // namespace weft

#endif
