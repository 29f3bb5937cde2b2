// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/detail/stop_state.hpp>

#include <weft/task/cancel_scope.hpp>

#include <mutex>

namespace weft::detail {

namespace {
// noexcept: what leaves a callback terminates, as std has it. A cancellation must not, so there is none in it.
void call_shielded(void (*invoke)(stop_callback_node&), stop_callback_node& n) noexcept {
    if (!running_task) { invoke(n); return; }
    cancel_scope shield;
    shield.set_shield(true);
    shield.run([&] { invoke(n); });
}
}  // namespace

void stop_state::unlink(stop_callback_node& n) noexcept {
    (n.prev_ ? n.prev_->next_ : first_) = n.next_;
    (n.next_ ? n.next_->prev_ : last_) = n.prev_;
    n.listed_ = false;
}

bool stop_state::request() noexcept {
    std::unique_lock lock(ends_.lock());
    if (requested_.load(std::memory_order_relaxed)) return false;
    requested_.store(true, std::memory_order_release);
    requester_ = self_owner().id;
    if (!first_) return true;
    retain();  // a callback may destroy the last of those who hold this
    while (stop_callback_node* n = first_) {
        unlink(*n);
        running_ = n;
        bool gone = false;
        n->gone_ = &gone;
        lock.unlock();
        call_shielded(n->invoke_, *n);
        lock.lock();
        if (!gone) n->gone_ = nullptr;
        running_ = nullptr;
        if (!ends_.empty()) {
            ends_.wake_all(lock);
            lock.lock();
        }
    }
    lock.unlock();
    release();
    return true;
}

void stop_state::add(stop_callback_node& n) noexcept {
    std::unique_lock lock(ends_.lock());
    if (requested_.load(std::memory_order_relaxed)) {
        lock.unlock();
        call_shielded(n.invoke_, n);
        return;
    }
    if (sources_.load(std::memory_order_acquire) == 0) return;
    n.prev_ = last_;
    (last_ ? last_->next_ : first_) = &n;
    last_ = &n;
    n.listed_ = true;
}

void stop_state::remove(stop_callback_node& n) noexcept {
    std::unique_lock lock(ends_.lock());
    if (n.listed_) { unlink(n); return; }
    if (running_ != &n) return;
    if (requester_ == self_owner().id) { *n.gone_ = true; return; }
    lock.unlock();
    waiter w("~stop_callback", true);  // throws in a callback, which may not wait
    lock.lock();
    if (running_ != &n) return;
    ends_.wait(lock, w, {.reason = {"end of a stop callback", this, nullptr}, .cancellable = false});
}

}  // namespace weft::detail
