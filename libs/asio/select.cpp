// SPDX-License-Identifier: BSL-1.0
#include <weft/asio/select.hpp>

#include <weft/task/cancel_scope.hpp>

namespace weft::detail {

void readiness::finish(boost::system::error_code const& e) noexcept {
    if (!emitting_) signal_.slot().clear();
    error_ = e;
    done_ = true;
    if (waiter* w = queue_.take()) w->wake();
    ended_.set();
}

void readiness::end() {
    if (!started_ || done_) return;
    emitting_ = true;
    signal_.emit(boost::asio::cancellation_type::terminal);
    emitting_ = false;
    if (done_) { signal_.slot().clear(); return; }
    cancel_scope s;
    s.set_shield(true);
    s.run([&] { ended_.wait(); });
}

}  // namespace weft::detail
