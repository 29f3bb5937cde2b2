// SPDX-License-Identifier: BSL-1.0
#include <weft/std/at_thread_exit.hpp>

#include <weft/core/detail/at_task_end.hpp>

#include <memory>

namespace weft {

void notify_all_at_thread_exit(condition_variable& changed, std::unique_lock<mutex> lock) {
    if (!lock.owns_lock()) detail::throw_condition_without_lock();
    struct action : detail::at_end_node {
        condition_variable* changed;
        std::unique_lock<mutex> lock;
    };
    auto a = std::make_unique<action>();
    a->changed = &changed;
    a->lock = std::move(lock);
    a->ended = [](detail::at_end_node& n) noexcept {
        std::unique_ptr<action> mine(static_cast<action*>(&n));
        mine->lock.unlock();
        mine->changed->notify_all();
    };
    detail::at_task_end(*a, "notify_all_at_thread_exit");
    a.release();
}

}  // namespace weft
