// SPDX-License-Identifier: BSL-1.0
#include <weft/threads/run_token.hpp>

#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"

namespace weft {
namespace detail {

run_ref::run_ref(run_port& p) noexcept : port_(&p) { p.retain(); }
run_ref::run_ref(run_ref const& o) noexcept : port_(o.port_) { if (port_) port_->retain(); }
run_ref::~run_ref() { if (port_) port_->release(); }
bool run_ref::push(remote_node& n) const noexcept { return port_ && port_->push(n); }
bool run_ref::is_this_run() const noexcept { return this_kernel && port_ == &this_kernel->port(); }

void run_posted(void (*fn)(void*), void* arg) noexcept {
    try {
        fn(arg);
    } catch (run_finished_error const&) {
        // A callback that posts itself again, in the last moment of the run: that is how it ends.
        if (!this_kernel->port().closed()) this_kernel->callback_failed(std::current_exception());
    } catch (...) {
        this_kernel->callback_failed(std::current_exception());
    }
}

namespace {
std::exception_ptr finished_error(char const* what) {
    return std::make_exception_ptr(run_finished_error(message("W060", std::string(what) + ": the run has ended", "its main task has returned or failed.",
                                                              "stop the threads that call into a run before its main task ends.")));
}
}  // namespace

/// The body of the task over there. Destroyed unrun, when no stack was to be had for it, it reports that.
struct remote_call::runner {
    remote_call* call;
    explicit runner(remote_call& c) noexcept : call(&c) {}
    runner(runner&& o) noexcept : call(std::exchange(o.call, nullptr)) {}
    ~runner() {
        if (!call) return;
        call->error_ = std::make_exception_ptr(stack_limit_error(message("W061", std::string(call->what_) + ": the called run could not start a task", "it has no stack left.",
                                                                        "limit the number of calls under way.")));
        call->finish();
    }
    void operator()() { std::exchange(call, nullptr)->run(); }
};

void remote_call::perform(void (*fn)(void*), void* arg) {
    fn_ = fn;
    arg_ = arg;
    if (target_.is_this_run()) {
        throw misuse_error(message("W062", std::string(what_) + " was called on the thread of the run itself" + in_task(),
                                   "it would wait for a task of its own run.", "call the function directly, or start it in a nursery."));
    }
    if (waiter probe(what_, true); probe.task()) lowlevel::cancel_point();
    start_.call = cancel_.call = this;
    start_.arrive = [](remote_node& n) noexcept { static_cast<node&>(n).call->start(); };
    cancel_.arrive = [](remote_node& n) noexcept {
        remote_call& c = *static_cast<node&>(n).call;
        if (!c.ended_) c.scope_.cancel("its caller was cancelled");
        c.settle_one();
    };
    outstanding_ = 1;
    if (!target_.push(start_)) std::rethrow_exception(finished_error(what_));
    bool asked = false;
    std::unique_lock lock(queue_.lock());
    while (outstanding_ > 0) {
        waiter w(what_, true);
        wait_state s = queue_.wait(lock, w, {.reason = {what_, nullptr, nullptr}, .cancellable = !asked});
        lock.lock();
        if (s != wait_state::cancelled || outstanding_ == 0) continue;
        asked = true;
        ++outstanding_;
        lock.unlock();
        bool sent = target_.push(cancel_);
        lock.lock();
        if (!sent) --outstanding_;
    }
    lock.unlock();
    if (error_) std::rethrow_exception(error_);
    if (!was_cancelled_) return;
    if (asked) lowlevel::raise_cancelled();
    throw task_cancelled_error(message("W063", std::string(what_) + ": the task over there was cancelled before it had a result", "its run is ending, or its nursery was cancelled.", ""));
}

void remote_call::start() noexcept {
    kernel& k = *this_kernel;
    nursery_record* n = home_ ? home_->nursery : &k.root();
    try {
        if (!n) {
            throw closed_resource_error(message("W064", std::string(what_) + ": the portal is closed", "its nursery has ended.", "stop the callers first."));
        }
        if (!home_ && k.ending()) std::rethrow_exception(finished_error(what_));
        start_child(make_child(*n, what_, source_place::current(), runner(*this)));
    } catch (...) {
        error_ = std::current_exception();
        finish();
    }
}

void remote_call::run() {
    std::exception_ptr outer;
    try {
        if (!scope_.run([this] { fn_(arg_); })) was_cancelled_ = true;
    } catch (cancelled const&) {
        was_cancelled_ = true;
        outer = std::current_exception();
    } catch (...) {
        error_ = std::current_exception();
    }
    finish();  // from here on *this may be gone
    if (outer) std::rethrow_exception(std::move(outer));
}

void remote_call::finish() noexcept {
    ended_ = true;
    settle_one();
}

void remote_call::settle_one() noexcept {
    std::unique_lock lock(queue_.lock());
    waiter* w = --outstanding_ == 0 ? queue_.take() : nullptr;
    lock.unlock();
    if (w) w->wake();
}

}  // namespace detail

void run_token::throw_finished(char const* call) { std::rethrow_exception(detail::finished_error(call)); }

run_token current_token() {
    if (!detail::this_kernel) detail::throw_outside("current_token");
    return run_token(detail::run_ref(detail::this_kernel->port()));
}

}  // namespace weft
