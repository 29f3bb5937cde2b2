// SPDX-License-Identifier: BSL-1.0
// pthread's locks for tasks. The lock itself stays libc's, so plain threads are excluded as ever; before it stands a gate for the tasks
// of this thread, which are all one owner to libc: a mutex would stop the thread for ever, or, a recursive one, not exclude at all.
#ifndef WEFT_LIBS_POSIX_INTERPOSE_GATES_HPP
#define WEFT_LIBS_POSIX_INTERPOSE_GATES_HPP

#include <weft/core/no_yield_scope.hpp>
#include <weft/sync/detail/mutex_core.hpp>

#include "core/kernel.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace weft::detail {

/// What the tasks of this thread hold, or wait for, under one address.
struct gate_base {
    void const* key{};
    unsigned users{};  ///< who holds it, and who waits
    std::optional<weft::no_yield_scope> watch{};  ///< while it is held, if WEFT_STRICT is set
    char locked_at[64]{};

    void watch_from(void const* call) noexcept;
};
/// Of a mutex, or of what is made once.
struct gate : gate_base {
    gate* next{};
    unsigned depth{};  ///< how often the holder has locked it
    mutex_core<no_lock> lock{"pthread lock"};
};

/// The gates of this thread that are in use. No allocation up to 32 at once, and no destructor: locks are taken until the thread's last moment.
template <class G>
class gate_table {
public:
    G* find(void const* key) noexcept {
        for (G* g = bucket(key); g; g = g->next) if (g->key == key) return g;
        return nullptr;
    }
    G& use(void const* key) {
        G* g = find(key);
        if (!g) {
            g = unused();
            g->key = key;
            g->next = std::exchange(bucket(key), g);
            ++in_use_;
        }
        ++g->users;
        return *g;
    }
    void drop(G& g) noexcept {
        if (--g.users > 0) return;
        G** p = &bucket(g.key);
        while (*p != &g) p = &(*p)->next;
        *p = g.next;
        --in_use_;
        if (is_own(g)) g.next = std::exchange(free_, &g);
        else delete &g;
    }
    bool empty() const noexcept { return in_use_ == 0; }

private:
    static constexpr std::size_t own = 32;

    G*& bucket(void const* key) noexcept { return buckets_[(reinterpret_cast<std::uintptr_t>(key) >> 4) * 0x9e3779b97f4a7c15 >> 58]; }
    bool is_own(G& g) const noexcept { auto* p = reinterpret_cast<std::byte*>(&g); return p >= memory_ && p < memory_ + sizeof memory_; }
    G* unused() {
        if (free_) return std::exchange(free_, free_->next);
        if (made_ < own) return new (memory_ + made_++ * sizeof(G)) G;
        return new G;  // so many are held at once because tasks wait with them
    }

    std::array<G*, 64> buckets_{};
    G* free_{};
    std::size_t in_use_{}, made_{};
    alignas(G) std::byte memory_[own * sizeof(G)]{};
};
extern constinit thread_local gate_table<gate> mine;

/// A callback is about to wait for what only a task of its own thread can give. Says so, and aborts.
[[noreturn]] WEFT_COLD void stopped_for_ever(char const* call) noexcept;

// The task that runs; null on plain threads and in callbacks, which make libc's call.
inline bool a_task_calls() noexcept { return running_task != nullptr; }
inline void check_callback(char const* call, void const* key) noexcept {
    if (this_kernel && !mine.empty() && mine.find(key)) [[unlikely]] stopped_for_ever(call);
}

/// No exception passes through C.
template <class F>
int answered(F f) noexcept {
    try {
        return f();
    } catch (std::bad_alloc const&) {
        return ENOMEM;
    } catch (std::exception const&) {
        return EDEADLK;  // the run broke a deadlock, or the task that held the lock has ended without unlocking it
    }
}

template <class G>
struct user {
    gate_table<G>& table;
    G& g;
    bool keep{};
    user(gate_table<G>& t, void const* key) : table(t), g(t.use(key)) {}
    ~user() { if (!keep) table.drop(g); }
};

enum class entry : std::uint8_t { entered, again, taken, timed_out };

inline entry enter(gate& g, bool wait, weft::time_point deadline) {
    if (g.lock.owned_by_caller()) return entry::again;
    if (!wait) return g.lock.try_lock() ? entry::entered : entry::taken;
    if (deadline != weft::never) return g.lock.try_lock_until(deadline) ? entry::entered : entry::timed_out;
    g.lock.lock();
    return entry::entered;
}
/// The holder leaves it, or one of the times that it has entered it.
void left(gate& g);

}  // namespace weft::detail

#endif
