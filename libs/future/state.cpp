// SPDX-License-Identifier: BSL-1.0
#include <weft/future/detail/state.hpp>

#include <weft/core/cancelled.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"

#include <sched.h>
#include <typeinfo>

namespace weft::detail {

void throw_future_error(std::future_errc e) { throw std::future_error(e); }

future_state::~future_state() = default;

// --- producers ---

namespace {
bool is_cancelled(std::exception_ptr const& e) noexcept {
#ifdef __GLIBCXX__
    return e && *e.__cxa_exception_type() == typeid(cancelled);  // without throwing it
#else
    try { if (e) std::rethrow_exception(e); } catch (cancelled const&) { return true; } catch (...) {}
    return false;
#endif
}
}  // namespace

// A `cancelled` is of the scope that raised it, and would escape from a waiter's that is not cancelled.
void future_state::store_error(std::exception_ptr e) noexcept {
    if (is_cancelled(e)) { store_cancelled(); return; }
    error_ = std::move(e);
    outcome_ = outcome::error;
}

void future_state::publish() noexcept {
    std::unique_lock lock(queue_.lock());
    // Once the result is there no handler runs: what it refers to may go. One that is inside this call is the exception.
    while (asker_ != std::thread::id() && asker_ != std::this_thread::get_id()) {
        lock.unlock();
        ::sched_yield();
        lock.lock();
    }
    auto handler = asker_ == std::thread::id() ? std::move(handler_) : nullptr;
    auto next = std::move(continuations_);
    askable_.store(false, std::memory_order_relaxed);
    phase_.store(phase::ready, std::memory_order_release);
    if (queue_.empty()) lock.unlock();
    else queue_.wake_all(lock);
    while (auto c = std::move(next)) {
        next = std::move(c->next);
        auto* p = c.get();
        try { p->post(std::move(c)); } catch (...) {}  // its executor takes no more work: it is destroyed uncalled
    }
}

void future_state::publish_at_task_end(char const* call) {
    at_end_.state = this;
    at_end_.ended = [](at_end_node& n) noexcept {
        future_state& s = *static_cast<end_action&>(n).state;
        s.publish();
        s.release();
    };
    retain();
    try { at_task_end(at_end_, call); } catch (...) { release(); throw; }
}

void future_state::abandon() noexcept {
    if (consumers_.load(std::memory_order_acquire) == 0 || !try_claim()) return;  // nobody will ever ask, or there is a result
    bool asked;
    {
        std::lock_guard lock(queue_.lock());
        asked = asked_;
    }
    if (asked) store_cancelled();
    else store_error(std::make_exception_ptr(std::future_error(std::future_errc::broken_promise)));
    publish();
}

void future_state::on_cancel(std::unique_ptr<cancel_handler> h) {
    std::unique_lock lock(queue_.lock());
    if (ready()) { lock.unlock(); return; }  // before h goes
    if (asked_) {
        lock.unlock();
        h->ask();
        return;
    }
    std::swap(handler_, h);
    askable_.store(true, std::memory_order_relaxed);
    lock.unlock();
}

// --- asking the producer to stop ---

void future_state::ask_producer() { handler_->ask(); }

/// By a waiter that was cancelled. True if it has to wait for the result all the same: it has asked, or the result is there.
bool future_state::ask() {
    std::unique_lock lock(queue_.lock());
    if (ready()) return true;
    if (!askable_.load(std::memory_order_relaxed) || !queue_.empty() || continuations_) return false;
    askable_.store(false, std::memory_order_relaxed);
    asked_ = true;
    asker_ = std::this_thread::get_id();
    lock.unlock();
    try {
        ask_producer();
    } catch (...) {  // the producer's code; its answer is still to come, so the wait goes on
        this_kernel->callback_failed(std::current_exception());
    }
    lock.lock();
    asker_ = {};
    auto handler = std::move(handler_);
    lock.unlock();
    return true;
}

// --- consumers ---

bool future_state::wait(char const* call, time_point deadline) {
    if (!ready() && deferred()) run_deferred();
    for (bool asked = false;;) {
        if (ready()) {
            if (asked) { if (outcome_ == outcome::cancelled) lowlevel::raise_cancelled(); }
            else if (this_kernel && this_kernel->current()) { lowlevel::cancel_point(); checkpoint(); }
            return true;
        }
        if (!asked && deadline != never && deadline <= wait_deadline(duration{})) {  // a poll, which is for callbacks too
            if (this_kernel && this_kernel->current()) checkpoint();
            return ready();
        }
        waiter w(call, true);
        // Where there is somebody to ask, the wait itself finds that its scope is cancelled.
        if (!asked && w.task() && !askable_.load(std::memory_order_relaxed)) lowlevel::cancel_point();
        std::unique_lock lock(queue_.lock());
        if (ready()) continue;
        wait_state s = queue_.wait(lock, w, {.reason = {"future", this, nullptr}, .deadline = asked ? never : deadline, .cancellable = !asked});
        switch (s) {
            case wait_state::cancelled:
                if (!ask()) lowlevel::raise_cancelled();
                asked = true;
                break;
            case wait_state::timed_out: return ready();
            default:
                if (asked && outcome_ == outcome::cancelled) lowlevel::raise_cancelled();
                return true;
        }
    }
}

void future_state::join() noexcept {
    kernel* k = this_kernel;
    task_record* t = k ? k->current() : nullptr;
    if (k && !t) return;
    // During unwinding no cancellation would end the wait below, so the level is asked first.
    for (bool asked = t && !ready() && k->must_raise(*t) && ask(); !ready();) {
        try {
            waiter w("~future", true);
            std::unique_lock lock(queue_.lock());
            if (ready()) return;
            if (queue_.wait(lock, w, {.reason = {"end of an async task", this, nullptr}, .cancellable = !asked, .raises = false}) != wait_state::cancelled) return;
            ask();
            asked = true;
        } catch (deadlock_error const&) {}  // the run remembers it, and next cancels what is waited for
    }
}

void future_state::throw_failure() const {
    if (outcome_ == outcome::error) std::rethrow_exception(error_);
    throw task_cancelled_error(message("W080", "a future's result will never come: its producer was cancelled" + in_task(),
        "nobody who waits for it had asked for that.", "see who cancelled it; a task of weft::async is cancelled when its run ends."));
}

void future_state::refuse_deferred() const {
    if (deferred()) throw_misuse("then() on a deferred future", "nobody runs the function but get() or wait(); call one of these, or launch it with std::launch::async.");
}

void future_state::add_continuation(std::shared_ptr<continuation> c) {
    std::unique_lock lock(queue_.lock());
    if (ready()) {
        lock.unlock();
        auto* p = c.get();
        p->post(std::move(c));
        return;
    }
    continuation* added = c.get();
    (continuations_ ? last_continuation_->next : continuations_) = std::move(c);
    last_continuation_ = added;
}

}  // namespace weft::detail
