// SPDX-License-Identifier: BSL-1.0
// A run inside somebody else's io_context: its turns are handlers of the host's loop.
#include <weft/asio/guest_run.hpp>

#include "asio/loop_driver.hpp"
#include "core/kernel.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <list>
#include <mutex>
#include <thread>

namespace weft::detail {
namespace {

namespace asio = boost::asio;
constexpr char by_token[] = "by the completion token's cancellation slot";

/// The host's io_context; nothing of it is owned.
struct host_loop final : loop_context {
    explicit host_loop(asio::io_context& io) noexcept : loop_context(io) {}
};

class guest;

/// What the handlers that a guest has queued hold: it may be gone when they run.
struct guest_link {
    guest* target;  ///< null when it is; the home thread's
    std::thread::id home{std::this_thread::get_id()};
    guest* get() const {
        if (std::this_thread::get_id() == home) return target;
        throw wrong_domain_error(message("W091", "a guest run's handler was called on another thread than the one that started it", "several threads run the io_context, or another one than the caller of start_guest_run.",
                                         "start the guest with guest_options::own_thread, or run the io_context on the thread that starts it."));
    }
};
using link_pointer = std::shared_ptr<guest_link>;

class guest_driver final : public loop_driver {
public:
    guest_driver(asio::io_context& host, link_pointer link) : loop_(new host_loop(host)), timer_(host), link_(std::move(link)) {}
    ~guest_driver() { loop_->release(); }

    void run(kernel&) override {}
    void request_turn() noexcept override { post(&guest_driver::pump); }
    void arm(time_point when) noexcept override {
        if (when == never) { timer_.cancel(); return; }
        timer_.expires_at(when);
        timer_.async_wait([link = link_](boost::system::error_code const& e) { if (e) return; if (auto* d = of(link)) d->pump(); });
    }
    void wake() noexcept override {  // any thread
        if (wake_posted_.exchange(true, std::memory_order_acq_rel)) return;
        post(&guest_driver::woken);
    }
    void interrupt() noexcept override { post(&guest_driver::look); }
    loop_context& context() noexcept override { return *loop_; }

    void pump();
    kernel* of_kernel{};

private:
    static guest_driver* of(link_pointer const& l);
    void post(void (guest_driver::*what)()) {
        asio::post(loop_->io(), [link = link_, what] { if (auto* d = of(link)) (d->*what)(); });
    }
    void woken() {
        wake_posted_.store(false, std::memory_order_release);
        pump();
    }
    void look();
    void watch_idleness();
    void idle_look();

    host_loop* loop_;
    asio::steady_timer timer_;
    link_pointer link_;
    std::atomic<bool> wake_posted_{false};
    std::optional<asio::steady_timer> idle_timer_;
    std::size_t pumps_{};
    std::size_t pumps_seen_{};
    bool watching_{};
};

/// All guests of one io_context, so that its end is noticed.
class guest_service : public asio::execution_context::service {
public:
    using key_type = guest_service;
    static inline asio::execution_context::id id;
    explicit guest_service(asio::execution_context& c) : service(c) {}
    void adopt(std::shared_ptr<guest> g) { std::lock_guard lock(mutex_); guests_.push_back(std::move(g)); }
    void forget(guest* g) noexcept { std::lock_guard lock(mutex_); guests_.remove_if([&](auto const& p) { return p.get() == g; }); }

private:
    void shutdown() override;
    std::mutex mutex_;
    std::list<std::shared_ptr<guest>> guests_;
};

/// One run on the host's thread, or on its own.
class guest : public std::enable_shared_from_this<guest> {
public:
    guest(asio::io_context& host, std::unique_ptr<guest_body> body) : host_(host), work_(host.get_executor()), body_(std::move(body)) {}

