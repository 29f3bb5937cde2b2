// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_REUSE_PORT_HPP
#define WEFT_THREADS_REUSE_PORT_HPP

#include <weft/asio/executor.hpp>

#include <boost/asio/ip/tcp.hpp>

namespace weft {

/// A listening socket of this run on an endpoint that other shards listen on too (SO_REUSEPORT): the kernel spreads new
/// connections over them. Port 0 picks one; hand local_endpoint() to the others.
///
/// Blocks: never. Throws: boost::system::system_error, naming the step that failed; not_running_error.
boost::asio::ip::tcp::acceptor listen_reuse_port(boost::asio::ip::tcp::endpoint const& endpoint, int backlog = boost::asio::socket_base::max_listen_connections);

}  // namespace weft

#endif
