// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_SELECT_ALTERNATIVE_HPP
#define WEFT_SYNC_SELECT_ALTERNATIVE_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <optional>

namespace weft {

namespace detail { class selection; }

/// One of the things that a select waits for. A room that has something to wait for derives from this, and adds
///
///     using result = …;      // what its function returns
///     result complete();     // called in select's caller, for the one that was taken: calls the function, or throws
///
/// A select goes: prepare() of all; locks in the order of their guards; ready() of all, and take() of one that is; if
/// none is, list() of all; unlock. When it was woken: unlist() of all, and granted() of the one that was. Then after_take() of
/// the one taken, give_up() of the others, and complete(). "Locked" below means: under the lock of this alternative's guard.
///
/// Who grants it is the wait_queue's business: settle() and take() there ask the group of a waiter whether it may
/// still be had, so that of all alternatives one is granted. What cannot be taken and undone at one moment (an operation
/// that has to be started) is no alternative; wait for readiness instead, and start it in the function.
class select_alternative {
public:
    enum class offer : std::uint8_t {
        taken,      ///< done, for good
        not_ready,  ///< without effect; it is listed if no other is ready
        again       ///< without effect: it wants prepare() once more
    };

    /// What its lock is known by: alternatives of one lock give the same address. Null: it belongs to one runtime and needs none.
    virtual void const* guard() const noexcept { return nullptr; }
    virtual void lock() noexcept {}
    virtual void unlock() noexcept {}
    /// Whether a plain thread may wait for it; true for what needs no other party.
    virtual bool any_thread() const noexcept { return guard() != nullptr; }

    /// Unlocked, before each attempt: what may allocate, throw or block.
    virtual void prepare() {}
    /// Locked: whether take() would do it now. No effect.
    virtual bool ready() noexcept = 0;
    /// Locked: does it if that is possible now. Wakes nobody yet.
    virtual offer take() noexcept = 0;
    /// Locked: puts w on the queue through which it will be granted.
    virtual void list(detail::waiter& w) noexcept = 0;
    /// Locked: takes w off, if it is still there.
    virtual void unlist(detail::waiter& w) noexcept = 0;
    /// Unlocked: w was granted or closed, see its state().
    virtual void granted(detail::waiter const& w) noexcept { static_cast<void>(w); }
    /// Unlocked, after take() answered taken: wakes whoever is to be woken.
    virtual void after_take() noexcept {}
    /// Unlocked: another one was taken, or none. May throw if what prepare() did cannot be undone.
    virtual void give_up() {}
    /// When it is taken although it is not ready: for timeouts. `always`: at once.
    virtual time_point deadline() const noexcept { return never; }
    /// For the dump: "receive", "send", …
    virtual char const* what() const noexcept = 0;

    select_alternative(select_alternative const&) = delete;
    select_alternative& operator=(select_alternative const&) = delete;

protected:
    select_alternative() = default;
    ~select_alternative() = default;

private:
    friend class detail::selection;
    std::optional<detail::waiter> waiter_;  ///< while the select waits
    bool refused_{};                        ///< take() answered not_ready in this attempt
};

}  // namespace weft

#endif
