// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_READY_ALTERNATIVE_HPP
#define WEFT_FUTURE_DETAIL_READY_ALTERNATIVE_HPP

#include <weft/future/detail/state.hpp>
#include <weft/sync/select_alternative.hpp>

#include <functional>

namespace weft::detail {

/// A future as an alternative of a select: `read` takes its result and calls the function with it.
template <class State, class Read>
class ready_alternative final : public select_alternative {
public:
    using result = std::invoke_result_t<Read&>;
    ready_alternative(consumer_ref<State> s, Read read) : state_(std::move(s)), read_(std::move(read)) { state_->refuse_deferred(); }
    result complete() { return read_(); }

    void const* guard() const noexcept override { return &queue().lock(); }
    void lock() noexcept override { queue().lock().lock(); }
    void unlock() noexcept override { queue().lock().unlock(); }
    bool ready() noexcept override { return state_->ready(); }
    offer take() noexcept override { return offer::taken; }
    void list(waiter& w) noexcept override { queue().push_back(w); }
    void unlist(waiter& w) noexcept override { if (queue().listed(w)) queue().remove(w); }
    char const* what() const noexcept override { return "future"; }

private:
    wait_queue<spin_lock>& queue() const noexcept { return state_->waiters(); }
    consumer_ref<State> state_;
    Read read_;
};

template <class State, class Read>
auto make_ready_alternative(consumer_ref<State> s, Read read) { return ready_alternative<State, Read>(std::move(s), std::move(read)); }

}  // namespace weft::detail

#endif
