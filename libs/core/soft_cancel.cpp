// SPDX-License-Identifier: BSL-1.0
// Soft cancel: a level that tasks may poll or wait for, spread through the tree as cancellation is.
#include "core/kernel.hpp"

namespace weft::detail {

void kernel::wake_stop_waiters() {
    after_walk();
    for (stop_waiter* w = stop_waiters; w; w = w->next) {
        if (w->task->scope_->stop_) unpark(*w->task);
    }
}

// One scope of a task: its level, its token, and those of everything in its nursery.
void kernel::spread_stop(cancel_state& s) {
    nursery_record* work = nullptr;
    auto raise_level = [&](cancel_state& c) {
        c.stop_ = true;
        if (c.source_) to_stop_.push_back(*c.source_);
        if (c.nursery_) { c.nursery_->walk = work; work = c.nursery_; }
    };
    raise_level(s);
    while (work) {
        nursery_record& n = *work;
        work = n.walk;
        for (task_record* t = n.children; t; t = t->sibling_next_) {
            for (cancel_state* c = t->scope_; c != n.state; c = c->parent_) raise_level(*c);
        }
    }
}

void kernel::request_stop(cancel_state& s) {
    if (s.stop_) return;
    // First the scopes that its owner is in further inside.
    if (s.owner_) for (cancel_state* c = s.owner_->scope_; c != &s; c = c->parent_) spread_stop(*c);
    spread_stop(s);
    wake_stop_waiters();
}

}  // namespace weft::detail
