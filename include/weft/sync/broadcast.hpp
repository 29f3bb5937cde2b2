// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_BROADCAST_HPP
#define WEFT_SYNC_BROADCAST_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/sync/detail/broadcast_core.hpp>

#include <iterator>
#include <optional>

namespace weft {

namespace detail { [[noreturn]] WEFT_COLD void throw_empty_channel_handle(char const* call); }

template <class T, class L> class basic_broadcast_sender;
template <class T, class L> class basic_broadcast_receiver;

/// The two ends of a new broadcast: `auto [tx, rx] = weft::make_broadcast<tick>();`
template <class T, class L>
struct basic_broadcast {
    basic_broadcast_sender<T, L> sender;
    basic_broadcast_receiver<T, L> receiver;
};

/// The sending end of a broadcast. Move-only; clone() makes another. When the last is closed, receivers get what they have
/// not had, and then end_of_channel.
template <class T, class L>
class basic_broadcast_sender {
    using core = detail::broadcast_core<L>;
    using outcome = detail::channel_outcome;

public:
    using value_type = T;
    basic_broadcast_sender() = default;  ///< belongs to no broadcast
    basic_broadcast_sender(basic_broadcast_sender&&) noexcept = default;
    basic_broadcast_sender& operator=(basic_broadcast_sender&& o) noexcept { basic_broadcast_sender old(std::move(o)); std::swap(core_, old.core_); std::swap(end_, old.end_); return *this; }
    ~basic_broadcast_sender() { close(); }

    /// Sends v to every receiver there is; without any it is dropped. If a receiver is a whole buffer behind, waits for it
    /// (lag_policy::block) or drops its oldest value (lag_policy::skip).
    ///
    /// Blocks:       always a checkpoint.
    /// Cancellation: v was sent to all or to none. It is consumed either way: pass a copy, or the pointer, to keep it.
    /// Throws:       closed_resource_error if this handle is closed, also while it waits; cancelled; deadlock_error; std::bad_alloc.
    /// Complexity:   two allocations and the wake-up of the waiting receivers.    Memory order: as a channel's.
    void send(T v) { send_shared(std::make_shared<T const>(std::move(v))); }
    /// The same without moving the value. Precondition: not null.
    void send_shared(std::shared_ptr<T const> v) { put(std::move(v), never, true, "broadcast_sender::send"); }
    /// send() for at most `d`, or until a point in time on any clock; returns whether v was sent.
    /// Throws: as send(); misuse_error for a duration that is negative or no number.
    template <class Rep, class Period>
    bool send_for(T v, std::chrono::duration<Rep, Period> const& d) {
        return put(std::make_shared<T const>(std::move(v)), detail::wait_deadline(detail::checked_wait(d, "broadcast_sender::send_for")), true, "broadcast_sender::send_for");
    }
    template <class Clock, class Duration>
    bool send_until(T v, std::chrono::time_point<Clock, Duration> const& when) {
        auto p = std::make_shared<T const>(std::move(v));
        return detail::wait_by_clock(when, "broadcast_sender::send_until", [&](time_point deadline) { return put(p, deadline, true, "broadcast_sender::send_until"); });
    }
    /// Sends v if that needs no wait; returns whether. Never blocks; may be called from callbacks. Throws: as send(), but not cancelled.
    bool try_send(T v) { return put(std::make_shared<T const>(std::move(v)), never, false, "broadcast_sender::try_send"); }

    /// One more receiver, for what is sent from now on. Throws: closed_resource_error if this is closed.
    basic_broadcast_receiver<T, L> subscribe() const { auto& c = use("broadcast_sender::subscribe"); return {core_, c.subscribe(end_)}; }
    basic_broadcast_sender clone() const { auto& c = use("broadcast_sender::clone"); return {core_, c.clone_sender(end_)}; }
    void close() noexcept { if (core_) core_->close_sender(end_); }  ///< As sender::close.
    bool is_open() const noexcept { return core_ && !core_->is_closed(end_); }
    broadcast_statistics statistics() const { return use("broadcast_sender::statistics").statistics(); }

