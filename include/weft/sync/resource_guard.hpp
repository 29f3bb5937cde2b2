// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_RESOURCE_GUARD_HPP
#define WEFT_SYNC_RESOURCE_GUARD_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <atomic>
#include <utility>

namespace weft {

/// Turns the simultaneous use of something that serves one user at a time into an error. It never makes anybody wait.
///
///     class connection {
///         weft::resource_guard sending_{"connection, for sending"};
///         void send(text const& t) { weft::resource_guard::scoped use(sending_); … }
///     };
///
/// weft::resource_guard belongs to one runtime; users of weft::shared::resource_guard may be tasks of any run and plain threads.
/// Instead: a mutex, where the second user should wait.
/// Memory order: the end of a use happens-before the next one.    Source: the guards inside Trio's streams.
template <class L>
class basic_resource_guard {
public:
    /// What it guards, for the error; not copied.
    constexpr explicit basic_resource_guard(char const* resource = "resource") noexcept : resource_(resource) {}
    basic_resource_guard(basic_resource_guard const&) = delete;
    basic_resource_guard& operator=(basic_resource_guard const&) = delete;
    ~basic_resource_guard() { WEFT_ASSERT(!busy(), "a resource_guard was destroyed in use"); }

    /// One use, from its construction to its end.
    class scoped {
    public:
        /// Never blocks. Throws: busy_resource_error, which names the resource and both users, if it is in use, be it by the
        /// same task.
        explicit scoped(basic_resource_guard& g) : guard_(g) { g.enter(); }
        ~scoped() { guard_.user_.store(0, std::memory_order_release); }
        scoped(scoped const&) = delete;
    private:
        basic_resource_guard& guard_;
    };

    /// Runs f as one use; returns what it returns. Throws: busy_resource_error; what f throws.
    template <class F>
    decltype(auto) use(F&& f) {
        scoped inside(*this);
        return std::forward<F>(f)();
    }

    bool busy() const noexcept { return user_.load(std::memory_order_acquire) != 0; }

private:
    void enter() {
        detail::lock_owner me = detail::self_owner();
        std::uint64_t nobody = 0;
        if constexpr (L::shared) {
            if (!user_.compare_exchange_strong(nobody, me.id, std::memory_order_acquire, std::memory_order_relaxed)) [[unlikely]] throw_busy(nobody);
        } else {
            if ((nobody = user_.load(std::memory_order_relaxed)) != 0) [[unlikely]] throw_busy(nobody);
            user_.store(me.id, std::memory_order_relaxed);
        }
        record_.store(me.record, std::memory_order_relaxed);
    }
    [[noreturn]] WEFT_COLD void throw_busy(std::uint64_t user) const;

    char const* resource_;
    std::atomic<std::uint64_t> user_{0};                 // a lock_owner's id; 0: nobody
    std::atomic<detail::task_record*> record_{nullptr};  // the user's; valid while user_ names a task of this thread's run
};

extern template class basic_resource_guard<detail::no_lock>;
extern template class basic_resource_guard<detail::spin_lock>;

using resource_guard = basic_resource_guard<detail::no_lock>;
namespace local { using weft::resource_guard; }
namespace shared { using resource_guard = basic_resource_guard<detail::spin_lock>; }

}  // namespace weft

#endif
