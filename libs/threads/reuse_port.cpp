// SPDX-License-Identifier: BSL-1.0
#include <weft/threads/reuse_port.hpp>

#include <sys/socket.h>

namespace weft {

boost::asio::ip::tcp::acceptor listen_reuse_port(boost::asio::ip::tcp::endpoint const& endpoint, int backlog) {
    namespace asio = boost::asio;
    using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    asio::ip::tcp::acceptor a(get_executor());
    a.open(endpoint.protocol());
    a.set_option(asio::ip::tcp::acceptor::reuse_address(true));
    a.set_option(reuse_port(true));
    a.bind(endpoint);
    a.listen(backlog);
    return a;
}

}  // namespace weft
