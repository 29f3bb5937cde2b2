// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_INSPECT_WATCHDOG_HPP
#define WEFT_INSPECT_WATCHDOG_HPP

#include <weft/core/time.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace weft::inspect {

/// What a watchdog has found: a step of a task, or a callback, that does not end.
struct stall {
    std::string task;    ///< its name, the first 47 bytes; empty for a task without one, and for a callback
    std::uint64_t id{};  ///< of the task; 0 for a callback
    duration for_at_least{};
    std::string call;    ///< the system call that the thread sits in, such as "nanosleep"; empty if it computes, or /proc does not tell
    bool computes{};     ///< the thread is on a processor, or wants one
    std::string help;    ///< what to call instead
    /// The report that is printed by default, in several lines.
    std::string message() const;
};

struct watchdog_options {
    duration threshold{std::chrono::milliseconds(100)};  ///< how long a step may take; at least 1 ms
    /// Called on the watchdog's thread, once a stall, while it lasts. Must not throw. Empty: message() goes to stderr, five times a minute at most,
    /// and then the number of those left out.
    std::function<void(stall const&)> report{};
};

/// Watches this thread's run from a thread of its own, from construction to destruction or the end of the run: who holds the thread for longer than
/// the threshold is reported while it does, with the blocking call that it sits in and what weft has in its place.
///
/// A task is reported whether it blocks or computes; a callback only if it blocks. A step costs a few stores more, and the loop no system call:
/// it can stay on in production.
///
/// Blocks: never; the destructor waits for a report that is under way.    Throws: not_running_error outside of a run; misuse_error for a threshold
/// under 1 ms; std::system_error if no thread can be had.    Source: Tokio's and Go's watch threads; the JDK's jdk.tracePinnedThreads.
class watchdog {
public:
    explicit watchdog(watchdog_options options = {});
    ~watchdog();
    watchdog(watchdog const&) = delete;

private:
    class watcher;
    std::shared_ptr<watcher> watcher_;
};

}  // namespace weft::inspect

#endif
