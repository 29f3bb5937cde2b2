// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_WATCH_HPP
#define WEFT_SYNC_WATCH_HPP

#include <weft/core/detail/any_clock.hpp>
#include <weft/sync/detail/watch_core.hpp>

#include <memory>
#include <utility>

namespace weft {

template <class T, class L> class basic_watch_sender;
template <class T, class L> class basic_watch_receiver;

/// The two ends of a new watch: `auto [tx, rx] = weft::make_watch(settings{});`
template <class T, class L>
struct basic_watch {
    basic_watch_sender<T, L> sender;
    basic_watch_receiver<T, L> receiver;
};

namespace detail {
/// The latest value. Readers hold it by pointer, so that neither a copy nor a destruction happens under the lock.
template <class T, class L>
class watch_state final : public watch_core<L> {
public:
    explicit watch_state(std::shared_ptr<T const> v) : value_(std::move(v)) {}
    std::shared_ptr<T const> get() {
        std::lock_guard lock(this->guard());
        return value_;
    }
    void set(std::shared_ptr<T const> v) {
        std::unique_lock lock(this->guard());
        value_.swap(v);  // the old one goes at the end, unlocked
        this->publish(lock);
    }

private:
    std::shared_ptr<T const> value_;
};
}  // namespace detail

/// The side of a watch that sets the value. Move-only; clone() makes another. When the last one is closed, receivers still
/// see the latest value, and changed() says that there will be no more.
template <class T, class L>
class basic_watch_sender {
public:
    basic_watch_sender() = default;
    basic_watch_sender(basic_watch_sender&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
    basic_watch_sender& operator=(basic_watch_sender&& o) noexcept { std::swap(state_, o.state_); return *this; }
    ~basic_watch_sender() { close(); }

    /// Replaces the value; receivers that were not quick enough never see the one before.
    /// Blocks: never, no checkpoint; may be called from callbacks. Throws: misuse_error if closed; std::bad_alloc; what moving v throws.
    /// Complexity: an allocation, and one wake-up for each receiver that waits. Memory order: send() happens-before the changed() that reports it.
    void send(T v) { state("watch_sender::send").set(std::make_shared<T const>(std::move(v))); }
    /// The latest value; it stays as it is while it is held. Never blocks. Throws: misuse_error if closed, as the rest.
    std::shared_ptr<T const> borrow() const { return state("watch_sender::borrow").get(); }
    /// One more receiver; it has seen the present value.
    basic_watch_receiver<T, L> subscribe() const { auto& s = state("watch_sender::subscribe"); return {s, s.version()}; }

    /// Blocks: never; may be called from destructors and twice.
    void close() noexcept { if (state_) std::exchange(state_, nullptr)->release_sender(); }
    basic_watch_sender clone() const { auto& s = state("watch_sender::clone"); s.retain_sender(); return basic_watch_sender(s); }
    std::size_t receivers() const { return state("watch_sender::receivers").receivers(); }

    explicit basic_watch_sender(detail::watch_state<T, L>& s) noexcept : state_(&s) {}  ///< by make_watch and clone

private:
    detail::watch_state<T, L>& state(char const* call) const { if (!state_) [[unlikely]] detail::throw_closed_watch(call); return *state_; }
    detail::watch_state<T, L>* state_{};
};

/// The side of a watch that looks at the value: any number of them, each with its own notion of what it has seen.
template <class T, class L>
class basic_watch_receiver {
public:
    basic_watch_receiver() = default;
    basic_watch_receiver(basic_watch_receiver&& o) noexcept : state_(std::exchange(o.state_, nullptr)), seen_(o.seen_) {}
    basic_watch_receiver& operator=(basic_watch_receiver&& o) noexcept { std::swap(state_, o.state_); std::swap(seen_, o.seen_); return *this; }
    ~basic_watch_receiver() { close(); }

