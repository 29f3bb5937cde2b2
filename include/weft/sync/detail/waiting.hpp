// SPDX-License-Identifier: BSL-1.0
// What the kinds of channels share around a wait.
#ifndef WEFT_SYNC_DETAIL_WAITING_HPP
#define WEFT_SYNC_DETAIL_WAITING_HPP

#include <weft/core/detail/wait_queue.hpp>

namespace weft::detail {

/// Begins an operation that may wait: true in a task, for which it is a cancellation point; false in a plain thread.
/// Throws: cancelled; wrong_domain_error; not_running_error, in a thread where `threads` is false.
bool begin_operation(char const* call, bool threads);

/// Waiters that were settled under a lock, to be woken without it. Linked through waiter::item.
class wake_list {
public:
    void add(waiter& w) noexcept {
        w.item = nullptr;
        (last_ ? last_->item : first_) = &w;
        last_ = &w;
    }
    void wake() noexcept {
        while (first_) {
            auto* w = static_cast<waiter*>(first_);
            first_ = w->item;  // read first: w goes when it is woken
            w->wake();
        }
    }

private:
    void* first_{};
    waiter* last_{};
};

/// A count of holders: atomic where several threads may hold.
template <class L> class holder_count {
public:
    void retain() noexcept { ++n_; }
    bool release() noexcept { return --n_ == 0; }
private:
    std::size_t n_{1};
};
template <> class holder_count<spin_lock> {
public:
    void retain() noexcept { n_.fetch_add(1, std::memory_order_relaxed); }
    bool release() noexcept { return n_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
private:
    std::atomic<std::size_t> n_{1};
};

}  // namespace weft::detail

#endif
