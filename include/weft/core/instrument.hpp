// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_INSTRUMENT_HPP
#define WEFT_CORE_INSTRUMENT_HPP

#include <weft/core/time.hpp>

#include <cstdint>
#include <string_view>

namespace weft {

/// What an instrument is told of a task.
struct task_info {
    std::uint64_t id;
    std::string_view name;  ///< valid during the call only
};

/// Watches a run from inside, as Trio's instruments do. Override what you need; hooks run on the run's thread, must not
/// block and should be quick. An instrument whose hook throws is removed and reported to stderr; the run goes on.
class instrument {
public:
    virtual ~instrument() = default;
    virtual void before_run() {}
    virtual void after_run() {}
    virtual void task_spawned(task_info const&) {}
    virtual void task_scheduled(task_info const&) {}   ///< became runnable
    virtual void before_task_step(task_info const&) {}
    virtual void after_task_step(task_info const&) {}
    virtual void task_exited(task_info const&) {}
    virtual void before_io_wait(duration timeout) { static_cast<void>(timeout); }
    virtual void after_io_wait(duration timeout) { static_cast<void>(timeout); }
    /// Whether it wants the two before: the loop then looks for what is ready before each wait, a system call more. Must always say the same.
    virtual bool watches_io_waits() const noexcept { return true; }
};

}  // namespace weft

#endif
