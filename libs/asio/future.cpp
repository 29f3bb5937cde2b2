// SPDX-License-Identifier: BSL-1.0
#include <weft/asio/future.hpp>

#include "core/kernel.hpp"

namespace weft::detail {

home_port::home_port(void const* context) noexcept : port_(nullptr) {
    if (!this_kernel || !context) return;
    try {
        boost::asio::execution_context const& own = current_loop().io();
        if (context != std::addressof(own)) return;
    } catch (not_running_error const&) { return; }  // a run without an io_context
    port_ = &this_kernel->port();
    port_->retain();
}

home_port::~home_port() { if (port_) port_->release(); }
bool home_port::is_here() const noexcept { return this_kernel && port_ == &this_kernel->port(); }
bool home_port::push(remote_node& n) const noexcept { return port_->push(n); }

}  // namespace weft::detail
