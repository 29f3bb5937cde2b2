// SPDX-License-Identifier: BSL-1.0
#include <weft/core/no_yield_scope.hpp>

#include "core/kernel.hpp"

#include <cstdio>
#include <mutex>
#include <set>

namespace weft {

no_yield_scope::no_yield_scope(char const* why, source_place place) noexcept : why_(why), place_(place) {
    if (!detail::this_kernel || !detail::this_kernel->current()) return;
    kernel_ = detail::this_kernel;
    task_ = kernel_->current();
    next_ = std::exchange(kernel_->no_yield_scopes_, this);
}

no_yield_scope::~no_yield_scope() {
    if (!kernel_) return;
    no_yield_scope** p = &kernel_->no_yield_scopes_;  // the first, unless a task waited in its own
    while (*p != this) p = &(*p)->next_;
    *p = next_;
}

namespace detail {

void kernel::suspended_in_no_yield_scope(task_record const& t, char const* what) noexcept {
    for (no_yield_scope* s = no_yield_scopes_; s; s = s->next_) {
        if (s->task_ != &t) continue;
        ++s->suspensions_;
        static std::mutex lock;
        static std::set<std::pair<std::string, unsigned>> reported;  // places, once in the life of the process
        {
            std::lock_guard guard(lock);
            if (!reported.emplace(s->place_.file(), s->place_.line()).second) continue;
        }
        std::string why = *s->why_ ? std::string(s->why_) + ": " : "";
        std::fputs(message("W106", "task #" + std::to_string(t.id_) + " \"" + std::string(t.name_.get()) + "\" gives way to others (" + what +
                           ") in a no_yield_scope, at " + place_text(s->place_),
                           why + "another task of the thread may now see, or change, what the scope protects.",
                           "wait before the scope or behind it; or use fiber_local in place of thread_local, and weft::mutex in place of an OS lock.").c_str(), stderr);
    }
}

}  // namespace detail
}  // namespace weft
