// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_CHANNEL_ALTERNATIVES_HPP
#define WEFT_SYNC_DETAIL_CHANNEL_ALTERNATIVES_HPP

#include <weft/sync/detail/channel_state.hpp>
#include <weft/sync/select_alternative.hpp>

#include <functional>

namespace weft::detail {

/// What the two sides of a channel have in common as alternatives of a select.
template <class T, class L>
class channel_alternative : public select_alternative {
public:
    channel_alternative(channel_alternative const&) = delete;
    void const* guard() const noexcept override { return L::shared ? &state_.guard() : nullptr; }
    void lock() noexcept override { state_.guard().lock(); }
    void unlock() noexcept override { state_.guard().unlock(); }
    void after_take() noexcept override { if (second_) second_->wake(); }

protected:
    channel_alternative(channel_state<T, L>& s, channel_end const& end) : state_(s), end_(end) { s.retain(); }  // handles may go while it waits
    ~channel_alternative() { state_.release(); }
    offer took(channel_outcome r) noexcept {
        if (r == channel_outcome::would_block) return offer::not_ready;
        outcome_ = r;
        return offer::taken;
    }

    channel_state<T, L>& state_;
    channel_end const& end_;    // before the wait only
    waiter* second_{};          // of the other side, to be woken
    channel_outcome outcome_{channel_outcome::would_block};
};

/// Calls f(std::optional<T>) if it takes that, empty at the end of the channel; else f(T), and throws end_of_channel there.
template <class T, class F>
inline constexpr bool takes_optional = std::is_invocable_v<F&, std::optional<T>> && !std::is_convertible_v<std::optional<T>, T>;

template <class T, class L, class F>
class receive_alternative final : public channel_alternative<T, L> {
    using base = channel_alternative<T, L>;
    using typename base::offer;
    static constexpr bool optional = takes_optional<T, F>;
    using argument = std::conditional_t<optional, std::optional<T>, T>;

public:
    using result = std::invoke_result_t<F&, argument>;
    receive_alternative(channel_state<T, L>& s, channel_end const& end, F f) : base(s, end), f_(std::move(f)) {}
    ~receive_alternative() { if (slot_) this->state_.put_back(std::move(*slot_)); }  // taken, but select threw before complete()

    result complete() {
        if (this->outcome_ == channel_outcome::done) {
            auto item = std::move(*slot_);
            slot_.reset();
            if constexpr (optional) return std::invoke(f_, std::optional<T>(std::move(item_cell<T>::of(item))));
            else return std::invoke(f_, std::move(item_cell<T>::of(item)));
        }
        if constexpr (optional) if (this->outcome_ == channel_outcome::ended) return std::invoke(f_, std::optional<T>());
        this->state_.raise(this->outcome_, "select: receiver::on_receive");
    }

    bool ready() noexcept override { return this->state_.can_receive(this->end_); }
    offer take() noexcept override { return this->took(this->state_.get(this->end_, slot_, this->second_)); }
    void list(waiter& w) noexcept override {
        w.item = &slot_;
        w.amount = this->end_.id;
        this->state_.receivers().push_back(w);
    }
    void unlist(waiter& w) noexcept override { if (this->state_.receivers().listed(w)) this->state_.receivers().remove(w); }
    void granted(waiter const& w) noexcept override {
        this->outcome_ = w.state() == wait_state::closed ? this->state_.why_closed(w, false) : channel_outcome::done;
    }
    char const* what() const noexcept override { return "receive"; }

private:
    typename channel_state<T, L>::slot slot_;
    F f_;
};

/// A copy on its way into a channel.
template <class T>
class outgoing_copy {
public:
    explicit outgoing_copy(T const& v) : item_(item_cell<T>::make(v)) {}
    void start() {}
    typename item_cell<T>::type& item() noexcept { return item_; }
    void give_back() {}
private:
    typename item_cell<T>::type item_;
};

template <class T, class L, class Item, class F>
class send_alternative final : public channel_alternative<T, L> {
    using base = channel_alternative<T, L>;
    using typename base::offer;

public:
    using result = std::invoke_result_t<F&>;
    template <class V>
    send_alternative(channel_state<T, L>& s, channel_end const& end, V&& v, F f) : base(s, end), item_(v), f_(std::move(f)) {}

    result complete() {
        if (this->outcome_ == channel_outcome::done) return std::invoke(f_);
        item_.give_back();
        this->state_.raise(this->outcome_, "select: sender::on_send");
    }

    void prepare() override {
        item_.start();
        this->state_.make_room();
    }
    bool ready() noexcept override { return this->state_.can_send(this->end_); }
    offer take() noexcept override {
        channel_outcome r = this->state_.offer(this->end_, item_.item(), this->second_);
        return r == channel_outcome::would_block && this->state_.wants_room() ? offer::again : this->took(r);
    }
    void list(waiter& w) noexcept override {
        w.item = &item_.item();
        w.amount = this->end_.id;
        this->state_.senders().push_back(w);
    }
    void unlist(waiter& w) noexcept override { if (this->state_.senders().listed(w)) this->state_.senders().remove(w); }
    void granted(waiter const& w) noexcept override {
        this->outcome_ = w.state() == wait_state::closed ? this->state_.why_closed(w, true) : channel_outcome::done;
    }
    void give_up() override { item_.give_back(); }
    char const* what() const noexcept override { return "send"; }

private:
    Item item_;
    F f_;
};

}  // namespace weft::detail

#endif
