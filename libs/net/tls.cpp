// SPDX-License-Identifier: BSL-1.0
#include <weft/net/tls.hpp>

#include "net/tls_openssl.hpp"

namespace weft {

std::string const& tls_client_context::server_name() const noexcept { return data_->server_name(); }

tls_stream<boost::asio::ip::tcp::socket> tls_connect(std::string const& host, std::uint16_t port, tls_client_options const& options) {
    return tls_connect(host, port, tls_client_context(options));
}

tls_stream<boost::asio::ip::tcp::socket> tls_connect(std::string const& host, std::uint16_t port, tls_client_context const& context, connect_options const& how) {
    return tls_handshake_client(connect_tcp(host, port, how), context, context.server_name().empty() ? host : context.server_name());
}

}  // namespace weft
