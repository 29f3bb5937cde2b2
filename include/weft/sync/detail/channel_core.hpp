// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_CHANNEL_CORE_HPP
#define WEFT_SYNC_DETAIL_CHANNEL_CORE_HPP

#include <weft/sync/detail/channel_outcome.hpp>
#include <weft/sync/detail/waiting.hpp>

#include <cstdint>
#include <limits>
#include <string>

namespace weft {

struct channel_options {
    std::size_t capacity{};    ///< items that may wait in the channel; 0: a send waits for its receiver (rendezvous)
    std::string name{};        ///< for dumps and messages
    /// A send or receive that need not wait lets other tasks run: 1: every one, as all of weft's waiting calls do; n: only every
    /// n-th on this channel, which is faster where both sides are always busy. All are cancellation points either way.
    unsigned yield_every{1};
};

/// A channel at one moment.
struct channel_statistics {
    static constexpr std::size_t unbounded = (std::numeric_limits<std::size_t>::max)();
    std::size_t buffered{};           ///< items sent and not received; those of waiting senders do not count
    std::size_t capacity{};           ///< or unbounded
    std::size_t senders{};            ///< handles that are open
    std::size_t receivers{};
    std::size_t waiting_senders{};    ///< tasks and threads
    std::size_t waiting_receivers{};
};

namespace detail {

template <class L> class channel_core;

/// Keeps a channel for the rest of an operation that has waited: all handles may be gone when it is woken.
template <class L>
class channel_hold {
public:
    channel_hold() = default;
    channel_hold(channel_hold const&) = delete;
    ~channel_hold() { if (kept_) kept_->release(); }
    void keep(channel_core<L>& c) noexcept { c.retain(); kept_ = &c; }
private:
    channel_core<L>* kept_{};
};

/// The part of a channel that does not know its items: who waits on which side, who may come, and when it is over.
/// Everything is guarded by guard(). A waiter's item points to what it sends or to where it receives; its amount is the id
/// of the handle that it waits through, and becomes 0 when that handle is closed.
template <class L>
class channel_core {
public:
    channel_core(channel_options o, bool unbounded);
    channel_core(channel_core const&) = delete;
    virtual ~channel_core();

    void retain() noexcept { holders_.retain(); }
    void release() noexcept { if (holders_.release()) delete this; }

    L& guard() noexcept { return receivers_.lock(); }
    wait_queue<L>& senders() noexcept { return senders_; }
    wait_queue<L>& receivers() noexcept { return receivers_; }

    /// Another handle for the side of `end`, which must be open.
    channel_end clone_sender(channel_end const& end) { return clone(end, open_senders_, "sender"); }
    channel_end clone_receiver(channel_end const& end) { return clone(end, open_receivers_, "receiver"); }
    void close_sender(channel_end& end) noexcept;
    /// Locked: the last receiver has gone, the caller discards what is buffered.
    bool close_receiver(channel_end& end, wake_list& woken) noexcept;
    bool is_closed(channel_end const& end) noexcept { std::lock_guard lock(guard()); return end.closed; }

    /// Waits for the other side, through the handle of that id. Locked on entry, unlocked on return. `hold` must be empty.
    channel_outcome wait(std::unique_lock<L>& lock, bool sending, std::size_t id, void* item, time_point deadline, channel_hold<L>& hold);
    /// How a wait on one of the queues ended, for a waiter that was closed.
    static channel_outcome why_closed(waiter const& w, bool sending) noexcept {
        return w.amount == 0 ? channel_outcome::closed : sending ? channel_outcome::broken : channel_outcome::ended;
    }
    [[noreturn]] void raise(channel_outcome r, char const* call) const { raise_outcome(r, call, name_); }

    channel_statistics statistics() noexcept;
    std::string const& name() const noexcept { return name_; }
    static std::string describe(void const* core);

    static constexpr channel_end first_sender{1, false};
    static constexpr channel_end first_receiver{2, false};

protected:
    /// Locked: whether an operation that need not wait should yield now.
    bool yield_due() noexcept {
        if (++passed_ < yield_every_) return false;
        passed_ = 0;
        return true;
    }
    virtual std::size_t buffered() const noexcept = 0;

    wait_queue<L> receivers_;  ///< its lock guards all
    wait_queue<L> senders_;
    std::size_t capacity_;
    std::size_t open_senders_{1};
    std::size_t open_receivers_{1};

private:
    channel_end clone(channel_end const& end, std::size_t& open, char const* side);
    static void evict(wait_queue<L>& from, std::size_t id, wake_list& woken) noexcept;

    unsigned yield_every_;
    unsigned passed_{};  ///< operations since the last yield
    std::size_t next_id_{3};
    holder_count<L> holders_;
    std::string const name_;
};

extern template class channel_core<no_lock>;
extern template class channel_core<spin_lock>;

}  // namespace detail
}  // namespace weft

#endif
