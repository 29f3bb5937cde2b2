// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_SEMAPHORE_HPP
#define WEFT_SYNC_SEMAPHORE_HPP

#include <weft/core/detail/any_clock.hpp>

#include <atomic>
#include <cstddef>
#include <limits>

namespace weft {

/// What a semaphore holds at one moment.
struct semaphore_statistics {
    std::ptrdiff_t value{};  ///< permits that nobody has; 0 while somebody waits
    std::ptrdiff_t max{};
    std::size_t waiting{};
};

namespace detail {

/// A count and a FIFO of those who wait for it to rise. Invariant: while somebody waits, the count is 0, because a release
/// serves them first. So a count that is there belongs to whoever comes.
///
/// For several threads `word_` is what acquire and release touch when nobody waits: twice the count, and waiters_bit.
/// That bit is set and cleared under the queue's lock only, and while it is set the word changes only there.
template <class L>
class semaphore_core {
public:
    constexpr semaphore_core(std::ptrdiff_t desired, std::ptrdiff_t max, char const* name)
        : word_(static_cast<std::uint64_t>(desired) * one), max_(max), name_(name) {
        if (desired < 0 || desired > max) throw_misuse("a semaphore's initial count is negative or above its max()", "pass 0 to max().");
    }
    semaphore_core(semaphore_core const&) = delete;
    ~semaphore_core();

    void acquire();
    bool try_acquire_until(time_point deadline);
    bool try_acquire() noexcept {
        if constexpr (L::shared) looked();
        std::uint64_t w = word_.load(std::memory_order_relaxed);
        while (w >= one) if (change(w, w - one, std::memory_order_acquire)) return true;
        return false;
    }
    void release(std::ptrdiff_t n) {
        do {
            std::uint64_t w = word_.load(std::memory_order_relaxed);
            while (!waits(w)) {
                if (!fits(n, w)) [[unlikely]] throw_too_many(n);
                if (change(w, w + static_cast<std::uint64_t>(n) * one, std::memory_order_release)) return;
            }
        } while (!release_slow(n));
    }
    semaphore_statistics statistics() const noexcept;

private:
    static constexpr std::uint64_t waiters_bit = 1, one = 2;

    bool change(std::uint64_t& from, std::uint64_t to, std::memory_order order) noexcept {
        if constexpr (L::shared) return word_.compare_exchange_weak(from, to, order, std::memory_order_relaxed);
        word_.store(to, std::memory_order_relaxed);
        return true;
    }
    bool waits(std::uint64_t w) const noexcept {
        if constexpr (L::shared) return (w & waiters_bit) != 0;
        return !queue_.empty();
    }
    bool fits(std::ptrdiff_t n, std::uint64_t w) const noexcept { return n >= 0 && n <= max_ - static_cast<std::ptrdiff_t>(w / one); }
    bool wait(time_point deadline, char const* call);
    bool release_slow(std::ptrdiff_t n);
    [[noreturn]] WEFT_COLD void throw_too_many(std::ptrdiff_t n) const;

    std::atomic<std::uint64_t> word_;  // of one runtime: read and written, never exchanged
    std::ptrdiff_t max_;
    char const* name_;
    wait_queue<L> mutable queue_;
};

extern template class semaphore_core<spin_lock>;
extern template class semaphore_core<no_lock>;

}  // namespace detail

/// A number of permits; who takes one and finds none waits until somebody adds one. std::counting_semaphore's interface.
///
///     weft::counting_semaphore<> slots(8);
///     slots.acquire();  use_a_slot();  slots.release();
///
/// weft::counting_semaphore may be used by tasks of any run and by plain threads, before and outside of a run too.
/// weft::local::counting_semaphore stays on one runtime.
///
/// First come, first served: release() hands the permit to the one who waits longest, so try_acquire() fails while somebody
/// waits. Hazard: nothing says who holds a permit; one that is lost with an error is lost for good.
/// Instead: capacity_limiter, which knows its borrowers.
///
/// Differs from std: release() above max() throws misuse_error. Destroying one that somebody waits for aborts with a message.
/// Memory order: release() happens-before the return of an acquire that it made possible.
template <class L, std::ptrdiff_t Max>
class basic_counting_semaphore {
    static_assert(Max >= 0, "a semaphore's maximum is not negative");

public:
    /// The name shows up in dumps; it is not copied. Throws: misuse_error unless 0 <= desired <= max().
    constexpr explicit basic_counting_semaphore(std::ptrdiff_t desired, char const* name = nullptr) : core_(desired, Max, name) {}
    basic_counting_semaphore(basic_counting_semaphore const&) = delete;
    basic_counting_semaphore& operator=(basic_counting_semaphore const&) = delete;

    static constexpr std::ptrdiff_t max() noexcept { return Max; }

    /// Takes a permit.
    /// Blocks: always a checkpoint. Cancellation: takes no permit and leaves no waiter.
    /// Throws: cancelled; wrong_domain_error; deadlock_error. Complexity: O(1), no allocation. Source: std, Trio's Semaphore.
    void acquire() { core_.acquire(); }
    /// Never blocks; yields only in a loop, after hundreds of calls without a wait between. May be called from callbacks; false if there is no permit, or the next is somebody else's.
    bool try_acquire() noexcept { return core_.try_acquire(); }
    /// As acquire(), until the time has come; whether a permit was taken. A permit that is there is taken however late it is.
    /// Cancellation: a cancellation point, unlike try_acquire(), because it may wait.
    /// Throws: as acquire(); misuse_error for a duration that is no number; a negative one is over.
    template <class Rep, class Period>
    bool try_acquire_for(std::chrono::duration<Rep, Period> const& d) {
        return core_.try_acquire_until(detail::wait_deadline(detail::checked_wait(d < d.zero() ? d.zero() : d, "try_acquire_for")));
    }
    template <class Clock, class D>
    bool try_acquire_until(std::chrono::time_point<Clock, D> const& t) {
        return detail::wait_by_clock(t, "try_acquire_until", [this](time_point deadline) { return core_.try_acquire_until(deadline); });
    }
    /// Adds n permits, to those who wait first. Never blocks; may be called from callbacks.
    /// Throws: misuse_error if n is negative or the count would exceed max(). Guarantee: strong. Complexity: O(waiters served).
    void release(std::ptrdiff_t n = 1) { core_.release(n); }

    semaphore_statistics statistics() const noexcept { return core_.statistics(); }

private:
    detail::semaphore_core<L> core_;
};

namespace detail { inline constexpr std::ptrdiff_t most_permits = (std::numeric_limits<std::ptrdiff_t>::max)(); }

template <std::ptrdiff_t LeastMaxValue = detail::most_permits>
class counting_semaphore : public basic_counting_semaphore<detail::spin_lock, LeastMaxValue> {
    using basic_counting_semaphore<detail::spin_lock, LeastMaxValue>::basic_counting_semaphore;
};
counting_semaphore(std::ptrdiff_t) -> counting_semaphore<>;
using binary_semaphore = counting_semaphore<1>;

namespace local {
template <std::ptrdiff_t LeastMaxValue = detail::most_permits>
class counting_semaphore : public basic_counting_semaphore<detail::no_lock, LeastMaxValue> {
    using basic_counting_semaphore<detail::no_lock, LeastMaxValue>::basic_counting_semaphore;
};
counting_semaphore(std::ptrdiff_t) -> counting_semaphore<>;
using binary_semaphore = counting_semaphore<1>;
}  // namespace local
namespace shared { using weft::counting_semaphore; using weft::binary_semaphore; }

}  // namespace weft

#endif
