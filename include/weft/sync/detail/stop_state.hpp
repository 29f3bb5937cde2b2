// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_STOP_STATE_HPP
#define WEFT_SYNC_DETAIL_STOP_STATE_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace weft::detail {

class stop_state;

/// A callback as its state sees it: linked while it may still be called. The fields are guarded by the state's lock.
class stop_callback_node {
public:
    stop_callback_node(stop_callback_node const&) = delete;

protected:
    explicit stop_callback_node(void (*invoke)(stop_callback_node&)) noexcept : invoke_(invoke) {}
    ~stop_callback_node() = default;

private:
    friend stop_state;
    void (*invoke_)(stop_callback_node&);
    stop_callback_node* next_{};
    stop_callback_node* prev_{};
    bool listed_{};
    bool* gone_{};  ///< while it is called: set when it is destroyed from inside the call
};

/// What sources, tokens and callbacks share. Who runs the callbacks, and who waits for one to end, are named by lock_owner ids:
/// two tasks of one thread are two.
class stop_state {
public:
    stop_state(stop_state const&) = delete;

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept { if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }
    void add_source() noexcept { sources_.fetch_add(1, std::memory_order_relaxed); }
    void drop_source() noexcept { sources_.fetch_sub(1, std::memory_order_release); }

    bool requested() const noexcept { return requested_.load(std::memory_order_acquire); }
    bool possible() const noexcept { return requested() || sources_.load(std::memory_order_acquire) > 0; }
    bool request() noexcept;
    /// Lists n, or calls it at once if a stop was requested already. One that can never be called is not listed.
    void add(stop_callback_node& n) noexcept;
    /// n will not be called any more, and is not being called, but by the caller itself.
    void remove(stop_callback_node& n) noexcept;

    static stop_state* make() { return new stop_state; }

private:
    stop_state() = default;
    ~stop_state() = default;
    void unlink(stop_callback_node& n) noexcept;

    std::atomic<std::size_t> references_{1};
    std::atomic<std::size_t> sources_{1};
    std::atomic<bool> requested_{false};
    wait_queue<spin_lock> ends_;        ///< who waits for the end of running_; its lock guards what follows
    stop_callback_node* first_{};
    stop_callback_node* last_{};
    stop_callback_node* running_{};     ///< being called by the requester
    std::uint64_t requester_{};         ///< a lock_owner's id
};

/// A counted pointer to a state.
class stop_ref {
public:
    stop_ref() noexcept = default;
    explicit stop_ref(stop_state* counted) noexcept : s_(counted) {}
    stop_ref(stop_ref const& o) noexcept : s_(o.s_) { if (s_) s_->retain(); }
    stop_ref(stop_ref&& o) noexcept : s_(std::exchange(o.s_, nullptr)) {}
    stop_ref& operator=(stop_ref o) noexcept { std::swap(s_, o.s_); return *this; }
    ~stop_ref() { if (s_) s_->release(); }
    stop_state* get() const noexcept { return s_; }
    stop_state* operator->() const noexcept { return s_; }
    explicit operator bool() const noexcept { return s_ != nullptr; }
    bool operator==(stop_ref const&) const noexcept = default;
    void swap(stop_ref& o) noexcept { std::swap(s_, o.s_); }

private:
    stop_state* s_{};
};

}  // namespace weft::detail

#endif
