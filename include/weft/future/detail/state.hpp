// SPDX-License-Identifier: BSL-1.0
// What a promise and its futures share: whether there is a result, who waits for it, and how the waiters ask the producer
// to stop. What the result is, result.hpp knows.
#ifndef WEFT_FUTURE_DETAIL_STATE_HPP
#define WEFT_FUTURE_DETAIL_STATE_HPP

#include <weft/core/detail/at_task_end.hpp>
#include <weft/core/detail/wait_queue.hpp>

#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace weft::detail {

[[noreturn]] WEFT_COLD void throw_future_error(std::future_errc e);

/// What then() leaves behind: posted once, when the result is there.
struct continuation {
    std::shared_ptr<continuation> next;
    virtual ~continuation() = default;
    virtual void post(std::shared_ptr<continuation> self) = 0;  ///< hands it to its executor
    virtual void run() = 0;                                     ///< there
};

/// What promise::on_cancel leaves behind.
struct cancel_handler {
    virtual ~cancel_handler() = default;
    virtual void ask() = 0;
};

/// The shared state. Producers (a promise, a task) and consumers (futures) hold it; any of them in any thread.
///
/// A result is made in three steps, so that no foreign code runs under the lock: claim() decides who makes it, the winner
/// stores it, publish() makes it visible and wakes.
class future_state {
public:
    future_state(future_state const&) = delete;
    future_state& operator=(future_state const&) = delete;

    // --- references. All consumers together hold one.
    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept { if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(); }
    void add_consumer() noexcept { if (consumers_.fetch_add(1, std::memory_order_relaxed) == 0) retain(); }
    void drop_consumer() noexcept {
        if (consumers_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        last_consumer_gone();
        release();
    }
    /// For the one future of a promise. Throws future_already_retrieved.
    void retrieve() {
        if (retrieved_.exchange(true, std::memory_order_relaxed)) throw_future_error(std::future_errc::future_already_retrieved);
        add_consumer();
    }

    /// For select: who waits; granted when the result is there.
    wait_queue<spin_lock>& waiters() noexcept { return queue_; }
    bool ready() const noexcept { return phase_.load(std::memory_order_acquire) == phase::ready; }

    // --- producers
    void claim() { if (!try_claim()) throw_future_error(std::future_errc::promise_already_satisfied); }
    bool try_claim() noexcept {
        phase pending = phase::pending;
        return phase_.compare_exchange_strong(pending, phase::claimed, std::memory_order_acq_rel);
    }
    /// Storing the result threw: there is none, and another may be made.
    void unclaim() noexcept { phase_.store(phase::pending, std::memory_order_release); }
    void store_error(std::exception_ptr e) noexcept;  ///< one that holds a `cancelled` is stored as such
    void store_cancelled() noexcept { outcome_ = outcome::cancelled; }
    void reset_outcome() noexcept { outcome_ = outcome::value; error_ = nullptr; }
    void publish() noexcept;
    void publish_at_task_end(char const* call);       ///< of the running task, or thread
    /// The promise goes: without a result, that is the result.
    void abandon() noexcept;
    void on_cancel(std::unique_ptr<cancel_handler> h);

    // --- consumers
    /// Waits for the result, or until the deadline; returns whether it is there. `deadline`: as wait_options has it.
    bool wait(char const* call, time_point deadline = never);
    /// Throws what the result is, unless it is a value.
    void throw_if_failed() const { if (outcome_ != outcome::value) [[unlikely]] throw_failure(); }
    void add_continuation(std::shared_ptr<continuation> c);
    void refuse_deferred() const;                     ///< nobody would run it for a continuation
    virtual bool deferred() const noexcept { return false; }

protected:
    enum class phase : std::uint8_t {
        pending,  ///< no result
        claimed,  ///< somebody is making one, or it waits for the end of a task
        ready     ///< it is there, for good
    };
    enum class outcome : std::uint8_t { value, error, cancelled };

    explicit future_state(phase first = phase::pending) noexcept : phase_(first) {}
    virtual ~future_state();
    virtual void destroy() noexcept { delete this; }
    virtual void last_consumer_gone() noexcept {}
    virtual void run_deferred() {}
    virtual void ask_producer();
    void set_askable() noexcept { askable_.store(true, std::memory_order_relaxed); }
    /// Waits for the result whatever is cancelled, but passes a cancellation on to the producer. In a callback, which
    /// cannot wait: nothing.
    void join() noexcept;

    wait_queue<spin_lock> queue_;     ///< its lock guards everything up to asked_

private:
    bool ask();
    [[noreturn]] WEFT_COLD void throw_failure() const;

    std::shared_ptr<continuation> continuations_;  ///< in the order of arrival
    continuation* last_continuation_{};
    std::unique_ptr<cancel_handler> handler_;
    std::thread::id asker_;           ///< who is inside the handler; none: nobody
    bool asked_{};                    ///< the producer was asked to stop
    outcome outcome_{outcome::value}; ///< written by who has claimed, before it is ready
    std::atomic<phase> phase_;        ///< becomes ready under the lock
    std::atomic<bool> askable_{false};///< there is somebody to ask; changed under the lock
    std::atomic<bool> retrieved_{false};
    std::exception_ptr error_;        ///< as outcome_
    std::atomic<int> references_{1};
    std::atomic<int> consumers_{0};
    struct end_action : at_end_node { future_state* state{}; } at_end_;
};

/// Counts as a producer.
template <class S>
class producer_ref {
public:
    producer_ref() = default;
    explicit producer_ref(S* taken) noexcept : s_(taken) {}  ///< takes over the reference that a new state has
    producer_ref(producer_ref&& o) noexcept : s_(std::exchange(o.s_, nullptr)) {}
    producer_ref& operator=(producer_ref&& o) noexcept { producer_ref(std::move(o)).swap(*this); return *this; }
    ~producer_ref() { if (s_) s_->release(); }
    void swap(producer_ref& o) noexcept { std::swap(s_, o.s_); }
    explicit operator bool() const noexcept { return s_ != nullptr; }
    S& operator*() const { if (!s_) throw_future_error(std::future_errc::no_state); return *s_; }
    S* operator->() const { return std::addressof(**this); }

private:
    S* s_{};
};

/// Counts as a consumer. Copies are for shared futures.
template <class S>
class consumer_ref {
public:
    consumer_ref() = default;
    explicit consumer_ref(S* counted) noexcept : s_(counted) {}
    consumer_ref(consumer_ref const& o) noexcept : s_(o.s_) { if (s_) s_->add_consumer(); }
    consumer_ref(consumer_ref&& o) noexcept : s_(std::exchange(o.s_, nullptr)) {}
    consumer_ref& operator=(consumer_ref o) noexcept { std::swap(s_, o.s_); return *this; }
    ~consumer_ref() { if (s_) s_->drop_consumer(); }
    explicit operator bool() const noexcept { return s_ != nullptr; }
    S& operator*() const { if (!s_) throw_future_error(std::future_errc::no_state); return *s_; }
    S* operator->() const { return std::addressof(**this); }

private:
    S* s_{};
};

}  // namespace weft::detail

#endif
