// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/detail/generator_core.hpp>

#include <weft/core/errors.hpp>
#include <weft/core/lowlevel.hpp>
#include <weft/task/exception_group.hpp>

#include <utility>

namespace weft::detail {

namespace {
/// Whether it belongs, at least in part, to a scope around the producer.
bool carries_cancelled(std::exception_ptr const& e) noexcept {
    try { std::rethrow_exception(e); }
    catch (cancelled const&) { return true; }
    catch (exception_group const& g) { return g.contains<cancelled>(); }
    catch (...) { return false; }
}
}  // namespace

generator_core::step::step(generator_core& c) : core_(c) {
    lowlevel::cancel_point();
    if (c.stepping_) {
        throw busy_resource_error(message("W088", "two tasks are in the loop of one generator" + in_task(), "a generator has one consumer, which asks for one item at a time.",
                                          "let one task run the loop and send the items on through a channel."));
    }
    c.stepping_ = true;
    if (std::exchange(c.asked_, true) || c.ended_) return;
    ++c.demand_;
    while (waiter* w = c.producers_.take()) w->wake();
}

void generator_core::throw_if_failed() {
    if (error_) {
        auto e = std::exchange(error_, nullptr);
        if (waiter* w = giver_.take()) w->wake();
        std::rethrow_exception(std::move(e));
    }
    if (std::exchange(cut_, false)) {
        throw task_cancelled_error(message("W089", "the producer of a generator was cancelled before its end" + in_task(), "its nursery was cancelled, and the loop was not.",
                                           "make the generator in a nursery that lives as long as the loop."));
    }
}

wait_state generator_core::wait(wait_queue<no_lock>& q, char const* call, char const* what, bool cancellable) {
    waiter w(call, false);
    std::unique_lock lock(q.lock());
    return q.wait(lock, w, {.reason = {what, this, &describe}, .cancellable = cancellable, .raises = false});  // who calls decides
}

void generator_core::wait_first_demand() {
    producer_ = running_task;
    lowlevel::cancel_point();
    if (demand_ == 0 && wait(producers_, "generator", "generator's first step", true) == wait_state::cancelled) lowlevel::raise_cancelled();
}

void generator_core::wait_demand() {
    if (--demand_ == 0 && !abandoned_) wait(producers_, "generator_sink::send", "generator's next step", true);
}

void generator_core::settle(std::exception_ptr const& error) noexcept {
    if (!error) return;
    if (carries_cancelled(error)) cut_ = true;
    else if (!abandoned_) error_ = error;
}

// The consumer takes it in its next step; unless it goes before, or everything is cancelled: then the error is the nursery's.
void generator_core::wait_taken(std::exception_ptr& error) noexcept {
    try { wait(giver_, "generator", "generator's next step, to fail it", true); } catch (deadlock_error const&) {}
    if (error_) {
        error_ = nullptr;
        cut_ = true;
    } else {
        error = nullptr;
    }
}

void generator_core::end(std::exception_ptr const& error) {
    ended_ = true;
    producer_ = nullptr;
    while (waiter* w = consumers_.take()) w->wake();
    if (error) std::rethrow_exception(error);
}

void generator_core::wait_end() noexcept {
    for (auto* q : {&producers_, &giver_}) while (waiter* w = q->take()) w->wake();  // of the producers, those in a shielded scope
    if (!running_task || running_task == producer_) return;
    try { if (!ended_) wait(consumers_, "~generator", "end of a generator", false); } catch (deadlock_error const&) {}  // the nursery waits for it then
}

std::string generator_core::describe(void const* core) {
    auto const& c = *static_cast<generator_core const*>(core);
    return c.name_.empty() ? std::string() : "\"" + c.name_ + "\"";
}

}  // namespace weft::detail
