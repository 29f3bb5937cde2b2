// SPDX-License-Identifier: BSL-1.0
// Cancellation: the tree of scopes, their levels, and how a cancellation reaches waiting tasks. Deadlines are in expiry.cpp.
#include "core/cancelled_access.hpp"
#include "core/kernel.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <unordered_set>

namespace weft {

namespace detail {

namespace {
constexpr std::size_t delivery_slice = 256;  // ready tasks up to which a cancellation wakes waiting ones at once

// Once a function in the life of the process.
void report_noexcept(task_record const& t, std::uintptr_t function) {
    static std::mutex lock;
    static std::unordered_set<std::uintptr_t> reported;
    {
        std::lock_guard guard(lock);
        if (!reported.insert(function).second) return;
    }
    std::fputs(message("W105", "a cancellation of task #" + std::to_string(t.id_) + " \"" + std::string(t.name_.get()) + "\" waits, as it cannot pass " + function_name(function),
                       "that function is noexcept (as destructors are), or calls one that is: the exception would have ended the program there.",
                       "wait in it inside a cancel_scope with a deadline of its own, or make it noexcept(false).").c_str(), stderr);
}
}


// --- entering and leaving ---

void kernel::enter(cancel_state& s, task_record* owner, nursery_record* n, void const* frame) {
    if (s.entered_) throw_misuse("a cancel scope was entered a second time",
                                 "a scope is used for one block; make a new one for each.");
    s.entered_ = true;
    s.kernel_ = this;
    s.owner_ = owner;
    s.nursery_ = n;
    s.frame_ = frame;
    cancel_state* parent = owner ? owner->scope_ : nullptr;
    s.parent_ = parent;
    if (owner) {
        owner->scope_ = &s;
        s.uncaught_ = owner == current_ ? fibers_.uncaught() : 0;
        unsigned outside = parent && parent->owner_ == owner ? parent->uncaught_ : 0;
        s.unwinding_shield_ = s.uncaught_ > outside;
    }
    s.effective_ = s.cancelled_;
    s.armed_chain_ = true;
    if (parent) {
        s.stop_ = s.stop_ || parent->stop_;
        s.armed_chain_ = parent->armed_chain_;
    }
    if (s.relative_.count() >= 0) {
        s.deadline_ = saturating_add(now(), s.relative_);
        s.relative_ = duration{-1};
    }
    s.effective_deadline_ = s.deadline_;
    if (parent && !s.shield_ && !s.unwinding_shield_) {
        s.effective_ = s.effective_ || parent->effective_;
        s.effective_deadline_ = std::min(s.deadline_, parent->effective_deadline_);
    }
    if (s.deadline_ != never && !s.cancelled_) s.armed_chain_ = false;
}

void kernel::leave(cancel_state& s) noexcept {
    disarm_node(s);
    if (s.owner_) {
        s.owner_->scope_ = s.parent_;
        if (s.parent_ && !s.parent_->effective_) s.owner_->raised_ = false;  // nothing that was raised is still under way
    }
    s.kernel_ = nullptr;
    s.owner_ = nullptr;
    s.nursery_ = nullptr;
}

bool kernel::catches(cancel_state& s) noexcept {
    // Decided now, not when it was raised: what changed while it travelled counts (rule 17).
    if (!s.cancelled_ && s.deadline_ != never && s.deadline_ <= now()) expire_chain(&s, now());
    bool outer = s.parent_ && !s.shield_ && !s.unwinding_shield_ && s.parent_->effective_;
    return s.cancelled_ && !outer;
}

void kernel::caught(cancel_state& s) noexcept {
    s.caught_ = true;
    if (s.owner_) s.owner_->raised_ = false;
}

void kernel::leave_checked(cancel_state& s) noexcept {
    WEFT_ASSERT(s.owner_ && s.owner_->scope_ == &s, "cancel scopes were left out of order");
    leave(s);
}

// --- the level, and raising ---

bool kernel::must_raise_slow(task_record& t) {
    cancel_state& s = *t.scope_;
    // A deadline that is over when an operation starts raises before the operation has any effect (rule 149), so the
    // clock is read here: 22 ns, only inside a scope with a deadline.
    time_point n = now();
    if (s.effective_deadline_ > n) return false;
    expire_chain(&s, n);
    return t.scope_->effective_;
}

void kernel::cancel_point_slow(task_record& t) {
    if (probe_) [[unlikely]] probe_->at_point();
    if (!must_raise(t) || !deliverable(t)) return;
    code_position here;
    WEFT_HERE(here);
    if (passable(t, here)) raise(t);
}

bool kernel::passable(task_record& t, code_position const& from) {
    worker const& w = *t.fiber_;
    // It travels to the scope that catches it, or out of the task; from a big stack on to the one that it was entered from.
    cancel_state const* source = source_of(t);
    auto catcher = source && source->owner_ == &t ? reinterpret_cast<std::uintptr_t>(source->frame_) : 0;
    code_position at = from;
    for (big_stack const* b = w.big;; b = b->outer) {
        noexcept_ahead::stack_bounds bounds{reinterpret_cast<std::uintptr_t>(w.stack.low), reinterpret_cast<std::uintptr_t>(&w)};
        if (b) bounds = {b->low, b->top};
        bool caught_here = catcher >= bounds.low && catcher < bounds.top;
        std::uintptr_t limit = caught_here ? catcher : b ? b->top : w.outermost;
        std::uintptr_t function = noexcept_ahead_.find(at, t.scope_ && t.scope_->owner_ == &t ? t.scope_ : nullptr, limit, bounds);
        if (function) [[unlikely]] { report_noexcept(t, function); return false; }
        if (caught_here || !b) return true;
        at = b->called_from;
    }
}

// The one that will catch it: the outermost cancelled scope that is visible from here.
cancel_state* kernel::source_of(task_record& t) noexcept {
    cancel_state* source = nullptr;
    for (cancel_state* s = t.scope_; s; s = s->parent_) {
        if (s->cancelled_) source = s;
        if ((s->shield_ || s->unwinding_shield_) && source) break;
    }
    return source;
}

std::shared_ptr<cancel_info const> kernel::pending_info(task_record& t) noexcept {
    cancel_state* source = source_of(t);
    return source ? source->info_ : nullptr;
}

void kernel::raise(task_record& t) {
    cancel_state* source = source_of(t);
    WEFT_ASSERT(source && source->info_, "a cancellation was raised where no scope is cancelled");
    // A raise inside a catch block, or in a destructor while an earlier one is in flight, swallowed nothing.
    if (t.raised_ && !fibers_.catching() && fibers_.uncaught() == 0) {
        if (t.swallowed_ < 0xffff && ++t.swallowed_ == 1000) {
            std::fputs(message("W101", "task #" + std::to_string(t.id_) + " \"" + std::string(t.name_.get()) +
                               "\" has swallowed its cancellation 1,000 times",
                               "a catch (...) around a waiting call ends the cancellation but not the scope.",
                               "rethrow in that catch, or catch std::exception const& instead.").c_str(), stderr);
        }
    }
    t.raised_ = true;
    throw cancelled_access::make(source->info_);
}

// --- spreading through the tree ---

// Brings the levels of one task's scopes inside `stop` up to date, outermost first, and puts the nurseries among them
// on the work list. Scopes only know their parents, so the path is reversed through walk_ first: no recursion, no
// allocation, however deep.
void kernel::update_chain(task_record& t, cancel_state* stop, nursery_record*& work) {
    cancel_state* down = nullptr;
    for (cancel_state* s = t.scope_; s != stop; s = s->parent_) {
        s->walk_ = down;
        down = s;
    }
    for (cancel_state* s = down; s; s = s->walk_) {
        bool inherits = s->parent_ && !s->shield_ && !s->unwinding_shield_;
        s->effective_ = s->cancelled_ || (inherits && s->parent_->effective_);
        if (s->effective_ && s->source_) to_stop_.push_back(*s->source_);
        s->effective_deadline_ = inherits ? std::min(s->deadline_, s->parent_->effective_deadline_) : s->deadline_;
        if (s->nursery_) { s->nursery_->walk = work; work = s->nursery_; }
    }
    if (t.scope_->effective_) queue_delivery(t);
}

// Abort functions and stop callbacks are other people's code, and may cancel further scopes: they are called when the
// walk is over, so that it may be walked again.
void kernel::after_walk() {
    deliver_slice();
    while (!to_stop_.empty()) {
        std::stop_source source = std::move(to_stop_.back());
        to_stop_.pop_back();
        source.request_stop();
    }
}

void kernel::recompute(cancel_state& s) {
    nursery_record* work = nullptr;
    if (s.owner_) {
        update_chain(*s.owner_, s.parent_, work);
    } else {  // the root
        s.effective_ = s.cancelled_;
        if (s.nursery_) work = s.nursery_;
        if (work) work->walk = nullptr;
    }
    while (work) {
        nursery_record& n = *work;
        work = n.walk;
        for (task_record* c = n.children; c; c = c->sibling_next_) update_chain(*c, n.state, work);
    }
    after_walk();
}

void kernel::queue_delivery(task_record& t) {
    if (t.state_ != task_state::parked || !t.abort_ || !t.deliverable_ || t.delivery_queued_ || t.refuses_) return;
    if (code_position const* at = t.fiber_->waits_at; at && !passable(t, *at)) return;
    undelivered_.push_back(t);
    t.delivery_queued_ = true;
}

// In slices: whoever becomes ready meanwhile, and I/O, does not queue behind a hundred thousand unwinding tasks.
void kernel::deliver_slice() {
    while (!undelivered_.empty() && ready_.woken() < delivery_slice) {
        task_record* t = undelivered_.front();
        if (t->scope_->effective_) abort_park(*t);
        else { undelivered_.remove(*t); t->delivery_queued_ = false; }
    }
    if (!undelivered_.empty()) need_turn();
}

// Calls the abort function, at most once a park. It runs in the canceller's context and must not throw.
void kernel::abort_park(task_record& t) {
    if (!t.abort_) return;
    if (t.delivery_queued_) { undelivered_.remove(t); t.delivery_queued_ = false; }
    abort_fn abort = t.abort_;
    t.abort_ = nullptr;
    abort_answer answer;
    try {
        answer = abort(t.abort_arg_);
    } catch (...) {
        callback_failed(std::make_exception_ptr(internal_error(message(
            "W030", "the abort function of task #" + std::to_string(t.id_) + " \"" + std::string(t.name_.get()) + "\" threw",
            "an abort function runs inside the canceller's call and has nobody to throw to.",
            "catch inside it, and answer abort::succeeded or abort::failed."))));
        answer = abort_answer::succeeded;
    }
    if (answer == abort_answer::refused) { t.abort_ = abort; return; }
    if (answer == abort_answer::succeeded && t.state_ == task_state::parked) {
        t.woken_by_cancel_ = true;
        make_ready(t);
    }
}

void kernel::cancel(cancel_state& s, std::shared_ptr<cancel_info const> info) {
    if (s.cancelled_) return;
    s.cancelled_ = true;
    s.info_ = std::move(info);
    if (s.source_) s.source_->request_stop();
    if (s.kernel_ != this) return;  // not entered yet: enter() takes the level over
    disarm_node(s);
    recompute(s);
}

void kernel::reparent(task_record& t, nursery_record& to) {
    nursery_record& from = *t.nursery_;
    // Scopes: the outermost scope of the task's own hangs below the old nursery's; hang it below the new one's.
    if (t.scope_ == from.state) {
        t.scope_ = to.state;
    } else {
        cancel_state* s = t.scope_;
        while (s->parent_ != from.state) s = s->parent_;
        s->parent_ = to.state;
        for (cancel_state* c = t.scope_; c != to.state; c = c->parent_) c->armed_chain_ = false;
    }
    // Children lists.
    (t.sibling_prev_ ? t.sibling_prev_->sibling_next_ : from.children) = t.sibling_next_;
    if (t.sibling_next_) t.sibling_next_->sibling_prev_ = t.sibling_prev_;
    --from.child_count;
    t.nursery_ = &to;
    t.sibling_prev_ = nullptr;
    t.sibling_next_ = to.children;
    if (to.children) to.children->sibling_prev_ = &t;
    to.children = &t;
    ++to.child_count;
    if (to.state->stop_) {
        for (cancel_state* c = t.scope_; c != to.state; c = c->parent_) spread_stop(*c);
        wake_stop_waiters();
    }
    nursery_record* work = nullptr;
    update_chain(t, to.state, work);
    while (work) {
        nursery_record& n = *work;
        work = n.walk;
        for (task_record* c = n.children; c; c = c->sibling_next_) update_chain(*c, n.state, work);
    }
    after_walk();
}

}  // namespace detail

}  // namespace weft
