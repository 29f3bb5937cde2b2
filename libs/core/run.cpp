// SPDX-License-Identifier: BSL-1.0
// The life of a run: main, the end of tasks, nurseries as the kernel sees them, idleness, deadlock.
#include "core/kernel.hpp"

#include "core/context_map.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace weft::detail {

namespace {

run_options checked(run_options o) {
    if (this_kernel) throw_misuse("weft::run was called inside of a run on the same thread",
                                  "use a nursery for more tasks, or a new thread for another runtime.");
    if (o.stack_size < 16 * 1024) throw_misuse("run_options::stack_size is below 16 KiB", "ordinary library calls need 6 to 12 KB; the default is 256 KiB.");
    if (o.stack_size > (std::size_t{1} << 34)) throw_misuse("run_options::stack_size is above 16 GiB", "pass bytes, not bits; the default is 256 KiB.");
    if (o.guard_size < 4096 || o.guard_size > (std::size_t{1} << 30)) throw_misuse("run_options::guard_size is not between a page and 1 GiB", "the default is 64 KiB.");
    for (auto const& i : o.instruments) {
        if (!i) throw_misuse("run_options::instruments holds a null pointer", "pass std::make_shared<your_instrument>(), or leave it out.");
    }
    return o;
}

std::uint64_t draw_seed() {
    std::random_device d;
    return (std::uint64_t{d()} << 32) | d();
}

}  // namespace

kernel::kernel(run_options const& options)
    : options_(checked(options)), clock_(options.clock), virtual_(clock_ && clock_->is_virtual()), oracle_(options.oracle),
      deadlock_(options.deadlock), seed_(options.seed ? *options.seed : draw_seed()), random_(seed_),
      instruments_(options.instruments),
      fibers_(*this, stack_options{options.stack_size, options.guard_size, options.guard}) {
    this_kernel = this;
    try {
        driver_ = options.make_driver ? options.make_driver() : make_default_driver();
        if (!driver_) throw_misuse("run_options::make_driver returned null", "return a driver, or leave make_driver empty for the io_context's.");
    } catch (...) {
        this_kernel = nullptr;
        throw;
    }
    port_ = new run_port(*driver_);
    static std::atomic<std::uint64_t> runs{0};
    run_id_ = ++runs;
    thread_tag_ = std::exchange(owner_tag, (run_id_ << 40) & ~(std::uint64_t{1} << 63));
    thread_locals_ = std::exchange(foreign_locals, nullptr);
    started_at_ = turn_time_ = now();
    root_.run = this;
    root_.state = &root_state_;
    root_.open = true;
    root_state_.set_name("run " + options_.name);
    enter(root_state_, nullptr, &root_, nullptr);
}

kernel::~kernel() {
    leave(root_state_);
    while (!run_locals.empty()) {  // one at a time: its destructor may ask for others
        auto last = std::move(run_locals.back());
        run_locals.pop_back();
    }
    port_->close();
    port_->release();
    owner_tag = thread_tag_;
    foreign_locals = thread_locals_;
    driver_.reset();  // destroys handlers that were never called; their destructors may still ask for this run
    this_kernel = nullptr;
}

void kernel::start_main(main_fn fn, void* arg) {
    main_fn_ = fn;
    main_arg_ = arg;
    instruments([](instrument& i) { i.before_run(); });
    task_record& t = allocate(root_);
    main_ = &t;
    t.main_ = true;
    t.name_.set("main");
    t.invoke_ = [](task_record&) { this_kernel->main_fn_(this_kernel->main_arg_); };
    t.discard_ = [](task_record&) noexcept {};
    start(t);
}

void kernel::finish_main() {
    port_->close();
    instruments([](instrument& i) { i.after_run(); });

    std::exception_ptr error = std::move(main_error_);
    // A deadlock leaves run() bare, however many nurseries wrapped it on its way.
    auto is_deadlock = [&](std::exception_ptr const& e) { return std::find(deadlock_errors_.begin(), deadlock_errors_.end(), e) != deadlock_errors_.end(); };
    auto is_internal = [](std::exception_ptr const& e) {  // likewise: no callback of the program's failed
        try { std::rethrow_exception(e); } catch (internal_error const&) { return true; } catch (...) { return false; }
    };
    if (error && !deadlock_errors_.empty()) {
        if (auto leaf = single_leaf(error); is_deadlock(leaf)) error = leaf;
    }
    if (!root_.errors.empty()) {
        if (error && !is_deadlock(error)) root_.errors.insert(root_.errors.begin(), error);
        if (std::all_of(root_.errors.begin(), root_.errors.end(), is_deadlock)) std::rethrow_exception(error ? error : root_.errors.front());
        if (root_.errors.size() == 1 && is_internal(root_.errors.front())) std::rethrow_exception(root_.errors.front());
        throw_group("run \"" + options_.name + "\" ended with errors", std::move(root_.errors));
    }
    if (error) std::rethrow_exception(error);
    if (root_.cancelled) {
        std::string why = root_state_.info() ? root_state_.info()->reason : std::string();
        throw task_cancelled_error(message("W015", "the main task was cancelled" + (why.empty() ? "" : ": " + why), "", ""));
    }
}

