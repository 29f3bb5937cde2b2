// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_SERVER_HPP
#define BOARD_SERVER_HPP

#include "site.hpp"

#include <weft/task/nursery.hpp>

#include <boost/asio/ip/tcp.hpp>

namespace board {

/// Serves the site until a stop is requested of the nursery around it, and the connections have ended.
void serve_site(site& s, boost::asio::ip::tcp::endpoint const& at, std::size_t max_connections, weft::task_status<boost::asio::ip::tcp::endpoint>& started);

}  // namespace board

#endif
