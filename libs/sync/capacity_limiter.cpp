// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/capacity_limiter.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

namespace weft {

using detail::wait_state;

namespace {
[[noreturn]] WEFT_COLD void throw_twice() {
    detail::throw_misuse("a borrower has, or waits for, a token of this capacity_limiter already", "give it back first, or acquire on behalf of another object.");
}
}  // namespace

template <class L>
basic_capacity_limiter<L>::~basic_capacity_limiter() {
    std::lock_guard lock(queue_.lock());  // a release may be on its way out in another thread
    WEFT_ASSERT(queue_.empty(), "a capacity_limiter was destroyed with tasks waiting for it");
}

// A borrower is entered from the moment it waits: handing a token over allocates nothing.
template <class L>
void basic_capacity_limiter<L>::acquire_for(borrower b) {
    detail::waiter w("capacity_limiter::acquire", L::shared);
    if (w.task()) lowlevel::cancel_point();
    borrower_map made;
    made.emplace(b, standing::waits);
    auto node = made.extract(made.begin());
    std::unique_lock lock(queue_.lock());
    auto entered = borrowers_.insert(std::move(node));
    if (!entered.inserted) { lock.unlock(); throw_twice(); }
    if (borrowed_ < total_) {  // then nobody waits
        ++borrowed_;
        entered.position->second = standing::has_token;
        lock.unlock();
        if (w.task()) yield_shielded();  // shielded: the token is taken
        return;
    }
    w.item = &entered.position->second;
    wait_state s;
    try {
        s = queue_.wait(lock, w, {.reason = {name_.empty() ? "capacity_limiter" : name_.c_str(), this, &describe}});
    } catch (...) {  // the run breaks a deadlock
        forget(b);
        throw;
    }
    if (s == wait_state::granted) return;
    forget(b);
    lowlevel::raise_cancelled();
}

template <class L>
void basic_capacity_limiter<L>::forget(borrower b) noexcept {
    typename borrower_map::node_type gone;
    std::lock_guard lock(queue_.lock());
    gone = borrowers_.extract(b);
}

template <class L>
void basic_capacity_limiter<L>::acquire_nowait_for(borrower b) {
    borrower_map made;
    made.emplace(b, standing::has_token);
    auto node = made.extract(made.begin());
    std::unique_lock lock(queue_.lock());
    if (borrowers_.contains(b)) { lock.unlock(); throw_twice(); }
    if (borrowed_ >= total_) {
        lock.unlock();
        throw would_block(detail::message("W070", (name_.empty() ? "capacity_limiter" : name_) + ": acquire_nowait with no token free" + detail::in_task(), "", "use acquire() to wait for one."));
    }
    borrowers_.insert(std::move(node));
    ++borrowed_;
}

// Under the lock: gives out what there is. The waiters that were taken, linked by their items.
template <class L>
void* basic_capacity_limiter<L>::grant() noexcept {
    void* first = nullptr;
    void** end = &first;
    while (borrowed_ < total_) {
        detail::waiter* w = queue_.take();
        if (!w) break;
        ++borrowed_;
        *static_cast<standing*>(w->item) = standing::has_token;
        w->item = nullptr;
        *end = w;
        end = &w->item;
    }
    return first;
}

namespace {
// After all else and unlocked: the last of them may destroy the limiter.
void wake(void* list) noexcept {
    while (list) {
        auto* w = static_cast<detail::waiter*>(list);
        list = w->item;  // read first: it goes when it is woken
        w->wake();
    }
}
}  // namespace

template <class L>
void basic_capacity_limiter<L>::release_for(borrower b) {
    typename borrower_map::node_type gone;
    std::unique_lock lock(queue_.lock());
    auto at = borrowers_.find(b);
    if (at == borrowers_.end() || at->second == standing::waits) {
        lock.unlock();
        detail::throw_misuse("a token was given back to a capacity_limiter by a borrower that has none", "pair each release with the acquire of the same borrower.");
    }
    gone = borrowers_.extract(at);
    --borrowed_;
    void* woken = grant();
    lock.unlock();
    wake(woken);
}

template <class L>
void basic_capacity_limiter<L>::set_total_tokens(std::size_t n) noexcept {
    std::unique_lock lock(queue_.lock());
    total_ = n;
    void* woken = grant();
    lock.unlock();
    wake(woken);
}

template <class L>
std::size_t basic_capacity_limiter<L>::total_tokens() const noexcept { return statistics().total; }
template <class L>
std::size_t basic_capacity_limiter<L>::borrowed_tokens() const noexcept { return statistics().borrowed; }
template <class L>
std::size_t basic_capacity_limiter<L>::available_tokens() const noexcept {
    auto s = statistics();
    return s.total > s.borrowed ? s.total - s.borrowed : 0;
}
template <class L>
capacity_limiter_statistics basic_capacity_limiter<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    return {borrowed_, total_, queue_.size()};
}

template <class L>
std::string basic_capacity_limiter<L>::describe(void const* self) {
    auto s = static_cast<basic_capacity_limiter const*>(self)->statistics();
    return std::to_string(s.borrowed) + " of " + std::to_string(s.total) + " tokens borrowed";
}

template class basic_capacity_limiter<detail::no_lock>;
template class basic_capacity_limiter<detail::spin_lock>;

}  // namespace weft
