// SPDX-License-Identifier: BSL-1.0
#include <weft/net/connect.hpp>

#include <weft/asio/executor.hpp>
#include <weft/asio/use_fiber.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/threads/to_thread.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>

namespace weft {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

boost::system::error_code look_up_error(int e) {
    switch (e) {
        case EAI_AGAIN: return asio::error::host_not_found_try_again;
        case EAI_NONAME: case EAI_NODATA: case EAI_ADDRFAMILY: return asio::error::host_not_found;
        case EAI_FAIL: return asio::error::no_recovery;
        case EAI_MEMORY: return asio::error::no_memory;
        case EAI_SYSTEM: return {errno, boost::system::system_category()};
        default: return asio::error::no_recovery;
    }
}

// getaddrinfo and not Asio's resolver: that cannot be cancelled, and is awaited to its end.
std::vector<tcp::endpoint> look_up(std::string const& host, std::uint16_t port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    if (int e = ::getaddrinfo(host.c_str(), nullptr, &hints, &found)) throw boost::system::system_error(look_up_error(e), "weft::resolve_tcp: " + host);
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::vector<tcp::endpoint> all;
    for (addrinfo const* a = found; a; a = a->ai_next) {
        tcp::endpoint e;
        if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) || a->ai_addrlen > e.capacity()) continue;
        std::memcpy(e.data(), a->ai_addr, a->ai_addrlen);
        e.port(port);
        all.push_back(e);
    }
    return all;
}

std::string text_of(tcp::endpoint const& e) {
    std::string a = e.address().to_string();
    return (e.address().is_v6() ? "[" + a + "]" : a) + ":" + std::to_string(e.port());
}

tcp::socket connect_to(std::string const& whom, std::vector<tcp::endpoint> const& addresses, connect_options const& options) {
    duration delay = detail::checked_wait(options.attempt_delay, "connect_options::attempt_delay");
    std::vector<connect_error::attempt> failures;
    bool six = !addresses.empty() && addresses.front().address().is_v6();
    auto order = detail::interleave(addresses, [&](tcp::endpoint const& e) { return e.address().is_v6() == six; });
    auto socket = detail::happy_eyeballs(order, delay, [&](tcp::endpoint const& e) {
        tcp::socket s(get_executor());
        s.open(e.protocol());
        s.async_connect(e, use_fiber);
        if (options.no_delay) s.set_option(tcp::no_delay(true));
        return s;
    }, failures);
    if (socket) return std::move(*socket);
    std::string why;
    for (auto const& f : failures) why += (why.empty() ? "" : "; ") + text_of(f.endpoint) + ": " + f.error.message();
    std::string text = detail::message("W110", "connect_tcp: cannot connect to " + whom + detail::in_task(), failures.empty() ? "it has no address." : why + ".",
                                       "see whether the name and the port are right, and whether somebody listens there.");
    throw connect_error(std::move(text), std::move(failures));
}

}  // namespace

std::vector<tcp::endpoint> resolve_tcp(std::string const& host, std::uint16_t port) {
    boost::system::error_code ec;
    auto address = asio::ip::make_address(host, ec);
    if (!ec) {
        checkpoint();
        return {tcp::endpoint(address, port)};
    }
    return to_thread([host, port] { return look_up(host, port); }, {.abandon_on_cancel = true, .name = "resolve"});
}

tcp::socket connect_tcp(std::string const& host, std::uint16_t port, connect_options const& options) {
    return connect_to("\"" + host + "\" port " + std::to_string(port), resolve_tcp(host, port), options);
}

tcp::socket connect_tcp(std::vector<tcp::endpoint> addresses, connect_options const& options) {
    return connect_to(std::to_string(addresses.size()) + (addresses.size() == 1 ? " address" : " addresses"), addresses, options);
}

}  // namespace weft
