// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/detail/broadcast_core.hpp>

#include <weft/core/checkpoint.hpp>

#include <algorithm>
#include <utility>

namespace weft::detail {

template <class L>
broadcast_core<L>::broadcast_core(broadcast_options o) : ring_(o.capacity), options_(std::move(o)) {
    if (ring_.empty()) throw_misuse("make_broadcast with capacity 0", "pass at least 1: the sender does not know who will take a value, so it must be kept.");
}

template <class L>
broadcast_core<L>::~broadcast_core() {
    WEFT_ASSERT(senders_.empty() && receivers_.empty(), "a broadcast was destroyed with somebody waiting on it");
}

template <class L>
void broadcast_core<L>::aftermath::finish() noexcept {
    woken.wake();
    while (dead) dead = std::move(dead->next_dead);  // one by one: a chain would be destroyed by recursion
}

template <class L>
auto broadcast_core<L>::subscribe(broadcast_cursor const* like) -> cursor {
    auto c = std::make_shared<broadcast_cursor>();
    std::unique_lock lock(guard());
    if (like && like->closed) {
        lock.unlock();
        raise_outcome(channel_outcome::closed, "broadcast_receiver::clone", name());
    }
    c->next = like ? (std::max)(like->next, head_) : tail_;
    c->lagged = like ? like->lagged + (c->next - like->next) : 0;
    for (std::uint64_t i = c->next; i < tail_; ++i) ++at(i)->remaining;
    ++open_receivers_;
    return c;
}

template <class L>
auto broadcast_core<L>::subscribe(channel_end const& end) -> cursor {
    throw_if_closed(end, "broadcast_sender::subscribe");
    return subscribe(nullptr);
}

template <class L>
channel_end broadcast_core<L>::clone_sender(channel_end const& end) {
    throw_if_closed(end, "broadcast_sender::clone");
    std::lock_guard lock(guard());
    ++open_senders_;
    return {next_id_++, false};
}

template <class L>
void broadcast_core<L>::throw_if_closed(channel_end const& end, char const* call) {
    if (is_closed(end)) raise_outcome(channel_outcome::closed, call, name());
}

template <class L>
void broadcast_core<L>::close_sender(channel_end& end) noexcept {
    aftermath after;
    {
        std::lock_guard lock(guard());
        if (std::exchange(end.closed, true)) return;
        for (waiter* w = senders_.front(); w;) {
            waiter* next = senders_.after(*w);
            if (w->amount == end.id && senders_.settle(*w, wait_state::closed)) after.woken.add(*w);
            w = next;
        }
        if (--open_senders_ == 0) while (waiter* w = receivers_.take(wait_state::closed)) after.woken.add(*w);
    }
    after.finish();
}

template <class L>
void broadcast_core<L>::close_receiver(broadcast_cursor& c) noexcept {
    aftermath after;
    {
        std::lock_guard lock(guard());
        if (c.closed) return;
        c.closed = true;
        for (waiter* w = receivers_.front(); w;) {
            waiter* next = receivers_.after(*w);
            if (static_cast<broadcast_request*>(w->item)->cursor.get() == &c && receivers_.settle(*w, wait_state::closed)) {
                w->amount = by_handle;
                after.woken.add(*w);
            }
            w = next;
        }
        --open_receivers_;
        for (std::uint64_t i = (std::max)(c.next, head_); i < tail_; ++i) --at(i)->remaining;
        drop_read(after);
        admit(after);
    }
    after.finish();
}

// Gives e its number. Receivers that wait have had all before it, and get it here.
template <class L>
void broadcast_core<L>::append(std::unique_ptr<broadcast_entry> e, aftermath& after) noexcept {
    std::uint64_t number = tail_++;
    e->remaining = open_receivers_;
    for (waiter* w = receivers_.front(); w;) {
        waiter* next = receivers_.after(*w);
        auto& request = *static_cast<broadcast_request*>(w->item);
        // Of several that wait through one handle, the first gets this value and the next the one after it.
        if (request.cursor->next == number && receivers_.settle(*w, wait_state::granted)) {
            request.value = e->value;
            ++request.cursor->next;
            --e->remaining;
            after.woken.add(*w);
        }
        w = next;
    }
    at(number) = std::move(e);
    drop_read(after);
}

// Values at the head that everybody has had.
template <class L>
void broadcast_core<L>::drop_read(aftermath& after) noexcept {
    for (; head_ < tail_ && at(head_)->remaining == 0; ++head_) after.bury(std::move(at(head_)));
}

// The room belongs to the senders that have waited longest.
template <class L>
void broadcast_core<L>::admit(aftermath& after) noexcept {
    while (tail_ - head_ < ring_.size()) {
        waiter* w = senders_.take();
        if (!w) return;
        append(std::move(*static_cast<std::unique_ptr<broadcast_entry>*>(w->item)), after);
        after.woken.add(*w);
    }
}

template <class L>
channel_outcome broadcast_core<L>::send(channel_end const& end, std::shared_ptr<void const> value, time_point deadline, bool may_wait) {
    auto entry = std::make_unique<broadcast_entry>();
    entry->value = std::move(value);
    bool task = may_wait && begin_operation("broadcast_sender::send", L::shared);
    std::unique_lock lock(guard());
    if (end.closed) return channel_outcome::closed;
    if (tail_ - head_ == ring_.size() && options_.lag == lag_policy::block) {
        if (!may_wait) return channel_outcome::would_block;
        waiter w("broadcast_sender::send", L::shared);
        w.item = &entry;
        w.amount = end.id;
        switch (senders_.wait(lock, w, {.reason = {"broadcast send", this, &describe}, .deadline = deadline})) {
            case wait_state::cancelled: return channel_outcome::cancelled;
            case wait_state::timed_out: return channel_outcome::timed_out;
            case wait_state::closed: return channel_outcome::closed;
            default: return channel_outcome::done;
        }
    }
    aftermath after;
    if (tail_ - head_ == ring_.size()) after.bury(std::move(at(head_++)));
    append(std::move(entry), after);
    lock.unlock();
    after.finish();
    if (task) yield_shielded();
    return channel_outcome::done;
}

template <class L>
channel_outcome broadcast_core<L>::get(broadcast_request& to, aftermath& after) noexcept {
    broadcast_cursor& c = *to.cursor;
    if (c.closed) return channel_outcome::closed;
    if (c.next < head_) {
        c.lagged += head_ - c.next;
        c.next = head_;
    }
    if (c.next == tail_) return open_senders_ == 0 ? channel_outcome::ended : channel_outcome::would_block;
    broadcast_entry& e = *at(c.next++);
    to.value = e.value;
    --e.remaining;
    drop_read(after);
    admit(after);
    return channel_outcome::done;
}

template <class L>
channel_outcome broadcast_core<L>::receive(broadcast_request& to, time_point deadline, bool may_wait) {
    bool task = may_wait && begin_operation("broadcast_receiver::receive", L::shared);
    aftermath after;
    std::unique_lock lock(guard());
    channel_outcome r = get(to, after);
    if (r == channel_outcome::would_block && may_wait) {
        waiter w("broadcast_receiver::receive", L::shared);
        w.item = &to;
        switch (receivers_.wait(lock, w, {.reason = {"broadcast receive", this, &describe}, .deadline = deadline})) {
            case wait_state::cancelled: return channel_outcome::cancelled;
            case wait_state::timed_out: return channel_outcome::timed_out;
            case wait_state::closed: return why_closed(w);
            default: return channel_outcome::done;
        }
    }
    lock.unlock();
    after.finish();
    if (task && r == channel_outcome::done) yield_shielded();
    return r;
}

template <class L>
std::uint64_t broadcast_core<L>::take_lagged(broadcast_cursor& c) noexcept {
    std::lock_guard lock(guard());
    if (c.next < head_) {
        c.lagged += head_ - c.next;
        c.next = head_;
    }
    return std::exchange(c.lagged, 0);
}

template <class L>
broadcast_statistics broadcast_core<L>::statistics() noexcept {
    std::lock_guard lock(guard());
    return {static_cast<std::size_t>(tail_ - head_), open_senders_, open_receivers_, senders_.size(), receivers_.size()};
}

template <class L>
std::string broadcast_core<L>::describe(void const* core) {
    auto& c = *static_cast<broadcast_core*>(const_cast<void*>(core));
    broadcast_statistics s = c.statistics();
    return (c.name().empty() ? std::string() : "\"" + c.name() + "\", ") + std::to_string(s.buffered) + " of " + std::to_string(c.ring_.size()) + " buffered, " +
           std::to_string(s.senders) + (s.senders == 1 ? " sender, " : " senders, ") + std::to_string(s.receivers) + (s.receivers == 1 ? " receiver" : " receivers");
}

template class broadcast_core<no_lock>;
template class broadcast_core<spin_lock>;

}  // namespace weft::detail