    void start(guest_options const& options) {
        if (options.run.make_driver) throw_misuse("start_guest_run with run_options::make_driver", "leave it empty: the host's io_context drives the run.");
        if (options.own_thread) { start_thread(options.run); return; }
        link_ = std::make_shared<guest_link>(guest_link{this});
        run_options o = options.run;
        guest_driver* d = nullptr;
        o.make_driver = [&] {
            auto made = std::make_unique<guest_driver>(host_, link_);
            d = made.get();
            return made;
        };
        kernel_ = std::make_unique<kernel>(o);
        d->of_kernel = kernel_.get();
        driver_ = d;
        body_->connect([](void* p) { static_cast<guest*>(p)->cancel(); }, this);
        asio::use_service<guest_service>(host_).adopt(shared_from_this());
        kernel_->start_main([](void* p) { static_cast<guest*>(p)->body_->run(); }, this);
    }

    guest_driver* driver() const noexcept { return driver_; }

    /// The kernel is finished, and nothing of it is on the stack.
    void finish() {
        auto self = shared_from_this();
        link_->target = nullptr;
        bool was_cancelled = kernel_->was_cancelled();
        std::exception_ptr error;
        try { kernel_->finish_main(); } catch (...) { error = std::current_exception(); }
        kernel_.reset();
        complete(error, was_cancelled);
    }

    /// The host's io_context is going; called on the thread that destroys it.
    void abandoned() {
        std::fputs(message("W092", "an io_context was destroyed while a guest run was under way", "its run() was left or stopped before the guest had ended.",
                           "let io_context::run() return by itself, or cancel the guest through its token and run on until that is completed.").c_str(), stderr);
        if (thread_.joinable()) {
            cancel();
            thread_.join();
            return;
        }
        if (link_->home != std::this_thread::get_id()) give_up("it is destroyed on another thread than the guest's");
        kernel_->cancel_run("the host's io_context was destroyed");
        auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        while (link_->target) {
            driver_->pump();  // a turn that was asked for may have been lost
            host_.restart();
            host_.run_one_for(std::chrono::milliseconds(1));
            if (link_->target && std::chrono::steady_clock::now() > until) give_up("the tasks below do not end");
        }
    }

private:
    [[noreturn]] void give_up(char const* why) {
        std::fputs((message("W093", std::string("a guest run cannot be ended: ") + why, "", "") + dump_tree(*kernel_)).c_str(), stderr);
        std::abort();
    }

    // Also from the token's slot, for which the program answers that it is emitted on the right thread.
    void cancel() {
        if (kernel_) { kernel_->cancel_run(by_token); return; }
        std::lock_guard lock(mutex_);
        if (std::exchange(cancel_sent_, true) || !thread_port_.get()) return;  // not up yet: it looks
        cancel_node_.arrive = [](remote_node&) noexcept { this_kernel->cancel_run(by_token); };
        static_cast<void>(thread_port_.get()->push(cancel_node_));
    }

    void complete(std::exception_ptr error, bool was_cancelled) {
        if (was_cancelled) {
            error = std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted, "weft::start_guest_run: the run was cancelled"));
        }
        body_->disconnect();
        body_->complete(error);
        asio::use_service<guest_service>(host_).forget(this);
        work_.reset();
    }

    // --- on a thread of its own ---

    void start_thread(run_options const& options) {
        asio::use_service<guest_service>(host_).adopt(shared_from_this());
        auto up = std::make_shared<std::promise<void>>();  // the thread may still be inside set_value() when this returns
        std::future<void> is_up = up->get_future();
        body_->connect([](void* p) { static_cast<guest*>(p)->cancel(); }, this);
        try {
            {
                std::lock_guard lock(mutex_);  // the thread may be done, and joined elsewhere, before it is stored
                thread_ = std::thread([this, options, up] { run_on_thread(options, *up); });
            }
            is_up.get();
        } catch (...) {
            if (thread_.joinable()) thread_.join();
            body_->disconnect();
            asio::use_service<guest_service>(host_).forget(this);
            throw;
        }
    }

