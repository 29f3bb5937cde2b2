// SPDX-License-Identifier: BSL-1.0
// What tasks call: checkpoints, sleeping, parking, task-local values. Thin faces of the kernel.
#include <weft/core/lowlevel.hpp>
#include <weft/core/task.hpp>
#include <weft/core/task_local.hpp>

#include "core/context_map.hpp"
#include "core/kernel.hpp"
#include "core/self.hpp"

#include <atomic>
#include <cstdint>

namespace weft {

using detail::self;
using detail::this_kernel;

void checkpoint() {
    detail::task_record& t = self("checkpoint");
    this_kernel->yield(t);
    this_kernel->cancel_point(t);
}

void check_cancelled() {
    detail::task_record& t = self("check_cancelled");
    this_kernel->cancel_point(t);
}

namespace detail {
namespace {
void others_turn(kernel::inline_cost cost) noexcept {
    if (running_task && this_kernel->count_inline_completion(cost) && !this_kernel->in_no_yield_scope()) this_kernel->yield(*running_task);
}
}  // namespace
void looked() noexcept { others_turn(kernel::inline_cost::look); }
bool asked_in_vain() noexcept { others_turn(kernel::inline_cost::transfer); return false; }
}  // namespace detail

void yield_shielded() { detail::task_record& t = self("yield_shielded"); this_kernel->yield(t); }

time_point current_effective_deadline() {
    detail::task_record& t = self("current_effective_deadline");
    return detail::state_access::effective(*t.scope_) ? always : detail::state_access::effective_deadline(*t.scope_);
}

time_point current_time() {
    if (!this_kernel) detail::throw_outside("current_time");
    return this_kernel->now();
}

bool stop_requested() { return self("stop_requested").scope_->stop_requested(); }

void wait_stop_requested() {
    detail::task_record& t = self("wait_stop_requested");
    detail::kernel& k = *this_kernel;
    k.cancel_point(t);
    if (t.scope_->stop_requested()) { k.yield(t); return; }
    detail::kernel::stop_waiter w{&t, k.stop_waiters, nullptr};
    if (w.next) w.next->prev = &w;
    k.stop_waiters = &w;
    auto unlink = [&] {
        (w.prev ? w.prev->next : k.stop_waiters) = w.next;
        if (w.next) w.next->prev = w.prev;
    };
    struct guard { decltype(unlink)& f; ~guard() { f(); } } g{unlink};
    static constexpr lowlevel::wait_reason reason{"wait_stop_requested"};
    lowlevel::park([] { return lowlevel::abort::succeeded; }, reason);
}

namespace this_task {

void yield() { checkpoint(); }

void detail_::sleep(time_point when) {
    auto& t = self("this_task::sleep");
    this_kernel->cancel_point(t);
    if (when != never && when <= this_kernel->now()) {
        this_kernel->yield(t);
        this_kernel->cancel_point(t);
        return;
    }
    this_kernel->sleep_until(t, when);
}

time_point detail_::after(duration d) { return detail::saturating_add(current_time(), d); }

void sleep_forever() {
    detail_::sleep(never);
    throw internal_error(detail::message("W031", "a task in sleep_forever was woken" + detail::in_task(),
        "somebody called lowlevel::unpark for a task that waits for nothing.", "unpark only tasks that your own code parked."));
}

std::uint64_t id() { return self("this_task::id").id_; }
std::string_view name() { return self("this_task::name").name_.get(); }
cancel_state& scope() { return *self("this_task::scope").scope_; }
std::uint32_t swallowed_cancellations() { return self("this_task::swallowed_cancellations").swallowed_; }

}  // namespace this_task

namespace lowlevel {

task_ref current_task() {
    auto& t = self("lowlevel::current_task");  // first: outside of a run there is no kernel to ask
    return task_ref(t, this_kernel->run_id());
}

void detail_::park(weft::detail::abort_fn fn, void* arg, wait_reason const& reason) {
    auto& t = self("lowlevel::park");
    this_kernel->park(t, fn, arg, reason);
    if (t.woken_by_cancel_) this_kernel->raise(t);
}

bool is_parked(task_ref task) noexcept {
    auto* t = task.record();
    if (!t || !this_kernel || task.run() != this_kernel->run_id()) return false;
    return t->id_ == task.id() && t->state_ == weft::detail::task_state::parked;
}

void unpark(task_ref task) {
    if (!this_kernel || (task && task.run() != this_kernel->run_id())) {
        throw wrong_domain_error(weft::detail::message("W012", this_kernel ? "lowlevel::unpark of a task of another run" : "lowlevel::unpark was called from a thread without a run",
            "a task is woken on its own runtime's thread only.", "post the call to the runtime: asio::post(executor, [=]{ unpark(task); })."));
    }
    if (!is_parked(task)) {
        weft::detail::throw_misuse("lowlevel::unpark of a task that is not parked, was woken already, or has ended",
                                   "wake each park exactly once: forget the task_ref when you call unpark, and in the abort function.");
    }
    this_kernel->unpark(*task.record());
}

void cancel_point() { auto& t = self("lowlevel::cancel_point"); this_kernel->cancel_point(t); }
void raise_cancelled() { auto& t = self("lowlevel::raise_cancelled"); this_kernel->raise(t); }
bool cancellation_pending() {
    auto& t = self("lowlevel::cancellation_pending");
    weft::detail::code_position here;
    WEFT_HERE(here);
    return this_kernel->must_raise(t) && this_kernel->deliverable(t) && this_kernel->passable(t, here);
}

run_statistics current_statistics() {
    if (!this_kernel) weft::detail::throw_outside("lowlevel::current_statistics");
    return this_kernel->statistics();
}

void add_instrument(std::shared_ptr<instrument> i) {
    if (!this_kernel) weft::detail::throw_outside("lowlevel::add_instrument");
    if (!i) weft::detail::throw_misuse("lowlevel::add_instrument of a null pointer", "pass std::make_shared<your_instrument>().");
    this_kernel->add_instrument(std::move(i));
}

void remove_instrument(instrument const& i) {
    if (!this_kernel) weft::detail::throw_outside("lowlevel::remove_instrument");
    this_kernel->remove_instrument(i);
}

}  // namespace lowlevel

namespace detail {

constinit thread_local context_map* foreign_locals = nullptr;

void const* new_variable_key() noexcept {
    static constinit std::atomic<std::uintptr_t> last{0};
    return reinterpret_cast<void const*>(last.fetch_add(1, std::memory_order_relaxed) + 1);
}

namespace {
bool in_foreign_context() noexcept { return foreign_locals && !(this_kernel && this_kernel->current()); }
}  // namespace

std::shared_ptr<void> const* find_task_local(void const* key, char const* call) {
    if (in_foreign_context()) return foreign_locals->find(key);
    task_record& t = self(call);
    return t.locals_ ? t.locals_->find(key) : nullptr;
}

void set_task_local(void const* key, std::shared_ptr<void> value) {
    if (in_foreign_context()) { context_map::set(foreign_locals, key, std::move(value)); return; }
    context_map::set(self("task_local::set").locals_, key, std::move(value));
}

void reset_task_local(void const* key, std::shared_ptr<void> value) {
    if (in_foreign_context()) context_map::set(foreign_locals, key, std::move(value));
    else if (this_kernel && this_kernel->current()) context_map::set(this_kernel->current()->locals_, key, std::move(value));
}

std::shared_ptr<void>& run_local_slot(void const* key, char const* call) {
    if (!this_kernel) throw_outside(call);
    auto& all = this_kernel->run_locals;
    for (auto& v : all) if (v.first == key) return v.second;
    return all.emplace_back(key, nullptr).second;
}

}  // namespace detail
}  // namespace weft
