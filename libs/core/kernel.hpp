// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_KERNEL_HPP
#define WEFT_LIBS_CORE_KERNEL_HPP

#include <weft/core/detail/at_task_end.hpp>
#include <weft/core/detail/task_record.hpp>
#include <weft/core/run.hpp>
#include <weft/core/statistics.hpp>

#include "core/deadlines.hpp"
#include "core/fiber.hpp"
#include "core/noexcept_ahead.hpp"
#include "core/overflow.hpp"
#include "core/ready_queue.hpp"
#include "core/run_port.hpp"

#include <cstdio>
#include <unordered_map>

namespace weft { class no_yield_scope; }

namespace weft::detail {

/// Counts, and may act at, each cancellation point and each park: the testing room's seam for cancel_everywhere.
class cancel_probe {
public:
    virtual ~cancel_probe() = default;
    virtual void at_point() = 0;    ///< before the point tests for cancellation
    virtual void parked() {}        ///< a cancellable park is about to switch away
    virtual bool due() { return false; }  ///< asked on the loop at the start of each turn
    virtual void fire() {}          ///< called there if due
    virtual void swallowed(task_record&) {}  ///< the task ended normally although `cancelled` had been raised in it
};

/// Waits for idleness: woken when no task can run (see testing::wait_all_tasks_blocked).
struct idle_waiter {
    task_record* task;
    duration cushion;
    idle_waiter* next;
};

/// One run: its tasks, its scopes, its deadlines, and the order in which they go on.
///
/// A turn of the loop: pending cancellations are delivered (in slices), due deadlines fire, then ready tasks run until
/// the budget is spent. The budget is 250 µs by the clock, so that I/O is looked at often enough whatever tasks do,
/// and tasks get their turn whatever callbacks do. See doc/architecture.md.
class kernel {
    friend class dumper;
public:
    kernel(run_options const& options);
    ~kernel();
    kernel(kernel const&) = delete;

    void start_main(main_fn fn, void* arg);        ///< the driver runs it
    void finish_main();                            ///< once finished(): throws what the run has come to
    /// Cancels the run, from outside of its tasks.
    void cancel_run(std::string reason);
    /// Main was cancelled, and nothing failed.
    bool was_cancelled() const noexcept { return root_.cancelled && !main_error_ && root_.errors.empty(); }

    // --- for the driver, on the loop ---
    /// Runs due deadlines and a budget of ready tasks. Returns whether more are ready.
    bool turn();
    bool finished() const noexcept { return finished_; }
    /// Main has ended: what is left is cancelled and awaited.
    bool ending() const noexcept { return main_done_; }
    bool has_ready() const noexcept { return !ready_.empty() || !undelivered_.empty() || port_->pending() || fibers_.foreign_ready(); }
    /// Somebody waits for idleness, or the clock is virtual: the driver must not block before it has called idle().
    bool wants_idle() const noexcept { return idle_waiters_ || virtual_; }
    /// Nothing can run right now. Wakes idle waiters or lets a virtual clock jump; returns whether that helped.
    bool idle(duration idle_for);
    duration idle_threshold() const noexcept;
    /// No work of any kind is left. Raises deadlock_error in main; returns false if the driver should wait instead.
    bool stuck();
    /// True if somebody that the driver cannot see may still wake a task.
    bool externally_wakeable() const noexcept;
    /// A deadlock is being broken: waits that refuse cancellation end too.
    bool breaking_waits() const noexcept { return breaking_waits_; }
    /// No task could go on, once at least: waits end with deadlock_error, or may.
    bool broke_a_deadlock() const noexcept { return deadlocks_ > 0; }
    void count_shared_wait(int by) noexcept { shared_waits_ += static_cast<std::size_t>(by); }
    /// How other threads reach this run.
    run_port& port() noexcept { return *port_; }
    /// The loop's own callback threw: the run ends with that error.
    void callback_failed(std::exception_ptr e);
    /// The program stopped the loop: the run is cancelled.
    void loop_stopped();
    time_point next_deadline() const noexcept { return std::min(deadlines_.earliest(), fibers_.foreign_deadline()); }
    void before_io_wait(duration timeout);
    void after_io_wait(duration timeout);
    bool instrumented() const noexcept;  ///< whether anybody wants to be told of these

