// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_ONCE_HPP
#define WEFT_SYNC_ONCE_HPP

#include <weft/core/detail/wait_queue.hpp>

#include <functional>
#include <utility>

namespace weft {

/// Says whether a call_once has happened; std::once_flag. Any thread; weft::local::once_flag stays on one runtime.
template <class L>
class basic_once_flag {
public:
    constexpr basic_once_flag() noexcept = default;
    basic_once_flag(basic_once_flag const&) = delete;
    basic_once_flag& operator=(basic_once_flag const&) = delete;

    // For call_once:
    bool done() const noexcept { return state_.load(std::memory_order_acquire) == finished; }
    bool begin();                 ///< true: the caller is to run it; false: it has been run
    void end(bool succeeded) noexcept;

private:
    static constexpr unsigned idle = 0, running = 1, finished = 2;
    std::atomic<unsigned> state_{idle};  // changed under the queue's lock
    std::uint64_t runner_{};             // guarded by the queue's lock
    detail::wait_queue<L> queue_;
};
extern template class basic_once_flag<detail::spin_lock>;
extern template class basic_once_flag<detail::no_lock>;

using once_flag = basic_once_flag<detail::spin_lock>;
namespace local { using once_flag = basic_once_flag<detail::no_lock>; }

/// Runs f(args…) if no call with this flag has returned yet. f may wait: others then wait for it, in their order.
///
/// Blocks:       while another runs it.    Cancellation: no cancellation point of its own; a cancelled f is one that threw.
/// Effects:      if f throws, the exception leaves, and the next caller runs its own.
/// Throws:       what f throws; system_error(resource_deadlock_would_occur) if f calls it with the same flag; wrong_domain_error if a
///               callback would have to wait.
/// Memory order: the return of f happens-before the return of every call.    Source: std::call_once.
template <class L, class F, class... A>
void call_once(basic_once_flag<L>& flag, F&& f, A&&... args) {
    if (flag.done() || !flag.begin()) return;
    struct running {
        basic_once_flag<L>& flag;
        bool succeeded = false;
        ~running() { flag.end(succeeded); }
    } r{flag};
    std::invoke(std::forward<F>(f), std::forward<A>(args)...);
    r.succeeded = true;
}

}  // namespace weft

#endif
