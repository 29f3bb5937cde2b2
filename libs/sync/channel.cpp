// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/channel.hpp>

#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"

namespace weft::detail {

bool begin_operation(char const* call, bool threads) {
    kernel* k = this_kernel;
    if (k) {
        task_record* t = k->current();
        if (!t) throw_outside(call);
        k->cancel_point(*t);
        return true;
    }
    if (!threads) throw_outside(call);
    return false;
}

void throw_empty_channel_handle(char const* call) {
    throw_misuse((std::string(call) + " on a handle that belongs to no channel").c_str(), "it was default-constructed or moved from; use what make_channel or clone() returned.");
}

void raise_outcome(channel_outcome r, char const* call, std::string const& name) {
    std::string what = std::string(call) + " on " + (name.empty() ? std::string("a channel") : "channel \"" + name + "\"");
    switch (r) {
        case channel_outcome::cancelled: lowlevel::raise_cancelled();
        case channel_outcome::closed:
            throw closed_resource_error(message("W084", what + ": this handle was closed" + in_task(), "", "use a handle of your own (clone()), and close it last."));
        case channel_outcome::broken:
            throw broken_resource_error(message("W085", what + ": no receiver is left" + in_task(), "every receiver handle was closed, so nobody would ever take the item.",
                                                "end the sending loop with this error, or keep a receiver open."));
        default:
            throw end_of_channel(message("W086", what + ": no sender is left and all items were received" + in_task(), "",
                                         "catch end_of_channel where it is expected, or loop with for (auto& v : receiver)."));
    }
}

template <class L>
channel_core<L>::channel_core(channel_options o, bool unbounded)
    : capacity_(unbounded ? channel_statistics::unbounded : o.capacity), yield_every_(o.yield_every), name_(std::move(o.name)) {
    if (!unbounded && capacity_ == channel_statistics::unbounded) {
        throw_misuse("make_channel with the largest possible capacity", "call make_unbounded_channel, and think of what bounds it.");
    }
    if (yield_every_ == 0) throw_misuse("make_channel with yield_every = 0", "pass 1 to yield in every operation, n for every n-th.");
}

template <class L>
channel_core<L>::~channel_core() {
    WEFT_ASSERT(senders_.empty() && receivers_.empty(), "a channel was destroyed with somebody waiting on it");
}

template <class L>
channel_end channel_core<L>::clone(channel_end const& end, std::size_t& open, char const* side) {
    std::unique_lock lock(guard());
    if (end.closed) {
        lock.unlock();
        raise(channel_outcome::closed, side);
    }
    ++open;
    return {next_id_++, false};
}

template <class L>
void channel_core<L>::evict(wait_queue<L>& from, std::size_t id, wake_list& woken) noexcept {
    for (waiter* w = from.front(); w;) {
        waiter* next = from.after(*w);
        if (w->amount == id && from.settle(*w, wait_state::closed)) {
            w->amount = 0;
            woken.add(*w);
        }
        w = next;
    }
}

template <class L>
void channel_core<L>::close_sender(channel_end& end) noexcept {
    wake_list woken;
    {
        std::lock_guard lock(guard());
        if (end.closed) return;
        end.closed = true;
        evict(senders_, end.id, woken);
        if (--open_senders_ == 0) while (waiter* w = receivers_.take(wait_state::closed)) woken.add(*w);
    }
    woken.wake();
}

template <class L>
bool channel_core<L>::close_receiver(channel_end& end, wake_list& woken) noexcept {
    if (end.closed) return false;
    end.closed = true;
    evict(receivers_, end.id, woken);
    if (--open_receivers_ != 0) return false;
    while (waiter* w = senders_.take(wait_state::closed)) woken.add(*w);
    return true;
}

template <class L>
channel_outcome channel_core<L>::wait(std::unique_lock<L>& lock, bool sending, std::size_t id, void* item, time_point deadline, channel_hold<L>& hold) {
    waiter w(sending ? "sender::send" : "receiver::receive", L::shared);
    w.item = item;
    w.amount = id;
    hold.keep(*this);
    wait_reason const reason{sending ? "channel send" : "channel receive", this, &describe};
    switch ((sending ? senders_ : receivers_).wait(lock, w, {.reason = reason, .deadline = deadline})) {
        case wait_state::cancelled: return channel_outcome::cancelled;
        case wait_state::timed_out: return channel_outcome::timed_out;
        case wait_state::closed: return why_closed(w, sending);
        default: return channel_outcome::done;
    }
}

template <class L>
channel_statistics channel_core<L>::statistics() noexcept {
    std::lock_guard lock(guard());
    return {buffered(), capacity_, open_senders_, open_receivers_, senders_.size(), receivers_.size()};
}

template <class L>
std::string channel_core<L>::describe(void const* core) {
    auto& c = *static_cast<channel_core*>(const_cast<void*>(core));
    channel_statistics s = c.statistics();
    std::string text = c.name_.empty() ? std::string() : "\"" + c.name_ + "\", ";
    text += std::to_string(s.buffered) + (s.capacity == s.unbounded ? std::string() : " of " + std::to_string(s.capacity)) + " buffered, ";
    return text + std::to_string(s.senders) + (s.senders == 1 ? " sender, " : " senders, ") + std::to_string(s.receivers) + (s.receivers == 1 ? " receiver" : " receivers");
}

template class channel_core<no_lock>;
template class channel_core<spin_lock>;

}  // namespace weft::detail
