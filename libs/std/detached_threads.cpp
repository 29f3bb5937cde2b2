// SPDX-License-Identifier: BSL-1.0
#include "std/detached_threads.hpp"

#include <weft/core/detail/spawn.hpp>
#include <weft/core/task_local.hpp>
#include <weft/std/thread.hpp>
#include <weft/task/timeouts.hpp>

#include "core/kernel.hpp"

#include <cstdio>
#include <memory>

namespace weft {

namespace {
constinit std::atomic<duration::rep> grace_time{std::chrono::nanoseconds(std::chrono::milliseconds(100)).count()};
constexpr auto report_after = std::chrono::seconds(5);  // of a cancelled thread that does not end
}  // namespace

void set_thread_grace(duration grace) {
    grace_time.store(detail::checked_wait(grace, "set_thread_grace").count(), std::memory_order_relaxed);
}
duration thread_grace() noexcept { return duration(grace_time.load(std::memory_order_relaxed)); }

namespace detail {

detached_threads::detached_threads() {
    at_end_.emplace(this_kernel->root().state->stop_token(), ending{this});
}

detached_threads& detached_threads::of_this_run() {
    static run_local<std::shared_ptr<detached_threads>> threads;
    auto& t = threads.get();
    if (!t) t = std::make_shared<detached_threads>();
    return *t;
}

void detached_threads::add(thread_state& s) noexcept {
    s.list_ = this;
    s.prev_detached_ = nullptr;
    s.next_detached_ = first_;
    if (first_) first_->prev_detached_ = &s;
    first_ = &s;
    if (is_ending_) s.scope_.cancel("the run has ended");
    else s.scope_.set_shield(true);
}

void detached_threads::remove(thread_state& s) noexcept {
    (s.prev_detached_ ? s.prev_detached_->next_detached_ : first_) = s.next_detached_;
    if (s.next_detached_) s.next_detached_->prev_detached_ = s.prev_detached_;
    s.list_ = nullptr;
    if (!first_) gone_.set();
}

void detached_threads::end_soon() noexcept {
    if (is_ending_ || !first_) { is_ending_ = true; return; }
    try {
        start_child(make_child(this_kernel->root(), "end of detached threads", source_place::current(), [this] { end_all(); }));
    } catch (...) {  // no memory: at once, then
        is_ending_ = true;
        for_each([](thread_state& s) { s.scope_.cancel("the run has ended"); });
    }
}

void detached_threads::end_all() {
    cancel_scope shield;
    shield.set_shield(true);
    shield.run([this] {
        for_each([](thread_state& s) { s.scope_.request_stop(); });
        if (!first_ || move_on_after(thread_grace(), [this] { gone_.wait(); })) return;
        is_ending_ = true;
        for_each([](thread_state& s) { s.scope_.cancel("the run has ended"); });
        if (move_on_after(report_after, [this] { gone_.wait(); })) return;
        for_each([](thread_state& s) {
            std::fputs(message("W096", "the detached thread #" + std::to_string(s.id() & ((std::uint64_t{1} << 40) - 1)) + " has not ended though it was cancelled 5 seconds ago",
                               "main has ended, and the run waits for it.", "let it pass a cancellation point, and rethrow what catch (...) catches.").c_str(), stderr);
        });
    });
}

}  // namespace detail
}  // namespace weft
