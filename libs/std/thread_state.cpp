// SPDX-License-Identifier: BSL-1.0
#include <weft/std/detail/thread_state.hpp>

#include <weft/core/cancelled.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>
#include <weft/std/thread.hpp>

#include "core/kernel.hpp"
#include "std/detached_threads.hpp"

#include <cstdio>
#include <pthread.h>
#include <system_error>

namespace weft::detail {

namespace {

[[noreturn]] void throw_code(std::errc e, std::string const& what) { throw std::system_error(std::make_error_code(e), what + in_task()); }

[[noreturn]] void terminate_saying(std::string const& text) noexcept {
    std::fputs(text.c_str(), stderr);
    std::terminate();
}

/// With the exception that left the function current, for the terminate handler.
[[noreturn]] void function_threw() noexcept {
    std::string what = "an exception of unknown type";
    std::exception_ptr error = caught_error();
    try { std::rethrow_exception(error); } catch (std::exception const& e) { what = std::string("an exception (") + e.what() + ")"; } catch (...) {}
    terminate_saying(message("W094", what + " left a thread's function" + in_task(), "nobody could receive it, so the program terminates, as std::thread has it.",
                             "catch it in the function; weft::async and a nursery's children hand it on."));
}

}  // namespace

void throw_no_thread() { throw_code(std::errc::resource_unavailable_try_again, "weft::thread: it could not be started"); }

thread_state::~thread_state() { if (port_) port_->release(); }

// --- start and end ---

void thread_state::start() {
    at_end_.state = cancel_node_.state = detach_node_.state = this;
    at_end_.ended = [](at_end_node& n) noexcept { static_cast<end_action&>(n).state->finish(); };
    try {
        if (this_kernel) start_task();
        else start_plain();
    } catch (std::bad_alloc const&) {
        throw_no_thread();
    }
}

void thread_state::start_task() {
    task_record& t = make_child(this_kernel->root(), "thread", source_place(), [this] { scope_.run([this] { run(); }); });
    id_ = owner_tag | t.id_;
    carrier_ = ::pthread_self();
    port_ = &this_kernel->port();
    port_->retain();
    retain();
    t.result_ = this;
    t.on_end_ = [](task_record& r, std::exception_ptr const&, bool) {  // an error, no stack for it or a deadlock, is the run's
        auto& s = *static_cast<thread_state*>(r.result_);
        if (s.list_) s.list_->remove(s);
        s.finish_at_end_of(&r);
    };
    start_child(t);
}

void thread_state::start_plain() {
    id_ = new_thread_tag();
    retain();
    try {
        plain_ = std::thread([this] {
            owner_tag = id_;
            run();
            finish_at_end_of(nullptr);
        });
    } catch (...) {
        release();
        throw;
    }
}

void thread_state::run() {
    try {
        call();
    } catch (cancelled const&) {  // of the run's end, or of scope_
        throw;
    } catch (deadlock_error const&) {  // the run ends with it
        throw;
    } catch (exception_group const& g) {
        if (!g.split<cancelled>().second) throw;
        function_threw();
    } catch (...) {
        function_threw();
    }
}

/// Behind all end actions: notify_all_at_thread_exit and the like come before who joins.
void thread_state::finish_at_end_of(task_record* t) noexcept {
    if (t && !t->has_end_actions_) { finish(); return; }
    try {
        if (t) at_task_end(at_end_, *t);
        else at_task_end(at_end_, "weft::thread");
    } catch (...) {
        finish();
    }
}

void thread_state::finish() noexcept {
    std::unique_lock lock(queue_.lock());
    ended_ = true;
    run_port* port = std::exchange(port_, nullptr);
    queue_.wake_all(lock);
    if (port) port->release();
    release();
}

// --- join and detach ---

void thread_state::join(char const* call) {
    if (id_ == self_owner().id) throw_code(std::errc::resource_deadlock_would_occur, "weft::thread::join of the calling thread itself");
    waiter w(call, true);
    if (w.task()) lowlevel::cancel_point();
    std::unique_lock lock(queue_.lock());
    if (ended_) {
        lock.unlock();
        if (w.task()) checkpoint();
    } else if (queue_.wait(lock, w, {.reason = {"end of a thread", this, nullptr}}) == wait_state::cancelled) {
        lowlevel::raise_cancelled();
    }
    if (plain_.joinable()) plain_.join();  // in its last instructions
}

void thread_state::join_shielded(char const* call, bool patient) noexcept {
    enum { undisturbed, grace, hard } phase = undisturbed;
    auto disturbed = [&] {
        phase = patient && phase == undisturbed ? grace : hard;
        if (phase == hard) cancel();
    };
    if (running_task && this_kernel->must_raise(*running_task)) disturbed();
    for (bool waited = false; !waited;) {
        try {
            waiter w(call, true);
            std::unique_lock lock(queue_.lock());
            if (ended_) break;
            wait_state s = queue_.wait(lock, w, {.reason = {"end of a thread", this, nullptr}, .deadline = phase == grace ? wait_deadline(thread_grace()) : never,
                                                 .cancellable = phase == undisturbed, .raises = false});
            if (s == wait_state::granted) waited = true;
            else disturbed();
        } catch (deadlock_error const&) {  // the run remembers it
            phase = hard;
            cancel();
        }
    }
    if (plain_.joinable()) plain_.join();
}

void thread_state::owner_gone() noexcept {
    task_record* t = running_task;
    if (t && std::uncaught_exceptions() > 0 && (t->raised_ || this_kernel->broke_a_deadlock())) {
        join_shielded("~thread", false);
        return;
    }
    bool task = !(id_ >> 63);
    terminate_saying(message("W095", std::string("a weft::thread was destroyed, or assigned to, while it was joinable") + in_task(),
                             (task ? "it stands for task #" + std::to_string(id_ & ((std::uint64_t{1} << 40) - 1)) : std::string("it stands for a plain thread")) + "; the program terminates, as std::thread has it.",
                             "join or detach it on every way out, or use weft::jthread."));
}

/// Calls `arrive` on the run's thread, unless the thread has ended. Once for each node.
void thread_state::send(node& n, void (*arrive)(remote_node&) noexcept) noexcept {
    std::unique_lock lock(queue_.lock());
    if (!port_) return;
    port_pin pin(*port_);
    lock.unlock();
    if (this_kernel && pin.get() == &this_kernel->port()) { retain(); arrive(n); return; }
    retain();
    n.arrive = arrive;
    if (!pin.get()->push(n)) release();
}

void thread_state::detach() noexcept {
    if (plain_.joinable()) { plain_.detach(); return; }
    send(detach_node_, [](remote_node& n) noexcept {
        thread_state& s = *static_cast<node&>(n).state;
        s.add_detached();
        s.release();
    });
}

void thread_state::add_detached() noexcept {
    {
        std::lock_guard lock(queue_.lock());
        if (ended_) return;
    }
    try { detached_threads::of_this_run().add(*this); } catch (...) {}  // no memory: the run's end cancels it without grace
}

void thread_state::cancel() noexcept {
    {
        std::lock_guard lock(queue_.lock());
        if (std::exchange(cancel_sent_, true)) return;
    }
    send(cancel_node_, [](remote_node& n) noexcept {
        thread_state& s = *static_cast<node&>(n).state;
        s.scope_.cancel("its owner was cancelled");
        s.release();
    });
}

}  // namespace weft::detail
