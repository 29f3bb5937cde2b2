// SPDX-License-Identifier: BSL-1.0
#include <weft/threads/blocking_portal.hpp>

#include <weft/sync/event.hpp>

#include "core/kernel.hpp"

#include <optional>
#include <thread>

namespace weft {

using detail::this_kernel;

blocking_portal::blocking_portal(nursery& n) {
    if (!this_kernel) detail::throw_outside("blocking_portal");
    if (n.record().run != this_kernel) {
        throw wrong_domain_error(detail::message("W012", "a blocking_portal was made for a nursery of another runtime", "", "make it in a task of the nursery's own run."));
    }
    run_ = detail::run_ref(this_kernel->port());
    home_ = std::make_shared<detail::call_home>();
    home_->nursery = &n.record();
}

void blocking_portal::throw_closed() {
    throw closed_resource_error(detail::message("W064", "blocking_portal::start_soon: the portal is closed", "its nursery has ended.", "stop the callers first."));
}

std::exception_ptr blocking_portal::cancelled_error(cancelled const& c) {
    return std::make_exception_ptr(task_cancelled_error(detail::message("W063", "blocking_portal::start_soon: the task was cancelled before it had a result",
                                                                       std::string(c.reason()), "")));
}

// --- a thread of its own ---

struct portal_thread::state {
    shared::event up, stop;
    std::optional<blocking_portal> portal;  // empty: the run did not come up
    std::exception_ptr error;
    std::thread thread;

    void main(run_options const& options) {
        try {
            weft::run(options, [this] {
                with_nursery({.name = "portal_thread"}, [this](nursery& n) {
                    auto home = std::make_shared<detail::call_home>(detail::call_home{&n.record()});
                    portal.emplace(detail::run_ref(this_kernel->port()), home);
                    up.set();
                    stop.wait();
                    home->nursery = nullptr;
                    n.cancel("portal_thread::stop");
                });
            });
        } catch (...) {
            error = std::current_exception();
        }
        up.set();
    }
};

portal_thread::portal_thread(run_options options) : state_(std::make_unique<state>()) {
    state_->thread = std::thread([s = state_.get(), options = std::move(options)] { s->main(options); });
    state_->up.wait();
    if (state_->portal) return;
    state_->thread.join();
    std::rethrow_exception(state_->error);
}

portal_thread::~portal_thread() {
    if (!state_->thread.joinable()) return;
    state_->stop.set();
    state_->thread.join();
}

blocking_portal& portal_thread::portal() noexcept { return *state_->portal; }

void portal_thread::stop() {
    if (!state_->thread.joinable()) return;
    state_->stop.set();
    state_->thread.join();
    if (state_->error) std::rethrow_exception(state_->error);
}

}  // namespace weft
