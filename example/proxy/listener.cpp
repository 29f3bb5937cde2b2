// SPDX-License-Identifier: BSL-1.0
#include "listener.hpp"

#include <weft/net/connect.hpp>

#include <cerrno>

namespace proxy {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

tcp::acceptor listen_at(address const& where) {
    auto at = where.host.empty() ? tcp::endpoint(tcp::v6(), where.port) : weft::resolve_tcp(where.host, where.port).at(0);
    try {
        return tcp::acceptor(weft::get_executor(), at);  // [::] takes IPv4, too
    } catch (boost::system::system_error const& e) {
        if (!where.host.empty() || e.code() != asio::error::address_family_not_supported) throw;
        return tcp::acceptor(weft::get_executor(), tcp::endpoint(tcp::v4(), where.port));
    }
}

}  // namespace

listener::listener(address const& where, accounts const& books) : acceptor_(listen_at(where)), books_(books) { acceptor_.non_blocking(true); }

arrival listener::async_accept(weft::use_fiber_t::with_error report) {
    error_code& ec = *report.code;
    tcp::socket client(acceptor_.get_executor());
    acceptor_.async_wait(tcp::acceptor::wait_read, weft::use_fiber[ec]);  // first: a spare that is held while nobody comes would be missing elsewhere
    if (!ec && books_.without_descriptor > 0) ec = error_code(EMFILE, boost::system::system_category());
    if (ec) return {std::move(client), {}};
    spare_descriptor spare(ec);
    if (!ec) acceptor_.accept(client, ec);  // does not wait
    return {std::move(client), std::move(spare)};
}

}  // namespace proxy
