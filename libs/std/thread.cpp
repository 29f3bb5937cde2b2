// SPDX-License-Identifier: BSL-1.0
#include <weft/std/jthread.hpp>
#include <weft/std/this_thread.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/detail/spawn.hpp>
#include <weft/core/task.hpp>

#include "core/kernel.hpp"

#include <system_error>

namespace weft {

detail::thread_state& thread::joinable_state() const {
    if (!state_) throw std::system_error(std::make_error_code(std::errc::invalid_argument), "weft::thread: join or detach of one that is not joinable" + detail::in_task());
    return *state_;
}

namespace this_thread {

void yield() {
    if (detail::running_task) checkpoint();
    else std::this_thread::yield();
}

void detail_::sleep(time_point when) {
    if (detail::this_kernel) { this_task::detail_::sleep(when); return; }
    constexpr auto most = std::chrono::hours(24);  // std's overflow with far ones
    for (time_point now; (now = std::chrono::steady_clock::now()) < when;) std::this_thread::sleep_until(when - now > most ? now + most : when);
}

}  // namespace this_thread

namespace detail {

std::unique_ptr<scope_follower> scope_follower::make(stop_source const& s) {
    if (!running_task) return nullptr;
    return std::unique_ptr<scope_follower>(new scope_follower(running_task->scope_->stop_token(), s));
}

void scope_follower::request::operator()() const noexcept {
    stop_source s = source;  // this may go while the source's callbacks run
    if (!running_task && this_kernel) {
        try {
            start_child(make_child(this_kernel->root(), "stop request", source_place(), [s] { s.request_stop(); }));
            return;
        } catch (...) {}  // no memory for it: here, then
    }
    s.request_stop();
}

}  // namespace detail
}  // namespace weft
