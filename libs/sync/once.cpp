// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/once.hpp>

#include <system_error>

namespace weft {

template <class L>
bool basic_once_flag<L>::begin() {
    std::uint64_t me = detail::self_owner().id;
    std::unique_lock lock(queue_.lock());
    for (;;) {
        switch (state_.load(std::memory_order_relaxed)) {
            case finished: return false;
            case idle:
                state_.store(running, std::memory_order_relaxed);
                runner_ = me;
                return true;
        }
        if (runner_ == me) {
            lock.unlock();
            throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "weft::call_once: called by its own function" + detail::in_task());
        }
        lock.unlock();
        detail::waiter w("call_once", L::shared);  // may throw, in a callback
        w.item = &me;
        lock.lock();
        if (state_.load(std::memory_order_relaxed) != running) continue;
        if (queue_.wait(lock, w, {.reason = {"call_once", this, nullptr}, .cancellable = false}) == detail::wait_state::granted && !done()) {
            return true;  // handed over by one that threw: end() has made this the runner
        }
        return false;
    }
}

template <class L>
void basic_once_flag<L>::end(bool succeeded) noexcept {
    std::unique_lock lock(queue_.lock());
    if (succeeded) {
        state_.store(finished, std::memory_order_release);
        queue_.wake_all(lock);
        return;
    }
    detail::waiter* next = queue_.take();  // it stays `running`: the next one has it
    if (!next) state_.store(idle, std::memory_order_relaxed);
    else runner_ = *static_cast<std::uint64_t*>(next->item);
    lock.unlock();
    if (next) next->wake();
}

template class basic_once_flag<detail::spin_lock>;
template class basic_once_flag<detail::no_lock>;

}  // namespace weft
