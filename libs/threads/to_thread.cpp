// SPDX-License-Identifier: BSL-1.0
#include <weft/threads/to_thread.hpp>

#include <weft/core/lowlevel.hpp>
#include <weft/core/task_local.hpp>

#include "core/cancelled_access.hpp"
#include "core/context_map.hpp"
#include "core/kernel.hpp"
#include "core/self.hpp"
#include "threads/thread_cache.hpp"

namespace weft {
namespace detail {

thread_call::thread_call(bool abandonable) : may_abandon(abandonable) {}
thread_call::~thread_call() { context_map::release(locals); }

void host_request::finish() noexcept {
    std::unique_lock lock(queue.lock());
    done = true;
    waiter* w = queue.take();
    lock.unlock();
    if (w) w->wake();
}

namespace {

// On the loop: the thread has returned. Its token goes back now, also if the caller has left long ago.
void thread_ended(remote_node& n) noexcept {
    auto& c = static_cast<thread_call&>(n);
    c.ended = true;
    c.limiter->release_on_behalf_of(&c);
    if (!c.abandoned) this_kernel->unpark(*c.host);
    c.release();
}

void request_arrived(remote_node& n) noexcept {
    auto& r = static_cast<host_request&>(n);
    thread_call& c = *r.call;
    if (c.abandoned) {
        r.error = std::make_exception_ptr(cancelled_access::make(c.cancel_reason));
        r.finish();
        return;
    }
    host_request** end = &c.requests;
    while (*end) end = &(*end)->next;
    *end = &r;
    this_kernel->unpark(*c.host);
}

abort_answer caller_cancelled(void* p) {
    auto& c = *static_cast<thread_call*>(p);
    if (!c.cancel_asked.load(std::memory_order_relaxed)) {
        c.cancel_reason = this_kernel->pending_info(*c.host);
        c.cancel_asked.store(true, std::memory_order_release);
    }
    if (!c.may_abandon) return abort_answer::failed;
    c.abandoned = true;
    return abort_answer::succeeded;
}

void serve(thread_call& c) {
    host_request& r = *c.requests;
    c.requests = r.next;
    try { r.fn(r.arg); } catch (...) { r.error = std::current_exception(); }
    r.finish();
}

[[noreturn]] void throw_no_host(char const* call) {
    throw misuse_error(message("W065", std::string(call) + " was called on a thread that to_thread did not start" + in_task(), "",
                               "use a run_token there; on the run's own thread call the function directly."));
}

}  // namespace

void run_in_thread(thread_call& c, capacity_limiter& limiter, std::string const& name) {
    task_record& t = self("to_thread");
    kernel& k = *this_kernel;
    k.cancel_point(t);
    limiter.acquire_on_behalf_of(&c);
    c.limiter = &limiter;
    c.home = run_ref(k.port());
    c.host = &t;
    c.arrive = thread_ended;
    c.retain();
    try {
        c.locals = context_map::copy(t.locals_);
        start_on_cached_thread(c, name);
    } catch (...) {
        c.release();
        limiter.release_on_behalf_of(&c);
        throw;
    }
    struct counted {
        kernel& k;
        explicit counted(kernel& kk) : k(kk) { k.count_shared_wait(1); }
        ~counted() { k.count_shared_wait(-1); }
    } wait(k);
    static constexpr wait_reason reason{"to_thread"};
    while (!c.ended) {
        if (c.requests) { serve(c); continue; }
        k.park(t, caller_cancelled, &c, reason);
        if (t.woken_by_cancel_) k.raise(t);
    }
}

void run_in_host(void (*fn)(void*), void* arg) {
    thread_call* c = current_call;
    if (!c || this_kernel) throw_no_host("from_thread::run");
    host_request r;
    r.call = c;
    r.fn = fn;
    r.arg = arg;
    r.arrive = request_arrived;
    if (!c->home.push(r)) {
        throw run_finished_error(message("W060", "from_thread::run: the run has ended", "its main task has returned while this abandoned thread went on.", "check from_thread::check_cancelled() now and then."));
    }
    std::unique_lock lock(r.queue.lock());
    if (r.done) lock.unlock();
    else {
        waiter w("from_thread::run", true);
        r.queue.wait(lock, w, {.reason = {"from_thread::run", nullptr, nullptr}});
    }
    if (r.error) std::rethrow_exception(r.error);
}

}  // namespace detail

void from_thread::check_cancelled() {
    detail::thread_call* c = detail::current_call;
    if (!c || detail::this_kernel) detail::throw_no_host("from_thread::check_cancelled");
    if (c->cancel_asked.load(std::memory_order_acquire)) throw detail::cancelled_access::make(c->cancel_reason);
}

capacity_limiter& default_thread_limiter() {
    static run_local<std::shared_ptr<capacity_limiter>> limiter;
    auto& l = limiter.get();
    if (!l) l = std::make_shared<capacity_limiter>(40);
    return *l;
}

}  // namespace weft
