// SPDX-License-Identifier: BSL-1.0
#include <weft/task/cancel_scope.hpp>

#include "core/kernel.hpp"
#include "core/self.hpp"

namespace weft {
namespace detail {

void enter_scope(cancel_state& s, void const* frame) {
    task_record& t = self("cancel_scope::run");
    this_kernel->enter(s, &t, nullptr, frame);
}

void leave_scope(cancel_state& s) noexcept { this_kernel->leave_checked(s); }

std::exception_ptr filter_at_exit(cancel_state& s, std::exception_ptr e) {
    if (!this_kernel->catches(s)) return e;
    try {
        std::rethrow_exception(e);
    } catch (cancelled const&) {
        this_kernel->caught(s);
        return nullptr;
    } catch (exception_group const& g) {
        auto [mine, rest] = g.split<cancelled>();
        if (!mine) return e;
        this_kernel->caught(s);
        return rest ? std::make_exception_ptr(*rest) : nullptr;
    } catch (...) {
        return e;  // no concern of any scope
    }
}

}  // namespace detail

std::stop_token token_of(cancel_state& scope) { return scope.stop_token(); }

}  // namespace weft
