// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_CANCEL_SCOPE_HPP
#define WEFT_TASK_CANCEL_SCOPE_HPP

#include <weft/config.hpp>
#include <weft/core/cancel_state.hpp>
#include <weft/task/exception_group.hpp>

#include <optional>
#include <stop_token>
#include <type_traits>

namespace weft {

namespace detail {
/// `frame`: an address in the stack frame that will catch what leaves the scope.
void enter_scope(cancel_state& s, void const* frame);
void leave_scope(cancel_state& s) noexcept;
/// At the scope's end, for what came out of it: null if the scope catches all of it, else what to throw on.
std::exception_ptr filter_at_exit(cancel_state& s, std::exception_ptr e);
/// Leaves the scope on every way out, normal or not.
struct scope_guard {
    cancel_state& s;
    explicit scope_guard(cancel_state& scope) : s(scope) { enter_scope(s, this); }
    ~scope_guard() { leave_scope(s); }
    scope_guard(scope_guard const&) = delete;
};
template <class R> struct scope_result { using type = std::optional<R>; };
template <> struct scope_result<void> { using type = bool; };
}  // namespace detail

/// A block of code that can be cancelled as a whole, from inside or outside, with all tasks started in it.
///
///     weft::cancel_scope s;
///     bool done = s.run([&] { work(); });      // false if s was cancelled and work() stopped for it
///
/// A scope is entered once. It may be made, cancelled, shielded or given a deadline before that, and entered in another
/// task. It must outlive its block, and be destroyed after it.
/// Hazard: `cancelled` passes through your frames as an exception; see `cancelled` for catch blocks.
/// Instead: `move_on_after` and `fail_after` for a deadline around one block.
class cancel_scope : public cancel_state {
public:
    cancel_scope() noexcept = default;
    explicit cancel_scope(std::string_view name) { set_name(name); }

    /// Runs f inside the scope. Returns true, or f's result in an optional; false or an empty optional if the scope
    /// caught its own `cancelled`.
    ///
    /// Blocks:       as f does.
    /// Throws:       whatever f throws, but for the scope's own `cancelled`, which is taken out of exception groups too;
    ///               misuse_error if the scope was entered before.
    /// Complexity:   O(1), no allocation, no system call; one clock read if there is a deadline.
    template <class F>
    WEFT_NOINLINE auto run(F&& f) -> typename detail::scope_result<std::invoke_result_t<F&>>::type {
        using R = std::invoke_result_t<F&>;
        static_assert(!std::is_reference_v<R>, "return a value or a pointer from a scope, not a reference");
        std::exception_ptr error;
        {
            detail::scope_guard inside(*this);
            try {
                if constexpr (std::is_void_v<R>) { f(); return true; }
                else return std::optional<R>(f());
            } catch (cancelled const&) {
                error = detail::filter_at_exit(*this, std::current_exception());
            } catch (exception_group const&) {
                error = detail::filter_at_exit(*this, std::current_exception());
            }
        }
        if (error) std::rethrow_exception(std::move(error));
        return {};
    }
};

/// A std::stop_token that is stopped when the scope is cancelled or asked to stop, for code that takes one. It outlives
/// the scope. Callbacks of the token run inside the canceller's call.
std::stop_token token_of(cancel_state& scope);

}  // namespace weft

#endif
