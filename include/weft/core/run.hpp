// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_RUN_HPP
#define WEFT_CORE_RUN_HPP

#include <weft/core/driver.hpp>
#include <weft/core/instrument.hpp>
#include <weft/core/oracle.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

namespace weft {

/// What `run` does when no task is ready, no deadline is set and no I/O, callback or thread can wake anybody.
enum class deadlock_policy : std::uint8_t {
    raise,  ///< raise deadlock_error, with the tree of who waits for what, in the main task
    wait    ///< keep waiting: somebody outside of weft's sight may call driver::wake
};

/// How a stack is guarded against overflow.
enum class stack_guard : std::uint8_t {
    automatic,  ///< MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), else mprotect
    advise,     ///< MADV_GUARD_INSTALL: does not split mappings, a million stacks are possible
    protect     ///< mprotect: splits mappings, stops near half of vm.max_map_count
};

struct run_options {
    std::size_t stack_size{256 * 1024};  ///< usable bytes of each task's stack, virtual until touched; at least 16 KiB
    std::size_t guard_size{64 * 1024};   ///< bytes below it that fault; at least a page
    stack_guard guard{stack_guard::automatic};
    std::optional<std::uint64_t> seed;   ///< of every random choice; drawn from the system if absent
    clock_source* clock{};               ///< null: the steady clock. Must outlive the run
    weft::oracle* oracle{};              ///< null: none. Must outlive the run
    std::vector<std::shared_ptr<instrument>> instruments;
    deadlock_policy deadlock{deadlock_policy::raise};
    std::function<std::unique_ptr<driver>()> make_driver;  ///< empty: the io_context's
    std::string name{"main"};            ///< of the runtime, in dumps
};

namespace detail {
using main_fn = void (*)(void*);
void run_main(run_options const& options, main_fn fn, void* arg);
}  // namespace detail

/// Runs `main` as the first task of a new runtime on this thread, and returns what it returns.
///
/// When main ends, everything it left behind (there is nothing, but for callbacks) is cancelled and awaited; the call
/// returns when the last task has ended.
///
/// Blocks:  the calling thread, until the run has ended.
/// Throws:  whatever main throws, unwrapped; exception_group of main's error and the others if a callback failed too;
///          deadlock_error; misuse_error if a run is already under way on this thread, or for options out of range;
///          stack_limit_error if not even one stack can be had; task_cancelled_error if main was cancelled from outside
///          (the program stopped the loop); internal_error if a callback of weft's own contract (an abort function) threw.
/// Source:  Trio's run.
/// Example: snippet hello in example/01_hello_tree.cpp
template <class F>
auto run(run_options const& options, F&& main) -> std::invoke_result_t<F&> {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
        detail::run_main(options, [](void* f) { (*static_cast<std::remove_reference_t<F>*>(f))(); },
                         const_cast<void*>(static_cast<void const*>(std::addressof(main))));
    } else {
        static_assert(!std::is_reference_v<R>, "main's result outlives the run: return a value, not a reference");
        struct both { std::remove_reference_t<F>* f; std::optional<R> result; } b{std::addressof(main), std::nullopt};
        detail::run_main(options, [](void* p) { auto& x = *static_cast<both*>(p); x.result.emplace((*x.f)()); }, &b);
        return std::move(*b.result);
    }
}

template <class F>
auto run(F&& main) -> std::invoke_result_t<F&> {
    return weft::run(run_options{}, std::forward<F>(main));
}

}  // namespace weft

#endif
