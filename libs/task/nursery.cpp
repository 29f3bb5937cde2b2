// SPDX-License-Identifier: BSL-1.0
#include <weft/task/nursery.hpp>

#include <weft/core/lowlevel.hpp>
#include <weft/task/timeouts.hpp>

#include "core/context_map.hpp"
#include "core/kernel.hpp"
#include "core/self.hpp"

#include <algorithm>
#include <optional>

namespace weft {
namespace detail {

namespace {
[[noreturn]] WEFT_COLD void throw_closed(nursery_record& n, std::string_view name, source_place const& from) {
    throw nursery_closed_error(message("W004",
        "nursery " + nursery_name(n) + " is closed; cannot start \"" + std::string(name) + "\"  " + place_text(from),
        n.body_done ? "its block has ended, and so have its children." : "close() or shutdown() was called on it.",
        "start the task from inside the block, before it is closed."));
}
}  // namespace

task_record& new_child(nursery_record& n, std::string_view name, source_place place) {
    kernel* k = this_kernel;
    if (!k) throw_outside("nursery::start_soon");
    if (n.run != k) {
        throw wrong_domain_error(message("W012", "a child was started in a nursery of another runtime, from this thread", "a nursery belongs to one runtime, whose thread alone may start children in it.",
                                         "post the call to that runtime: asio::post(executor, [&]{ n.start_soon(f); })."));
    }
    if (!n.open) throw_closed(n, name, place);
    task_record& t = k->allocate(n);
    t.name_.set(name);
    t.place_ = place;
    t.locals_ = context_map::share(k->current() ? k->current()->locals_ : foreign_locals);
    return t;
}

void start_child(task_record& t) noexcept { this_kernel->start(t); }

void discard_child(task_record& t) noexcept {
    context_map::release(t.locals_);
    this_kernel->release(t);
}

// --- handles ---

void handle_state::join() {
    task_record& t = self("task_handle::join");
    kernel& k = *this_kernel;
    k.cancel_point(t);
    if (ended) { k.yield(t); return; }
    join_waiter w{&t, waiters};
    waiters = &w;
    static constexpr lowlevel::wait_reason reason{"join"};
    lowlevel::park([&] {
        for (join_waiter** p = &waiters; *p; p = &(*p)->next) if (*p == &w) { *p = w.next; break; }
        return lowlevel::abort::succeeded;
    }, reason);
}

void handle_state::throw_if_failed() const {
    if (error) std::rethrow_exception(error);
    if (cancelled) {
        auto i = scope.info();
        throw task_cancelled_error(message("W041", "task #" + std::to_string(id) + " was cancelled before it had a result" +
            (i && !i->reason.empty() ? " (" + i->reason + ")" : std::string()), "", "use join() where a cancelled task is no error."));
    }
}

void handle_state::on_end(task_record& t, std::exception_ptr const& e, bool was_cancelled) {
    auto* s = static_cast<handle_state*>(t.result_);
    s->ended = true;
    if (was_cancelled) s->cancelled = true;
    else s->error = e;
    while (join_waiter* w = s->waiters) {
        s->waiters = w->next;
        this_kernel->unpark(*w->task);
    }
    s->keep_alive.reset();  // may be the last reference
}

void throw_empty_handle() { throw_misuse("an empty task_handle was used", "take handles from nursery::spawn."); }
void throw_started_twice() { throw_misuse("task_status::started was called twice", "report once; use a channel for further values."); }

void throw_body_cancelled(nursery& n) {
    throw task_cancelled_error(message("W042", "the body of nursery " + nursery_name(n.record()) + " was to return a value, but the nursery was cancelled first: " +
        std::string(n.scope().reason()), "", "return an std::optional from a scope inside the body, or store the result outside."));
}

void nursery_hold::release(nursery_record& n) noexcept {
    if (--n.holds != 0) return;
    for (count_waiter* w = n.waiters; w; w = w->next) {
        if (n.child_count <= w->wake_at) this_kernel->unpark(*w->task);
    }
}

// --- start() ---

void start_state::report() {
    started = true;
    // In a cancelled start() the child stays where it is, and start() waits for its end.
    if (state_access::effective(*waiting->state) || !child) return;
    moved = true;
    child->starting_ = false;
    child->on_end_ = nullptr;  // from here on nobody waits for its end but the nursery, and this state may end before it
    child->result_ = nullptr;
    this_kernel->reparent(*child, *target);
    for (count_waiter* w = waiting->waiters; w; w = w->next) this_kernel->unpark(*w->task);
}

}  // namespace detail

using detail::self;
using detail::this_kernel;

nursery::nursery(nursery_options options, source_place place) {
    detail::task_record& t = self("with_nursery");
    record_.owner = this;
    record_.place = place;
    record_.max_children = options.max_children;
    if (!options.name.empty()) scope_.set_name(options.name);
    this_kernel->open(record_, scope_, t, this);
}

nursery::~nursery() {
    // Only reached open when the constructor of something in with_nursery's frame threw; there are no children then.
    if (!finished_) this_kernel->close(record_);
}

namespace {
/// Registers a task that waits for a nursery's counts, for the length of a block.
struct listed_waiter : detail::count_waiter {
    detail::nursery_record& n;
    listed_waiter(detail::nursery_record& r, detail::task_record& t, std::size_t at) : count_waiter{&t, at, r.waiters}, n(r) { r.waiters = this; }
    ~listed_waiter() {
        for (detail::count_waiter** p = &n.waiters; *p; p = &(*p)->next) if (*p == this) { *p = next; return; }
    }
};
}  // namespace

void nursery::body_failed(std::exception_ptr e, bool was_cancelled) {
    if (was_cancelled) { if (!record_.cancelled) record_.cancelled = std::move(e); }
    else this_kernel->child_failed(record_, std::move(e), 0, "body");
}

void nursery::wait_children(std::size_t count) {
    detail::task_record& t = *this_kernel->current();
    static constexpr lowlevel::wait_reason reason{"nursery exit"};
    listed_waiter w(record_, t, count);
    while (record_.child_count + record_.holds > count) this_kernel->park(t, nullptr, nullptr, reason);
}

void nursery::end_services() {
    detail::task_record& t = *this_kernel->current();
    static constexpr lowlevel::wait_reason reason{"nursery exit: service"};
    while (!services_.empty()) {
        auto s = std::move(services_.back());
        services_.pop_back();
        if (!s->ended && !detail::state_access::cancelled(s->scope)) {
            auto info = std::make_shared<cancel_info>();
            info->source = cancel_source::nursery_ended;
            info->reason = "its nursery ended";
            info->scope = detail::nursery_name(record_);
            this_kernel->cancel(s->scope, std::move(info));
        }
        listed_waiter w(record_, t, 0);
        while (!s->ended) this_kernel->park(t, nullptr, nullptr, reason);
    }
}

void nursery::finish() {
    detail::kernel& k = *this_kernel;
    record_.body_done = true;
    if (record_.child_count + record_.service_count + record_.holds == 0) k.yield(*k.current());  // a schedule point in any case
    // A service may start children while it ends, and a child may start services.
    do { wait_children(0); end_services(); } while (record_.child_count + record_.service_count + record_.holds > 0);
    bool absorbed = k.catches(scope_);
    std::exception_ptr cancelled = std::move(record_.cancelled);
    std::vector<std::exception_ptr> errors = std::move(record_.errors);
    if (cancelled && absorbed) k.caught(scope_);
    if (absorbed) {
        // Cancellations inside groups of inner nurseries are this scope's too.
        std::vector<std::exception_ptr> rest;
        for (auto& e : errors) if (auto left = detail::filter_at_exit(scope_, e)) rest.push_back(std::move(left));
        errors = std::move(rest);
    }
    finished_ = true;
    k.close(record_);
    if (errors.empty()) {
        if (cancelled && !absorbed) std::rethrow_exception(cancelled);
        return;
    }
    if (cancelled && !absorbed) errors.push_back(std::move(cancelled));
    throw exception_group("nursery " + detail::nursery_name(record_), std::move(errors));
}

void nursery::adopt(detail::task_record& t, std::shared_ptr<detail::handle_state> s) {
    s->id = t.id_;
    t.result_ = s.get();
    t.on_end_ = &detail::handle_state::on_end;
    auto* p = s.get();
    p->keep_alive = std::move(s);
}

void nursery::adopt_service(detail::task_record& t, std::shared_ptr<detail::handle_state> s) {
    t.service_ = true;
    services_.push_back(s);
    adopt(t, std::move(s));
}

// Whoever came for room and did not take it, because something threw, passes it on; a thread that is not the run's
// learns from new_child what is wrong.
void nursery::offer_room() noexcept {
    if (this_kernel != record_.run || room_.empty() || (record_.open && record_.child_count >= record_.max_children)) return;
    detail::task_record* next = room_.front();
    room_.erase(room_.begin());
    this_kernel->unpark(*next);
}

void nursery::wait_for_room() {
    auto full = [&] { return record_.open && record_.child_count >= record_.max_children; };
    if (this_kernel != record_.run || (!full() && room_.empty())) return;
    if (!this_kernel->current()) {
        throw would_block(detail::message("W043", "nursery " + detail::nursery_name(record_) + " has its max_children; a callback cannot wait for room", "",
                                          "start the task later, or raise nursery_options::max_children."));
    }
    detail::task_record& t = self("nursery::start_soon");
    record_.child_ended = [](detail::nursery_record& r, detail::task_record&) { static_cast<nursery*>(r.owner)->offer_room(); };
    this_kernel->cancel_point(t);
    static constexpr lowlevel::wait_reason reason{"room in a nursery"};
    bool first = true;
    do {  // one that was woken and found the room taken goes to the front again
        room_.insert(first ? room_.end() : room_.begin(), &t);
        first = false;
        try {
            lowlevel::park([&] { std::erase(room_, &t); return lowlevel::abort::succeeded; }, reason);
        } catch (...) {
            std::erase(room_, &t);
            offer_room();
            throw;
        }
    } while (full());
}

void nursery::close() noexcept {
    record_.open = false;
    while (!room_.empty()) offer_room();
}

// --- start() ---

detail::nursery_hold nursery::hold_for_start(std::string_view name, source_place place) {
    if (!this_kernel) detail::throw_outside("nursery::start");
    if (!record_.open) detail::throw_closed(record_, name, place);
    return detail::nursery_hold(record_);
}

void nursery::begin_start(detail::start_state& s, nursery& hidden, detail::task_record& t) {
    s.target = &record_;
    s.waiting = &hidden.record_;
    s.child = &t;
    t.starting_ = true;
    t.result_ = &s;
    t.on_end_ = [](detail::task_record& r, std::exception_ptr const& e, bool was_cancelled) {
        auto* st = static_cast<detail::start_state*>(r.result_);
        st->child = nullptr;
        if (e && !was_cancelled) st->error = e;
    };
    detail::start_child(t);
}

void nursery::finish_start(detail::start_state& s, nursery& hidden) {
    hidden.record_.body_done = true;
    hidden.wait_children(0);
    std::exception_ptr error = s.error;
    std::exception_ptr cancelled = hidden.record_.cancelled;
    hidden.finished_ = true;
    this_kernel->close(hidden.record_);
    if (error) std::rethrow_exception(error);
    if (cancelled) std::rethrow_exception(cancelled);
    if (!s.started) {
        throw misuse_error(detail::message("W044", "a child of nursery::start ended without calling started()" + detail::in_task(), "",
                                           "call status.started() once the child is ready, or use start_soon."));
    }
}

// --- soft cancel ---

shutdown_report nursery::do_shutdown(duration grace) {
    detail::task_record& t = self("nursery::shutdown");
    close();
    scope_.request_stop();
    // The caller may be a child of this nursery, or of a nursery inside it: that branch cannot end before this returns.
    detail::task_record* branch = &t;
    while (branch && branch->nursery_ != &record_) branch = branch->nursery_->parent;
    std::size_t mine = branch && !branch->service_ ? 1 : 0;
    auto all_ended = [&] { return record_.child_count <= mine; };
    // From outside, the owner may wait at the exit and be woken first: it must not take the nursery away meanwhile.
    std::optional<detail::nursery_hold> held;
    if (!branch) held.emplace(record_);
    shutdown_report report;
    static constexpr lowlevel::wait_reason reason{"nursery shutdown"};
    bool in_time = move_on_after(grace, [&] {
        this_kernel->cancel_point(t);
        if (all_ended()) this_kernel->yield(t);
        listed_waiter w(record_, t, mine);
        while (!all_ended()) lowlevel::park([] { return lowlevel::abort::succeeded; }, reason);
    });
    if (!in_time) {
        for (detail::task_record* c = record_.children; c; c = c->sibling_next_) {
            if (c == branch || c->service_) continue;
            report.late.push_back(c->name_.get().empty() ? "#" + std::to_string(c->id_) : std::string(c->name_.get()));
        }
        scope_.cancel("shutdown: the grace time is over");
    }
    return report;
}

}  // namespace weft
