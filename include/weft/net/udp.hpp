// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_UDP_HPP
#define WEFT_NET_UDP_HPP

#include <weft/net/detail/owned_socket.hpp>

#include <boost/asio/ip/udp.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

/// A UDP socket.
///
///     weft::udp_socket server = weft::udp_socket::bind({udp::v4(), 5353});
///     auto d = server.receive_from(asio::buffer(block));
///     server.send_to(asio::buffer(block, d.size), d.from);
///
/// Each call sends or receives one datagram, and tries at once before it waits. It may be closed, moved or destroyed while a task waits: that wakes
/// with closed_resource_error (rule 114). One task receives at a time (rule 113); any number send.
/// Cancellation:  of every operation: raised before it has an effect, or while it waits; no datagram is lost, and none is sent in part.
/// Errors:        of datagrams that were sent before (ICMP: connection_refused where nobody listens there, host_unreachable), which Linux tells
///                a connected socket alone: receive throws the latest, once; send never does, as its own datagram has not failed.
/// Threads:       the runtime's own.
class udp_socket {
public:
    using endpoint_type = boost::asio::ip::udp::endpoint;

    /// What was received.
    struct datagram {
        std::size_t size{};    ///< bytes in the buffers; 0 is a datagram, too
        endpoint_type from;
        std::size_t dropped{}; ///< bytes beyond the buffers, which are lost
        bool truncated() const noexcept { return dropped > 0; }
    };

    udp_socket() = default;  ///< not open
    udp_socket(boost::asio::ip::udp::socket s) : state_(std::move(s)) {}
    /// Receives what comes to an address; port 0 for a free one. Never blocks. Throws: system_error.
    static udp_socket bind(endpoint_type const& at);
    /// Exchanges datagrams with one other side only. Never blocks: nothing is sent. Throws: system_error, where there is no route.
    static udp_socket connect(endpoint_type const& to);

    /// Waits for a datagram. Blocks: a cancellation point always. Throws: system_error (see above); closed_resource_error; busy_resource_error;
    /// misuse_error for more than 64 buffers.
    template <class Buffers>
    datagram receive_from(Buffers const& to) {
        detail::io_vector<Buffers> v(to);
        check_parts(v.bytes, boost::asio::buffer_size(to));
        return do_receive(v.parts.data(), v.n, v.bytes);
    }
    /// Sends a datagram. Blocks: a cancellation point always; waits only for room in the socket's queue. Throws: system_error (message_size beyond
    /// 65,507 bytes); closed_resource_error; misuse_error for more than 64 buffers.
    template <class Buffers>
    void send_to(Buffers const& from, endpoint_type const& to) {
        send_parts(from, &to);
    }
    /// The same, to the side that it is connected to.
    template <class Buffers>
    void send(Buffers const& from) { send_parts(from, nullptr); }

    endpoint_type local_endpoint() { return socket().local_endpoint(); }
    /// Never blocks. Again: nothing.
    void close() noexcept { state_.close(); }
    bool is_open() const noexcept { return state_.is_open(); }
    /// For its options. Throws: closed_resource_error if it was moved from.
    boost::asio::ip::udp::socket& socket() { return state_.get("udp_socket::socket").socket; }

private:
    template <class Buffers>
    void send_parts(Buffers const& from, endpoint_type const* to) {
        decltype(auto) buffers = detail::as_buffers(from);
        detail::io_vector<std::decay_t<decltype(buffers)>> v(buffers);
        check_parts(v.bytes, boost::asio::buffer_size(buffers));
        do_send(v.parts.data(), v.n, to);
    }
    static void check_parts(std::size_t taken, std::size_t all);
    datagram do_receive(iovec* v, std::size_t n, std::size_t room);
    void do_send(iovec* v, std::size_t n, endpoint_type const* to);

    detail::owned_socket_pointer<boost::asio::ip::udp::socket> state_;
};

/// A socket connected to a host by name or number: to the first of its addresses that there is a route to.
/// Blocks, is cancelled: as resolve_tcp. Throws: system_error.
udp_socket connect_udp(std::string const& host, std::uint16_t port);

}  // namespace weft

#endif
