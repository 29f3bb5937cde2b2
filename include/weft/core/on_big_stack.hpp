// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_ON_BIG_STACK_HPP
#define WEFT_CORE_ON_BIG_STACK_HPP

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
/// Calls fn(arg) on a stack of `size` bytes of its own; what leaves it leaves this.
void call_on_big_stack(std::size_t size, void (*fn)(void*), void* arg);
template <class Body>
void big_stack_body(std::size_t size, Body&& body) {
    call_on_big_stack(size, [](void* p) { (*static_cast<std::remove_reference_t<Body>*>(p))(); }, std::addressof(body));
}
}  // namespace detail

/// Calls f() on a stack of `size` bytes, for the few calls that need more than a task has (std::regex, deep recursion, libraries with
/// large local arrays), and returns what it returns. It is the same task: f may wait and start others, its scopes, task_local values
/// and exceptions in flight stay, and a cancellation passes through. The stack is virtual until touched, has a guard, and is given
/// back at the end; an overflow in a task names the task.
///
///     bool ok = weft::on_big_stack([&] { return std::regex_match(text, pattern); });
///
/// Blocks:       never by itself.    Cancellation: no point by itself.
/// Throws:       what f throws; misuse_error if size is below 16 KiB or above 16 GiB; stack_limit_error if there is no room for it.
/// Complexity:   four system calls and a page fault for each 4 KiB that is touched: microseconds. Not for inner loops.
/// Threads:      any; in callbacks and outside of runs too.
/// Example:      doc/reference/stacks.md
template <class F>
std::invoke_result_t<F&> on_big_stack(F&& f, std::size_t size = std::size_t{8} << 20) {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
        detail::big_stack_body(size, [&] { f(); });
    } else if constexpr (std::is_reference_v<R>) {
        std::remove_reference_t<R>* result = nullptr;
        detail::big_stack_body(size, [&] { R r = f(); result = std::addressof(r); });
        return static_cast<R>(*result);
    } else {
        std::optional<R> result;
        detail::big_stack_body(size, [&] { result.emplace(f()); });
        return std::move(*result);
    }
}

}  // namespace weft

#endif
