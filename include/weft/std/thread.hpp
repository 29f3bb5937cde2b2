// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_THREAD_HPP
#define WEFT_STD_THREAD_HPP

#include <weft/std/detail/thread_state.hpp>

#include <compare>
#include <functional>
#include <iosfwd>
#include <type_traits>

namespace weft {

/// A function that runs beside its caller, with std::thread's interface: in a run a task, which starts at the next wait of the
/// others; outside of one a plain thread.
///
///     weft::thread t([&] { work(); });
///     t.join();
///
/// The task is a child of the run's root nursery, with the starter's task_local values; the end of the run cancels it. A
/// cancellation that leaves the function is a normal end. Any other exception terminates the program, with a sentence on stderr
/// that names the task; so does destroying or assigning to a joinable thread, unless a cancellation unwinds the owner: then the
/// thread is cancelled and awaited.
/// Memory order: as std's. Source: std::thread. Instead: a nursery, whose children have a place in the tree, and errors a receiver.
class thread {
public:
    class id;
    /// Of the plain thread that runs it: for a task, that of its whole run. Do not change it then.
    using native_handle_type = std::thread::native_handle_type;

    thread() noexcept = default;
    /// Starts f(args...) with decayed copies, made here. Blocks: never. May be called in callbacks.
    /// Throws: what copying throws; system_error(resource_unavailable_try_again) if there is no memory or no thread to be had.
    template <class F, class... A>
        requires(!std::is_same_v<std::remove_cvref_t<F>, thread>)
    explicit thread(F&& f, A&&... args) {
        static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>, "weft::thread: the function cannot be called with these arguments");
        state_ = detail::start_thread(std::forward<F>(f), std::forward<A>(args)...);
    }
    thread(thread const&) = delete;
    thread(thread&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
    thread& operator=(thread const&) = delete;
    thread& operator=(thread&& o) noexcept {
        if (state_) state_->owner_gone();
        drop();
        state_ = std::exchange(o.state_, nullptr);
        return *this;
    }
    ~thread() {
        if (!state_) return;
        state_->owner_gone();
        drop();
    }

    void swap(thread& o) noexcept { std::swap(state_, o.state_); }
    friend void swap(thread& a, thread& b) noexcept { a.swap(b); }
    bool joinable() const noexcept { return state_ != nullptr; }
    /// Waits until the function has ended, and what it left to the end of its thread.
    /// Blocks: always a checkpoint. Cancellation: the thread stays joinable.
    /// Throws: system_error(invalid_argument) unless joinable; system_error(resource_deadlock_would_occur) in the thread itself;
    ///         cancelled; deadlock_error; wrong_domain_error in a callback.
    void join() {
        joinable_state().join("thread::join");
        drop();
    }
    /// Leaves it to its run: when main has ended it is asked to stop, cancelled after the grace time, and awaited. Of a plain
    /// thread: to the process. Throws: system_error(invalid_argument) unless joinable.
    void detach() {
        joinable_state().detach();
        drop();
    }
    inline id get_id() const noexcept;
    native_handle_type native_handle() { return state_ ? state_->native_handle() : native_handle_type{}; }
    static unsigned hardware_concurrency() noexcept { return std::thread::hardware_concurrency(); }

private:
    friend class jthread;
    explicit thread(detail::thread_state* started) noexcept : state_(started) {}
    detail::thread_state& joinable_state() const;
    void drop() noexcept { if (auto* s = std::exchange(state_, nullptr)) s->release(); }

    detail::thread_state* state_{};
};

/// Names a task, a plain thread, or (the default) none; never reused in the process. A callback has its run's.
class thread::id {
public:
    id() noexcept = default;
    friend bool operator==(id, id) noexcept = default;
    friend std::strong_ordering operator<=>(id, id) noexcept = default;
    template <class Char, class Traits>
    friend std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>& out, id i) {
        if (i.value_ == 0) return out << "no thread";
        if (i.value_ >> 63) return out << "thread " << (i.value_ << 1 >> 1);
        return out << "task " << (i.value_ & ((std::uint64_t{1} << 40) - 1)) << " of run " << (i.value_ >> 40);
    }

    /// From a lock_owner's id.
    explicit id(std::uint64_t owner) noexcept : value_(owner) {}

private:
    friend std::hash<id>;
    std::uint64_t value_{};
};

inline thread::id thread::get_id() const noexcept { return state_ ? id(state_->id()) : id(); }

/// For how long detached threads may go on when main has ended, and jthreads when their owner is cancelled, before they are
/// cancelled themselves: 100 ms unless set. Any thread. Throws: misuse_error for a negative time.
void set_thread_grace(duration grace);
duration thread_grace() noexcept;

}  // namespace weft

template <>
struct std::hash<weft::thread::id> {
    std::size_t operator()(weft::thread::id i) const noexcept { return std::hash<std::uint64_t>()(i.value_); }
};

#endif
