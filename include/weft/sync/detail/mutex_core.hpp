// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_MUTEX_CORE_HPP
#define WEFT_SYNC_DETAIL_MUTEX_CORE_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <atomic>
#include <type_traits>

namespace weft {

/// What a mutex holds at one moment.
struct mutex_statistics {
    bool locked{};
    std::uint64_t owner_task{};  ///< id of the owning task; 0 if it is a thread, a callback, or nobody
    std::size_t waiting{};
};

namespace detail {

/// A variable of one runtime, with the face of an atomic.
template <class T>
class plain_cell {
public:
    constexpr plain_cell(T v) noexcept : v_(v) {}
    T load(std::memory_order = {}) const noexcept { return v_; }
    void store(T v, std::memory_order = {}) noexcept { v_ = v; }

private:
    T v_;
};

/// What all mutexes are made of: an owner, a recursion depth, and a FIFO of those who wait. Unlocking hands the lock to the
/// first of them, so nobody can snatch it.
///
/// For several threads, `word_` is what lock and unlock touch when nobody waits; locked_bit and waiters_bit. waiters_bit is
/// set and cleared under the queue's lock only.
template <class L>
class mutex_core {
public:
    constexpr mutex_core() noexcept = default;
    constexpr explicit mutex_core(char const* name) noexcept : name_(name) {}
    mutex_core(mutex_core const&) = delete;
    ~mutex_core();

    void lock() {
        lock_owner me = self_owner();
        if (!try_enter(me)) [[unlikely]] lock_slow(me, {.reason = reason(), .cancellable = false});
    }
    void lock_cancellable();
    bool try_lock() noexcept {
        if (try_enter(self_owner())) return true;
        if constexpr (L::shared) return tried_in_vain();
        return false;
    }
    bool try_lock_until(time_point deadline);
    void unlock() {
        if (owner_.load(std::memory_order_relaxed) != self_owner().id) [[unlikely]] throw_not_owner();
        owner_.store(0, std::memory_order_relaxed);
        if constexpr (L::shared) {
            std::uint32_t locked = locked_bit;
            if (!word_.compare_exchange_strong(locked, 0, std::memory_order_release, std::memory_order_relaxed)) [[unlikely]] unlock_slow();
        } else {
            if (!queue_.empty()) [[unlikely]] unlock_slow();
        }
    }

    // Recursive ones count here; only the owner does.
    void lock_again() {
        if (!owned_by_caller()) lock();
        else if (!deepen()) throw_too_deep();
    }
    bool try_lock_again() noexcept { return owned_by_caller() ? deepen() : try_lock(); }
    bool try_lock_again_until(time_point t) { return owned_by_caller() ? deepen() : try_lock_until(t); }
    void unlock_once() {
        if (!owned_by_caller()) throw_not_owner();
        if (depth_ > 0) --depth_;
        else unlock();
    }

    bool owned_by_caller() const noexcept { return owner_.load(std::memory_order_relaxed) == self_owner().id; }
    mutex_statistics statistics() const noexcept;

private:
    static constexpr std::uint32_t locked_bit = 1, waiters_bit = 2;
    static constexpr std::uint64_t broken = ~std::uint64_t{0};

    template <class T> using cell = std::conditional_t<L::shared, std::atomic<T>, plain_cell<T>>;

    bool try_enter(lock_owner me) noexcept {
        if constexpr (L::shared) {
            std::uint32_t free = 0;
            if (!word_.compare_exchange_strong(free, locked_bit, std::memory_order_acquire, std::memory_order_relaxed)) return false;
        } else {
            if (owner_.load() != 0) return false;
        }
        set_owner(me);
        if constexpr (L::shared) {
            if (++entered_ == 0) [[unlikely]] return enter_after_others(me);
        }
        return true;
    }
    bool enter_after_others(lock_owner me) noexcept;
    void set_owner(lock_owner o) noexcept {
        record_.store(o.record, std::memory_order_relaxed);
        owner_.store(o.id, std::memory_order_release);
    }
    wait_reason reason() const noexcept { return {name_ ? name_ : "mutex", this, &describe}; }
    static constexpr std::uint32_t most_often = (1u << 24) - 1;
    bool deepen() noexcept {
        if (depth_ == most_often) return false;
        ++depth_;
        return true;
    }
    [[noreturn]] WEFT_COLD void throw_too_deep() const;

    wait_state lock_slow(lock_owner me, wait_options const& o);
    void unlock_slow() noexcept;
    bool owner_is_gone() const noexcept;
    template <class> friend class mutex_core;
    static void owner_ended(kernel& k, task_record& t) noexcept;
    static void owner_ended_any(kernel& k, task_record& t) noexcept;
    static std::string describe(void const* self);
    [[noreturn]] WEFT_COLD void throw_not_owner() const;
    [[noreturn]] WEFT_COLD void throw_broken() const;

    cell<std::uint64_t> owner_{0};            // a lock_owner's id; `broken` if its task ended while it held the lock
    cell<task_record*> record_{nullptr};      // the owner's record: valid while owner_ names a task of this run
    std::conditional_t<L::shared, std::atomic<std::uint32_t>, plain_cell<std::uint32_t>> word_{0};
    std::uint32_t depth_ : 24 {};             // the owner's
    std::uint32_t entered_ : 8 {};            // how often it was taken without a wait, from 256 to 0 again; the owner's
    wait_queue<L> mutable queue_;
    char const* name_{};
};

/// For std's timed forms, where a negative duration is one that is over. Throws misuse_error for one that is no number.
template <class Rep, class Period>
time_point lock_deadline(std::chrono::duration<Rep, Period> const& d) {
    return wait_deadline(checked_wait(d < d.zero() ? d.zero() : d, "try_lock_for"));
}

extern template class mutex_core<spin_lock>;
extern template class mutex_core<no_lock>;

}  // namespace detail
}  // namespace weft

#endif
