// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_RECURSIVE_MUTEX_HPP
#define WEFT_SYNC_RECURSIVE_MUTEX_HPP

#include <weft/sync/mutex.hpp>

namespace weft {

/// A mutex that its owner may lock again; as many unlocks give it back. std::recursive_mutex's interface; the rest as
/// weft::mutex. Throws system_error(resource_unavailable_try_again) beyond 2^32 - 2 levels.
template <class L>
class basic_recursive_mutex {
public:
    constexpr basic_recursive_mutex() noexcept = default;
    constexpr explicit basic_recursive_mutex(char const* name) noexcept : core_(name) {}
    basic_recursive_mutex(basic_recursive_mutex const&) = delete;
    basic_recursive_mutex& operator=(basic_recursive_mutex const&) = delete;

    void lock() { core_.lock_again(); }
    bool try_lock() noexcept { return core_.try_lock_again(); }
    void unlock() { core_.unlock_once(); }
    mutex_statistics statistics() const noexcept { return core_.statistics(); }

protected:
    detail::mutex_core<L> core_;
};

/// The same with deadlines, as std::recursive_timed_mutex. They block, and throw, as weft::timed_mutex's; the owner waits for none.
template <class L>
class basic_recursive_timed_mutex : public basic_recursive_mutex<L> {
public:
    using basic_recursive_mutex<L>::basic_recursive_mutex;
    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> const& d) { return this->core_.try_lock_again_until(detail::lock_deadline(d)); }
    template <class Clock, class D>
    bool try_lock_until(std::chrono::time_point<Clock, D> const& t) {
        return detail::wait_by_clock(t, "try_lock_until", [this](time_point deadline) { return this->core_.try_lock_again_until(deadline); });
    }
};

using recursive_mutex = basic_recursive_mutex<detail::spin_lock>;
using recursive_timed_mutex = basic_recursive_timed_mutex<detail::spin_lock>;
namespace local {
using recursive_mutex = basic_recursive_mutex<detail::no_lock>;
using recursive_timed_mutex = basic_recursive_timed_mutex<detail::no_lock>;
}
namespace shared { using weft::recursive_mutex; using weft::recursive_timed_mutex; }

}  // namespace weft

#endif