    /// A copy of the latest value, or a pointer to it. Never blocks; says nothing about what changed() has reported.
    /// Throws: misuse_error if closed; get() also what copying throws.
    T get() const { return *borrow(); }
    std::shared_ptr<T const> borrow() const { return state("watch_receiver::get").get(); }
    /// Whether changed() would return at once.
    bool has_changed() const { return state("watch_receiver::has_changed").version() != seen_; }

    /// Waits until there is a value that it has not reported yet, and reports it: several sends may be one change.
    /// Blocks: always a checkpoint. Cancellation: nothing is reported. Of several tasks that wait through one receiver each is told.
    /// Throws: end_of_channel if there is nothing new and no sender is left; misuse_error if closed; cancelled; deadlock_error.
    /// Source: tokio's watch; differs in that a borrow holds no lock.
    void changed() { wait(never); }
    /// changed() for at most `d`, or until a point in time on any clock; returns whether there was a change.
    /// Throws: as changed(); misuse_error for a duration that is negative or no number.
    template <class Rep, class Period>
    bool changed_for(std::chrono::duration<Rep, Period> const& d) { return wait(detail::wait_deadline(detail::checked_wait(d, "watch_receiver::changed_for"))); }
    template <class Clock, class Duration>
    bool changed_until(std::chrono::time_point<Clock, Duration> const& when) {
        return detail::wait_by_clock(when, "watch_receiver::changed_until", [&](time_point deadline) { return wait(deadline); });
    }
    /// For select: ready where changed() would return or throw end_of_channel, which select throws then; calls f().
    template <class F>
    auto on_changed(F f) { return detail::watch_alternative<L, F>(state("watch_receiver::on_changed"), seen_, std::move(f)); }

    void close() noexcept { if (state_) std::exchange(state_, nullptr)->release_receiver(); }  ///< As watch_sender::close; not while it waits.
    /// Another receiver, which has seen what this one has.
    basic_watch_receiver clone() const { return {state("watch_receiver::clone"), seen_}; }

    basic_watch_receiver(detail::watch_state<T, L>& s, std::uint64_t seen) noexcept : state_(&s), seen_(seen) { s.retain_receiver(); }  ///< by make_watch, subscribe and clone

private:
    bool wait(time_point deadline) { return state("watch_receiver::changed").wait_change(seen_, deadline); }
    detail::watch_state<T, L>& state(char const* call) const { if (!state_) [[unlikely]] detail::throw_closed_watch(call); return *state_; }
    detail::watch_state<T, L>* state_{};
    std::uint64_t seen_{};
};

namespace detail {
template <class T, class L>
basic_watch<T, L> make_watch(T initial) {
    auto* s = new watch_state<T, L>(std::make_shared<T const>(std::move(initial)));
    basic_watch_sender<T, L> tx(*s);
    return {std::move(tx), basic_watch_receiver<T, L>(*s, s->version())};
}
}  // namespace detail

template <class T> using watch_sender = basic_watch_sender<T, detail::no_lock>;
template <class T> using watch_receiver = basic_watch_receiver<T, detail::no_lock>;

/// A value that some set and others follow, with the latest always at hand: configuration, progress, a state.
///
///     auto [tx, rx] = weft::make_watch(0);
///     n.start_soon([&] { for (;;) { rx.changed(); show(rx.get()); } });
///     tx.send(42);
///
/// Belongs to one runtime; weft::shared::make_watch is for any thread. Where every value counts, take a channel or a broadcast.
template <class T>
basic_watch<T, detail::no_lock> make_watch(T initial) { return detail::make_watch<T, detail::no_lock>(std::move(initial)); }

namespace local { using weft::watch_sender; using weft::watch_receiver; using weft::make_watch; }

namespace shared {
template <class T> using watch_sender = basic_watch_sender<T, detail::spin_lock>;
template <class T> using watch_receiver = basic_watch_receiver<T, detail::spin_lock>;
template <class T>
basic_watch<T, detail::spin_lock> make_watch(T initial) { return detail::make_watch<T, detail::spin_lock>(std::move(initial)); }
}  // namespace shared

}  // namespace weft

#endif
