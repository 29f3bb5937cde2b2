// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_RUN_PORT_HPP
#define WEFT_LIBS_CORE_RUN_PORT_HPP

#include <weft/core/detail/wait_queue.hpp>
#include <weft/core/driver.hpp>

#include <atomic>
#include <mutex>
#include <utility>

namespace weft::detail {

/// A run as other threads see it: a stack of what they sent. Counted, and so outlives the run while anybody holds it: a
/// thread may still be inside push() when the task that it woke has ended, and the run with it.
class run_port {
public:
    explicit run_port(driver& d) noexcept : driver_(&d) {}

    void retain() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept { if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }

    /// From any thread: hands n to the run. False if the run has ended; n is the caller's still.
    /// The caller holds the port for the length of the call.
    bool push(remote_node& n) noexcept;

    // --- on the run's thread ---
    bool pending() const noexcept { return head_.load(std::memory_order_seq_cst) != nullptr; }
    /// Lets everything that has arrived arrive, in the order of the pushes.
    void drain() noexcept;
    /// The run is over: what was accepted still arrives, the rest is refused.
    void close() noexcept;
    /// The loop looks at pending() all the time: senders need not wake it. When it ceases to, it looks once more afterwards.
    void set_awake(bool on) noexcept { awake_.store(on, std::memory_order_seq_cst); }
    /// Whether anything has arrived since the last call.
    bool take_visited() noexcept { return std::exchange(visited_, false); }
    bool closed() const noexcept { return head_.load(std::memory_order_relaxed) == &closed_; }
    /// Somebody besides the run itself holds it, and may push.
    bool held_elsewhere() const noexcept { return holders_.load(std::memory_order_acquire) > 1; }

private:
    ~run_port() = default;
    void arrive(remote_node* newest) noexcept;

    std::atomic<remote_node*> head_{nullptr};  ///< newest first; &closed_ at the end of the run
    std::atomic<bool> awake_{false};
    bool visited_{};                           ///< the run's thread only
    std::atomic<long> holders_{1};
    std::mutex mutex_;                         ///< guards driver_ against the end of the run
    driver* driver_;                           ///< null once the run has ended
    remote_node closed_;                       ///< only its address counts
};

/// Holds a port.
class port_pin {
public:
    port_pin() = default;
    explicit port_pin(run_port& p) noexcept : port_(&p) { p.retain(); }
    port_pin(port_pin const& o) noexcept : port_(o.port_) { if (port_) port_->retain(); }
    port_pin(port_pin&& o) noexcept : port_(std::exchange(o.port_, nullptr)) {}
    port_pin& operator=(port_pin o) noexcept { std::swap(port_, o.port_); return *this; }
    ~port_pin() { if (port_) port_->release(); }
    run_port* get() const noexcept { return port_; }

private:
    run_port* port_{};
};

}  // namespace weft::detail

#endif
