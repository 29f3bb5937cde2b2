// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_CHANNEL_HPP
#define WEFT_SYNC_CHANNEL_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/sync/detail/channel_alternatives.hpp>
#include <weft/sync/detail/channel_state.hpp>

#include <iterator>
#include <string_view>

namespace weft {

namespace detail { [[noreturn]] WEFT_COLD void throw_empty_channel_handle(char const* call); }

template <class T, class L> class basic_sender;
template <class T, class L> class basic_receiver;

/// The two ends of a new channel: `auto [tx, rx] = weft::make_channel<int>(8);`
template <class T, class L>
struct basic_channel {
    basic_sender<T, L> sender;
    basic_receiver<T, L> receiver;
};

namespace detail {
/// What both handles share: a hold on the channel, and the identity under which they wait. Movable, but not while in use.
template <class T, class L>
class channel_handle {
public:
    using state_type = channel_state<T, L>;
    channel_handle() = default;
    channel_handle(state_type* s, channel_end e) noexcept : state_(s), end_(e) {}  // takes over a hold
    channel_handle(channel_handle&& o) noexcept : state_(std::exchange(o.state_, nullptr)), end_(o.end_) {}
    void swap(channel_handle& o) noexcept { std::swap(state_, o.state_); std::swap(end_, o.end_); }
    state_type& state(char const* call) const { if (!state_) [[unlikely]] throw_empty_channel_handle(call); return *state_; }
    state_type* get() const noexcept { return state_; }
    channel_end& end() noexcept { return end_; }
    channel_end const& end() const noexcept { return end_; }
    bool is_open() const noexcept { return state_ && !state_->is_closed(end_); }

private:
    state_type* state_{};
    channel_end end_;
};
}  // namespace detail

/// The sending end of a channel. Several tasks may use one handle, but each side usually has its own: clone().
///
/// The destructor closes it. When the last sender is closed, receivers take what is buffered and then get end_of_channel.
/// A handle may be closed, moved or destroyed while somebody waits through it: he gets closed_resource_error when it is closed.
/// (Not moved or destroyed during send_until or receive_until by another clock than the steady one, which look at it again.)
template <class T, class L>
class basic_sender {
    using cell = detail::item_cell<T>;
    using outcome = detail::channel_outcome;

public:
    using value_type = T;
    basic_sender() = default;  ///< belongs to no channel
    basic_sender(basic_sender&&) noexcept = default;
    basic_sender& operator=(basic_sender&& o) noexcept { basic_sender(std::move(o)).handle_.swap(handle_); return *this; }
    ~basic_sender() { if (auto* s = handle_.get()) { s->close_sender(handle_.end()); s->release(); } }

    /// Sends v: hands it to the receiver that has waited longest, or puts it into the buffer, or waits until one of these is
    /// possible. First come, first served.
    ///
    /// Blocks:       always a checkpoint (but see channel_options::yield_every).
    /// Cancellation: v was sent or was not, never both: it is moved from only when it is taken, so after any exception it is
    ///               the caller's as before. (A T whose move may throw is moved out at once and back again; if moving back
    ///               throws, that exception leaves send.)
    /// Throws:       broken_resource_error if no receiver is left; closed_resource_error if this handle is closed, also while it
    ///               waits; cancelled; deadlock_error; std::bad_alloc where the buffer grows; what copying or moving v throws.
    /// Complexity:   O(1); no allocation once the buffer has had its size.
    /// Memory order: send() happens-before the receive() that returns v.    Source: Trio's MemorySendChannel.send.
    void send(T&& v) { send_from(v, never); }
    void send(T const& v) { send_copy(v, never); }

    /// send() for at most `d`, or until a point in time on any clock. Returns whether v was sent; it is unchanged if not.
    template <class Rep, class Period>
    bool send_for(T&& v, std::chrono::duration<Rep, Period> const& d) { return send_from(v, detail::wait_deadline(detail::checked_wait(d, "sender::send_for"))); }
    template <class Rep, class Period>
    bool send_for(T const& v, std::chrono::duration<Rep, Period> const& d) { return send_copy(v, detail::wait_deadline(detail::checked_wait(d, "sender::send_for"))); }
    template <class Clock, class Duration>
    bool send_until(T&& v, std::chrono::time_point<Clock, Duration> const& when) {
        return detail::wait_by_clock(when, "sender::send_until", [&](time_point deadline) { return send_from(v, deadline); });
    }
    template <class Clock, class Duration>
    bool send_until(T const& v, std::chrono::time_point<Clock, Duration> const& when) {
        return detail::wait_by_clock(when, "sender::send_until", [&](time_point deadline) { return send_copy(v, deadline); });
    }

