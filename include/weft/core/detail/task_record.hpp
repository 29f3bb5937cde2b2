// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_DETAIL_TASK_RECORD_HPP
#define WEFT_CORE_DETAIL_TASK_RECORD_HPP

#include <weft/core/cancel_state.hpp>
#include <weft/core/source_place.hpp>

#include <cstddef>
#include <cstring>
#include <exception>
#include <vector>

namespace weft::detail {

class worker;
class context_map;

enum class task_state : std::uint8_t {
    unused,   ///< in the pool
    ready,    ///< in the ready queue: new, yielding or woken
    running,  ///< its code is executing (or, in a foreign Boost.Fiber wait, see `foreign`)
    parked,   ///< waits in park(); abort_ may be called
    foreign   ///< suspended by a primitive of Boost.Fiber's own, invisible to cancellation
};

enum class abort_answer : std::uint8_t {
    succeeded,  ///< the wait is undone: raise `cancelled`
    failed,     ///< it cannot be undone now: the task stays parked until it is unparked
    refused     ///< this wait is none that a cancellation ends; it may be asked again when a deadlock is broken
};
using abort_fn = abort_answer (*)(void*);

/// What a parked task waits for, for the dump: a verb and, if known, the object.
struct wait_reason {
    char const* what{"parked"};
    void const* object{};
    /// Writes more about the object ("held by #4"), or null.
    std::string (*describe)(void const* object){};
};

/// A name that costs no allocation up to 22 characters.
class task_name {
public:
    void set(std::string_view s) {
        if (s.size() < is_long) {
            s.copy(data_, s.size());
            data_[is_long] = static_cast<char>(s.size());
        } else {
            auto* p = new std::string(s);
            std::memcpy(data_, &p, sizeof p);
            data_[is_long] = static_cast<char>(is_long);
        }
    }
    void clear() noexcept {
        if (size() == is_long) delete pointer();
        data_[is_long] = 0;
    }
    std::string_view get() const noexcept {
        return size() == is_long ? std::string_view(*pointer()) : std::string_view(data_, size());
    }

private:
    static constexpr std::size_t is_long = 23;  ///< also the place of the length
    std::size_t size() const noexcept { return static_cast<unsigned char>(data_[is_long]); }
    std::string* pointer() const noexcept { std::string* p; std::memcpy(&p, data_, sizeof p); return p; }
    char data_[24]{};  // the text or a pointer to it, and in the last byte the length or is_long
};

/// A waiting task's entry of the deadline heap; lives in the wait's frame.
struct alarm_node : timer_node {
    task_record* task{};
    void (*expired)(alarm_node&) noexcept {};  ///< null: the task is unparked
};

/// A task: a small pooled record. It takes a fiber only when it first runs, and gives it back when it ends.
///
/// The pool never returns records to the allocator before the run ends, so that a stale task_ref can be recognised by
/// its id.
struct alignas(64) task_record {
    // First line: the queues and the tree.
    task_record* next_{};               ///< pending-delivery queue or free list, whichever state_ says
    task_record* prev_{};
    worker* fiber_{};                   ///< null until first run
    cancel_state* scope_{};             ///< innermost scope; the nursery's at start
    nursery_record* nursery_{};         ///< parent
    task_record* sibling_next_{};       ///< in nursery_->children
    task_record* sibling_prev_{};
    std::uint64_t id_{};

    // Second line: what runs, and its state. A task that never waits touches nothing behind the start of storage_.
    void (*invoke_)(task_record&){};    ///< runs the callable, on the task's fiber; may throw
    void (*discard_)(task_record&) noexcept {};  ///< destroys the callable
    void (*on_end_)(task_record&, std::exception_ptr const& error, bool was_cancelled){};  ///< after the callable is gone; may be null
    context_map* locals_{};             ///< task_local values; shared with the parent until one changes them
    nursery_record* open_nurseries_{};  ///< innermost first
    std::uint16_t swallowed_{};         ///< cancellations that were raised again after a catch that did not rethrow
    task_state state_{task_state::unused};
    bool woken_by_cancel_{};            ///< how the last park ended
    bool refuses_{};                    ///< while parked: its abort function refuses, unless the run breaks a deadlock
    bool deliverable_{};                ///< while parked: may a cancellation be raised on waking (unwinding rule)
    bool delivery_queued_{};            ///< in the kernel's queue of pending aborts; next_ and prev_ are its links
    bool raised_{};                     ///< `cancelled` was raised and no scope has caught it yet
    bool service_{};                    ///< started by start_service
    bool starting_{};                   ///< started by nursery::start, has not called started() yet
    bool main_{};
    bool has_end_actions_{};            ///< kernel::end_actions holds some of this task
    bool inject_{};                     ///< the current park throws the kernel's deadlock error
    bool watched_{};                    ///< somebody of its run waits for a lock that it holds, or held

    // Third line and on.
    source_place place_{};      ///< where it was started
    task_name name_{};
    void* result_{};                    ///< the handle's or status' state
    static constexpr std::size_t inline_size = 64;
    alignas(std::max_align_t) std::byte storage_[inline_size];  ///< the callable, or a pointer to it if it is larger

    abort_fn abort_{};                  ///< while parked: null if the wait cannot be cancelled, or was already
    void* abort_arg_{};
    wait_reason const* reason_{};       ///< while parked or foreign
    time_point since_{};                ///< when it parked, to the precision of a turn
};
static_assert(sizeof(task_record) == 256, "a million blocked tasks have a million of these");

/// A parked task that waits for a nursery's child_count to fall to `wake_at`, or for a service to end.
struct count_waiter {
    task_record* task;
    std::size_t wake_at;
    count_waiter* next;
};

/// A nursery as the kernel sees it. The task room's `nursery` owns one; the run's root is one without a task.
struct nursery_record {
    kernel* run{};                     ///< whose thread alone may touch it
    void* owner{};                     ///< the task room's nursery; null for the root
    cancel_state* state{};
    task_record* parent{};             ///< the task that opened it; null for the root
    nursery_record* next_open{};       ///< the next outer one of the same task
    task_record* children{};           ///< all of them, services too, newest first; linked by sibling_next_
    std::size_t child_count{};         ///< ordinary children that have not ended
    std::size_t service_count{};
    std::size_t holds{};               ///< what keeps it from ending besides children; see nursery_hold
    std::size_t max_children{};        ///< 0: no limit
    std::vector<std::exception_ptr> errors;
    std::exception_ptr cancelled;      ///< the first `cancelled` that ended a child or the body
    count_waiter* waiters{};           ///< who waits for child_count to fall: the exit, shutdowns
    bool open{};                       ///< accepts children
    bool body_done{};
    nursery_record* walk{};            ///< scratch of the propagation
    source_place place{};
    void (*child_ended)(nursery_record&, task_record&){};  ///< wakes those who wait for room; may be null
};

/// "server.cpp:31", without the folders.
std::string place_text(source_place const& place);
/// `"name" (server.cpp:31)`, or the place alone for one without a name. Made when it is needed: opening a nursery costs
/// no allocation.
std::string nursery_name(nursery_record const& n);

}  // namespace weft::detail

#endif
