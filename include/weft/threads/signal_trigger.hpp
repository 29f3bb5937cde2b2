// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_SIGNAL_TRIGGER_HPP
#define WEFT_THREADS_SIGNAL_TRIGGER_HPP

#include <weft/threads/run_token.hpp>

#include <atomic>
#include <functional>

namespace weft {

/// Posts one prepared callback to a run from a signal handler, where nothing may be allocated or locked.
///
///     weft::signal_trigger reload(weft::current_token(), [&] { config_changed.set(); });
///     // in the handler of SIGHUP:  reload.fire();
///
/// Several fire() before the callback has begun are one; one that comes later is another. For signals of which the program
/// only wants to wait, an asio::signal_set in a task is simpler.
/// Hazard: the object must outlive the handler's use of it; block or reset the signal first.
class signal_trigger {
public:
    /// Starts, once in the process, a thread that forwards. f runs on the run's loop, as a callback: it must not block.
    /// Blocks: never. Throws: std::system_error; run_finished_error for an empty token.
    signal_trigger(run_token token, std::function<void()> f);
    signal_trigger(signal_trigger const&) = delete;
    ~signal_trigger();

    /// Async-signal-safe; any thread; never blocks. Does nothing once the run has ended. errno is kept. Source: Trio's run_sync_soon(idempotent=True).
    void fire() noexcept;

    struct state;

private:
    state* state_;
};

}  // namespace weft

#endif