    /// From any thread: a turn is needed.
    void wake() noexcept { driver_->wake(); }
    /// Something became ready; asks the driver for a turn if none is under way or asked for.
    void need_turn() noexcept {
        if (!in_turn_ && !turn_requested_ && driver_) { turn_requested_ = true; driver_->request_turn(); }  // none while the run is taken down
    }
    driver& loop_driver() noexcept { return *driver_; }

    // --- tasks ---
    task_record* current() noexcept { return current_; }
    task_record& allocate(nursery_record& n);      ///< unused record; the caller binds a callable, then calls start()
    void release(task_record& t) noexcept;         ///< gives back a record that was never started
    void start(task_record& t) noexcept;
    /// `raises`: whether a cancellation leaves the caller as an exception, so that the frames around it matter.
    void park(task_record& t, abort_fn abort, void* arg, wait_reason const& reason, bool raises = true);
    bool unpark(task_record& t) noexcept;          ///< false if it is not parked
    void resume_now(task_record& t) noexcept;      ///< from a handler on the loop: switch to it directly if possible
    void hold_resumes(int by) noexcept { resumes_held_ += by; }  ///< while it is not 0, resume_now() only makes ready
    void yield(task_record& t);
    bool in_no_yield_scope() const noexcept { return no_yield_scopes_ != nullptr; }
    /// True for every 16th operation that completed inside its initiation in one step of a task: it yields then. An accept and a look at
    /// what is ready count for a sixteenth of one: in a run of many busy tasks a turn is long, and who connects would wait for as many.
    enum class inline_cost : unsigned { look = 1, transfer = 16 };
    bool count_inline_completion(inline_cost c = inline_cost::transfer) noexcept {
        if ((inline_completions_ += static_cast<unsigned>(c)) < 256) return false;
        inline_completions_ = 0;
        return true;
    }
    void worker_main(worker& w);                   ///< body of every worker fiber
    void suspended_by_foreign(fiber_slot& s) noexcept;
    void resumed_by_foreign(fiber_slot& s) noexcept;
    [[noreturn]] void callback_stuck() noexcept;   ///< a callback waits in a primitive of Boost.Fiber's own, and nothing can wake it

    // --- cancellation ---
    /// A cancellation point: tests deadlines and the level, and raises. Also where the probe is asked.
    void cancel_point(task_record& t) {
        cancel_state const& s = *t.scope_;
        if (s.effective_ || s.effective_deadline_ != never || probe_) [[unlikely]] cancel_point_slow(t);
    }
    /// A cancellation may be raised unless it would leave a destructor that runs during unwinding: then the scope that
    /// catches it must have been entered since, which unwinding_shield_ ensures for the levels, so counting is enough here.
    bool deliverable(task_record& t) noexcept {
        return fibers_.uncaught() <= (t.scope_->owner_ == &t ? t.scope_->uncaught_ : 0);
    }
    /// False if the exception would end the program in a frame that is noexcept: the point is shielded then, and the frame is
    /// reported. Asked only where a cancellation is about to be raised.
    bool passable(task_record& t, code_position const& from);
    bool must_raise(task_record& t) {
        cancel_state& s = *t.scope_;
        if (s.effective_) return true;
        return s.effective_deadline_ != never && must_raise_slow(t);
    }
    bool must_raise_slow(task_record& t);          ///< inside a deadline
    [[noreturn]] void raise(task_record& t);
    /// Why t would be cancelled at a point now; null if it would not.
    std::shared_ptr<cancel_info const> pending_info(task_record& t) noexcept;
    /// `frame`: an address in the stack frame that catches what leaves the scope; null for the root's.
    void enter(cancel_state& s, task_record* owner, nursery_record* n, void const* frame);
    void leave(cancel_state& s) noexcept;
    void leave_checked(cancel_state& s) noexcept;  ///< asserts that it is the innermost
    bool catches(cancel_state& s) noexcept;        ///< whether a `cancelled` that arrives at its exit is its own
    void caught(cancel_state& s) noexcept;
    void cancel(cancel_state& s, std::shared_ptr<cancel_info const> info);
    void deadline_changed(cancel_state& s);
    void recompute(cancel_state& s);               ///< after a change of level, shield or deadline
    void expire_chain(cancel_state* s, time_point now);
    void arm_chain(cancel_state* s) { if (!s->armed_chain_) arm_chain_slow(s); }
    void arm_chain_slow(cancel_state* s);
    void reparent(task_record& t, nursery_record& to);
    void request_stop(cancel_state& s);            ///< of an entered scope
    void spread_stop(cancel_state& s);
    void wake_stop_waiters();                      ///< and tells the tokens