    /// Sends v if that needs no wait: if a receiver waits or there is room. Returns whether; v is unchanged if not.
    /// Blocks: never; may be called from callbacks. Throws: as send(), but not cancelled.
    bool try_send(T&& v) {
        auto& s = handle_.state("sender::try_send");
        detail::outgoing<T> out(v);
        out.start();
        return finish(s, "sender::try_send", s.try_send(handle_.end(), out.item()), &out);
    }
    bool try_send(T const& v) {
        auto& s = handle_.state("sender::try_send");
        auto item = cell::make(v);
        return finish(s, "sender::try_send", s.try_send(handle_.end(), item), nullptr);
    }

    /// For select: sends v, by copy or, from an rvalue, moved from only if this alternative is taken; then calls f(). Where
    /// send() would throw, the alternative is ready and select throws that.
    template <std::invocable F>
    auto on_send(T&& v, F f) {
        return detail::send_alternative<T, L, detail::outgoing<T>, F>(handle_.state("sender::on_send"), handle_.end(), v, std::move(f));
    }
    template <std::invocable F>
    auto on_send(T const& v, F f) {
        return detail::send_alternative<T, L, detail::outgoing_copy<T>, F>(handle_.state("sender::on_send"), handle_.end(), v, std::move(f));
    }

    /// Closes this handle; others of its channel stay open. Whoever waits through it gets closed_resource_error.
    /// Blocks: never; may be called from callbacks and destructors, and twice.
    void close() noexcept { if (auto* s = handle_.get()) s->close_sender(handle_.end()); }
    bool is_open() const noexcept { return handle_.is_open(); }
    /// One more sender for the same channel, which stays open until all are closed. Throws closed_resource_error if this is closed.
    basic_sender clone() const {
        auto& s = handle_.state("sender::clone");
        detail::channel_end end = s.clone_sender(handle_.end());
        s.retain();
        return basic_sender(&s, end);
    }
    channel_statistics statistics() const { return handle_.state("sender::statistics").statistics(); }
    std::string_view name() const { return handle_.state("sender::name").name(); }

    basic_sender(detail::channel_state<T, L>* s, detail::channel_end e) noexcept : handle_(s, e) {}  ///< by make_channel and clone

private:
    bool send_from(T& v, time_point deadline) {
        auto& s = handle_.state("sender::send");
        detail::outgoing<T> out(v);
        out.start();
        detail::channel_hold<L> hold;
        outcome r;
        if constexpr (cell::boxed) {
            try { r = s.send(handle_.end(), out.item(), deadline, hold); } catch (...) { out.give_back(); throw; }
        } else {
            r = s.send(handle_.end(), out.item(), deadline, hold);
        }
        return r == outcome::done || finish(s, "sender::send", r, &out);
    }
    bool send_copy(T const& v, time_point deadline) {
        auto& s = handle_.state("sender::send");
        auto item = cell::make(v);
        detail::channel_hold<L> hold;
        outcome r = s.send(handle_.end(), item, deadline, hold);
        return r == outcome::done || finish(s, "sender::send", r, nullptr);
    }
    static bool finish(detail::channel_state<T, L>& s, char const* call, outcome r, detail::outgoing<T>* out) {
        if (r == outcome::done) return true;
        if (out) out->give_back();
        if (r == outcome::timed_out || r == outcome::would_block) return false;
        s.raise(r, call);
    }

