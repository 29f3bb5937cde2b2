// SPDX-License-Identifier: BSL-1.0
#include <weft/asio/callback_loop.hpp>

#include <weft/core/task_local.hpp>
#include <weft/task/timeouts.hpp>

#include "core/context_map.hpp"
#include "core/kernel.hpp"
#include "core/self.hpp"

#include <boost/asio/post.hpp>

namespace weft {
namespace detail {

namespace {
constexpr int callbacks_a_turn = 64;  // then I/O and tasks have their turn
constexpr std::uint64_t closed_bit = 1, one = 2;

constinit thread_local callback_core* running_core = nullptr;  // whose callback runs on this thread's stack
task_local<callback_core_pointer>& task_loop() {
    static task_local<callback_core_pointer> v;
    return v;
}
template <class F>
void shielded(F&& f) {
    cancel_scope s;
    s.set_shield(true);
    s.run(f);
}
}  // namespace

callback_item::~callback_item() { context_map::release(context_); }

callback_core::callback_core(nursery& outer, std::string name)
    : pin_(current_loop()), port_(&this_kernel->port()), outer_(&outer), name_(std::move(name)) {
    port_->retain();
}

callback_core::~callback_core() {
    // Without a run, when an executor outlived it: nothing is queued any more then.
    context_map::release(base_context_);
    port_->release();
}

bool callback_core::is_home() const noexcept { return this_kernel && &this_kernel->port() == port_; }
bool callback_core::runs_here() const noexcept { return running_core == this && is_home() && !this_kernel->current(); }

void callback_core::throw_closed(char const* call) const {
    throw closed_resource_error(message("W090", std::string(call) + " on the closed " + (name_.empty() ? std::string("callback loop") : "callback loop \"" + name_ + "\"") + in_task(),
                                        "the block of its with_callback_loop has ended.", "let whoever calls end before the block does: its tasks and callbacks are awaited there."));
}

void callback_core::check_open(char const* call) const {
    if (!is_home()) {
        throw wrong_domain_error(message("W012", std::string(call) + " on a thread that is not the loop's", "a callback loop belongs to one run, and to its thread.",
                                         "use callback_loop::post, or asio::post with an executor that was taken from the loop."));
    }
    if (pending_.load(std::memory_order_relaxed) & closed_bit) throw_closed(call);
}

// --- queueing ---

// A callback sees the values of whoever gave it. From the reactor and from threads without values: those of the body.
void callback_core::adopt_context(callback_item& i) {
    if (i.context_) return;
    context_map* from = this_kernel->current() ? this_kernel->current()->locals_ : foreign_locals;
    if (!from && this_kernel->current()) from = context_map::empty();
    i.context_ = context_map::share(from ? from : base_context_);
}

bool callback_core::accept() noexcept {
    std::uint64_t p = pending_.load(std::memory_order_relaxed);
    do if (p & closed_bit) return false;
    while (!pending_.compare_exchange_weak(p, p + one, std::memory_order_acq_rel, std::memory_order_relaxed));
    return true;
}

void callback_core::finished_one() noexcept {
    if (pending_.fetch_sub(one, std::memory_order_seq_cst) == one && closing_.load(std::memory_order_seq_cst)) idle_.release();
}

void callback_core::push(callback_item& i) noexcept {
    i.stage_ = callback_item::stage::queued;
    i.next_ = nullptr;
    (last_ ? last_->next_ : first_) = &i;
    last_ = &i;
    ++queued_;
    request_pump();
}

void callback_core::enqueue(callback_item& i, char const* call) {
    check_open(call);
    adopt_context(i);
    if (!accept()) throw_closed(call);
    i.retain();
    push(i);
}

void callback_core::post(callback_pointer i, char const* call) {
    if (is_home()) { enqueue(*i, call); return; }
    if (context_map* values = this_kernel && this_kernel->current() ? this_kernel->current()->locals_ : foreign_locals) i->context_ = context_map::copy(values);
    if (!accept()) throw_closed(call);
    i->core_ = this;
    i->arrive = [](remote_node& n) noexcept {
        auto& item = static_cast<callback_item&>(n);
        callback_core& c = *std::exchange(item.core_, nullptr);
        if (c.pending_.load(std::memory_order_relaxed) & closed_bit) {  // its exit was broken off
            item.release();
        } else {
            c.adopt_context(item);
            c.push(item);  // with its sender's reference
        }
        c.release();
    };
    retain();
    if (port_->push(*i)) { static_cast<void>(i.release()); return; }
    i->core_ = nullptr;
    finished_one();
    release();
    throw_closed(call);
}

// Asio hands over completions here: for them a closed loop is no error of anybody's.
void callback_core::execute(callback_pointer i) {
    try {
        post(std::move(i), "callback_executor::execute");
    } catch (closed_resource_error const&) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
    }
}

void callback_core::schedule(time_point when, callback_item& i, char const* call) {
    check_open(call);
    adopt_context(i);
    if (!has_timer_task_) {
        outer_->start_service("timers of " + (name_.empty() ? std::string("the callback loop") : name_), [self = callback_core_pointer(*this)] { self->serve_timers(); });
        has_timer_task_ = true;
    }
    i.at_ = timers_.emplace(when, &i);
    i.retain();
    i.stage_ = callback_item::stage::timed;
    if (timer_changed_ && when < sleeps_until_) timer_changed_->set();
}

bool callback_core::cancel(callback_item& i) {
    using stage = callback_item::stage;
    if (i.stage_ == stage::over || i.stage_ == stage::made || i.dropped_) return false;
    if (!is_home()) {
        throw wrong_domain_error(message("W012", "callback_handle::cancel on a thread that is not the loop's", "a callback loop belongs to one run, and to its thread.",
                                         "post the call to the loop."));
    }
    i.dropped_ = true;
    bool timed = i.stage_ == stage::timed;
    if (timed) { timers_.erase(i.at_); i.stage_ = stage::over; }  // one that is queued stays there, empty
    i.drop();
    context_map::release(i.context_);
    if (timed) i.release();
    return true;
}

// --- running ---

void callback_core::request_pump() noexcept {
    if (std::exchange(pump_requested_, true)) return;
    boost::asio::post(pin_.get().io(), [self = callback_core_pointer(*this)] { self->pump(); });
}

void callback_core::pump() {
    pump_requested_ = false;
    for (int i = 0; i < callbacks_a_turn && first_; ++i) run_first();
    if (first_) request_pump();
}

void callback_core::run_first() {
    callback_item& i = *first_;
    first_ = i.next_;
    if (!first_) last_ = nullptr;
    --queued_;
    i.stage_ = callback_item::stage::over;
    struct running {
        callback_core& core;
        callback_core* former_core = running_core;
        context_map* former_locals = foreign_locals;
        context_map* context;
        running(callback_core& c, context_map* m) : core(c), context(m) { running_core = &c; foreign_locals = m; }
        ~running() {
            context_map* mine = std::exchange(foreign_locals, former_locals);  // perhaps another than at first: what the callback set
            context_map::release(mine);
            running_core = former_core;
            core.finished_one();
        }
    } now(*this, std::exchange(i.context_, nullptr));
    if (i.dropped_) { i.release(); return; }
    try { i.run(); } catch (...) { failed(std::current_exception()); }
}

void callback_core::failed(std::exception_ptr e) noexcept {
    if (handler) {
        try { handler(e); return; } catch (...) { e = std::current_exception(); }
    }
    this_kernel->child_failed(outer_->record(), std::move(e), 0, "a callback");
}

void callback_core::task_failed(std::exception_ptr e) {
    auto i = make_callback([e] { std::rethrow_exception(e); });
    enqueue(*i, "callback_loop::spawn");
}

void callback_core::enter_task() { if (task_loop().get().get() != this) task_loop() = callback_core_pointer(*this); }

nursery& callback_core::tasks(char const* call) {
    check_open(call);
    return *tasks_;
}

// --- outstanding work ---

// It counts as work of the io_context too: a run that waits for it is not deadlocked.
void callback_core::work_started() noexcept {
    work_.fetch_add(1, std::memory_order_relaxed);
    pin_.get().get_executor().on_work_started();
}

void callback_core::work_finished() noexcept {
    bool last = work_.fetch_sub(1, std::memory_order_seq_cst) == 1;
    if (last && closing_.load(std::memory_order_seq_cst)) idle_.release();
    pin_.get().get_executor().on_work_finished();
}

// --- the scope ---

void callback_core::open(callback_loop& l) {
    loop_ = &l;
    former_loop_ = task_loop().get().get();
    task_loop() = callback_core_pointer(*this);
    base_context_ = context_map::share(this_kernel->current()->locals_);
    outer_->start_service("tasks of " + (name_.empty() ? std::string("the callback loop") : name_), [self = callback_core_pointer(*this)] { self->serve_tasks(); });
    shielded([&] { tasks_open_.wait(); });
}

// Their nursery lives in a task of its own, so that a cancellation around the loop passes them by.
void callback_core::serve_tasks() {
    struct end { callback_core& c; ~end() { c.tasks_ = nullptr; c.tasks_ended_.set(); } } at_end{*this};
    nursery_options o;
    o.name = "tasks of " + (name_.empty() ? std::string("the callback loop") : name_);
    with_nursery(std::move(o), [&](nursery& n) {
        tasks_ = &n;
        tasks_open_.set();
        shielded([&] { end_tasks_.wait(); });  // until the loop is closed it accepts tasks, though they start cancelled
    });
}

void callback_core::serve_timers() {
    for (;;) {
        time_point now = current_time();
        while (!timers_.empty() && timers_.begin()->first <= now) {
            callback_item& i = *timers_.begin()->second;
            timers_.erase(timers_.begin());
            if (accept()) push(i);
            else i.release();
        }
        sleeps_until_ = timers_.empty() ? never : timers_.begin()->first;
        timer_changed_.emplace();
        struct end { callback_core& c; ~end() { c.timer_changed_.reset(); } } at_end{*this};
        timer_changed_->wait_until(sleeps_until_);
    }
}

bool callback_core::try_close(bool abandon) noexcept {
    if (!abandon && work_.load(std::memory_order_seq_cst) != 0) return false;  // first: what it led to has been counted since
    std::uint64_t none = 0;
    return pending_.compare_exchange_strong(none, closed_bit, std::memory_order_seq_cst);
}

void callback_core::close(std::exception_ptr body_error) {
    tasks_->cancel("the block of the callback loop has ended");
    closing_.store(true, std::memory_order_seq_cst);
    bool abandon = false;
    while (!try_close(abandon)) {
        try {
            if (abandon) shielded([&] { idle_.acquire(); });
            else idle_.acquire();
        } catch (cancelled const&) {
            if (!body_error) body_error = std::current_exception();
            // What was aborted just now is on its way through the io_context, before this.
            event passed;
            boost::asio::post(pin_.get().io(), [&] { passed.set(); });
            shielded([&] { passed.wait(); });
            abandon = true;
        } catch (...) {  // a deadlock was found, and is broken here: somebody keeps the loop open who will never let go
            if (!body_error) body_error = std::current_exception();
            pending_.fetch_or(closed_bit, std::memory_order_seq_cst);
            drop_queue();
            break;
        }
    }
    end_tasks_.set();
    shielded([&] { tasks_ended_.wait(); });
    end_watches(*this);
    while (!timers_.empty()) {
        callback_item& i = *timers_.begin()->second;
        timers_.erase(timers_.begin());
        i.stage_ = callback_item::stage::over;
        i.dropped_ = true;
        i.drop();
        context_map::release(i.context_);
        i.release();
    }
    context_map::release(base_context_);
    task_loop() = former_loop_ ? callback_core_pointer(*former_loop_) : callback_core_pointer();
    if (body_error) std::rethrow_exception(body_error);
}

void callback_core::drop_queue() noexcept {
    while (callback_item* i = first_) {
        first_ = i->next_;
        --queued_;
        i->stage_ = callback_item::stage::over;
        i->drop();
        context_map::release(i->context_);
        i->release();
    }
    last_ = nullptr;
}

callback_loop_statistics callback_core::statistics() const noexcept {
    return {queued_, timers_.size(), tasks_ ? tasks_->child_count() : 0, work_.load(std::memory_order_relaxed), dropped_.load(std::memory_order_relaxed)};
}

}  // namespace detail

callback_loop::callback_loop(nursery& outer, callback_loop_options o) : core_(new detail::callback_core(outer, std::move(o.name))) {
    core_->handler = std::move(o.exception_handler);
}

callback_loop::~callback_loop() {
    core_->leave();
    core_->release();
}

void callback_loop::wait_for(callback_handle& h, event& done) {
    try {
        done.wait();
    } catch (...) {
        h.cancel();  // if it has run meanwhile, its result is dropped: the caller is cancelled
        throw;
    }
}

void callback_loop::synchronize() {
    event done;
    callback_handle h = call_soon([&] { done.set(); });
    wait_for(h, done);
}

callback_loop* callback_loop::current() noexcept {
    if (detail::running_core && detail::running_core->runs_here()) return detail::running_core->loop();
    if (!detail::this_kernel || !detail::this_kernel->current()) return nullptr;
    detail::callback_core_pointer c = detail::task_loop().get();
    return c.get() ? c->loop() : nullptr;
}

}  // namespace weft
