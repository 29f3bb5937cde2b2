// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_CAPACITY_LIMITER_HPP
#define WEFT_SYNC_CAPACITY_LIMITER_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <string>

namespace weft {

/// What a limiter holds at one moment.
struct capacity_limiter_statistics {
    std::size_t borrowed{};
    std::size_t total{};
    std::size_t waiting{};
};

/// Limits how many tasks do something at once. Unlike a semaphore it knows who holds a token: each borrower at most one.
///
///     weft::capacity_limiter connections(100);
///     connections.use([&] { fetch(url); });
///
/// First come, first served; a token that is given back goes to the one who waits longest, nobody can snatch it.
/// weft::capacity_limiter belongs to one runtime; borrowers of weft::shared::capacity_limiter may be tasks of any run and
/// plain threads. Destroying one with waiters aborts with a message.
/// Hazard: a task that ends without giving its token back keeps it for ever. Instead: use(f), or a `scoped`.
/// Memory order: a release happens-before the return of the acquire that gets its token.
template <class L>
class basic_capacity_limiter {
    /// A task or thread by its lock_owner id, which is never used again; anything else by its address.
    struct borrower {
        std::uint64_t id{};
        void const* object{};
        bool operator<(borrower const& o) const noexcept { return id != o.id ? id < o.id : std::less<>()(object, o.object); }
    };

public:
    static constexpr std::size_t unlimited = (std::numeric_limits<std::size_t>::max)();

    /// 0 lets nobody through until the total is raised; `unlimited` everybody.
    explicit basic_capacity_limiter(std::size_t total_tokens, std::string name = {}) : total_(total_tokens), name_(std::move(name)) {}
    basic_capacity_limiter(basic_capacity_limiter const&) = delete;
    basic_capacity_limiter& operator=(basic_capacity_limiter const&) = delete;
    ~basic_capacity_limiter();

    /// Takes a token for the running task (or thread), or for another borrower: any address that names one.
    ///
    /// Blocks:       always a checkpoint.    Cancellation: leaves no waiter and takes no token.
    /// Throws:       cancelled; misuse_error if the borrower has, or waits for, a token already; not_running_error; wrong_domain_error;
    ///               deadlock_error.
    /// Guarantee:    strong.    Complexity: O(log borrowers); one small allocation.    Source: Trio's CapacityLimiter.acquire.
    void acquire() { acquire_for(self()); }
    void acquire_on_behalf_of(void const* borrower) { acquire_for(named(borrower)); }
    /// The same without waiting; no checkpoint; may be called from callbacks, which are one borrower.
    /// Throws: would_block if there is no token to be had now; misuse_error. Guarantee: strong.
    void acquire_nowait() { acquire_nowait_for(self()); }
    void acquire_nowait_on_behalf_of(void const* borrower) { acquire_nowait_for(named(borrower)); }
    /// Gives a token back. Never blocks; may be called from callbacks. Throws: misuse_error if the borrower has none.
    void release() { release_for(self()); }
    void release_on_behalf_of(void const* borrower) { release_for(named(borrower)); }

    /// Holds a token of the running task's or thread's for a block. May be destroyed by another. Blocks, throws as acquire().
    class scoped {
    public:
        explicit scoped(basic_capacity_limiter& limiter) : limiter_(limiter), who_(self()) { limiter.acquire_for(who_); }
        ~scoped() { limiter_.release_for(who_); }
        scoped(scoped const&) = delete;
    private:
        basic_capacity_limiter& limiter_;
        borrower who_;
    };
    /// Runs f while holding a token; returns what it returns. Blocks as acquire(). Throws: as that; what f throws.
    template <class F>
    decltype(auto) use(F&& f) {
        scoped held(*this);
        return std::forward<F>(f)();
    }

    std::size_t total_tokens() const noexcept;
    /// More tokens wake waiters at once; fewer take none back: the next that come home are kept. Never blocks.
    void set_total_tokens(std::size_t n) noexcept;
    std::size_t borrowed_tokens() const noexcept;
    std::size_t available_tokens() const noexcept;  ///< 0 while more are out than the total
    capacity_limiter_statistics statistics() const noexcept;

private:
    enum class standing : bool { waits, has_token };
    using borrower_map = std::map<borrower, standing>;
    static borrower self() noexcept { return {detail::self_owner().id, nullptr}; }
    static borrower named(void const* object) noexcept { return {0, object}; }

    void acquire_for(borrower b);
    void acquire_nowait_for(borrower b);
    void release_for(borrower b);
    void forget(borrower b) noexcept;
    void* grant() noexcept;
    static std::string describe(void const* self);

    detail::wait_queue<L> mutable queue_;  // guards the rest; a waiter's item is its standing, once it was taken the next taken
    borrower_map borrowers_;               // nodes are made and destroyed outside of the lock
    std::size_t borrowed_{};
    std::size_t total_;
    std::string const name_;
};

extern template class basic_capacity_limiter<detail::no_lock>;
extern template class basic_capacity_limiter<detail::spin_lock>;

using capacity_limiter = basic_capacity_limiter<detail::no_lock>;
namespace local { using weft::capacity_limiter; }
namespace shared { using capacity_limiter = basic_capacity_limiter<detail::spin_lock>; }

}  // namespace weft

#endif