    detail::channel_handle<T, L> handle_;
};

/// The receiving end of a channel; the rules for handles are the sender's. When the last receiver is closed, what is buffered is
/// destroyed, and senders get broken_resource_error.
///
///     for (auto& v : rx) use(v);    // until the last sender is closed and all was received
template <class T, class L>
class basic_receiver {
    using cell = detail::item_cell<T>;
    using outcome = detail::channel_outcome;
    using slot = typename detail::channel_state<T, L>::slot;

public:
    using value_type = T;
    class iterator;
    basic_receiver() = default;  ///< belongs to no channel
    basic_receiver(basic_receiver&&) noexcept = default;
    basic_receiver& operator=(basic_receiver&& o) noexcept { basic_receiver(std::move(o)).handle_.swap(handle_); return *this; }
    ~basic_receiver() { if (auto* s = handle_.get()) { s->close_receiver(handle_.end()); s->release(); } }

    /// Receives the next item, waiting for one if there is none. First come, first served.
    ///
    /// Blocks:       always a checkpoint (but see channel_options::yield_every).
    /// Cancellation: no item is lost: one that was handed to this call is returned even if its scope was cancelled meanwhile.
    /// Throws:       end_of_channel if all senders are closed and nothing is buffered; closed_resource_error if this handle is
    ///               closed, also while it waits; cancelled; deadlock_error. If moving the item to the caller throws, it is put
    ///               back as the next to be received.
    /// Complexity:   O(1); no allocation.    Memory order: as send().    Source: Trio's MemoryReceiveChannel.receive.
    T receive() {
        detail::channel_hold<L> hold;
        slot to;
        auto& s = handle_.state("receiver::receive");
        outcome r = s.receive(handle_.end(), to, never, hold);
        if (r != outcome::done) [[unlikely]] s.raise(r, "receiver::receive");
        return unpack(s, to);
    }
    /// receive() for at most `d`, or until a point in time on any clock; empty if that came first.
    template <class Rep, class Period>
    std::optional<T> receive_for(std::chrono::duration<Rep, Period> const& d) {
        return receive_before(detail::wait_deadline(detail::checked_wait(d, "receiver::receive_for")));
    }
    template <class Clock, class Duration>
    std::optional<T> receive_until(std::chrono::time_point<Clock, Duration> const& when) {
        return detail::wait_by_clock(when, "receiver::receive_until", [&](time_point deadline) { return receive_before(deadline); });
    }
    /// Receives an item if one is there, buffered or in the hands of a waiting sender; empty if not.
    /// Blocks: never; may be called from callbacks. Throws: as receive(), but not cancelled.
    std::optional<T> try_receive() {
        auto& s = handle_.state("receiver::try_receive");
        slot to;
        outcome r = s.try_receive(handle_.end(), to);
        if (r == outcome::done) return unpack(s, to);
        if (r == outcome::would_block) return std::nullopt;
        s.raise(r, "receiver::try_receive");
    }

    /// For select: receives an item and calls f with it. A closed channel that is drained is ready: f is called with an empty
    /// optional if it takes std::optional<T>; if it takes T, select throws end_of_channel. The order in which an optional and a T
    /// are tried makes `[](auto v)` get an optional.
    template <class F>
    auto on_receive(F f) {
        return detail::receive_alternative<T, L, F>(handle_.state("receiver::on_receive"), handle_.end(), std::move(f));
    }

    /// A range of what remains to be received: each step is a receive(), the end is where that would throw end_of_channel.
    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

    void close() noexcept { if (auto* s = handle_.get()) s->close_receiver(handle_.end()); }  ///< As sender::close.
    bool is_open() const noexcept { return handle_.is_open(); }
    /// One more receiver; each item goes to one of them. Throws closed_resource_error if this is closed.
    basic_receiver clone() const {
        auto& s = handle_.state("receiver::clone");
        detail::channel_end end = s.clone_receiver(handle_.end());
        s.retain();
        return basic_receiver(&s, end);
    }
    channel_statistics statistics() const { return handle_.state("receiver::statistics").statistics(); }
    std::string_view name() const { return handle_.state("receiver::name").name(); }