    // --- nurseries ---
    void open(nursery_record& n, cancel_state& s, task_record& t, void const* frame);
    void close(nursery_record& n) noexcept;
    void child_failed(nursery_record& n, std::exception_ptr e, std::uint64_t id, std::string_view name);
    nursery_record& root() noexcept { return root_; }

    // --- time ---
    time_point now() noexcept { return clock_ ? clock_->now() : std::chrono::steady_clock::now(); }
    time_point turn_time() const noexcept { return turn_time_; }
    void sleep_until(task_record& t, time_point when);
    deadline_heap& deadlines() noexcept { return deadlines_; }
    void arm_node(timer_node& n, time_point when);
    void disarm_node(timer_node& n) noexcept { if (n.index != timer_node::unarmed) deadlines_.remove(n); }

    // --- looking in ---
    run_statistics statistics() const noexcept;
    void add_instrument(std::shared_ptr<instrument> i);
    void remove_instrument(instrument const& i) noexcept;
    std::string const& name() const noexcept { return options_.name; }
    time_point started_at() const noexcept { return started_at_; }
    fiber_system& fibers() noexcept { return fibers_; }
    oracle* chooser() noexcept { return oracle_; }
    /// A number below `alternatives`: the oracle's, or drawn from the run's seed.
    std::size_t choose(choice kind, std::size_t alternatives) noexcept;
    std::uint64_t seed() const noexcept { return seed_; }
    std::uint64_t run_id() const noexcept { return run_id_; }  ///< unique in the process
    worker* worker_at(void const* p, bool& in_guard) noexcept { return fibers_.find_by_address(p, in_guard); }
    std::exception_ptr make_deadlock_error();

    // --- testing ---
    void set_probe(cancel_probe* p) noexcept { probe_ = p; }
    cancel_probe* probe() const noexcept { return probe_; }
    void add_idle_waiter(idle_waiter& w);
    void remove_idle_waiter(idle_waiter& w) noexcept;

    /// Told when a task ends that is watched_: the sync room's, set with the first such task.
    void (*on_lock_owner_ended)(kernel& k, task_record& t) noexcept {};
    template <class F> void for_each_parked(F&& f) {
        for_each_record([&](task_record& t) { if (t.state_ == task_state::parked) f(t); });
    }

    // Stop waiters, run-local values: lists that their owners keep here because they live as long as the run.
    struct stop_waiter { task_record* task; stop_waiter* next; stop_waiter* prev; };
    stop_waiter* stop_waiters{};
    std::vector<std::pair<void const*, std::shared_ptr<void>>> run_locals;
    std::unordered_map<task_record*, at_end_node*> end_actions;  ///< see at_task_end
    no_yield_scope* no_yield_scopes_{};  ///< that any task is in, newest first

private:
    WEFT_NOINLINE void cancel_point_slow(task_record& t);
    task_record* pick();                           ///< next task of this turn, null if the budget is spent
    void run_next(task_record* next);              ///< from any flow: switch to it, or to the loop
    cancel_state* source_of(task_record& t) noexcept;
    void suspended_in_no_yield_scope(task_record const& t, char const* what) noexcept;
    void set_current(task_record* t) noexcept { current_ = t; running_task = t; }
    void step_begins(task_record& t);
    void step_ends(task_record& t);
    void run_task(task_record& t);                 ///< on its worker
    void run_end_actions(task_record& t) noexcept;
    void task_ended(task_record& t, std::exception_ptr error, bool was_cancelled);
    void make_ready(task_record& t) noexcept;
    void abort_park(task_record& t);               ///< a cancellation reaches a parked task
    void queue_delivery(task_record& t);
    void after_walk();
    void deliver_slice();
    void expire(time_point now);
    void fire(timer_node& n);
    void update_chain(task_record& t, cancel_state* stop, nursery_record*& work);
    void rearm();
    void finish_if_done();
    void fail_unstarted(task_record& t, std::exception_ptr e);
    bool budget_left();
    void grow_records();
    template <class F> void for_each_record(F&& f) {
        for (auto const& block : records_) for (std::size_t i = 0; i < records_per_block; ++i) f(block[i]);
    }
    template <class F> void instruments(F&& f);

