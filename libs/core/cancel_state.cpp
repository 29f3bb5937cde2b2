// SPDX-License-Identifier: BSL-1.0
#include <weft/core/cancel_state.hpp>

#include "core/kernel.hpp"

namespace weft {

namespace {
void check_thread(detail::kernel* k, char const* call) {
    if (k && k != detail::this_kernel) {
        throw wrong_domain_error(detail::message("W012", std::string(call) + " from another thread than the run's",
            "a scope belongs to one runtime, whose thread alone may change it.",
            "post the call to the runtime: asio::post(executor, [&]{ scope.cancel(); })."));
    }
}
}  // namespace

cancel_state::~cancel_state() { WEFT_ASSERT(!kernel_, "a cancel scope was destroyed while a task is inside it"); }

void cancel_state::cancel(std::string_view reason) {
    if (cancelled_) return;
    check_thread(kernel_, "cancel_state::cancel");
    auto info = std::make_shared<cancel_info>();
    info->reason = reason;
    info->scope = name_;
    detail::kernel* k = detail::this_kernel;
    if (k && k->current()) {
        info->source_task = k->current()->id_;
        info->source_name = k->current()->name_.get();
    }
    if (kernel_) kernel_->cancel(*this, std::move(info));
    else {
        cancelled_ = true;
        info_ = std::move(info);
        if (source_) source_->request_stop();
    }
}

bool cancel_state::cancel_called() const {
    if (cancelled_) return true;
    check_thread(kernel_, "cancel_state::cancel_called");
    if (deadline_ == never) return false;
    detail::kernel* k = detail::this_kernel;
    time_point now = k ? k->now() : std::chrono::steady_clock::now();
    if (deadline_ > now) return false;
    if (kernel_) kernel_->expire_chain(const_cast<cancel_state*>(this), now);
    return !entered_ || cancelled_;
}

std::string_view cancel_state::reason() const noexcept { return info_ ? std::string_view(info_->reason) : std::string_view(); }

void cancel_state::set_deadline(time_point when) {
    check_thread(kernel_, "cancel_state::set_deadline");
    relative_ = duration{-1};
    deadline_ = when;
    if (kernel_) kernel_->deadline_changed(*this);
}

void cancel_state::set_relative(duration d) {
    check_thread(kernel_, "cancel_state::set_deadline_after");
    if (kernel_) set_deadline(detail::saturating_add(kernel_->now(), d));
    else { relative_ = d; deadline_ = never; }
}

time_point cancel_state::deadline() const {
    if (relative_.count() >= 0) detail::throw_misuse("cancel_state::deadline of a scope with a relative deadline that was not entered",
                                                     "a relative deadline counts from entry; read it inside the scope.");
    return deadline_;
}

void cancel_state::set_shield(bool on) {
    check_thread(kernel_, "cancel_state::set_shield");
    if (shield_ == on) return;
    shield_ = on;
    if (kernel_) kernel_->recompute(*this);
}

std::stop_token cancel_state::stop_token() {
    if (!source_) {
        source_ = std::make_unique<std::stop_source>();
        if (stop_ || effective_ || cancelled_) source_->request_stop();
    }
    return source_->get_token();
}

void cancel_state::request_stop() {
    check_thread(kernel_, "cancel_state::request_stop");
    if (kernel_) kernel_->request_stop(*this);
    else {
        stop_ = true;
        if (source_) source_->request_stop();
    }
}

}  // namespace weft
