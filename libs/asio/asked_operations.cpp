// SPDX-License-Identifier: BSL-1.0
#include "asio/asked_operations.hpp"

#include "core/kernel.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace weft::detail {

namespace asio = boost::asio;

asio::execution_context::id asked_operations::id;

asked_operations::asked_operations(asio::execution_context& context)
    : service(context), io_(static_cast<asio::io_context&>(context)), timer_(io_) {}

void asked_operations::add(operation& o) {
    push_back(o);
    round_ = 0;
    if (posted_) return;
    timer_.cancel();
    schedule();
}

void asked_operations::remove(operation& o) noexcept {
    unlink(o);
    if (size_ == 0) timer_.cancel();  // it counts as work of the loop
}

void asked_operations::ask_again() {
    resume_later never_inside;  // of a canceller: tasks that it wakes may destroy what it still uses
    // Each once: asking may end operations, this one or others, and add new ones.
    for (std::size_t n = size_; n > 0 && first_; --n) {
        operation& o = *first_;
        if (o.kernel_ != this_kernel) return;  // a host's second thread, which the run refuses
        unlink(o);
        push_back(o);
        o.ask();
    }
    ++round_;
    if (size_ > 0 && !posted_) schedule();
}

void asked_operations::schedule() {
    if (round_ < passes) {
        asio::post(io_, [this] { posted_ = false; ask_again(); });
        posted_ = true;
    } else {
        timer_.expires_after(std::chrono::milliseconds(std::min(1 << std::min(round_ - passes, 10), 1'000)));
        timer_.async_wait([this](boost::system::error_code const& e) { if (!e && !posted_) ask_again(); });
    }
}

void asked_operations::push_back(operation& o) noexcept {
    o.asked_next_ = nullptr;
    o.asked_prev_ = last_;
    (last_ ? last_->asked_next_ : first_) = &o;
    last_ = &o;
    ++size_;
}

void asked_operations::unlink(operation& o) noexcept {
    (o.asked_prev_ ? o.asked_prev_->asked_next_ : first_) = o.asked_next_;
    (o.asked_next_ ? o.asked_next_->asked_prev_ : last_) = o.asked_prev_;
    --size_;
}

}  // namespace weft::detail
