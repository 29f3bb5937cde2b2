// SPDX-License-Identifier: BSL-1.0
#include <weft/future/detail/async_state.hpp>

#include "core/kernel.hpp"

#include <thread>

namespace weft::detail {

nursery_record* async_home() noexcept { return this_kernel ? &this_kernel->root() : nullptr; }

void start_plain_thread(void (*f)(void*) noexcept, void* arg) { std::thread(f, arg).detach(); }

async_control::~async_control() { if (port_) port_->release(); }

void async_control::start(task_record& t, future_state& s) noexcept {
    state_ = &s;
    s.retain();
    port_ = &this_kernel->port();
    port_->retain();
    t.result_ = this;
    t.on_end_ = &async_control::ended;
    start_child(t);
}

void async_control::ended(task_record& t, std::exception_ptr const& error, bool) {
    auto& c = *static_cast<async_control*>(t.result_);
    if (error) c.state_->store_error(error);  // it could not start
    run_port* port;
    {
        std::lock_guard lock(c.lock_);
        port = std::exchange(c.port_, nullptr);
    }
    port->release();
    c.state_->publish();
    c.state_->release();
}

void async_control::cancel_task() noexcept {
    std::unique_lock lock(lock_);
    if (!port_ || std::exchange(sent_, true)) return;
    if (this_kernel && port_ == &this_kernel->port()) {
        lock.unlock();
        scope_.cancel("nobody waits for its future any more");
        return;
    }
    port_pin pin(*port_);
    lock.unlock();
    state_->retain();
    arrive = [](remote_node& n) noexcept {
        auto& c = static_cast<async_control&>(n);
        c.scope_.cancel("nobody waits for its future any more");  // if the task has ended, of no effect
        c.state_->release();
    };
    if (!pin.get()->push(*this)) state_->release();
}

}  // namespace weft::detail
