// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/event.hpp>

#include <weft/core/checkpoint.hpp>

namespace weft {

event::~event() { WEFT_ASSERT(!first_, "an event was destroyed with tasks waiting for it"); }

void event::unlink(waiter& w) noexcept {
    (w.prev ? w.prev->next : first_) = w.next;
    (w.next ? w.next->prev : last_) = w.prev;
}

void event::set() {
    set_ = true;
    while (waiter* w = first_) {
        unlink(*w);
        lowlevel::unpark(w->task);
    }
}

void event::wait() {
    lowlevel::cancel_point();
    if (set_) { checkpoint(); return; }
    waiter w{lowlevel::current_task(), nullptr, last_};
    (last_ ? last_->next : first_) = &w;
    last_ = &w;
    lowlevel::park([&] { unlink(w); return lowlevel::abort::succeeded; }, lowlevel::wait_reason{"event", this, nullptr});
}

std::size_t event::waiters() const noexcept {
    std::size_t n = 0;
    for (waiter const* w = first_; w; w = w->next) ++n;
    return n;
}

}  // namespace weft