    basic_receiver(detail::channel_state<T, L>* s, detail::channel_end e) noexcept : handle_(s, e) {}  ///< by make_channel and clone

private:
    std::optional<T> receive_before(time_point deadline) {
        detail::channel_hold<L> hold;
        slot to;
        auto& s = handle_.state("receiver::receive");
        outcome r = s.receive(handle_.end(), to, deadline, hold);
        if (r == outcome::done) return unpack(s, to);
        if (r == outcome::timed_out) return std::nullopt;
        s.raise(r, "receiver::receive");
    }
    void receive_next(slot& to) {  // empty at the end
        detail::channel_hold<L> hold;
        auto& s = handle_.state("receiver::receive");
        outcome r = s.receive(handle_.end(), to, never, hold);
        if (r != outcome::done && r != outcome::ended) s.raise(r, "receiver::receive");
    }
    static T unpack(detail::channel_state<T, L>& s, slot& from) {
        if constexpr (cell::boxed) {
            try { return T(std::move(**from)); } catch (...) { s.put_back(std::move(*from)); throw; }
        } else {
            return std::move(*from);
        }
    }

    detail::channel_handle<T, L> handle_;
};

/// Input iterator over what a receiver receives; holds the current item.
template <class T, class L>
class basic_receiver<T, L>::iterator {
public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    T& operator*() const noexcept { return cell::of(*item_); }
    T* operator->() const noexcept { return &cell::of(*item_); }
    iterator& operator++() {
        item_.reset();
        from_->receive_next(item_);
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) noexcept { return !i.item_; }

private:
    friend class basic_receiver;
    explicit iterator(basic_receiver& r) : from_(&r) { ++*this; }
    basic_receiver* from_;
    slot mutable item_;
};

namespace detail {
template <class T, class L>
basic_channel<T, L> make_channel(channel_options o, bool unbounded) {
    auto* s = new channel_state<T, L>(std::move(o), unbounded);  // with a hold, for the sender
    s->retain();
    return {basic_sender<T, L>(s, s->first_sender), basic_receiver<T, L>(s, s->first_receiver)};
}
}  // namespace detail

/// A channel of one runtime; weft::shared::sender, receiver and make_channel are the same for any thread: tasks of several runs
/// and plain threads, whose calls block. T's move constructor runs under the channel's lock and must not use the channel.
template <class T> using sender = basic_sender<T, detail::no_lock>;
template <class T> using receiver = basic_receiver<T, detail::no_lock>;

/// A new channel: first in, first out, between any number of senders and receivers.
///
///     auto [tx, rx] = weft::make_channel<job>(16);
///     n.start_soon([tx = std::move(tx)]() mutable { for (auto& j : jobs) tx.send(j); });
///     for (auto& j : rx) work(j);
///
/// With capacity 0 a send waits until a receiver has taken the item; otherwise up to `capacity` items wait in the channel.
/// Throws: misuse_error for the largest std::size_t: an unbounded channel is made by name only.
/// Complexity: allocates the channel and room for up to 64 items; a larger buffer grows when it is first needed.
/// Source: Trio's open_memory_channel; differs in that a close is never a checkpoint.
template <class T>
basic_channel<T, detail::no_lock> make_channel(std::size_t capacity) { return detail::make_channel<T, detail::no_lock>({.capacity = capacity}, false); }
template <class T>
basic_channel<T, detail::no_lock> make_channel(channel_options options) { return detail::make_channel<T, detail::no_lock>(std::move(options), false); }
/// A channel whose send never waits, and whose memory has no limit: where the receivers are slower than the senders for long,
/// the program runs out of it. options.capacity counts for nothing.
template <class T>
basic_channel<T, detail::no_lock> make_unbounded_channel(channel_options options = {}) { return detail::make_channel<T, detail::no_lock>(std::move(options), true); }

namespace local { using weft::sender; using weft::receiver; using weft::make_channel; using weft::make_unbounded_channel; }

namespace shared {
template <class T> using sender = basic_sender<T, detail::spin_lock>;
template <class T> using receiver = basic_receiver<T, detail::spin_lock>;
template <class T>
basic_channel<T, detail::spin_lock> make_channel(std::size_t capacity) { return detail::make_channel<T, detail::spin_lock>({.capacity = capacity}, false); }
template <class T>
basic_channel<T, detail::spin_lock> make_channel(channel_options options) { return detail::make_channel<T, detail::spin_lock>(std::move(options), false); }
template <class T>
basic_channel<T, detail::spin_lock> make_unbounded_channel(channel_options options = {}) { return detail::make_channel<T, detail::spin_lock>(std::move(options), true); }
}  // namespace shared

}  // namespace weft

#endif
