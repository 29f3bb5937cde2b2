// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/virtual_driver.hpp>

#include "core/kernel.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace weft::testing {
namespace {

constexpr char virtual_kind{};

class virtual_driver final : public driver {
public:
    void run(weft::detail::kernel& k) override {
        while (!k.finished()) {
            if (k.turn() || k.finished() || take_wake()) continue;
            if (k.wants_idle()) {
                duration threshold = k.idle_threshold();
                if (threshold > duration::zero() && threshold != (duration::max)()) {
                    if (wait_until(std::chrono::steady_clock::now() + threshold)) continue;
                }
                if (k.idle(threshold)) continue;
            } else if (k.next_deadline() != never) {
                wait_until(k.next_deadline());
                continue;
            }
            if (!k.stuck()) wait_until(never);
        }
    }
    void request_turn() noexcept override {}
    void arm(time_point) noexcept override {}
    void interrupt() noexcept override {}
    void wake() noexcept override {
        { std::lock_guard lock(mutex_); woken_ = true; }
        condition_.notify_one();
    }
    void const* kind() const noexcept override { return &virtual_kind; }

private:
    bool take_wake() {
        std::lock_guard lock(mutex_);
        return std::exchange(woken_, false);
    }
    bool wait_until(time_point when) {
        std::unique_lock lock(mutex_);
        auto woken = [this] { return woken_; };
        if (when == never) condition_.wait(lock, woken);
        else condition_.wait_until(lock, when, woken);
        return std::exchange(woken_, false);
    }

    std::mutex mutex_;
    std::condition_variable condition_;
    bool woken_{};  // guarded by mutex_
};

}  // namespace

std::unique_ptr<driver> make_virtual_driver() { return std::make_unique<virtual_driver>(); }

}  // namespace weft::testing