    run_options options_;
    clock_source* clock_;
    bool virtual_;
    oracle* oracle_;
    deadlock_policy deadlock_;
    std::uint64_t seed_;
    std::uint64_t random_;
    std::vector<std::shared_ptr<instrument>> instruments_;  ///< null: removed inside a hook, dropped when telling_ is 0 again
    unsigned telling_{};              ///< hooks under way, one inside the other
    cancel_probe* probe_{};

    fiber_system fibers_;
    overflow_reporter overflow_;
    std::unique_ptr<driver> driver_;
    run_port* port_{};                    ///< one reference is the run's; others outlive it
    noexcept_ahead noexcept_ahead_;
    deadline_heap deadlines_;
    time_point armed_for_{never};     ///< what the driver was last asked for
    duration slack_{};                ///< by how much that may be later than the earliest deadline
    std::vector<timer_node*> due_;    ///< scratch of expire()

    ready_queue ready_;
    std::vector<std::stop_source> to_stop_;  ///< tokens of scopes that a walk found, told when it is over
    task_list undelivered_;           ///< parked tasks whose abort is due: cancellation in slices
    task_record* current_{};          ///< the running task; null in callbacks
    bool in_turn_{};
    bool turn_requested_{};
    unsigned picks_left_{};
    unsigned picks_to_check_{};
    time_point turn_end_{};           ///< real time
    time_point turn_time_{};          ///< the run's clock at the start of the turn

    static constexpr std::size_t records_per_block = 64;
    std::vector<std::unique_ptr<task_record[]>> records_;  ///< blocks; never given back during a run, so that stale references stay readable
    task_record* free_{};
    struct root_scope final : cancel_state {};
    root_scope root_state_;
    nursery_record root_;
    task_record* main_{};
    main_fn main_fn_{};
    void* main_arg_{};
    std::exception_ptr main_error_;
    int resumes_held_{};
    std::vector<std::exception_ptr> deadlock_errors_;  ///< that were raised; the last is the current one
    bool main_done_{};
    bool finished_{};
    unsigned deadlocks_{};                ///< how often nothing could go on; each time the answer is stronger
    idle_waiter* idle_waiters_{};
    std::size_t living_{};
    std::size_t foreign_waits_{};
    std::size_t shared_waits_{};          ///< parked tasks that another thread may wake
    bool breaking_waits_{};
    std::uint64_t next_id_{1};
    std::uint64_t turns_{};
    std::uint64_t run_id_;
    std::uint64_t thread_tag_{};          ///< the thread's own owner_tag, put back at the end
    context_map* thread_locals_{};         // the thread's foreign_locals outside of this run
    std::uint64_t steps_{};
    unsigned inline_completions_{};
    time_point started_at_{};
};

template <class F>
void kernel::instruments(F&& f) {
    std::size_t end = instruments_.size();  // one that a hook adds is told of the next event, not of half of this one
    ++telling_;
    for (std::size_t i = 0; i < end; ++i) {
        auto keep = instruments_[i];  // a hook may remove itself
        if (!keep) continue;
        try {
            f(*keep);
        } catch (...) {
            std::fputs(message("W103", "an instrument's hook threw and was removed", "", "catch inside the hook.").c_str(), stderr);
            remove_instrument(*keep);
        }
    }
    if (--telling_ == 0) std::erase(instruments_, nullptr);
}

/// Threads of weft's own that sleep until somebody has work for them: these will wake nobody.
extern std::atomic<unsigned> idle_helper_threads;

/// The run of this thread, null outside of one. Constant-initialised, so that reading it costs one instruction.
extern constinit thread_local kernel* this_kernel;

/// Reads the private parts of a scope, for dumps and tests.
struct state_access {
    static cancel_state* parent(cancel_state const& s) { return s.parent_; }
    static void const* frame(cancel_state const& s) { return s.frame_; }
    static task_record* owner(cancel_state const& s) { return s.owner_; }
    static nursery_record* nursery(cancel_state const& s) { return s.nursery_; }
    static bool effective(cancel_state const& s) { return s.effective_; }
    static bool cancelled(cancel_state const& s) { return s.cancelled_; }
    static time_point deadline(cancel_state const& s) { return s.deadline_; }
    static time_point effective_deadline(cancel_state const& s) { return s.effective_deadline_; }
    static bool inherits(cancel_state const& s) { return s.parent_ && !s.shield_ && !s.unwinding_shield_; }
};

}  // namespace weft::detail

#endif
