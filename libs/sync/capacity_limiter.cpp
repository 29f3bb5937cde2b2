// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/capacity_limiter.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

namespace weft {

using detail::wait_state;

namespace {
constexpr char const* twice = "a borrower has, or waits for, a token of this capacity_limiter already";
constexpr char const* none = "a token was given back to a capacity_limiter by a borrower that has none";
}  // namespace

template <class L>
basic_capacity_limiter<L>::~basic_capacity_limiter() {
    std::lock_guard lock(queue_.lock());
    WEFT_ASSERT(queue_.empty(), "a capacity_limiter was destroyed with tasks waiting for it");
}

// A borrower is listed from the moment it waits, which allocates here and not when a token is handed over.
template <class L>
void basic_capacity_limiter<L>::acquire_on_behalf_of(void const* borrower) {
    detail::waiter w("capacity_limiter::acquire", L::shared);
    if (w.task()) lowlevel::cancel_point();
    std::unique_lock lock(queue_.lock());
    if (!borrowers_.insert(borrower).second) { lock.unlock(); detail::throw_misuse(twice, "give it back first, or acquire on behalf of another object."); }
    if (borrowed_ < total_ && queue_.empty()) {
        ++borrowed_;
        lock.unlock();
        if (!w.task()) return;
        try { checkpoint(); } catch (...) { release_on_behalf_of(borrower); throw; }  // cancelled there: it has taken nothing
        return;
    }
    w.item = const_cast<void*>(borrower);
    wait_state s;
    try {
        s = queue_.wait(lock, w, {.reason = {name_.empty() ? "capacity_limiter" : name_.c_str(), this, nullptr}});
    } catch (...) {  // the run breaks a deadlock
        lock.lock();
        borrowers_.erase(borrower);
        throw;
    }
    if (s == wait_state::granted) return;
    lock.lock();
    borrowers_.erase(borrower);
    lock.unlock();
    lowlevel::raise_cancelled();
}

template <class L>
void basic_capacity_limiter<L>::acquire_nowait_on_behalf_of(void const* borrower) {
    std::unique_lock lock(queue_.lock());
    if (borrowers_.contains(borrower)) { lock.unlock(); detail::throw_misuse(twice, "give it back first, or acquire on behalf of another object."); }
    if (borrowed_ >= total_ || !queue_.empty()) {
        lock.unlock();
        throw would_block(detail::message("W070", "capacity_limiter::acquire_nowait: no token is free" + detail::in_task(), "", "use acquire() to wait for one."));
    }
    borrowers_.insert(borrower);
    ++borrowed_;
}

template <class L>
detail::waiter* basic_capacity_limiter<L>::grant_one() noexcept {
    if (borrowed_ >= total_) return nullptr;
    detail::waiter* w = queue_.take();
    if (w) ++borrowed_;
    return w;
}

template <class L>
void basic_capacity_limiter<L>::release_on_behalf_of(void const* borrower) {
    std::unique_lock lock(queue_.lock());
    bool waits = false;
    for (detail::waiter* w = queue_.front(); w; w = queue_.after(*w)) waits = waits || w->item == borrower;
    if (waits || borrowers_.erase(borrower) == 0) { lock.unlock(); detail::throw_misuse(none, "pair each release with the acquire of the same borrower."); }
    --borrowed_;
    detail::waiter* w = grant_one();
    lock.unlock();
    if (w) w->wake();
}

template <class L>
void basic_capacity_limiter<L>::set_total_tokens(std::size_t n) {
    std::unique_lock lock(queue_.lock());
    total_ = n;
    while (detail::waiter* w = grant_one()) {
        lock.unlock();
        w->wake();
        lock.lock();
    }
}

template <class L>
std::size_t basic_capacity_limiter<L>::total_tokens() const noexcept { std::lock_guard lock(queue_.lock()); return total_; }
template <class L>
std::size_t basic_capacity_limiter<L>::borrowed_tokens() const noexcept { std::lock_guard lock(queue_.lock()); return borrowed_; }
template <class L>
std::size_t basic_capacity_limiter<L>::available_tokens() const noexcept { std::lock_guard lock(queue_.lock()); return total_ > borrowed_ ? total_ - borrowed_ : 0; }
template <class L>
capacity_limiter_statistics basic_capacity_limiter<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    return {borrowed_, total_, queue_.size()};
}

template class basic_capacity_limiter<detail::no_lock>;
template class basic_capacity_limiter<detail::spin_lock>;

}  // namespace weft
