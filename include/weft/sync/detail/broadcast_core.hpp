// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_BROADCAST_CORE_HPP
#define WEFT_SYNC_DETAIL_BROADCAST_CORE_HPP

#include <weft/sync/detail/channel_outcome.hpp>
#include <weft/sync/detail/waiting.hpp>
#include <weft/sync/select_alternative.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// What happens when a broadcast's buffer is full because a receiver is behind.
enum class lag_policy : std::uint8_t {
    block,  ///< the sender waits for the slowest receiver
    skip    ///< the oldest value is dropped; receivers that had not had it count it as lagged
};

struct broadcast_options {
    std::size_t capacity{16};           ///< values kept for those who are behind; at least 1
    lag_policy lag{lag_policy::block};
    std::string name{};                 ///< for dumps and messages
};

/// A broadcast at one moment.
struct broadcast_statistics {
    std::size_t buffered{};           ///< values that some receiver has not had
    std::size_t senders{};            ///< handles that are open
    std::size_t receivers{};
    std::size_t waiting_senders{};
    std::size_t waiting_receivers{};
};

namespace detail {

/// Where a receiver is. Values are numbered; `next` is the one it gets next.
struct broadcast_cursor {
    std::uint64_t next{};
    std::uint64_t lagged{};  ///< values it missed since it was last asked
    bool closed{};
};

/// A value, until the last receiver has had it. Readers share it, so that it is copied and destroyed without the lock.
struct broadcast_entry {
    std::shared_ptr<void const> value;
    std::size_t remaining{};              ///< receivers that have not had it
    std::unique_ptr<broadcast_entry> next_dead{};
};

/// What a waiting receiver's waiter::item points to.
struct broadcast_request {
    std::shared_ptr<broadcast_cursor> cursor;
    std::shared_ptr<void const> value;
};

/// A broadcast without its type. Guarded by guard(). A receiver waits only when it has had everything; while a sender waits,
/// the buffer is full: whoever changes that hands over at once.
template <class L>
class broadcast_core {
public:
    using cursor = std::shared_ptr<broadcast_cursor>;
    explicit broadcast_core(broadcast_options o);
    broadcast_core(broadcast_core const&) = delete;
    ~broadcast_core();

    L& guard() noexcept { return receivers_.lock(); }
    wait_queue<L>& receivers() noexcept { return receivers_; }
    /// A receiver more: for what is sent from now on, or for what `like` has not had. Throw closed_resource_error.
    cursor subscribe(channel_end const& end);
    cursor subscribe(broadcast_cursor const* like);
    channel_end clone_sender(channel_end const& end);
    void close_sender(channel_end& end) noexcept;
    void close_receiver(broadcast_cursor& c) noexcept;
    bool is_closed(channel_end const& end) noexcept { std::lock_guard lock(guard()); return end.closed; }
    bool is_closed(broadcast_cursor const& c) noexcept { std::lock_guard lock(guard()); return c.closed; }
    static constexpr channel_end first_sender{1, false};

    /// would_block only if it may not wait.
    channel_outcome send(channel_end const& end, std::shared_ptr<void const> value, time_point deadline, bool may_wait);
    channel_outcome receive(broadcast_request& to, time_point deadline, bool may_wait);
    std::uint64_t take_lagged(broadcast_cursor& c) noexcept;
    broadcast_statistics statistics() noexcept;
    std::string const& name() const noexcept { return options_.name; }

    /// How a receiver's wait ended that was closed.
    static channel_outcome why_closed(waiter const& w) noexcept { return w.amount == by_handle ? channel_outcome::closed : channel_outcome::ended; }

    /// What is to be done when the lock is released.
    struct aftermath {
        std::unique_ptr<broadcast_entry> dead;  ///< chained by next_dead
        wake_list woken;
        void bury(std::unique_ptr<broadcast_entry> e) noexcept { e->next_dead = std::move(dead); dead = std::move(e); }
        void finish() noexcept;
    };
    // --- locked, for select ---
    bool can_receive(broadcast_cursor const& c) const noexcept { return c.closed || c.next < tail_ || open_senders_ == 0; }
    channel_outcome get(broadcast_request& to, aftermath& after) noexcept;

private:
    static constexpr std::size_t by_handle = 1;  // a receiver's waiter::amount when its own handle was closed
    void throw_if_closed(channel_end const& end, char const* call);
    void append(std::unique_ptr<broadcast_entry> e, aftermath& after) noexcept;
    void drop_read(aftermath& after) noexcept;
    void admit(aftermath& after) noexcept;
    std::unique_ptr<broadcast_entry>& at(std::uint64_t number) noexcept { return ring_[number % ring_.size()]; }
    static std::string describe(void const* core);

    wait_queue<L> receivers_;
    wait_queue<L> senders_;                               ///< items: their entries; amounts: ids of the handles
    std::vector<std::unique_ptr<broadcast_entry>> ring_;  ///< the values numbered [head_, tail_)
    std::uint64_t head_{};
    std::uint64_t tail_{};
    std::size_t open_senders_{1};
    std::size_t open_receivers_{};
    std::size_t next_id_{2};
    broadcast_options const options_;
};

extern template class broadcast_core<no_lock>;
extern template class broadcast_core<spin_lock>;

/// f(T const&); throws end_of_channel at the end.
template <class T, class L, class F>
class broadcast_alternative final : public select_alternative {
public:
    using result = std::invoke_result_t<F&, T const&>;
    broadcast_alternative(std::shared_ptr<broadcast_core<L>> c, std::shared_ptr<broadcast_cursor> at, F f)
        : core_(std::move(c)), request_{std::move(at), nullptr}, f_(std::move(f)) {}
    result complete() {
        if (outcome_ != channel_outcome::done) raise_outcome(outcome_, "select: broadcast_receiver::on_receive", core_->name());
        return std::invoke(f_, *static_cast<T const*>(request_.value.get()));
    }

    void const* guard() const noexcept override { return L::shared ? &core_->guard() : nullptr; }
    void lock() noexcept override { core_->guard().lock(); }
    void unlock() noexcept override { core_->guard().unlock(); }
    bool ready() noexcept override { return core_->can_receive(*request_.cursor); }
    offer take() noexcept override {
        outcome_ = core_->get(request_, after_);
        return outcome_ == channel_outcome::would_block ? offer::not_ready : offer::taken;
    }
    void after_take() noexcept override { after_.finish(); }
    void list(waiter& w) noexcept override {
        w.item = &request_;
        core_->receivers().push_back(w);
    }
    void unlist(waiter& w) noexcept override { if (core_->receivers().listed(w)) core_->receivers().remove(w); }
    void granted(waiter const& w) noexcept override {
        outcome_ = w.state() == wait_state::closed ? core_->why_closed(w) : channel_outcome::done;
    }
    char const* what() const noexcept override { return "broadcast"; }

private:
    std::shared_ptr<broadcast_core<L>> core_;
    broadcast_request request_;
    typename broadcast_core<L>::aftermath after_;
    channel_outcome outcome_{};
    F f_;
};

}  // namespace detail
}  // namespace weft

#endif
