// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_BARRIER_HPP
#define WEFT_SYNC_BARRIER_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <atomic>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

namespace weft {

/// What a barrier holds at one moment.
struct barrier_statistics {
    std::ptrdiff_t expected{};  ///< of the next phase
    std::ptrdiff_t missing{};   ///< arrivals that the current phase still waits for
    std::uint64_t phase{};      ///< completed phases
    std::size_t waiting{};
};

namespace detail {

/// Counts arrivals and phases. `complete` runs between the last arrival and the start of the next phase, unlocked: nobody
/// can arrive then, since nobody is expected.
template <class L>
class barrier_core {
public:
    using completion = void (*)(void*) noexcept;
    static constexpr std::ptrdiff_t max = (std::numeric_limits<std::ptrdiff_t>::max)();

    constexpr barrier_core(std::ptrdiff_t expected, char const* name) : expected_(expected), missing_(expected), name_(name) {
        if (expected < 0) throw_misuse("a barrier was made with a negative count", "pass how many will arrive in each phase.");
    }
    barrier_core(barrier_core const&) = delete;
    ~barrier_core();

    struct arrival { std::uint64_t phase; bool last; };  // last: it has completed the phase
    arrival arrive(std::ptrdiff_t n, bool drop, completion complete, void* arg);
    void wait(std::uint64_t phase);
    void arrive_and_wait(completion complete, void* arg);
    barrier_statistics statistics() const noexcept;

private:
    void wait(waiter& w, std::uint64_t phase);
    static std::string describe(void const* self);

    std::ptrdiff_t expected_;           // arrivals of the phases to come
    std::ptrdiff_t missing_;            // of this one
    std::uint64_t phase_{};
    char const* name_;
    wait_queue<L> mutable queue_;       // guards the rest
};

extern template class barrier_core<spin_lock>;
extern template class barrier_core<no_lock>;

struct no_completion { constexpr void operator()() const noexcept {} };

}  // namespace detail

/// A meeting point that is passed again and again: each phase ends when all expected have arrived. std::barrier's interface.
///
///     weft::barrier turn(players, [&]() noexcept { board.advance(); });
///     for (;;) { move(); turn.arrive_and_wait(); }
///
/// weft::barrier may be used by tasks of any run and by plain threads, before and outside of a run too; weft::local::barrier
/// stays on one runtime.
///
/// The completion function runs exactly once a phase, in whoever arrives last, before anybody goes on. It may not throw; it may
/// wait, and is shielded from cancellation then.
/// Hazard: an arrival cannot be taken back. A participant that leaves, cancelled for instance, must arrive_and_drop(), or the
/// others wait for ever; in one nursery they are cancelled with it.
///
/// Destroying one that somebody waits for aborts with a message. It may be destroyed by whoever is woken last.
/// Memory order: each arrival happens-before the completion function, and that before the return of the phase's waits.
template <class L, class F>
class basic_barrier {
    static_assert(std::is_nothrow_invocable_v<F&>, "a barrier's completion function takes nothing and is noexcept");

public:
    /// Whoever arrived, in which phase. Movable only; may be dropped by who does not want to wait.
    class arrival_token {
    public:
        arrival_token(arrival_token&& o) noexcept : barrier_(std::exchange(o.barrier_, nullptr)), phase_(o.phase_) {}
        arrival_token& operator=(arrival_token&& o) noexcept {
            phase_ = o.phase_;
            barrier_ = std::exchange(o.barrier_, nullptr);
            return *this;
        }

    private:
        friend basic_barrier;
        arrival_token(basic_barrier const* b, std::uint64_t phase) noexcept : barrier_(b), phase_(phase) {}
        basic_barrier const* barrier_;  // null once it was moved from
        std::uint64_t phase_;
    };

    /// The name shows up in dumps; it is not copied. Throws: misuse_error if expected is negative.
    constexpr explicit basic_barrier(std::ptrdiff_t expected, F f = F(), char const* name = nullptr) : core_(expected, name), completion_(std::move(f)) {}
    basic_barrier(basic_barrier const&) = delete;
    basic_barrier& operator=(basic_barrier const&) = delete;

    static constexpr std::ptrdiff_t max() noexcept { return detail::barrier_core<L>::max; }

    /// Arrives n times. Runs the completion function if these are the last; blocks only if that does. No cancellation point.
    /// Throws: misuse_error unless 0 < n <= what the phase still expects. Guarantee: strong. Complexity: O(1), the last one O(waiters).
    /// May be called from callbacks, where the completion function must not wait.    Source: std::barrier.
    [[nodiscard]] arrival_token arrive(std::ptrdiff_t n = 1) { return {this, core_.arrive(n, false, function(), &completion_).phase}; }
    /// Waits for the end of the token's phase.
    /// Blocks: always a checkpoint. Cancellation: leaves no waiter; the arrival stands.
    /// Throws: cancelled; wrong_domain_error; deadlock_error; misuse_error for a token of another barrier, or used before.
    void wait(arrival_token&& token) const {
        if (std::exchange(token.barrier_, nullptr) != this) detail::throw_misuse("barrier::wait with a token of another barrier, or that was used before", "pass what arrive() of the same barrier returned, once.");
        core_.wait(token.phase_);
    }
    /// wait(arrive()). Blocks: always a checkpoint. Throws as these.
    /// Cancellation: raised before it has arrived, or while it waits: then the arrival stands.
    void arrive_and_wait() { core_.arrive_and_wait(function(), &completion_); }
    /// Arrives, and is not expected in later phases. Blocks and throws as arrive(): usable in destructors.
    void arrive_and_drop() { core_.arrive(1, true, function(), &completion_); }

    barrier_statistics statistics() const noexcept { return core_.statistics(); }

private:
    static constexpr typename detail::barrier_core<L>::completion function() noexcept {
        if constexpr (std::is_same_v<F, detail::no_completion>) return nullptr;
        else return [](void* f) noexcept { (*static_cast<F*>(f))(); };
    }
    detail::barrier_core<L> mutable core_;
    [[no_unique_address]] F completion_;
};

template <class CompletionFunction = detail::no_completion>
class barrier : public basic_barrier<detail::spin_lock, CompletionFunction> {
    using basic_barrier<detail::spin_lock, CompletionFunction>::basic_barrier;
};
barrier(std::ptrdiff_t) -> barrier<>;
template <class F> barrier(std::ptrdiff_t, F) -> barrier<F>;
template <class F> barrier(std::ptrdiff_t, F, char const*) -> barrier<F>;

namespace local {
template <class CompletionFunction = detail::no_completion>
class barrier : public basic_barrier<detail::no_lock, CompletionFunction> {
    using basic_barrier<detail::no_lock, CompletionFunction>::basic_barrier;
};
barrier(std::ptrdiff_t) -> barrier<>;
template <class F> barrier(std::ptrdiff_t, F) -> barrier<F>;
template <class F> barrier(std::ptrdiff_t, F, char const*) -> barrier<F>;
}  // namespace local
namespace shared { using weft::barrier; }

}  // namespace weft

#endif