    basic_broadcast_sender(std::shared_ptr<core> c, detail::channel_end e) noexcept : core_(std::move(c)), end_(e) {}  ///< by make_broadcast and clone

private:
    core& use(char const* call) const {
        if (!core_) detail::throw_empty_channel_handle(call);
        return *core_;
    }
    bool put(std::shared_ptr<T const> v, time_point deadline, bool may_wait, char const* call) {
        use(call);
        if (!v) detail::throw_misuse("broadcast_sender::send_shared of a null pointer", "pass what std::make_shared returned.");
        auto held = core_;  // the handle may be gone when this wakes
        outcome r = held->send(end_, std::move(v), deadline, may_wait);
        if (r == outcome::done) return true;
        if (r == outcome::timed_out || r == outcome::would_block) return false;
        detail::raise_outcome(r, call, held->name());
    }
    std::shared_ptr<core> core_;
    detail::channel_end end_;
};

/// The receiving end of a broadcast; each receiver gets every value that is sent while it is open.
template <class T, class L>
class basic_broadcast_receiver {
    using core = detail::broadcast_core<L>;
    using outcome = detail::channel_outcome;

public:
    using value_type = T;
    class iterator;
    basic_broadcast_receiver() = default;  ///< belongs to no broadcast
    basic_broadcast_receiver(basic_broadcast_receiver&&) noexcept = default;
    basic_broadcast_receiver& operator=(basic_broadcast_receiver&& o) noexcept { basic_broadcast_receiver old(std::move(o)); std::swap(core_, old.core_); std::swap(cursor_, old.cursor_); return *this; }
    ~basic_broadcast_receiver() { close(); }

    /// The next value, shared with the other receivers. If some were dropped meanwhile, the oldest there is; see lagged().
    /// Blocks:       always a checkpoint. Cancellation: no value is missed.
    /// Throws:       end_of_channel; closed_resource_error if this handle is closed, also while it waits; cancelled; deadlock_error.
    std::shared_ptr<T const> receive_shared() { return next(never, true, "broadcast_receiver::receive"); }
    /// A copy of it. If copying throws, the value was received: take receive_shared() where that matters.
    T receive() { return *receive_shared(); }
    /// receive() for at most `d`, or until a point in time on any clock; empty if that came first.
    /// Throws: as receive(); misuse_error for a duration that is negative or no number.
    template <class Rep, class Period>
    std::optional<T> receive_for(std::chrono::duration<Rep, Period> const& d) { return copy(next(detail::wait_deadline(detail::checked_wait(d, "broadcast_receiver::receive_for")), true, "broadcast_receiver::receive_for")); }
    template <class Clock, class Duration>
    std::optional<T> receive_until(std::chrono::time_point<Clock, Duration> const& when) {
        return detail::wait_by_clock(when, "broadcast_receiver::receive_until", [&](time_point deadline) { return copy(next(deadline, true, "broadcast_receiver::receive_until")); });
    }
    /// The next value if there is one already. Never blocks; may be called from callbacks. Throws: as receive(), but not cancelled.
    std::optional<T> try_receive() { return copy(try_receive_shared()); }
    std::shared_ptr<T const> try_receive_shared() { return next(never, false, "broadcast_receiver::try_receive"); }
    /// How many values this receiver has missed since the last call, all of them sent before the next one it receives.
    std::uint64_t lagged() { use("broadcast_receiver::lagged"); return core_->take_lagged(*cursor_); }

    iterator begin() { return iterator(*this); }  ///< `for (T const& v : rx)`, until end_of_channel
    std::default_sentinel_t end() const noexcept { return {}; }
    /// For select: calls f(T const&); select throws end_of_channel at the end.
    template <class F>
    auto on_receive(F f) { use("broadcast_receiver::on_receive"); return detail::broadcast_alternative<T, L, F>(core_, cursor_, std::move(f)); }