    void run_on_thread(run_options const& options, std::promise<void>& up) {
        std::exception_ptr error;
        bool was_cancelled = false;
        std::optional<kernel> k;
        try {
            k.emplace(options);
        } catch (...) {
            up.set_exception(std::current_exception());
            return;
        }
        bool cancelled_already;
        {
            std::lock_guard lock(mutex_);
            thread_port_ = port_pin(k->port());
            cancelled_already = cancel_sent_;
        }
        k->start_main([](void* p) { static_cast<guest*>(p)->body_->run(); }, this);
        if (cancelled_already) k->cancel_run(by_token);
        up.set_value();
        k->loop_driver().run(*k);
        was_cancelled = k->was_cancelled();
        try { k->finish_main(); } catch (...) { error = std::current_exception(); }
        k.reset();
        // The thread ends on the host's loop, so that nothing of it is left when the token is completed.
        asio::post(host_, [self = shared_from_this(), error, was_cancelled] {
            { std::lock_guard lock(self->mutex_); }
            self->thread_.join();
            self->complete(error, was_cancelled);
        });
    }

    asio::io_context& host_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::unique_ptr<guest_body> body_;
    link_pointer link_;
    guest_driver* driver_{};             // of kernel_
    std::unique_ptr<kernel> kernel_;     // on the host's thread
    std::thread thread_;
    std::mutex mutex_;                   // guards the making of thread_, and what follows
    port_pin thread_port_;
    remote_node cancel_node_;
    bool cancel_sent_{};
};

void guest_service::shutdown() {
    for (;;) {
        std::shared_ptr<guest> g;
        {
            std::lock_guard lock(mutex_);
            if (guests_.empty()) return;
            g = guests_.front();
        }
        g->abandoned();
        forget(g.get());
    }
}

guest_driver* guest_driver::of(link_pointer const& l) {
    guest* g = l->get();
    return g ? g->driver() : nullptr;
}

void guest_driver::pump() {
    ++pumps_;
    kernel& k = *of_kernel;
    if (k.finished()) return;  // look() is on its way
    if (k.turn()) request_turn();
    if (!k.finished() && k.wants_idle()) watch_idleness();
}

// The run has ended, or somebody waits for idleness.
void guest_driver::look() {
    if (of_kernel->finished()) link_->target->finish();
    else if (of_kernel->wants_idle()) watch_idleness();
}

// The host's loop does not tell when it is about to wait. So idle is: no turn of ours, and none asked for, while a handler
// of ours went through its queue twice, and then for as long as whoever waits wants it. Other handlers of the host do not count.
void guest_driver::watch_idleness() {
    if (std::exchange(watching_, true)) return;
    pumps_seen_ = pumps_;
    post(&guest_driver::idle_look);
}

void guest_driver::idle_look() {
    watching_ = false;
    kernel& k = *of_kernel;
    if (k.finished() || !k.wants_idle()) return;
    if (pumps_ != pumps_seen_ || k.has_ready()) { watch_idleness(); return; }
    duration threshold = k.idle_threshold();
    if (threshold == (duration::max)()) return;
    watching_ = true;
    if (!idle_timer_) idle_timer_.emplace(loop_->io());
    idle_timer_->expires_after((std::max)(threshold, duration(std::chrono::microseconds(1))));
    idle_timer_->async_wait([link = link_, seen = pumps_](boost::system::error_code const&) {
        guest_driver* d = of(link);
        if (!d) return;
        d->watching_ = false;
        kernel& k = *d->of_kernel;
        if (k.finished() || !k.wants_idle()) return;
        if (d->pumps_ == seen && !k.has_ready() && k.idle(k.idle_threshold())) d->pump();
        else d->watch_idleness();
    });
}

}  // namespace

void start_guest(boost::asio::io_context& host, guest_options options, std::unique_ptr<guest_body> body) {
    auto g = std::make_shared<guest>(host, std::move(body));
    g->start(options);
}

}  // namespace weft::detail
