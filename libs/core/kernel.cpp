// SPDX-License-Identifier: BSL-1.0
// The scheduler: turns, the order of tasks, parking. Cancellation is in cancel.cpp, the run's life in run.cpp.
#include "core/kernel.hpp"

#include "core/context_map.hpp"
#include "core/fiber_values.hpp"

#include <algorithm>
#include <cstdio>

namespace weft::detail {

constinit thread_local kernel* this_kernel = nullptr;

namespace {
constexpr unsigned max_picks = 4096;                       // of one turn
constexpr unsigned picks_per_check = 16;                   // between clock reads, so that one costs 1 to 2 ns a pick
constexpr unsigned picks_under_oracle = 64;
constexpr auto turn_length = std::chrono::microseconds(250);
constexpr auto deadline_slack = std::chrono::microseconds(50);

std::uint64_t splitmix(std::uint64_t& s) noexcept {
    std::uint64_t z = (s += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

}  // namespace

std::size_t kernel::choose(choice kind, std::size_t alternatives) noexcept {
    if (alternatives < 2) return 0;
    return oracle_ ? oracle_->choose(kind, alternatives) : static_cast<std::size_t>(splitmix(random_) % alternatives);
}

// --- records ---

task_record& kernel::allocate(nursery_record& n) {
    if (!free_) grow_records();
    task_record* t = free_;
    free_ = t->next_;
    t->nursery_ = &n;
    t->scope_ = n.state;
    t->id_ = next_id_++;
    return *t;
}

void kernel::grow_records() {
    auto block = std::make_unique<task_record[]>(records_per_block);
    records_.push_back(std::move(block));
    ready_.reserve(records_.size() * records_per_block);
    for (std::size_t i = records_per_block; i-- > 0;) {
        records_.back()[i].next_ = free_;
        free_ = &records_.back()[i];
    }
}

void kernel::release(task_record& t) noexcept {
    t.state_ = task_state::unused;
    t.name_.clear();
    t.next_ = free_;
    free_ = &t;
}

void kernel::start(task_record& t) noexcept {
    nursery_record& n = *t.nursery_;
    t.sibling_prev_ = nullptr;
    t.sibling_next_ = n.children;
    if (n.children) n.children->sibling_prev_ = &t;
    n.children = &t;
    ++(t.service_ ? n.service_count : n.child_count);
    ++living_;
    if (!instruments_.empty()) [[unlikely]] instruments([&](instrument& i) { i.task_spawned({t.id_, t.name_.get()}); });
    make_ready(t);
}

// --- ready queue ---

void kernel::make_ready(task_record& t) noexcept {
    if (t.delivery_queued_) { undelivered_.remove(t); t.delivery_queued_ = false; }
    t.state_ = task_state::ready;
    ready_.push(t);
    if (!instruments_.empty()) [[unlikely]] instruments([&](instrument& i) { i.task_scheduled({t.id_, t.name_.get()}); });
    need_turn();
}

bool kernel::budget_left() {
    if (picks_left_ == 0) return false;
    --picks_left_;
    if (--picks_to_check_ == 0) {
        picks_to_check_ = picks_per_check;
        // In virtual time and under an oracle the schedule must repeat, however fast the machine is: there only picks count.
        if (!oracle_ && !virtual_ && std::chrono::steady_clock::now() >= turn_end_) { picks_left_ = 0; return false; }
    }
    return true;
}

task_record* kernel::pick() {
    if (ready_.empty() || !budget_left()) return nullptr;
    if (ready_.batch_empty()) {
        if (task_record* t = ready_.pop_only()) return t;
        // A direction a batch, drawn from the seed: programs must not come to rely on one order.
        bool backwards = oracle_ ? false : (splitmix(random_) & 1) != 0;
        ready_.begin_batch(backwards);
    }
    if (oracle_ && ready_.batch_size() > 1) return ready_.pop_at(oracle_->choose(choice::ready_task, ready_.batch_size()));
    return ready_.pop();
}

bool kernel::turn() {
    WEFT_ASSERT(current_ == nullptr, "a turn was begun inside a task: the driver must call turn() on the loop only");
    turn_requested_ = false;
    in_turn_ = true;
    ++turns_;
    auto real = std::chrono::steady_clock::now();
    turn_end_ = real + turn_length;
    turn_time_ = clock_ ? clock_->now() : real;
    if (probe_ && probe_->due()) probe_->fire();
    if (port_->pending()) port_->drain();
    expire(turn_time_);
    deliver_slice();
    if (!finished_) fibers_.run_foreign();
    picks_left_ = oracle_ ? picks_under_oracle : max_picks;
    picks_to_check_ = picks_per_check;
    while (task_record* t = pick()) run_next(t);
    picks_left_ = 0;
    in_turn_ = false;
    finish_if_done();
    bool more = !finished_ && has_ready();
    if (!more) rearm();  // else the next turn looks at the deadlines
    turn_requested_ = more;  // the driver comes back by itself
    return more;
}

void kernel::rearm() {
    if (virtual_) return;
    time_point next = next_deadline();
    if (next < armed_for_ - slack_ || (next == never && armed_for_ != never && ready_.empty())) {
        slack_ = {};
    } else if (armed_for_ <= turn_time_) {  // the one it was armed for has passed
        // Deadlines that crowd are served together, like those of a thread, to which the system gives the same slack: each time that
        // the loop is woken costs three system calls. One that is alone is served when it is due.
        bool crowded = deadlines_.second() <= turn_time_ + deadline_slack;
        slack_ = crowded ? deadline_slack : duration{};
        if (crowded) next = turn_time_ + deadline_slack;
        else if (next == never) { armed_for_ = never; return; }
    } else {
        return;
    }
    armed_for_ = next;
    driver_->arm(next);
}

// --- switching ---

void kernel::step_begins(task_record& t) {
    ++steps_;
    inline_completions_ = 0;
    if (!instruments_.empty()) [[unlikely]] instruments([&](instrument& i) { i.before_task_step({t.id_, t.name_.get()}); });
}

void kernel::step_ends(task_record& t) {
    if (!instruments_.empty()) [[unlikely]] instruments([&](instrument& i) { i.after_task_step({t.id_, t.name_.get()}); });
}

// Switches from whatever runs now to `next`, or to the loop. Returns when somebody switches back here.
void kernel::run_next(task_record* next) {
    while (next) {
        if (!next->fiber_) {
            try {
                worker& w = fibers_.acquire();
                w.task = next;
                next->fiber_ = &w;
            } catch (...) {
                fail_unstarted(*next, std::current_exception());
                next = pick();
                continue;
            }
        }
        set_current(next);
        next->state_ = task_state::running;
        step_begins(*next);
        if (next->fiber_ != &fibers_.current()) fibers_.switch_to(*next->fiber_);
        return;
    }
    set_current(nullptr);
    if (&fibers_.current() != &fibers_.loop()) fibers_.switch_to(fibers_.loop());
}

void kernel::worker_main(worker& w) {
    for (;;) {
        if (w.quit) return;
        run_task(*w.task);
        // The next task, if it has no fiber yet, runs right here: no switch, and a hot stack.
        task_record* next = pick();
        if (next && !next->fiber_) {
            w.task = next;
            next->fiber_ = &w;
            set_current(next);
            next->state_ = task_state::running;
            step_begins(*next);
            continue;
        }
        w.task = nullptr;
        fibers_.release(w);
        run_next(next);
    }
}

void kernel::run_task(task_record& t) {
    std::exception_ptr error;
    bool was_cancelled = false;
    t.fiber_->outermost = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    try {
        t.invoke_(t);
    } catch (cancelled const&) {
        was_cancelled = true;
        error = std::current_exception();
    } catch (...) {
        error = caught_error();
    }
    t.discard_(t);
    if (tasks_with_fiber_values) [[unlikely]] destroy_fiber_values(t);
    if (t.locals_) context_map::release(t.locals_);  // while it still is a task: their destructors may wait
    step_ends(t);
    task_ended(t, std::move(error), was_cancelled);
}

void kernel::park(task_record& t, abort_fn abort, void* arg, wait_reason const& reason, bool raises) {
    code_position here;
    WEFT_HERE(here);
    t.fiber_->waits_at = raises ? &here : nullptr;
    t.woken_by_cancel_ = false;
    if (probe_) [[unlikely]] { if (abort) probe_->parked(); }
    if (no_yield_scopes_) [[unlikely]] suspended_in_no_yield_scope(t, reason.what);
    t.deliverable_ = deliverable(t);
    bool at_once = abort && !t.refuses_ && t.deliverable_ && must_raise(t) && (!raises || passable(t, here));  // asked before it counts as parked: a deadline may expire here
    t.abort_ = abort;
    t.abort_arg_ = arg;
    t.reason_ = &reason;
    t.since_ = turn_time_;
    t.state_ = task_state::parked;
    arm_chain(t.scope_);
    if (at_once) abort_park(t);  // goes through the ready queue, and raises in its turn
    step_ends(t);
    run_next(pick());
    t.reason_ = nullptr;
    if (t.inject_) [[unlikely]] {
        t.inject_ = false;
        std::rethrow_exception(deadlock_errors_.back());
    }
}

bool kernel::unpark(task_record& t) noexcept {
    if (t.state_ != task_state::parked) return false;
    t.abort_ = nullptr;
    make_ready(t);
    return true;
}

void kernel::resume_now(task_record& t) noexcept {
    WEFT_ASSERT(t.state_ == task_state::parked, "a task was woken that does not wait");
    t.abort_ = nullptr;
    // Directly only from the loop, outside of a turn: then this flow has nothing else to do, and is what runs next
    // when the task waits again. Under an oracle the order is a choice, so it goes through the queue.
    if (oracle_ || in_turn_ || current_ || resumes_held_ != 0 || &fibers_.current() != &fibers_.loop()) { make_ready(t); return; }
    if (t.delivery_queued_) { undelivered_.remove(t); t.delivery_queued_ = false; }
    turn_time_ = now();
    run_next(&t);
    finish_if_done();
    rearm();
}

void kernel::yield(task_record& t) {
    if (oracle_ && !ready_.empty() && oracle_->choose(choice::checkpoint, 2) == 1) return;
    if (no_yield_scopes_) [[unlikely]] suspended_in_no_yield_scope(t, "a yield");
    t.state_ = task_state::ready;
    arm_chain(t.scope_);
    ready_.push(t);
    if (!instruments_.empty()) [[unlikely]] {
        instruments([&](instrument& i) { i.task_scheduled({t.id_, t.name_.get()}); });
        step_ends(t);
    }
    if (!in_turn_) need_turn();
    run_next(pick());
}

// --- Boost.Fiber's own primitives ---

void kernel::suspended_by_foreign(fiber_slot&) noexcept {
    if (!current_) return;
    static constexpr wait_reason reason{"boost::fibers primitive"};
    if (no_yield_scopes_) [[unlikely]] suspended_in_no_yield_scope(*current_, reason.what);
    current_->state_ = task_state::foreign;
    current_->since_ = turn_time_;
    current_->reason_ = &reason;
    ++foreign_waits_;
    set_current(nullptr);
}

void kernel::resumed_by_foreign(fiber_slot& s) noexcept {
    for_each_record([&](task_record& t) {  // rare: weft's own primitives never come here
        if (t.state_ != task_state::foreign || t.fiber_ != &s) return;
        t.state_ = task_state::running;
        t.reason_ = nullptr;
        --foreign_waits_;
        set_current(&t);
    });
}

// --- instruments ---

void kernel::add_instrument(std::shared_ptr<instrument> i) { instruments_.push_back(std::move(i)); }

void kernel::remove_instrument(instrument const& i) noexcept {
    for (auto& p : instruments_) if (p.get() == &i) p = nullptr;  // in place: a hook may be under way, which counts them
    if (telling_ == 0) std::erase(instruments_, nullptr);
}

bool kernel::instrumented() const noexcept {
    return std::any_of(instruments_.begin(), instruments_.end(), [](auto const& i) { return i && i->watches_io_waits(); });
}
void kernel::before_io_wait(duration timeout) { instruments([&](instrument& i) { i.before_io_wait(timeout); }); }
void kernel::after_io_wait(duration timeout) { instruments([&](instrument& i) { i.after_io_wait(timeout); }); }

run_statistics kernel::statistics() const noexcept {
    run_statistics s;
    s.living = living_;
    s.ready = ready_.size();
    s.running = current_ && current_->state_ == task_state::running ? 1 : 0;  // a hook may ask while a task is about to wait
    s.foreign = foreign_waits_;
    s.parked = living_ - s.ready - s.running - s.foreign;
    s.deadlines = deadlines_.size();
    s.next_deadline = next_deadline();
    s.fibers = fibers_.count();
    s.idle_fibers = fibers_.idle_count();
    s.stack_size = options_.stack_size;
    s.turns = turns_;
    s.switches = steps_;
    s.spawned = next_id_ - 1;
    s.seed = seed_;
    return s;
}

}  // namespace weft::detail
