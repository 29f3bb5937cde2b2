// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_RUN_TOKEN_HPP
#define WEFT_THREADS_RUN_TOKEN_HPP

#include <weft/core/detail/wait_queue.hpp>
#include <weft/task/nursery.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {
namespace detail {

class run_port;

/// A run as other threads know it; may outlive the run.
class run_ref {
public:
    run_ref() = default;
    explicit run_ref(run_port& p) noexcept;
    run_ref(run_ref const& o) noexcept;
    run_ref(run_ref&& o) noexcept : port_(std::exchange(o.port_, nullptr)) {}
    run_ref& operator=(run_ref o) noexcept { std::swap(port_, o.port_); return *this; }
    ~run_ref();
    run_port* get() const noexcept { return port_; }
    /// Hands n to the run's loop; false if the run has ended.
    bool push(remote_node& n) const noexcept;
    bool is_this_run() const noexcept;

private:
    run_port* port_{};
};

/// Runs a callback of somebody else's on the loop; what it throws ends the run.
void run_posted(void (*fn)(void*), void* arg) noexcept;

template <class F>
struct posted_callback : remote_node {
    F f;
    explicit posted_callback(F&& fn) : f(std::move(fn)) {
        arrive = [](remote_node& n) noexcept {
            std::unique_ptr<posted_callback> self(static_cast<posted_callback*>(&n));
            run_posted([](void* p) { (*static_cast<F*>(p))(); }, std::addressof(self->f));
        };
    }
};

/// Where the task of a remote_call is started: the nursery of a portal, while it is open. Used on the run's thread only.
struct call_home {
    nursery_record* nursery{};  ///< null: closed
};

/// One call of a function as a task of another run, by a plain thread or a task, which waits for its end. In the caller's frame.
class remote_call {
public:
    /// `home`: null for the run's root nursery.
    remote_call(run_ref target, std::shared_ptr<call_home> home, char const* what) : target_(std::move(target)), home_(std::move(home)), what_(what) {}
    remote_call(remote_call const&) = delete;

    void perform(void (*fn)(void*), void* arg);

private:
    struct runner;
    struct node : remote_node { remote_call* call{}; };
    void start() noexcept;
    void run();
    void finish() noexcept;
    void settle_one() noexcept;

    run_ref target_;
    std::shared_ptr<call_home> home_;
    char const* what_;
    void (*fn_)(void*){};
    void* arg_{};
    node start_;
    node cancel_;
    cancel_scope scope_;             // the target's thread only, from start to finish
    bool ended_{};                   // likewise
    wait_queue<spin_lock> queue_;    // guards what follows
    int outstanding_{};              // nodes that the target still has to see; the frame must stay until there are none
    bool was_cancelled_{};
    std::exception_ptr error_;
};

template <class R, class F>
R call_remotely(remote_call& c, F& f) {
    if constexpr (std::is_void_v<R>) {
        c.perform([](void* p) { (*static_cast<F*>(p))(); }, std::addressof(f));
    } else {
        struct both { F* f; std::optional<R> result; } b{std::addressof(f), std::nullopt};
        c.perform([](void* p) { auto& x = *static_cast<both*>(p); x.result.emplace((*x.f)()); }, &b);
        return std::move(*b.result);
    }
}

}  // namespace detail

/// A handle of a run for other threads: they post callbacks to its loop, or call functions as its tasks.
///
///     weft::run_token t = weft::current_token();
///     std::thread([t] { t.post([] { … }); int n = t.call([] { return query(); }); });
///
/// Copies are cheap. A token may outlive its run: calls then throw run_finished_error. Threads: any, for every member.
class run_token {
public:
    run_token() = default;  ///< of no run: calls throw run_finished_error

    /// Runs f on the run's loop, as a callback: it must not block. In the order of the posts; what was accepted is run, also
    /// when the run is ending or has failed. An exception that leaves f ends the run with it.
    /// Blocks: never. Throws: run_finished_error; what moving f throws. Allocates once. Source: Trio's run_sync_soon.
    /// Memory order: the post happens-before f.
    template <class F>
    void post(F&& f) const {
        if (!try_post(std::forward<F>(f))) throw_finished("run_token::post");
    }
    /// The same; false if the run has ended.
    template <class F>
    bool try_post(F&& f) const {
        auto n = std::make_unique<detail::posted_callback<std::decay_t<F>>>(std::decay_t<F>(std::forward<F>(f)));
        if (!run_.push(*n)) return false;
        static_cast<void>(n.release());
        return true;
    }

    /// Runs f as a task of the run, and waits for its end; returns or throws what it does.
    ///
    /// Blocks: until f has ended; a plain thread blocks, a task of another run parks, as a cancellation point.
    /// Cancellation: of a calling task: the task over there is cancelled, and awaited; what it then returns or throws wins.
    /// Throws: run_finished_error if the run has ended, or ended meanwhile; misuse_error on the run's own thread;
    ///         task_cancelled_error if the task was cancelled over there; what f throws; cancelled; wrong_domain_error in a
    ///         callback.
    /// Memory order: the call happens-before f, and f's end before the return. Source: Trio's from_thread.run.
    template <class F>
    auto call(F&& f) const -> std::invoke_result_t<std::remove_reference_t<F>&> {
        detail::remote_call c(run_, nullptr, "run_token::call");
        return detail::call_remotely<std::invoke_result_t<std::remove_reference_t<F>&>>(c, f);
    }

    explicit operator bool() const noexcept { return run_.get() != nullptr; }
    bool operator==(run_token const& o) const noexcept { return run_.get() == o.run_.get(); }
    /// True if it names the run of the calling thread.
    bool is_this_run() const noexcept { return run_.is_this_run(); }

    explicit run_token(detail::run_ref r) noexcept : run_(std::move(r)) {}

private:
    [[noreturn]] static void throw_finished(char const* call);
    detail::run_ref run_;
};

/// The token of this thread's run; from tasks and callbacks. While another thread may hold one, the run cannot know that
/// it is deadlocked. Never blocks. Throws: not_running_error.
run_token current_token();

}  // namespace weft

#endif
