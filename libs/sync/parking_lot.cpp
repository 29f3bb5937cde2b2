// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/parking_lot.hpp>

#include "core/kernel.hpp"
#include "core/self.hpp"

#include <algorithm>

namespace weft {

using detail::this_kernel;

/// A waiting task; in its frame.
struct parking_lot::parked {
    parking_lot* home;            ///< null once it was woken or broken off
    lowlevel::task_ref task;
    detail::wait_reason reason;   ///< follows it from lot to lot
    std::string broken_by{};
    bool broken{};
    parked* next{};
    parked* prev{};
};

/// One add_breaker; on the list of its lot and on that of what its task does at its end.
struct parking_lot::breaker : detail::at_end_node {
    parking_lot* lot;
    lowlevel::task_ref task;
    std::string who;
    breaker* next_of_lot;
};

parking_lot::~parking_lot() {
    WEFT_ASSERT(!first_, "a parking_lot was destroyed with tasks waiting in it");
    WEFT_ASSERT(!breakers_ || this_kernel, "a parking_lot was destroyed on another thread than its run's, with breakers");
    while (breakers_) {  // of tasks that live on
        breaker* b = breakers_;
        detail::forget_at_task_end(*b, *b->task.record());
        drop(*b);
    }
}

// --- the queue ---

void parking_lot::push(parked& p) noexcept {
    p.home = this;
    p.reason.what = name_;
    p.reason.object = this;
    p.next = nullptr;
    p.prev = last_;
    (last_ ? last_->next : first_) = &p;
    last_ = &p;
    ++size_;
}

void parking_lot::remove(parked& p) noexcept {
    (p.prev ? p.prev->next : first_) = p.next;
    (p.next ? p.next->prev : last_) = p.prev;
    p.home = nullptr;
    --size_;
}

void parking_lot::park() {
    lowlevel::task_ref me = lowlevel::current_task();
    lowlevel::cancel_point();
    auto fail = [](std::string const& name, std::string const& by) {
        throw broken_resource_error(detail::message("W075", name + " was broken" + (by.empty() ? "" : " by the end of " + by) + detail::in_task(),
                                                    "nobody will wake those who wait there any more.", "find out why that task ended, or make a new parking lot."));
    };
    if (broken_) fail(name_, broken_by_);
    parked p{nullptr, me, {}};
    push(p);
    struct leave { parked& p; ~leave() { if (p.home) p.home->remove(p); } } at_end{p};  // a deadlock was broken
    lowlevel::park([&] { p.home->remove(p); }, p.reason);
    if (p.broken) fail(p.reason.what, p.broken_by);
}

lowlevel::task_ref parking_lot::wake_first() {
    lowlevel::task_ref t = first_->task;
    lowlevel::unpark(t);  // throws on another thread, and has changed nothing then
    remove(*first_);
    return t;
}

lowlevel::task_ref parking_lot::unpark() { return first_ ? wake_first() : lowlevel::task_ref(); }

std::vector<lowlevel::task_ref> parking_lot::unpark(std::size_t n) {
    std::vector<lowlevel::task_ref> woken;
    woken.reserve(std::min(n, size_));
    while (n-- > 0 && first_) woken.push_back(wake_first());
    return woken;
}

std::size_t parking_lot::repark(parking_lot& to, std::size_t n) {
    n = std::min(n, size_);
    for (std::size_t i = 0; i < n; ++i) {
        parked& p = *first_;
        remove(p);
        to.push(p);
    }
    if (to.broken_) to.break_by(to.broken_by_);
    return n;
}

// --- breaking ---

void parking_lot::break_lot() {
    if (first_ && (!this_kernel || this_kernel->run_id() != first_->task.run())) {
        throw wrong_domain_error(detail::message("W012", "parking_lot::break_lot was called on another thread than that of the tasks waiting in it",
                                                 "a parking lot belongs to one runtime.", "post the call to the runtime: run_token::post([&] { lot.break_lot(); })."));
    }
    break_by({});
}

void parking_lot::break_by(std::string who) noexcept {
    if (!broken_) broken_by_ = std::move(who);
    broken_ = true;
    while (first_) {
        parked& p = *first_;
        remove(p);
        p.broken = true;
        try { p.broken_by = broken_by_; } catch (std::bad_alloc const&) {}
        this_kernel->unpark(*p.task.record());
    }
}

void parking_lot::drop(breaker& b) noexcept {
    breaker** at = &breakers_;
    while (*at != &b) at = &(*at)->next_of_lot;
    *at = b.next_of_lot;
    delete &b;
}

void parking_lot::add_breaker(lowlevel::task_ref task) {
    if (!this_kernel) detail::throw_outside("parking_lot::add_breaker");
    auto* t = task.record();
    if (!t || task.run() != this_kernel->run_id() || t->id_ != task.id() || t->state_ == detail::task_state::unused) {
        detail::throw_misuse("parking_lot::add_breaker of a task that has ended, or of another run", "register a living task of this run: lowlevel::current_task().");
    }
    std::string name(t->name_.get());
    auto* b = new breaker{{}, this, task, "task #" + std::to_string(task.id()) + (name.empty() ? "" : " \"" + name + "\""), breakers_};
    b->ended = [](detail::at_end_node& n) noexcept {
        auto& self = static_cast<breaker&>(n);
        parking_lot& lot = *self.lot;
        std::string who = std::move(self.who);
        lot.drop(self);
        lot.break_by(std::move(who));
    };
    try { detail::at_task_end(*b, *t); } catch (...) { delete b; throw; }
    breakers_ = b;
}

void parking_lot::remove_breaker(lowlevel::task_ref task) {
    breaker* b = breakers_;
    while (b && b->task != task) b = b->next_of_lot;
    if (!b || !this_kernel || task.run() != this_kernel->run_id()) {
        detail::throw_misuse("parking_lot::remove_breaker of a task that is no breaker of this lot, or is one of another run",
                             "pair it with an add_breaker of the same task; a task that has ended is none any more.");
    }
    detail::forget_at_task_end(*b, *task.record());
    drop(*b);
}

parking_lot_statistics parking_lot::statistics() const noexcept {
    std::size_t breakers = 0;
    for (breaker* b = breakers_; b; b = b->next_of_lot) ++breakers;
    return {size_, breakers, broken_};
}

}  // namespace weft
