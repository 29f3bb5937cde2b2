// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_CHANNEL_STATE_HPP
#define WEFT_SYNC_DETAIL_CHANNEL_STATE_HPP

#include <weft/core/checkpoint.hpp>
#include <weft/sync/detail/channel_core.hpp>
#include <weft/sync/detail/item_cell.hpp>
#include <weft/sync/detail/ring.hpp>

#include <algorithm>
#include <optional>

namespace weft::detail {

/// A channel with its items. While somebody waits to receive, nothing is buffered; while somebody waits to send, the buffer is
/// full: whoever comes second hands over in its own call, under the lock, and then wakes the other.
template <class T, class L>
class channel_state final : public channel_core<L> {
public:
    using item = typename item_cell<T>::type;
    using slot = std::optional<item>;  // where a receiver wants it

    channel_state(channel_options o, bool unbounded) : channel_core<L>(std::move(o), unbounded), buffer_((std::min)(this->capacity_, allocated_at_once)) {}

    channel_outcome send(channel_end const& end, item& v, time_point deadline, channel_hold<L>& hold) {
        bool task = begin_operation("sender::send", L::shared);
        std::unique_lock lock(this->guard());
        waiter* second = nullptr;
        channel_outcome r = put(lock, end, v, second);
        if (r == channel_outcome::would_block) [[unlikely]] return this->wait(lock, true, end.id, &v, deadline, hold);
        leave(lock, second, task && r == channel_outcome::done && this->yield_due());
        return r;
    }
    channel_outcome receive(channel_end const& end, slot& to, time_point deadline, channel_hold<L>& hold) {
        bool task = begin_operation("receiver::receive", L::shared);
        std::unique_lock lock(this->guard());
        waiter* second = nullptr;
        channel_outcome r = get(end, to, second);
        if (r == channel_outcome::would_block) [[unlikely]] return this->wait(lock, false, end.id, &to, deadline, hold);
        if constexpr (item_cell<T>::boxed) if (r == channel_outcome::done) hold.keep(*this);  // for put_back(): all handles may go while this yields
        leave(lock, second, task && r == channel_outcome::done && this->yield_due());
        return r;
    }
    channel_outcome try_send(channel_end const& end, item& v) {
        std::unique_lock lock(this->guard());
        waiter* second = nullptr;
        channel_outcome r = put(lock, end, v, second);
        leave(lock, second, false);
        return r;
    }
    channel_outcome try_receive(channel_end const& end, slot& to) noexcept {
        std::unique_lock lock(this->guard());
        waiter* second = nullptr;
        channel_outcome r = get(end, to, second);
        leave(lock, second, false);
        return r;
    }

    // --- locked ---
    /// Hands v over if that needs no wait; `second` is who must be woken after that. Makes room in the buffer, for which it
    /// unlocks meanwhile: throws std::bad_alloc, without effect.
    channel_outcome put(std::unique_lock<L>& lock, channel_end const& end, item& v, waiter*& second) {
        for (;;) {
            channel_outcome r = offer(end, v, second);
            if (r != channel_outcome::would_block || !wants_room()) [[likely]] return r;
            grow(lock);
            lock.lock();
        }
    }
    /// put() without making room: would_block then too.
    channel_outcome offer(channel_end const& end, item& v, waiter*& second) noexcept {
        if (end.closed) [[unlikely]] return channel_outcome::closed;
        if (this->open_receivers_ == 0) [[unlikely]] return channel_outcome::broken;
        if ((second = this->receivers_.take())) {
            static_cast<slot*>(second->item)->emplace(std::move(v));
            return channel_outcome::done;
        }
        if (buffer_.count() >= this->capacity_ || buffer_.full()) return channel_outcome::would_block;
        buffer_.push(std::move(v));
        return channel_outcome::done;
    }
    channel_outcome get(channel_end const& end, slot& to, waiter*& second) noexcept {
        if (end.closed) [[unlikely]] return channel_outcome::closed;
        if (buffer_.count() > 0) {
            to.emplace(std::move(buffer_.front()));
            buffer_.drop();
            // The room belongs to the sender that has waited longest.
            if (buffer_.count() < this->capacity_ && (second = this->senders_.take())) buffer_.push(std::move(*static_cast<item*>(second->item)));
            return channel_outcome::done;
        }
        if ((second = this->senders_.take())) {
            to.emplace(std::move(*static_cast<item*>(second->item)));
            return channel_outcome::done;
        }
        return this->open_senders_ == 0 ? channel_outcome::ended : channel_outcome::would_block;
    }
    bool can_send(channel_end const& end) const noexcept {
        return end.closed || this->open_receivers_ == 0 || !this->receivers_.empty() || buffer_.count() < this->capacity_;
    }
    bool can_receive(channel_end const& end) const noexcept {
        return end.closed || buffer_.count() > 0 || !this->senders_.empty() || this->open_senders_ == 0;
    }
    bool wants_room() const noexcept { return buffer_.full() && buffer_.count() < this->capacity_; }

    // --- unlocked ---
    /// A larger buffer, if it is full below the capacity.
    void make_room() {
        std::unique_lock lock(this->guard());
        if (wants_room()) grow(lock);
    }
    /// Puts back what could not be handed on to its receiver, as the next to be received.
    void put_back(item&& v) {
        for (;;) {
            std::unique_lock lock(this->guard());
            if (this->open_receivers_ == 0) return;
            if (waiter* w = this->receivers_.take()) {
                static_cast<slot*>(w->item)->emplace(std::move(v));
                leave(lock, w, false);
                return;
            }
            if (!buffer_.full()) { buffer_.push_front(std::move(v)); return; }
            grow(lock);
        }
    }
    void close_receiver(channel_end& end) noexcept {
        ring<item> discarded;  // destroyed last, unlocked: an item may be anything, a handle of this channel too
        wake_list woken;
        {
            std::lock_guard lock(this->guard());
            if (channel_core<L>::close_receiver(end, woken)) buffer_.swap(discarded);
        }
        woken.wake();
    }

private:
    static constexpr std::size_t allocated_at_once = 64;  // items; a larger buffer grows as it is needed

    static void leave(std::unique_lock<L>& lock, waiter* second, bool yields) {
        lock.unlock();
        if (second) second->wake();
        if (yields) yield_shielded();
    }
    /// Unlocks, and leaves it so: the allocator is not called under the lock.
    void grow(std::unique_lock<L>& lock) {
        std::size_t more = (std::max)(allocated_at_once, 2 * buffer_.room());
        lock.unlock();
        ring<item> larger(more);
        lock.lock();
        if (larger.room() > buffer_.room()) {
            larger.adopt(buffer_);
            buffer_.swap(larger);
        }
        lock.unlock();
    }
    std::size_t buffered() const noexcept override { return buffer_.count(); }

    ring<item> buffer_;
};

}  // namespace weft::detail

#endif
