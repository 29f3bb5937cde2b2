// SPDX-License-Identifier: BSL-1.0
// What a callback loop and the executors that were taken from it share.
#ifndef WEFT_ASIO_DETAIL_CALLBACK_CORE_HPP
#define WEFT_ASIO_DETAIL_CALLBACK_CORE_HPP

#include <weft/asio/detail/home_executor.hpp>
#include <weft/asio/detail/operation.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/nursery.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {

class callback_loop;

/// A callback loop at one moment.
struct callback_loop_statistics {
    std::size_t queued{};   ///< callbacks in the queue
    std::size_t timers{};   ///< callbacks that wait for their time
    std::size_t tasks{};    ///< spawned ones that have not ended
    std::size_t work{};     ///< outstanding: pending operations of its I/O objects, work guards
    std::size_t dropped{};  ///< functions that came to its executor when it was closed, and were destroyed unrun
};

namespace detail {

class context_map;
class run_port;
class callback_core;
class fd_watch;

/// One function for a callback loop, to be run once or never. Counted on the run's thread; one that comes from another
/// thread belongs to its sender until it arrives.
class callback_item : public remote_node {
public:
    enum class stage : std::uint8_t { made, queued, timed, over };
    callback_item(callback_item const&) = delete;
    callback_item& operator=(callback_item const&) = delete;

    void retain() noexcept { ++references_; }
    void release() noexcept { if (--references_ == 0) delete this; }

    // Recycled memory: an executor's functions come one a completed operation.
    static void* operator new(std::size_t n) { return recycled_allocate(n); }
    static void operator delete(void* p, std::size_t n) noexcept { recycled_deallocate(p, n); }

protected:
    callback_item() = default;
    virtual ~callback_item();
    /// Moves the function out, lets go of one reference, and calls it: its memory is free again before it runs.
    virtual void run() = 0;
    virtual void drop() noexcept = 0;  ///< destroys the function

private:
    friend class callback_core;
    callback_item* next_{};
    context_map* context_{};           ///< the caller's task_local values
    callback_core* core_{};            ///< of one that another thread has sent; held
    std::multimap<time_point, callback_item*>::iterator at_{};  ///< while timed
    unsigned references_{1};
    stage stage_{stage::made};
    bool dropped_{};                   ///< cancelled while queued
};

struct callback_release { void operator()(callback_item* i) const noexcept { i->release(); } };
using callback_pointer = std::unique_ptr<callback_item, callback_release>;

template <class F>
class bound_callback final : public callback_item {
public:
    template <class G>
    explicit bound_callback(G&& g) : f_(std::in_place, std::forward<G>(g)) {}

private:
    void run() override {
        callback_pointer self(this);
        F f(std::move(*f_));
        f_.reset();
        self.reset();
        std::move(f)();
    }
    void drop() noexcept override { f_.reset(); }
    std::optional<F> f_;
};

template <class F>
callback_pointer make_callback(F&& f) {
    return callback_pointer(new bound_callback<std::decay_t<F>>(std::forward<F>(f)));
}

/// Counted by the scope, the executors and what other threads have sent. Everything but the members marked "any thread" is
/// used on the run's thread only.
class callback_core {
public:
    callback_core(nursery& outer, std::string name);
    callback_core(callback_core const&) = delete;
    void retain() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }                              // any thread
    void release() noexcept { if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }      // any thread

    // --- queueing ---
    void enqueue(callback_item& i, char const* call);                     ///< keeps a reference. Throws closed_resource_error
    void schedule(time_point when, callback_item& i, char const* call);   ///< likewise
    bool cancel(callback_item& i);                                        ///< false if it has run, runs or was cancelled
    void post(callback_pointer i, char const* call);                      ///< any thread. Throws closed_resource_error
    void execute(callback_pointer i);                                     ///< any thread; destroys it if the loop is closed
    bool runs_here() const noexcept;                                      ///< any thread: inside one of its callbacks
    boost::asio::io_context& context() const noexcept { return pin_.get().io(); }

    // --- outstanding work, any thread ---
    void work_started() noexcept;
    void work_finished() noexcept;

