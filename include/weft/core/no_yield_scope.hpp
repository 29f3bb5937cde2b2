// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_NO_YIELD_SCOPE_HPP
#define WEFT_CORE_NO_YIELD_SCOPE_HPP

#include <weft/core/source_place.hpp>

#include <cstddef>

namespace weft {

namespace detail { class kernel; struct task_record; }

/// Marks a block in which no other task of the run may get its turn, because it works on what all tasks of the thread share: a
/// thread_local, a library's global state, an OS lock that is held. A wait or yield in it is reported on stderr, with the task, this
/// place and what it waits for (W106), once a place; all of them are counted. The wait itself goes on: it may stand where nothing can be thrown,
/// or have begun I/O.
///
///     weft::no_yield_scope alone("uses the parser's thread_local buffer");
///     parse(text);
///
/// An operation that finds its result at once and lets nobody else run is not reported. In callbacks and outside of runs it does nothing, as nobody
/// else has a turn there. It belongs to the task that made it, and is left where it was entered: a local variable.
/// Blocks: never. Throws: nothing. Complexity: O(1), no allocation. Source: sleeping in atomic context, as the Linux kernel reports it.
class no_yield_scope {
public:
    explicit no_yield_scope(char const* why = "", source_place place = source_place::current()) noexcept;
    ~no_yield_scope();
    no_yield_scope(no_yield_scope const&) = delete;
    no_yield_scope& operator=(no_yield_scope const&) = delete;

    /// How often the task was suspended in it so far.
    std::size_t suspensions() const noexcept { return suspensions_; }

private:
    friend class detail::kernel;
    detail::kernel* kernel_{};          ///< null: nothing to watch
    detail::task_record* task_{};
    no_yield_scope* next_{};            ///< of the run's, newest first
    char const* why_;
    source_place place_;
    std::size_t suspensions_{};
};

}  // namespace weft

#endif
