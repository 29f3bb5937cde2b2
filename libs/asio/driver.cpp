// SPDX-License-Identifier: BSL-1.0
// The default driver: an io_context that runs on the thread's own stack. Callbacks have a deep stack there and may
// throw; a completion handler resumes its task directly; everything else that is ready runs from one posted pump.
#include <weft/asio/executor.hpp>

#include "asio/loop_driver.hpp"
#include "core/kernel.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <thread>

namespace weft {
namespace {

namespace asio = boost::asio;
constexpr auto look_out = std::chrono::microseconds(50);
bool const several_processors = std::thread::hardware_concurrency() > 1;

/// An io_context whose shutdown can be asked for.
struct owned_io_context : asio::io_context {
    owned_io_context() : io_context(1) {}
    using execution_context::shutdown;
};

class owned_loop final : private owned_io_context, public detail::loop_context {  // the first is there before the second refers to it
public:
    owned_loop() : loop_context(static_cast<asio::io_context&>(*this)) {}
    /// At the end of the run, on its thread: destroys every handler that is left, then lets go.
    void end() noexcept;
};

class asio_driver final : public detail::loop_driver {
public:
    asio_driver() : timer_(*context_) {}

    // Callbacks that are still queued when the last task has ended are destroyed unrun: main's frame is gone by then.
    void run(detail::kernel& k) override {
        kernel_ = &k;
        while (!k.finished()) {
            interrupted_ = false;
            context_->restart();
            try {
                if (k.wants_idle() || k.instrumented()) { watchful_pass(k); continue; }
                if (attentive_) { attentive_pass(k); continue; }
                context_->run();
            } catch (...) {
                k.callback_failed(detail::caught_error());
                continue;
            }
            if (!interrupted_ && !k.finished()) out_of_work(k);
        }
    }

    void request_turn() noexcept override { asio::post(*context_, [this] { pump(); }); }

    void arm(time_point when) noexcept override {
        if (when == never) { timer_.cancel(); return; }
        timer_.expires_at(when);
        timer_.async_wait([this](boost::system::error_code const& e) { if (!e) pump(); });
    }

    void wake() noexcept override {
        if (wake_posted_.exchange(true, std::memory_order_acq_rel)) return;
        detail::loop_pin pin(*loop_);  // post() may still touch the context when the run has ended already
        asio::post(*context_, [this] {
            wake_posted_.store(false, std::memory_order_release);
            pump();
        });
    }

    void interrupt() noexcept override { interrupted_ = true; context_->stop(); }
    detail::loop_context& context() noexcept override { return *loop_; }

private:
    void pump() {
        if (kernel_->turn()) request_turn();
        if (kernel_->port().take_visited() && !attentive_ && several_processors) {
            attentive_ = true;
            interrupt();  // leaves context_->run()
        }
    }

    // Another thread has just been here, and may come again soon: an idle processor takes 60 to 120 µs to wake, so for a
    // while the loop looks out for it without sleeping. Senders see that, and make no system call.
    void attentive_pass(detail::kernel& k) {
        struct awake {
            detail::run_port& port;
            explicit awake(detail::run_port& p) : port(p) { p.set_awake(true); }
            ~awake() { port.set_awake(false); }
        };
        {
            awake a(k.port());
            auto guard = asio::make_work_guard(*context_);
            auto polled = std::chrono::steady_clock::now(), until = polled + look_out;
            while (!k.finished() && !k.wants_idle()) {
                for (int i = 0; i < 64 && !k.port().pending(); ++i) __builtin_ia32_pause();
                bool came = k.port().pending();
                if (came) {
                    pump();
                    auto now = std::chrono::steady_clock::now();
                    until = now + look_out;
                    // An answer may come at once: look for it before a system call, as long as I/O has its turn soon.
                    if (now - polled < look_out && !k.finished() && !interrupted_ && !k.has_ready()) continue;
                    polled = now;
                }
                context_->poll();
                if (context_->stopped()) {
                    if (!interrupted_) k.loop_stopped();
                    break;
                }
                if (!came && std::chrono::steady_clock::now() > until) break;
            }
        }
        attentive_ = false;
        if (!k.finished() && k.port().pending()) pump();  // came while we lay down, and did not wake us
    }

