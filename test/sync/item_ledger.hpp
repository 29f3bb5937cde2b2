// SPDX-License-Identifier: BSL-1.0
// Items that account for themselves: where each one ended, and in which order they went through their channels.
#ifndef WEFT_TEST_SYNC_ITEM_LEDGER_HPP
#define WEFT_TEST_SYNC_ITEM_LEDGER_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

namespace weft_test {

/// A random choice below n, from a seed; the same on every machine.
class dice {
public:
    explicit dice(std::uint64_t seed, std::uint64_t stream = 0) : state_(seed * 0x9e3779b97f4a7c15u + stream * 0xd1b54a32d192ed03u) { roll(2); }
    std::size_t operator()(std::size_t n) { return roll(n); }
    bool one_in(std::size_t n) { return roll(n) == 0; }

private:
    std::size_t roll(std::size_t n) {  // splitmix64
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return static_cast<std::size_t>((z ^ (z >> 31)) % n);
    }
    std::uint64_t state_;
};

/// What is known of one item. The moments are those of the ledger's clock; 0: it did not happen. Nothing here is atomic: the
/// sender writes the first group, whoever has received the item the second, whoever destroys it the third, and
/// only the channel orders them.
struct item_entry {
    std::size_t number{}, sender{}, channel{};
    std::uint64_t offered{}, sent{};     // when its last send began; when that returned as done

    std::size_t receiver{};
    std::uint64_t asked{}, received{};   // when the receive that got it began and returned

    unsigned destroyed{};
    bool discarded{};                    // while the last receiver of its channel was being closed
};

/// While it lives, items that this thread destroys are discarded with the buffer of a channel: it calls a receiver's close().
class discarding {
public:
    discarding() { now = this; }
    ~discarding() { now = nullptr; }
    discarding(discarding const&) = delete;
    std::size_t count{};
    static inline thread_local discarding* now = nullptr;
};

/// What is sent. An item that was moved from is empty. `MayThrow` only says so: channels keep such items in cells.
template <bool MayThrow>
class basic_item {
public:
    basic_item() = default;
    explicit basic_item(item_entry& e) noexcept : entry_(&e) {}
    basic_item(basic_item&& o) noexcept(!MayThrow) : entry_(std::exchange(o.entry_, nullptr)) {}
    basic_item& operator=(basic_item&& o) noexcept(!MayThrow) {
        basic_item old(std::move(*this));
        entry_ = std::exchange(o.entry_, nullptr);
        return *this;
    }
    ~basic_item() {
        if (!entry_) return;
        ++entry_->destroyed;
        if (discarding::now) {
            entry_->discarded = true;
            ++discarding::now->count;
        }
    }
    item_entry* entry() const noexcept { return entry_; }

private:
    item_entry* entry_{};
};

/// Each item must end in one place: received once; still with its sender, whose send said that it was not made; or
/// discarded with the last receiver. And the order of a channel must be first in, first out, as far as one can tell from outside.
class item_ledger {
public:
    item_entry& make(std::size_t sender) {
        std::lock_guard lock(mutex_);
        item_entry& e = entries_.emplace_back();
        e.number = entries_.size();
        e.sender = sender;
        return e;
    }
    std::uint64_t tick() noexcept { return ++clock_; }

    /// By the sender: around each attempt to send it. `item` is what it has in hand afterwards.
    void offers(item_entry& e, std::size_t channel) {
        e.channel = channel;
        e.offered = tick();
    }
    template <bool M> void after_send(item_entry& e, basic_item<M> const& item, bool done) {
        if (done) e.sent = tick();
        if (done && item.entry()) complain("a send was done, and the sender still has", e);
        if (!done && item.entry() != &e) complain("a send was not made, and the sender has no longer", e);
    }
    template <bool M> void receives(basic_item<M> const& item, std::size_t channel, std::size_t receiver, std::uint64_t asked) {
        item_entry* e = item.entry();
        if (!e) { complain("receiver " + std::to_string(receiver) + " got an empty item from channel " + std::to_string(channel)); return; }
        if (e->received) complain("received twice:", *e);
        if (e->channel != channel) complain("came out of channel " + std::to_string(channel) + ":", *e);
        e->receiver = receiver;
        e->asked = asked;
        e->received = tick();
    }

    void complain(std::string what) {
        std::lock_guard lock(mutex_);
        if (complaints_.size() < 2000) complaints_ += (complaints_.empty() ? "" : "; ") + std::move(what);
    }
    /// Once all items are gone and all threads joined. Empty if the books balance.
    std::string check() {
        for (item_entry const& e : entries_) {
            if (e.destroyed != 1) complain("destroyed " + std::to_string(e.destroyed) + " times:", e);
            if (e.sent && !e.received && !e.discarded) complain("lost:", e);
            if (e.sent && e.received && e.discarded) complain("received, and discarded too:", e);
            if (!e.sent && (e.received || e.discarded)) complain("a send that was not made had an effect:", e);
        }
        for (item_entry const& a : entries_) {
            if (!a.sent) continue;
            for (item_entry const& b : entries_) if (overtakes(b, a)) complain("overtaken by " + describe(b) + ":", a);
        }
        return complaints_;
    }
    std::string complaints() { std::lock_guard lock(mutex_); return complaints_; }
    std::deque<item_entry> const& entries() const noexcept { return entries_; }

private:
    /// b came into the channel after a for certain, and out before it for certain.
    static bool overtakes(item_entry const& b, item_entry const& a) noexcept {
        if (a.channel != b.channel || !b.sent || !b.received || b.offered <= a.sent) return false;
        return !a.received || b.received < a.asked;
    }
    static std::string describe(item_entry const& e) {
        std::string text = "item " + std::to_string(e.number) + " of sender " + std::to_string(e.sender) + " in channel " + std::to_string(e.channel);
        text += " (offered " + std::to_string(e.offered) + ", sent " + std::to_string(e.sent);
        if (e.received) text += ", asked for " + std::to_string(e.asked) + " and received " + std::to_string(e.received) + " by " + std::to_string(e.receiver);
        return text + (e.discarded ? ", discarded)" : ")");
    }
    void complain(std::string const& what, item_entry const& e) { complain(what + " " + describe(e)); }

    std::mutex mutex_;                // guards what follows, until check()
    std::deque<item_entry> entries_;  // addresses stay
    std::string complaints_;
    std::atomic<std::uint64_t> clock_{0};
};

}  // namespace weft_test

#endif
