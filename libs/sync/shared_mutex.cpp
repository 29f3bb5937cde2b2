// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/shared_mutex.hpp>

#include <weft/core/lowlevel.hpp>

#include <system_error>

namespace weft {
namespace detail {

template <class L>
shared_mutex_core<L>::~shared_mutex_core() {
    std::lock_guard lock(queue_.lock());
    WEFT_ASSERT(queue_.empty(), "a shared_mutex was destroyed with tasks or threads waiting for it");
}

template <class L>
bool shared_mutex_core<L>::enter(bool shared, std::uint64_t me) noexcept {
    if (writer_ != 0 || !queue_.empty()) return false;
    if (shared) { ++readers_; return true; }
    if (readers_ != 0) return false;
    writer_ = me;
    return true;
}

template <class L>
wait_state shared_mutex_core<L>::lock(bool shared, time_point deadline, bool cancellable) {
    if constexpr (L::shared) looked();
    std::uint64_t me = self_owner().id;
    std::unique_lock lock(queue_.lock());
    if (enter(shared, me)) return wait_state::granted;
    if (writer_ == me) {
        lock.unlock();
        throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "weft::shared_mutex: locked again by the one who holds it exclusively" + in_task());
    }
    if (deadline != never && deadline <= wait_deadline(duration::zero())) return wait_state::timed_out;
    lock.unlock();
    waiter w("shared_mutex::lock", L::shared);  // may throw, in a callback
    w.amount = shared ? 1 : 0;
    w.item = &me;
    lock.lock();
    if (enter(shared, me)) return wait_state::granted;
    wait_state s = queue_.wait(lock, w, {.reason = {name_ ? name_ : "shared_mutex", this, &describe}, .deadline = deadline, .cancellable = cancellable});
    if (s != wait_state::granted) {  // readers behind a writer that has given up need not wait any longer
        lock.lock();
        let_in(lock);
    }
    return s;
}

template <class L>
bool shared_mutex_core<L>::try_lock(bool shared) noexcept {
    if constexpr (L::shared) looked();
    std::uint64_t me = self_owner().id;
    std::lock_guard lock(queue_.lock());
    return enter(shared, me);
}

// Lets in whoever is first, and with a reader the readers behind it. The lock is held on entry, and released on return.
template <class L>
void shared_mutex_core<L>::let_in(std::unique_lock<L>& lock) noexcept {
    remote_node* woken = nullptr;  // linked through the nodes, which are free until they are woken
    remote_node** end = &woken;
    while (waiter* w = queue_.front()) {
        if (writer_ != 0 || (w->amount == 0 && readers_ != 0)) break;
        static_cast<void>(queue_.settle(*w, wait_state::granted));
        if (w->amount == 1) ++readers_;
        else writer_ = *static_cast<std::uint64_t*>(w->item);
        w->next_remote = nullptr;
        *end = w;
        end = &w->next_remote;
    }
    lock.unlock();
    while (woken) {
        auto* w = static_cast<waiter*>(woken);
        woken = woken->next_remote;  // read first: w goes when it is woken
        w->wake();
    }
}

template <class L>
void shared_mutex_core<L>::unlock() {
    std::unique_lock lock(queue_.lock());
    if (writer_ != self_owner().id) { lock.unlock(); throw_not_owner("unlock"); }
    writer_ = 0;
    let_in(lock);
}

template <class L>
void shared_mutex_core<L>::unlock_shared() {
    std::unique_lock lock(queue_.lock());
    if (readers_ == 0) { lock.unlock(); throw_not_owner("unlock_shared"); }
    if (--readers_ == 0) let_in(lock);
}

template <class L>
shared_mutex_statistics shared_mutex_core<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    bool task = writer_ != 0 && !(writer_ >> 63);
    return {writer_ != 0, task ? writer_ & ((std::uint64_t{1} << 40) - 1) : 0, readers_, queue_.size()};
}

template <class L>
std::string shared_mutex_core<L>::describe(void const* self) {
    auto s = static_cast<shared_mutex_core const*>(self)->statistics();
    if (s.exclusive) return s.owner_task ? "held by #" + std::to_string(s.owner_task) : "held by a thread";
    return "held by " + std::to_string(s.readers) + (s.readers == 1 ? " reader" : " readers");
}

template <class L>
void shared_mutex_core<L>::throw_not_owner(char const* call) const {
    throw misuse_error(message("W071", std::string(name_ ? name_ : "shared_mutex") + "::" + call + " by somebody who does not hold it" + in_task(), "",
                               "unlock in the task or thread that has locked: use std::unique_lock or std::shared_lock."));
}

template class shared_mutex_core<spin_lock>;
template class shared_mutex_core<no_lock>;

}  // namespace detail

template <class L>
void basic_shared_timed_mutex<L>::cancellable(bool shared) {
    if (detail::running_task) lowlevel::cancel_point();
    if (core_.lock(shared, never, true) == detail::wait_state::cancelled) lowlevel::raise_cancelled();
}

template class basic_shared_timed_mutex<detail::spin_lock>;
template class basic_shared_timed_mutex<detail::no_lock>;

}  // namespace weft
