// SPDX-License-Identifier: BSL-1.0
#include "core/run_port.hpp"

namespace weft::detail {

bool run_port::push(remote_node& n) noexcept {
    remote_node* old = head_.load(std::memory_order_relaxed);
    do {
        if (old == &closed_) return false;
        n.next_remote = old;
    } while (!head_.compare_exchange_weak(old, &n, std::memory_order_seq_cst, std::memory_order_relaxed));
    if (old) return true;  // whoever made it non-empty wakes the loop, which then takes all
    if (awake_.load(std::memory_order_seq_cst)) return true;  // sequentially after the push: set_awake(false) comes before the last look
    std::lock_guard lock(mutex_);
    if (driver_) driver_->wake();
    return true;
}

void run_port::arrive(remote_node* newest) noexcept {
    remote_node* oldest = nullptr;
    while (newest) {
        remote_node* next = newest->next_remote;
        newest->next_remote = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        remote_node* next = oldest->next_remote;  // read first: n may be gone when it has arrived
        oldest->arrive(*oldest);
        oldest = next;
    }
}

void run_port::drain() noexcept {
    visited_ = true;
    arrive(head_.exchange(nullptr, std::memory_order_acquire));
}

void run_port::close() noexcept {
    if (head_.load(std::memory_order_relaxed) == &closed_) return;
    // What was accepted arrives; what it pushes itself is refused, or a callback that posts itself again would go on for ever.
    arrive(head_.exchange(&closed_, std::memory_order_acq_rel));
    std::lock_guard lock(mutex_);
    driver_ = nullptr;
}

}  // namespace weft::detail