void run_main(run_options const& options, main_fn fn, void* arg) {
    kernel k(options);
    k.start_main(fn, arg);
    k.loop_driver().run(k);
    k.finish_main();
}

// --- the end of a task ---

void kernel::task_ended(task_record& t, std::exception_ptr error, bool was_cancelled) {
    nursery_record& n = *t.nursery_;
    WEFT_ASSERT(!t.open_nurseries_, "a task ended with an open nursery");
    WEFT_ASSERT(t.scope_ == n.state, "a task ended inside a scope that it had entered");
    if (!instruments_.empty()) [[unlikely]] instruments([&](instrument& i) { i.task_exited({t.id_, t.name_.get()}); });
    (t.sibling_prev_ ? t.sibling_prev_->sibling_next_ : n.children) = t.sibling_next_;
    if (t.sibling_next_) t.sibling_next_->sibling_prev_ = t.sibling_prev_;
    --(t.service_ ? n.service_count : n.child_count);
    if (probe_ && t.raised_ && !error) [[unlikely]] probe_->swallowed(t);
    if (error && !was_cancelled && &n == &root_) {  // nobody further out catches what the root's cancellation raised (rule 19)
        if (auto rest = filter_at_exit(root_state_, error)) error = rest;
        else was_cancelled = true;
    }
    if (error) {
        if (was_cancelled) { if (!n.cancelled && (t.main_ || &n != &root_)) n.cancelled = error; }  // main's alone is the run's
        else if (t.main_) main_error_ = error;
        else if (!t.starting_) child_failed(n, error, t.id_, t.name_.get());
    }
    if (t.on_end_) t.on_end_(t, error, was_cancelled);
    if (n.child_ended) n.child_ended(n, t);
    for (count_waiter* w = n.waiters; w; w = w->next) {
        if (n.child_count <= w->wake_at || t.service_) unpark(*w->task);
    }
    if (t.main_) {
        main_done_ = true;
        auto info = std::make_shared<cancel_info>();
        info->source = cancel_source::run_ended;
        info->reason = "the main task ended";
        cancel(root_state_, std::move(info));
    }
    if (t.locals_) [[unlikely]] context_map::release(t.locals_);  // of one that was never run
    if (t.has_end_actions_) [[unlikely]] run_end_actions(t);  // one may unlock what the task holds
    if (t.watched_) [[unlikely]] { t.watched_ = false; on_lock_owner_ended(*this, t); }
    t.fiber_ = nullptr;
    t.on_end_ = nullptr;
    t.result_ = nullptr;
    t.service_ = t.starting_ = t.main_ = t.raised_ = false;
    t.swallowed_ = 0;
    t.place_ = {};
    set_current(nullptr);
    --living_;  // with current_, so that the counts of the states add up whoever asks on the way
    release(t);
    if (living_ == 0) finish_if_done();
}

void kernel::fail_unstarted(task_record& t, std::exception_ptr e) {
    t.discard_(t);
    task_ended(t, std::move(e), false);
}

void kernel::finish_if_done() {
    if (!finished_ && main_done_ && living_ == 0) {
        finished_ = true;
        driver_->interrupt();
    }
}

// --- nurseries ---

void kernel::open(nursery_record& n, cancel_state& s, task_record& t, void const* frame) {
    n.run = this;
    n.state = &s;
    n.parent = &t;
    n.open = true;
    n.next_open = t.open_nurseries_;
    t.open_nurseries_ = &n;
    enter(s, &t, &n, frame);
}

void kernel::close(nursery_record& n) noexcept {
    WEFT_ASSERT(n.parent->open_nurseries_ == &n, "nurseries were closed out of order");
    WEFT_ASSERT(!n.children, "a nursery was closed with children");
    n.open = false;
    n.parent->open_nurseries_ = n.next_open;
    leave(*n.state);
}

void kernel::child_failed(nursery_record& n, std::exception_ptr e, std::uint64_t id, std::string_view name) {
    n.errors.push_back(std::move(e));
    if (state_access::cancelled(*n.state)) return;
    auto info = std::make_shared<cancel_info>();
    info->source = cancel_source::child_failed;
    info->scope = nursery_name(n);
    info->source_task = id;
    info->source_name = name;
    info->reason = id ? "child #" + std::to_string(id) + " \"" + std::string(name) + "\" failed" : "the nursery's body failed";
    cancel(*n.state, std::move(info));
}

