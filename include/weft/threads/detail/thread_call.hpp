// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_DETAIL_THREAD_CALL_HPP
#define WEFT_THREADS_DETAIL_THREAD_CALL_HPP

#include <weft/threads/run_token.hpp>

#include <atomic>
#include <string>
#include <variant>

namespace weft {
template <class L> class basic_capacity_limiter;
}

namespace weft::detail {

class thread_call;
class context_map;

/// A function that from_thread::run sends to the task; in the thread's frame, which waits.
struct host_request : remote_node {
    thread_call* call{};
    void (*fn)(void*){};
    void* arg{};
    std::exception_ptr error;
    host_request* next{};
    wait_queue<spin_lock> queue;  // guards done
    bool done{};
    void finish() noexcept;
};

/// One to_thread: shared by the task and the thread, because either may leave first.
class thread_call : public remote_node {
public:
    explicit thread_call(bool may_abandon);
    virtual ~thread_call();
    thread_call(thread_call const&) = delete;

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept { if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }

    /// On the thread: runs the function and keeps what it returned or threw.
    virtual void execute() noexcept = 0;

    // --- the run's thread ---
    run_ref home;
    task_record* host{};
    bool may_abandon;
    bool abandoned{};
    bool ended{};               ///< the thread has reported
    host_request* requests{};   ///< oldest first
    basic_capacity_limiter<no_lock>* limiter{};

    // --- the thread ---
    context_map* locals{};      ///< its copy of the task's task_local values

    // --- both ---
    std::atomic<bool> cancel_asked{false};
    std::shared_ptr<cancel_info const> cancel_reason;  ///< set before cancel_asked

private:
    std::atomic<int> references_{1};
};

template <class T>
class thread_call_ptr {
public:
    explicit thread_call_ptr(T* p) noexcept : p_(p) {}
    thread_call_ptr(thread_call_ptr const&) = delete;
    ~thread_call_ptr() { p_->release(); }
    T& operator*() const noexcept { return *p_; }
    T* operator->() const noexcept { return p_; }

private:
    T* p_;
};

template <class F>
class typed_thread_call final : public thread_call {
public:
    using R = std::invoke_result_t<F&>;
    static_assert(!std::is_reference_v<R>, "return a value or a pointer from to_thread, not a reference");

    template <class G>
    typed_thread_call(G&& g, bool may_abandon) : thread_call(may_abandon), f_(std::in_place, std::forward<G>(g)) {}

    void execute() noexcept override {
        try {
            if constexpr (std::is_void_v<R>) { (*f_)(); result_.template emplace<1>(); }
            else result_.template emplace<1>((*f_)());
        } catch (...) {
            result_.template emplace<2>(std::current_exception());
        }
        f_.reset();
    }
    R take() {
        if (result_.index() == 2) std::rethrow_exception(std::move(std::get<2>(result_)));
        if constexpr (!std::is_void_v<R>) return std::move(std::get<1>(result_));
    }

private:
    std::optional<F> f_;
    std::variant<std::monostate, std::conditional_t<std::is_void_v<R>, std::monostate, R>, std::exception_ptr> result_;
};

/// In the calling task: takes a token, starts the thread, waits.
void run_in_thread(thread_call& c, basic_capacity_limiter<no_lock>& limiter, std::string const& name);
/// On the thread: from_thread::run.
void run_in_host(void (*fn)(void*), void* arg);

}  // namespace weft::detail

#endif