    // --- its tasks ---
    nursery& tasks(char const* call);
    void failed(std::exception_ptr e) noexcept;         ///< of a callback, on the loop's stack
    void task_failed(std::exception_ptr e);             ///< of a spawned task: a callback tells the handler
    void enter_task();                                  ///< makes this loop the task's current one

    // --- the scope ---
    void open(callback_loop& l);
    void leave() noexcept { loop_ = nullptr; }          ///< the callback_loop is gone
    callback_loop* loop() const noexcept { return loop_; }
    void close(std::exception_ptr body_error);          ///< rethrows it when everything has ended
    void stop() noexcept { stopped_.set(); }
    event& stopped() noexcept { return stopped_; }
    void check_open(char const* call) const;
    [[noreturn]] WEFT_COLD void throw_closed(char const* call) const;
    bool accept() noexcept;                             ///< any thread: one more that it has to wait for, unless it is closed
    void finished_one() noexcept;                       ///< any thread
    callback_loop_statistics statistics() const noexcept;
    std::string const& name() const noexcept { return name_; }
    nursery& outer() noexcept { return *outer_; }
    bool is_home() const noexcept;

    std::function<void(std::exception_ptr)> handler;
    std::map<std::pair<int, bool>, std::shared_ptr<fd_watch>> watches;  ///< by descriptor and whether for writing

private:
    ~callback_core();
    void adopt_context(callback_item& i);
    void push(callback_item& i) noexcept;
    void request_pump() noexcept;
    void pump();
    void run_first();
    bool try_close(bool abandon) noexcept;
    void drop_queue() noexcept;
    void serve_timers();
    void serve_tasks();

    std::atomic<long> holders_{1};
    std::atomic<std::uint64_t> pending_{0};  ///< twice the callbacks that are sent, queued or running and the tasks; bit 0: closed
    std::atomic<std::size_t> work_{0};
    std::atomic<std::size_t> dropped_{0};
    std::atomic<bool> closing_{false};
    counting_semaphore<> idle_{0};           ///< released at each chance that nothing is left, while closing

    loop_pin pin_;
    run_port* port_;
    nursery* outer_;
    nursery* tasks_{};
    std::string name_;
    callback_item* first_{};
    callback_item* last_{};
    std::size_t queued_{};
    std::multimap<time_point, callback_item*> timers_;
    context_map* base_context_{};            ///< of functions that come from nowhere: other people's threads, the reactor
    event tasks_open_, tasks_ended_, end_tasks_, stopped_;
    callback_loop* loop_{};
    callback_core* former_loop_{};           ///< of the body's task; its own scope is around this one
    std::optional<event> timer_changed_;     ///< while the timer task sleeps
    time_point sleeps_until_{};
    bool has_timer_task_{};
    bool pump_requested_{};
};

/// Holds a callback_core.
class callback_core_pointer {
public:
    callback_core_pointer() = default;
    explicit callback_core_pointer(callback_core& c) noexcept : core_(&c) { c.retain(); }
    callback_core_pointer(callback_core_pointer const& o) noexcept : core_(o.core_) { if (core_) core_->retain(); }
    callback_core_pointer(callback_core_pointer&& o) noexcept : core_(std::exchange(o.core_, nullptr)) {}
    callback_core_pointer& operator=(callback_core_pointer o) noexcept { std::swap(core_, o.core_); return *this; }
    ~callback_core_pointer() { if (core_) core_->release(); }
    callback_core* get() const noexcept { return core_; }
    callback_core* operator->() const noexcept { return core_; }

private:
    callback_core* core_{};
};

/// Keeps the loop open from the call that spawns a task until that has ended; the task's first step enters the loop.
class callback_task {
public:
    explicit callback_task(callback_core& c) : core_(c) { if (!c.accept()) c.throw_closed("callback_loop::spawn"); }
    callback_task(callback_task&&) noexcept = default;
    ~callback_task() { if (core_.get()) core_->finished_one(); }
    callback_core* operator->() const noexcept { return core_.get(); }

private:
    callback_core_pointer core_;
};

/// Watches a descriptor for add_reader and add_writer.
void watch_descriptor(callback_core& c, int fd, bool write, std::function<void()> f, char const* call);
bool unwatch_descriptor(callback_core& c, int fd, bool write, char const* call);
void end_watches(callback_core& c) noexcept;

}  // namespace detail
}  // namespace weft

#endif