    // One look at what is ready; then, before waiting, idle waiters and a virtual clock have their say.
    void watchful_pass(detail::kernel& k) {
        bool ran = false, stopped = false;
        {
            auto guard = asio::make_work_guard(*context_);  // so that only stop() stops it, not the want of work
            ran = context_->poll() > 0;
            stopped = context_->stopped();
        }
        if (interrupted_ || k.finished()) return;
        if (stopped) { k.loop_stopped(); return; }
        if (ran || k.has_ready()) return;
        context_->restart();  // letting the guard go stops a context without work
        if (context_->poll_one() > 0) return;
        bool no_work = context_->stopped();
        if (k.wants_idle()) {
            duration threshold = k.idle_threshold();
            if (threshold > duration::zero() && threshold != (duration::max)()) {
                auto guard = asio::make_work_guard(*context_);
                context_->restart();
                if (context_->run_one_for(threshold) > 0) return;
            }
            if (k.idle(threshold)) { pump(); return; }
        }
        if (no_work) { out_of_work(k); return; }
        time_point next = k.next_deadline();
        duration timeout = next == never ? (duration::max)() : next - std::chrono::steady_clock::now();
        if (k.instrumented()) k.before_io_wait(timeout);
        context_->run_one();
        if (k.instrumented()) k.after_io_wait(timeout);
    }

    // run() came back by itself: nothing is outstanding, or the program called stop() on our io_context.
    void out_of_work(detail::kernel& k) {
        context_->restart();
        if (context_->poll_one() > 0) return;  // another thread posted meanwhile
        // There is work, and none that can be done. It was stopped, or work has come since run() returned: another thread counts what it
        // posts before it queues it, and may lose its processor in between.
        if (!context_->stopped() && context_->run_one_for(std::chrono::milliseconds(100)) > 0) return;
        if (!context_->stopped()) { k.loop_stopped(); return; }
        if (k.has_ready()) { pump(); return; }
        if (!k.externally_wakeable()) {
            context_->restart();
            if (context_->poll_one() > 0) return;  // whoever is gone now may have posted since the look above
            if (k.stuck()) return;
        }
        auto guard = asio::make_work_guard(*context_);  // somebody out of sight may wake us
        context_->restart();
        context_->run_one();
    }

    struct ender { void operator()(owned_loop* c) const noexcept { c->end(); } };
    std::unique_ptr<owned_loop, ender> loop_{new owned_loop};  // before the timer, which must be gone when it ends
    asio::io_context* context_{&loop_->io()};
    asio::steady_timer timer_;
    detail::kernel* kernel_{};
    bool interrupted_{};
    bool attentive_{};
    std::atomic<bool> wake_posted_{false};
};

// Whoever just completed an operation of ours on another thread is about to let go. It gets a moment, so that the run's
// descriptors are closed when it returns; whoever keeps an executor for longer closes them later.
void owned_loop::end() noexcept {
    shutdown();
    for (int i = 0; i < 2'000 && pins() > 1; ++i) std::this_thread::sleep_for(std::chrono::microseconds(50));
    release();
}

}  // namespace

std::unique_ptr<driver> detail::make_default_driver() { return std::make_unique<asio_driver>(); }

namespace {
// The loop of the run that last asked on this thread: every operation does. Runs' ids begin with 1 and are not used again.
struct known_loop { std::uint64_t run; detail::loop_context* loop; };
constinit thread_local known_loop known{};
}  // namespace

detail::loop_context& detail::current_loop() {
    detail::kernel* k = detail::this_kernel;
    if (!k) detail::throw_outside("get_executor");
    if (known.run == k->run_id()) return *known.loop;
    driver& d = k->loop_driver();
    if (d.kind() != &detail::asio_kind) {
        throw not_running_error(detail::message("W016", "get_executor: this run has no io_context",
            "it was started with a driver of its own (run_options::make_driver).", "leave make_driver empty in runs that do I/O."));
    }
    known = {k->run_id(), &static_cast<detail::loop_driver&>(d).context()};
    return *known.loop;
}

boost::asio::io_context::executor_type get_executor() { return detail::current_loop().get_executor(); }

}  // namespace weft
