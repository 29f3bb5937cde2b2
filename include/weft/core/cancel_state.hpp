// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_CANCEL_STATE_HPP
#define WEFT_CORE_CANCEL_STATE_HPP

#include <weft/core/cancelled.hpp>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace weft {

namespace detail {
class kernel;
struct task_record;
struct nursery_record;
struct state_access;

/// An entry of the run's deadline heap. `index` is its slot there, or `unarmed`.
struct timer_node {
    static constexpr std::uint32_t unarmed = 0xffffffff;
    std::uint32_t index{unarmed};
    bool is_scope{false};  ///< a scope's deadline; otherwise a sleeping task's alarm
};
}  // namespace detail

/// A node of the tree of cancel scopes: what can be asked of, and told to, any scope. `cancel_scope` adds entering it.
///
/// A scope has one owner, the task that entered it, and through that task's nurseries it holds other tasks.
/// `effective_` is the level that cancellation points test: it is kept true exactly while this scope or one that it is
/// not shielded from is cancelled, so that a test costs one load.
///
/// Threads: the runtime's own.
class cancel_state : private detail::timer_node {
public:
    cancel_state() noexcept { is_scope = true; }
    cancel_state(cancel_state const&) = delete;
    cancel_state& operator=(cancel_state const&) = delete;

    /// Cancels everything inside, at once and for good: every cancellation point inside raises `cancelled` until
    /// control leaves the scope. The first reason is kept.
    ///
    /// Blocks:  never; no checkpoint, also when a task cancels a scope that it is in.
    /// Throws:  wrong_domain_error from another thread than the run's.
    /// Source:  Trio's CancelScope.cancel.
    void cancel(std::string_view reason = {});

    /// True once cancel() was called or the deadline has passed (this asks the clock).
    bool cancel_called() const;
    /// True if the scope ended by catching its own `cancelled`.
    bool cancelled_caught() const noexcept { return caught_; }
    /// The reason of the first cancel(), "" before.
    std::string_view reason() const noexcept;
    /// All that is known of the cancellation, null before.
    std::shared_ptr<cancel_info const> info() const noexcept { return info_; }

    /// Applies at once, earlier or later; a deadline that has fired stays fired. `never` removes it.
    /// Preconditions: not a scope made with a relative deadline and not yet entered, for deadline().
    /// Throws: wrong_domain_error from another thread than the run's, as all that changes a scope does.
    void set_deadline(time_point when);
    time_point deadline() const;
    /// Sets the deadline to `d` after now or, before the scope is entered, after its entry. Throws misuse_error if d < 0.
    template <class Rep, class Period>
    void set_deadline_after(std::chrono::duration<Rep, Period> d) {
        set_relative(detail::checked_wait(d, "cancel_state::set_deadline_after"));
    }

    /// A shielded scope hides the cancellation and the deadlines of all outer scopes from everything inside. Taking the
    /// shield away while an outer scope is cancelled wakes those who wait inside, at once.
    void set_shield(bool on);
    bool shield() const noexcept { return shield_; }

    /// Soft cancel: raises a level that tasks inside may poll (`stop_requested`) or wait for (`wait_stop_requested`).
    /// Nothing is raised. Shields do not hide it.
    void request_stop();
    bool stop_requested() const noexcept { return stop_; }
    /// Stopped when the scope is cancelled or asked to stop; made at the first call, outlives the scope.
    std::stop_token stop_token();
    /// The same, by a name that says whose type it is: weft::stop_token is another.
    std::stop_token std_stop_token() { return stop_token(); }

    /// For the tree dump and messages. The text is copied.
    void set_name(std::string_view name) { name_ = name; }
    std::string const& name() const noexcept { return name_; }

protected:
    ~cancel_state();
    void set_relative(duration d);

private:
    friend class detail::kernel;         // keeps the tree and the levels
    friend struct detail::state_access;  // reads the tree, for dumps and tests

    // Set from entry to exit.
    cancel_state* parent_{};              ///< the next outer scope, across nurseries
    detail::task_record* owner_{};        ///< the task that entered; null for the run's root and before entry
    detail::nursery_record* nursery_{};   ///< the nursery this is the scope of, if it is one's
    detail::kernel* kernel_{};            ///< null before entry and after exit
    void const* frame_{};                 ///< lies in the stack frame that catches what leaves the scope
    cancel_state* walk_{};                ///< scratch of the propagation, valid within one call of it

    time_point deadline_{never};
    time_point effective_deadline_{never};  ///< the earliest of this and all scopes it is not shielded from
    duration relative_{-1};                 ///< a deadline counted from entry, negative if none
    std::shared_ptr<cancel_info const> info_;  ///< set when cancelled
    std::string name_;
    std::unique_ptr<std::stop_source> source_;  ///< made by stop_token()
    unsigned uncaught_{};     ///< exceptions in flight in the owner at entry
    bool cancelled_{};        ///< this scope itself was cancelled, by call or by deadline
    bool effective_{};        ///< see above
    bool shield_{};
    bool unwinding_shield_{}; ///< entered by a destructor during unwinding: outer scopes must not raise in it
    bool caught_{};
    bool stop_{};
    bool entered_{};          ///< a scope is entered once in its life
    bool armed_chain_{};      ///< this deadline and all outer ones that matter are in the heap
};

}  // namespace weft

#endif
