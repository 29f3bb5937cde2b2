// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/cancel_everywhere.hpp>

#include <weft/task/cancel_scope.hpp>
#include <weft/testing/checkpoints.hpp>
#include <weft/testing/ledger.hpp>
#include <weft/testing/mock_clock.hpp>

#include "core/kernel.hpp"

#include <cstdio>

namespace weft::testing {
namespace {

constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

/// Counts points and waits, and cancels at the chosen one.
class canceller final : public weft::detail::cancel_probe {
public:
    canceller(cancel_scope& s, std::size_t point, std::size_t wait) : scope_(s), point_(point), wait_(wait) {}
    void at_point() override { if (points++ == point_) scope_.cancel("cancel_everywhere"); }
    void parked() override {
        if (waits++ != wait_) return;
        due_ = true;  // cancelling now would be "before": it is done from the loop, once the task has switched away
        weft::detail::this_kernel->wake();
    }
    bool due() override { return due_; }
    void fire() override { due_ = false; scope_.cancel("cancel_everywhere"); }
    void swallowed(weft::detail::task_record& t) override {
        swallowed_by += (swallowed_by.empty() ? "" : ", ") + ("task #" + std::to_string(t.id_)) + " \"" + std::string(t.name_.get()) + "\"";
    }
    std::size_t points{}, waits{};
    std::string swallowed_by;

private:
    cancel_scope& scope_;
    std::size_t point_, wait_;
    bool due_{};
};

struct counts { std::size_t points, waits; };

counts run_once(std::function<void()> const& f, cancel_everywhere_options const& options, std::size_t point, std::size_t wait) {
    mock_clock clock;
    run_options o = options.run;
    if (!options.real_time) o.clock = &clock;
    if (!o.seed) o.seed = 1;
    counts c{};
    std::string left, swallowed_by;
    ledger outside;
    weft::run(o, [&] {
        ledger inside;
        {
            cancel_scope scope("cancel_everywhere");
            canceller probe(scope, point, wait);
            struct install {
                explicit install(canceller& p) { weft::detail::this_kernel->set_probe(&p); }
                ~install() { weft::detail::this_kernel->set_probe(nullptr); }
            } installed(probe);
            scope.run([&] {
                f();
                auto& main = *weft::detail::this_kernel->current();
                if (main.raised_) probe.swallowed(main);
            });
            c = {probe.points, probe.waits};
            swallowed_by = std::move(probe.swallowed_by);
        }
        left = inside.difference(false);  // descriptors: after the run
    });
    if (left.empty()) left = outside.difference();
    if (!swallowed_by.empty() && !options.may_swallow) {
        throw assertion_error("cancel_everywhere: " + swallowed_by + " swallowed its cancellation: a catch did not rethrow it, and no cancellation point came after");
    }
    if (!left.empty()) throw assertion_error("cancel_everywhere: something is left behind: " + left);
    return c;
}

}  // namespace

cancel_everywhere_result cancel_everywhere(std::function<void()> const& f, cancel_everywhere_options options) {
    cancel_everywhere_result r;
    auto one = [&](std::size_t point, std::size_t wait) {
        ++r.runs;
        try {
            return run_once(f, options, point, wait);
        } catch (...) {
            if (point != nowhere) std::fprintf(stderr, "cancel_everywhere: failed when cancelled before point %zu of %zu\n", point + 1, r.points);
            else if (wait != nowhere) std::fprintf(stderr, "cancel_everywhere: failed when cancelled in wait %zu of %zu\n", wait + 1, r.waits);
            else std::fprintf(stderr, "cancel_everywhere: failed undisturbed\n");
            throw;
        }
    };
    counts c = one(nowhere, nowhere);
    r.points = c.points;
    r.waits = c.waits;
    if (options.sample == 0 && c.points + c.waits > options.max_points) {
        throw assertion_error("cancel_everywhere: f passes " + std::to_string(c.points + c.waits) + " points, above max_points");
    }
    std::size_t all = c.points + c.waits;
    std::size_t step = options.sample != 0 && all > options.sample ? all / options.sample : 1;
    for (std::size_t i = 0; i < all; i += step) {
        if (i < c.points) one(i, nowhere);
        else one(nowhere, i - c.points);
    }
    return r;
}

}  // namespace weft::testing
