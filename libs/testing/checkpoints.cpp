// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/checkpoints.hpp>

#include "core/kernel.hpp"
#include "core/self.hpp"

namespace weft::testing::detail {

struct checkpoint_counter::impl final : weft::detail::cancel_probe {
    weft::detail::kernel& k;
    weft::detail::task_record* task;
    weft::detail::cancel_probe* outer;
    std::uint64_t points{};
    std::uint64_t steps;

    impl(weft::detail::kernel& kernel, weft::detail::task_record& t)
        : k(kernel), task(&t), outer(k.probe()), steps(k.statistics().switches) {}
    void at_point() override {
        if (k.current() == task) ++points;
        if (outer) outer->at_point();
    }
    void parked() override {
        if (k.current() == task) ++points;  // a cancellable park tests for cancellation itself
        if (outer) outer->parked();
    }
    bool due() override { return outer && outer->due(); }
    void fire() override { if (outer) outer->fire(); }
    void swallowed(weft::detail::task_record& t) override { if (outer) outer->swallowed(t); }
};

checkpoint_counter::checkpoint_counter() : impl_(nullptr) {
    auto& t = weft::detail::self("assert_checkpoints");
    impl_ = new impl(*weft::detail::this_kernel, t);
    impl_->k.set_probe(impl_);
}

checkpoint_counter::~checkpoint_counter() {
    impl_->k.set_probe(impl_->outer);
    delete impl_;
}

checkpoint_counts checkpoint_counter::counts() const { return {impl_->points, impl_->k.statistics().switches - impl_->steps}; }

void require_checkpoint(checkpoint_counts c) {
    if (c.cancel_points == 0) throw assertion_error("assert_checkpoints: the block was no cancellation point");
    if (c.schedule_points == 0) throw assertion_error("assert_checkpoints: the block never let other tasks run");
}

void require_no_checkpoint(checkpoint_counts c) {
    if (c.cancel_points != 0) throw assertion_error("assert_no_checkpoints: the block was a cancellation point");
    if (c.schedule_points != 0) throw assertion_error("assert_no_checkpoints: the block let other tasks run");
}

}  // namespace weft::testing::detail