    bool is_open() const noexcept { return core_ && !core_->is_closed(*cursor_); }
    /// Another receiver, which gets what this one has not had. Throws closed_resource_error if this is closed.
    basic_broadcast_receiver clone() const { use("broadcast_receiver::clone"); return {core_, core_->subscribe(cursor_.get())}; }
    void close() noexcept { if (core_) core_->close_receiver(*cursor_); }  ///< As receiver::close.
    broadcast_statistics statistics() const { use("broadcast_receiver::statistics"); return core_->statistics(); }

    basic_broadcast_receiver(std::shared_ptr<core> c, std::shared_ptr<detail::broadcast_cursor> at) noexcept : core_(std::move(c)), cursor_(std::move(at)) {}  ///< by make_broadcast, subscribe, clone

private:
    void use(char const* call) const { if (!core_) detail::throw_empty_channel_handle(call); }
    std::shared_ptr<T const> next(time_point deadline, bool may_wait, char const* call, bool* ended = nullptr) {
        use(call);
        auto held = core_;  // the handle may be gone when this wakes
        detail::broadcast_request r{cursor_, nullptr};
        outcome o = held->receive(r, deadline, may_wait);
        if (o == outcome::done) return std::static_pointer_cast<T const>(std::move(r.value));
        if (o == outcome::timed_out || o == outcome::would_block || (o == outcome::ended && ended)) return nullptr;
        detail::raise_outcome(o, call, held->name());
    }
    static std::optional<T> copy(std::shared_ptr<T const> const& p) { return p ? std::optional<T>(*p) : std::nullopt; }

    std::shared_ptr<core> core_;
    std::shared_ptr<detail::broadcast_cursor> cursor_;
};

/// Input iterator over what a receiver receives.
template <class T, class L>
class basic_broadcast_receiver<T, L>::iterator {
public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    T const& operator*() const noexcept { return *value_; }
    T const* operator->() const noexcept { return value_.get(); }
    iterator& operator++() {
        bool ended = false;
        value_.reset();
        value_ = from_->next(never, true, "broadcast_receiver::receive", &ended);
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) noexcept { return !i.value_; }

private:
    friend class basic_broadcast_receiver;
    explicit iterator(basic_broadcast_receiver& r) : from_(&r) { ++*this; }
    basic_broadcast_receiver* from_;
    std::shared_ptr<T const> value_;
};

namespace detail {
template <class T, class L>
basic_broadcast<T, L> make_broadcast(broadcast_options o) {
    auto c = std::make_shared<broadcast_core<L>>(std::move(o));
    auto first = c->subscribe(nullptr);
    return {basic_broadcast_sender<T, L>(c, c->first_sender), basic_broadcast_receiver<T, L>(c, std::move(first))};
}
}  // namespace detail

template <class T> using broadcast_sender = basic_broadcast_sender<T, detail::no_lock>;
template <class T> using broadcast_receiver = basic_broadcast_receiver<T, detail::no_lock>;

/// A channel whose receivers all get every value: events, ticks, log lines.
///
///     auto [tx, rx] = weft::make_broadcast<tick>({.capacity = 64, .lag = weft::lag_policy::skip});
///     n.start_soon([rx = tx.subscribe()]() mutable { for (tick const& t : rx) plot(t); });
///     tx.send(now);
///
/// Belongs to one runtime; weft::shared::make_broadcast is for any thread. Throws misuse_error for capacity 0.
/// Where only the latest value counts, take a watch.    Source: tokio's broadcast; differs in that a sender may wait instead.
template <class T>
basic_broadcast<T, detail::no_lock> make_broadcast(broadcast_options options = {}) { return detail::make_broadcast<T, detail::no_lock>(std::move(options)); }

namespace local { using weft::broadcast_sender; using weft::broadcast_receiver; using weft::make_broadcast; }

namespace shared {
template <class T> using broadcast_sender = basic_broadcast_sender<T, detail::spin_lock>;
template <class T> using broadcast_receiver = basic_broadcast_receiver<T, detail::spin_lock>;
template <class T>
basic_broadcast<T, detail::spin_lock> make_broadcast(broadcast_options options = {}) { return detail::make_broadcast<T, detail::spin_lock>(std::move(options)); }
}  // namespace shared

}  // namespace weft

#endif
