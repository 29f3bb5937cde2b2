// SPDX-License-Identifier: BSL-1.0
// Deadlines and sleep: arming them when a task really waits, and what happens when they pass.
#include "core/kernel.hpp"

#include <algorithm>

namespace weft::detail {

void kernel::arm_node(timer_node& n, time_point when) {
    if (n.index != timer_node::unarmed) deadlines_.move(n, when);
    else deadlines_.insert(n, when);
    if (!in_turn_ && !current_) rearm();
}

void kernel::arm_chain_slow(cancel_state* s) {
    for (; s && !s->armed_chain_; s = s->parent_) {
        if (s->deadline_ != never && !s->cancelled_) arm_node(*s, s->deadline_);
        s->armed_chain_ = true;
    }
}

void kernel::deadline_changed(cancel_state& s) {
    if (s.kernel_ != this || s.cancelled_) return;
    if (s.deadline_ == never) disarm_node(s);
    else if (s.deadline_ <= now()) expire_chain(&s, now());
    else arm_node(s, s.deadline_);  // tasks inside may be waiting already
    recompute(s);
}

namespace {
std::shared_ptr<cancel_info const> deadline_info(cancel_state const& s, time_point when) {
    auto info = std::make_shared<cancel_info>();
    info->source = cancel_source::deadline;
    info->reason = "deadline passed";
    info->scope = s.name();
    info->deadline = when;
    return info;
}
}  // namespace

// Cancels every scope of the chain whose deadline has passed, up to the first shield.
void kernel::expire_chain(cancel_state* s, time_point now) {
    for (; s; s = s->parent_) {
        if (s->deadline_ <= now && !s->cancelled_) cancel(*s, deadline_info(*s, s->deadline_));
        if (s->shield_ || s->unwinding_shield_) break;
    }
}

// All that is due is fired in one go, before any task runs (rule 35).
void kernel::expire(time_point now) {
    if (deadlines_.earliest() > now) return;
    due_.clear();
    deadlines_.take_due(now, due_);
    while (!due_.empty()) {
        std::size_t i = oracle_ && due_.size() > 1 ? oracle_->choose(choice::timer_tie, due_.size()) : 0;
        if (!oracle_) {  // in order; the common case of one costs nothing extra
            for (timer_node* n : due_) fire(*n);
            due_.clear();
            return;
        }
        timer_node* n = due_[i];
        due_.erase(due_.begin() + static_cast<std::ptrdiff_t>(i));
        fire(*n);
    }
}

void kernel::fire(timer_node& n) {
    if (n.is_scope) {
        auto& s = static_cast<cancel_state&>(n);
        if (!s.cancelled_) cancel(s, deadline_info(s, s.deadline_));
    } else {
        auto& a = static_cast<alarm_node&>(n);
        if (a.expired) a.expired(a);
        else unpark(*a.task);  // unless a cancellation of this turn came first
    }
}

void kernel::sleep_until(task_record& t, time_point when) {
    alarm_node alarm;
    alarm.task = &t;
    if (when != never) arm_node(alarm, when);
    static constexpr wait_reason sleeping{"sleep"};
    static constexpr wait_reason forever{"sleep_forever"};
    park(t, [](void* p) {
        this_kernel->disarm_node(*static_cast<alarm_node*>(p));
        return abort_answer::succeeded;
    }, &alarm, when == never ? forever : sleeping);
    bool early = alarm.index != timer_node::unarmed;
    disarm_node(alarm);
    if (t.woken_by_cancel_) raise(t);
    if (early) {
        throw internal_error(message("W031", "a sleeping task was woken before its time" + in_task(),
            "somebody called lowlevel::unpark for a task that waits for nothing but the clock.", "unpark only tasks that your own code parked."));
    }
}

}  // namespace weft::detail
