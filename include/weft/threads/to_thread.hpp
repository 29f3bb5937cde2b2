// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_TO_THREAD_HPP
#define WEFT_THREADS_TO_THREAD_HPP

#include <weft/sync/capacity_limiter.hpp>
#include <weft/threads/detail/thread_call.hpp>

namespace weft {

struct to_thread_options {
    capacity_limiter* limiter{};   ///< how many threads at once; null: the run's default, 40. Must outlive the call's thread
    bool abandon_on_cancel{};      ///< true: a cancelled caller leaves at once; the thread runs on, and its result is dropped
    std::string name{};            ///< of the thread, as debuggers show it (15 characters); empty: "weft-thread"
};

/// The default limiter of to_thread in this run: 40 tokens, adjustable. Throws: not_running_error.
capacity_limiter& default_thread_limiter();

/// Runs f, which may block, on a thread of a process-wide cache; waits for its end, and returns or throws what it does.
///
///     std::string text = weft::to_thread([&] { return read_whole_file(path); });
///
/// Blocks:        always a checkpoint; first until the limiter has a token.
/// Cancellation:  before the thread is started: raised, f never runs. Afterwards the call waits for f's end and its result
///                stands (the next point raises), unless abandon_on_cancel. f learns of it by from_thread::check_cancelled.
/// Effects:       task_local values are copied into the thread. f is copied or moved: with abandon_on_cancel it must own all
///                that it uses.
/// Throws:        cancelled; what f throws; what the limiter throws; std::system_error if no thread can be started;
///                not_running_error; wrong_domain_error in a callback.
/// Threads:       the runtime's own.    Complexity: one allocation; two thread hand-overs (60 to 120 µs on an idle processor).
/// Memory order:  the call happens-before f, and f's end before the return.
/// Source:        Trio's to_thread.run_sync.
template <class F>
auto to_thread(F&& f, to_thread_options const& options = {}) -> std::invoke_result_t<std::decay_t<F>&> {
    using call = detail::typed_thread_call<std::decay_t<F>>;
    detail::thread_call_ptr<call> c(new call(std::forward<F>(f), options.abandon_on_cancel));
    detail::run_in_thread(*c, options.limiter ? *options.limiter : default_thread_limiter(), options.name);
    return c->take();
}

/// For functions that to_thread runs: back into the run.
namespace from_thread {

/// Runs f in the task that waits in to_thread, under its scopes and with its task_local values; returns or throws what it does.
///
/// Blocks:  the thread, until f has ended.
/// Throws:  what f throws; `cancelled` if the task has left (abandon_on_cancel) or f was cancelled; run_finished_error if its run has
///          ended since; misuse_error on a thread that to_thread did not start, or on the run's own (use a run_token there).
/// Source:  Trio's from_thread.run.
template <class F>
auto run(F&& f) -> std::invoke_result_t<std::remove_reference_t<F>&> {
    using R = std::invoke_result_t<std::remove_reference_t<F>&>;
    using D = std::remove_reference_t<F>;
    if constexpr (std::is_void_v<R>) {
        detail::run_in_host([](void* p) { (*static_cast<D*>(p))(); }, const_cast<void*>(static_cast<void const*>(std::addressof(f))));
    } else {
        struct both { D* f; std::optional<R> result; } b{std::addressof(f), std::nullopt};
        detail::run_in_host([](void* p) { auto& x = *static_cast<both*>(p); x.result.emplace((*x.f)()); }, &b);
        return std::move(*b.result);
    }
}

/// Raises `cancelled` if the task that waits in to_thread is cancelled. Never blocks.
/// Throws: cancelled; misuse_error as run. Source: Trio's from_thread.check_cancelled.
void check_cancelled();

}  // namespace from_thread
}  // namespace weft

#endif