// --- what comes from the loop ---

void kernel::callback_failed(std::exception_ptr e) {
    root_.errors.push_back(std::move(e));
    auto info = std::make_shared<cancel_info>();
    info->source = cancel_source::run_ended;
    info->reason = "a callback failed";
    cancel(root_state_, std::move(info));
}

void kernel::loop_stopped() { cancel_run("the loop was stopped"); }

void kernel::cancel_run(std::string reason) {
    auto info = std::make_shared<cancel_info>();
    info->source = cancel_source::run_ended;
    info->reason = std::move(reason);
    cancel(root_state_, std::move(info));
}

duration kernel::idle_threshold() const noexcept {
    if (!idle_waiters_) return virtual_ ? clock_->idle_threshold() : duration::max();
    duration least = idle_waiters_->cushion;  // these win over the clock's jump, however long they wait
    for (idle_waiter* w = idle_waiters_; w; w = w->next) least = std::min(least, w->cushion);
    return least;
}

bool kernel::idle(duration idle_for) {
    if (idle_waiters_) {
        duration least = idle_threshold();
        if (least > idle_for) return false;
        for (idle_waiter* w = idle_waiters_; w; w = w->next) {
            if (w->cushion == least) unpark(*w->task);
        }
        return true;
    }
    return virtual_ && idle_for >= clock_->idle_threshold() && clock_->idle(next_deadline()) ;
}

void kernel::add_idle_waiter(idle_waiter& w) {
    w.next = idle_waiters_;
    idle_waiters_ = &w;
    driver_->interrupt();
}

void kernel::remove_idle_waiter(idle_waiter& w) noexcept {
    for (idle_waiter** p = &idle_waiters_; *p; p = &(*p)->next) {
        if (*p == &w) { *p = w.next; return; }
    }
}

std::exception_ptr kernel::make_deadlock_error() {
    std::string text = message("W013", "deadlock: " + std::to_string(living_) + (living_ == 1 ? " task waits" : " tasks wait") +
                               "; no timer, I/O, callback or thread can wake any",
                               "every task of the run waits for another one, or for something that nobody will do.",
                               "find below what each waits for; give one of the waits a deadline, or signal it.");
    return std::make_exception_ptr(deadlock_error(text + dump_tree(*this)));
}

// The first time, the error is raised in main, which may handle it. If nothing goes on after that, the run is
// cancelled; then every wait is broken, shielded ones too. A tree that still does not move cannot be ended.
bool kernel::stuck() {
    if (externally_wakeable()) return false;
    if (has_ready()) return true;  // asked afterwards: a thread that has gone, or fell idle, pushed what it had before
    auto break_wait = [&](task_record& t) {
        // Never in a destructor during unwinding: the error would leave it.
        if (t.state_ != task_state::parked || !t.abort_ || !t.deliverable_) return false;
        abort_park(t);
        if (t.state_ == task_state::parked) return false;
        t.woken_by_cancel_ = false;
        t.inject_ = true;
        return true;
    };
    deadlock_errors_.push_back(make_deadlock_error());
    switch (++deadlocks_) {
        case 1: {
            if (!main_done_ && break_wait(*main_)) return true;
            nursery_record* n = main_done_ ? nullptr : main_->open_nurseries_;
            if (n && n->body_done) { child_failed(*n, deadlock_errors_.back(), 0, {}); return true; }
            [[fallthrough]];
        }
        case 2: {
            root_.errors.push_back(deadlock_errors_.back());
            auto info = std::make_shared<cancel_info>();
            info->source = cancel_source::deadlock;
            info->reason = "deadlock";
            cancel(root_state_, std::move(info));
            return true;
        }
        case 3:
            breaking_waits_ = true;
            for_each_record([&](task_record& t) { break_wait(t); });
            breaking_waits_ = false;
            return true;
        default:
            std::fputs((message("W014", "the tasks below can neither go on nor be cancelled", "", "a wait without an abort function is never woken.") +
                        dump_tree(*this)).c_str(), stderr);
            std::abort();
    }
}

// No deadlock_error: Boost.Fiber's waits are noexcept.
void kernel::callback_stuck() noexcept {
    std::fputs((message("W017", "deadlock: a callback waits in a primitive of Boost.Fiber's own that only a task could signal",
                        "the callback blocks the loop, so that no task runs; there is no other thread, and no fiber of Boost's own that can run or sleeps.",
                        "wait in a task (weft::spawn), or with a timeout. The tasks:") + dump_tree(*this)).c_str(), stderr);
    std::abort();
}

}  // namespace weft::detail
