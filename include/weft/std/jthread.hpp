// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_JTHREAD_HPP
#define WEFT_STD_JTHREAD_HPP

#include <weft/std/thread.hpp>
#include <weft/sync/stop_token.hpp>

#include <memory>

namespace weft {

namespace detail {

/// Asks a source to stop when the scope is cancelled, or asked to stop, in which the running task is.
class scope_follower {
public:
    /// Null where no task runs.
    static std::unique_ptr<scope_follower> make(stop_source const& s);

private:
    struct request { stop_source source; void operator()() const noexcept; };
    scope_follower(std::stop_token scope, stop_source const& s) : callback_(std::move(scope), request{s}) {}
    std::stop_callback<request> callback_;
};

}  // namespace detail

/// A weft::thread that is asked to stop and awaited by its destructor; std::jthread's interface, with weft's stop_token.
///
///     weft::jthread ticker([&](weft::stop_token stop) { while (!stop.stop_requested()) tick(); });
///
/// A cancellation of the scope in which it was made, or a request to stop there, also requests stop; from a callback or a deadline
/// through a task of its own, so that the token's callbacks may wait. The destructor and the assignment wait shielded; if their
/// scope is cancelled, a thread that has not stopped within thread_grace() is cancelled.
/// Throws, blocks: as weft::thread. Source: std::jthread.
class jthread {
public:
    using id = thread::id;
    using native_handle_type = thread::native_handle_type;

    jthread() noexcept : source_(nostopstate) {}
    /// Calls f(token, args...) if that is possible, else f(args...).
    template <class F, class... A>
        requires(!std::is_same_v<std::remove_cvref_t<F>, jthread>)
    explicit jthread(F&& f, A&&... args) : follower_(detail::scope_follower::make(source_)) {
        if constexpr (std::is_invocable_v<std::decay_t<F>, stop_token, std::decay_t<A>...>) {
            thread_ = thread(detail::start_thread(std::forward<F>(f), source_.get_token(), std::forward<A>(args)...));
        } else {
            static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>, "weft::jthread: the function cannot be called with these arguments");
            thread_ = thread(detail::start_thread(std::forward<F>(f), std::forward<A>(args)...));
        }
    }
    jthread(jthread const&) = delete;
    jthread(jthread&&) noexcept = default;
    jthread& operator=(jthread const&) = delete;
    jthread& operator=(jthread&& o) noexcept {
        jthread(std::move(o)).swap(*this);
        return *this;
    }
    ~jthread() {
        if (!joinable()) return;
        request_stop();
        thread_.state_->join_shielded("~jthread", true);
        thread_.drop();
    }

    void swap(jthread& o) noexcept {
        source_.swap(o.source_);
        follower_.swap(o.follower_);
        thread_.swap(o.thread_);
    }
    friend void swap(jthread& a, jthread& b) noexcept { a.swap(b); }
    [[nodiscard]] bool joinable() const noexcept { return thread_.joinable(); }
    void join() { thread_.join(); }
    void detach() { thread_.detach(); }
    [[nodiscard]] id get_id() const noexcept { return thread_.get_id(); }
    [[nodiscard]] native_handle_type native_handle() { return thread_.native_handle(); }
    [[nodiscard]] stop_source get_stop_source() noexcept { return source_; }
    [[nodiscard]] stop_token get_stop_token() const noexcept { return source_.get_token(); }
    bool request_stop() noexcept { return source_.request_stop(); }
    [[nodiscard]] static unsigned hardware_concurrency() noexcept { return thread::hardware_concurrency(); }

private:
    stop_source source_;
    std::unique_ptr<detail::scope_follower> follower_;
    thread thread_;
};

}  // namespace weft

#endif
