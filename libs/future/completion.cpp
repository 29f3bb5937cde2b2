// SPDX-License-Identifier: BSL-1.0
#include <weft/future/detail/completion.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"
#include "core/self.hpp"

namespace weft::detail {

void completion::wake() noexcept { if (waiter* w = consumer_.take()) w->wake(); }

bool completion::next() {
    if (finished_) return false;
    lowlevel::cancel_point();
    if (!ended_.empty() || outstanding_ == 0) checkpoint();  // before anything is taken
    while (ended_.empty() && outstanding_ != 0) {  // a branch that was cancelled by a scope around this one reports nothing
        waiter w("as_completed", false);
        std::unique_lock lock(consumer_.lock());
        if (consumer_.wait(lock, w, {.reason = {"next completion", this, nullptr}}) == wait_state::cancelled) lowlevel::raise_cancelled();
    }
    if (ended_.empty()) { finish(); return false; }
    entry e = std::move(ended_.front());
    ended_.pop_front();
    index_ = e.index;
    if (!e.error) return true;
    nursery_.body_failed(std::move(e.error), false);
    leave();
    finish();
    return false;
}

/// From here on the branches' errors are the nursery's.
void completion::leave() {
    leaving_ = true;
    for (entry& e : ended_) if (e.error) nursery_.body_failed(std::exchange(e.error, nullptr), false);
    nursery_.cancel("the loop over as_completed was left");
}

void completion::finish() {
    finished_ = true;  // the nursery closes on every way out
    nursery_.finish();
}

std::vector<std::size_t> completion::close() {
    if (!finished_) {
        leave();
        try { finish(); } catch (cancelled const&) {}  // of a scope around; its next point raises, and the results below are not lost
    }
    std::vector<std::size_t> rest;
    for (entry const& e : ended_) rest.push_back(e.index);
    ended_.clear();
    return rest;
}

completion::~completion() noexcept(false) {
    if (finished_) return;
    try {
        leave();
        finish();
    } catch (cancelled const&) {  // of a scope around, whose next point raises
    } catch (...) {
        if (std::uncaught_exceptions() <= exceptions_) throw;
        task_record& t = *this_kernel->current();
        this_kernel->child_failed(t.open_nurseries_ ? *t.open_nurseries_ : *t.nursery_, std::current_exception(), t.id_, t.name_.get());
    }
}

}  // namespace weft::detail
