// SPDX-License-Identifier: BSL-1.0
#include <weft/net/udp.hpp>

#include <weft/asio/executor.hpp>
#include <weft/net/connect.hpp>

#include "net/uninterrupted.hpp"

#include <boost/system/system_error.hpp>

#include <cerrno>
#include <exception>
#include <sys/socket.h>

namespace weft {
namespace {

namespace asio = boost::asio;
using udp = asio::ip::udp;

[[noreturn]] void throw_system(int e, char const* what) { throw boost::system::system_error(e, boost::system::system_category(), what); }

/// Errors that a network reports of a datagram that was sent before.
bool is_of_an_earlier_one(int e) noexcept {
    switch (e) {
        case ECONNREFUSED: case EHOSTUNREACH: case ENETUNREACH: case EHOSTDOWN: case ENOPROTOOPT: case EPROTO: case ENONET: return true;
        default: return false;
    }
}

/// Waits until the call is worth another try. The wait's own errors come with the call, but for those of closing.
template <class State>
void wait_for(State& s, udp::socket::wait_type what, char const* call) {
    detail::io_outcome o = s.socket.async_wait(what, detail::outcome_token{call});
    s.check_closed(o, call);
    if (o.code) o.take_write(call);
}

}  // namespace

udp_socket udp_socket::bind(endpoint_type const& at) { return udp_socket(udp::socket(get_executor(), at)); }

udp_socket udp_socket::connect(endpoint_type const& to) {
    udp::socket s(get_executor(), to.protocol());
    s.connect(to);
    return udp_socket(std::move(s));
}

void udp_socket::check_parts(std::size_t taken, std::size_t all) {
    if (taken != all) detail::throw_misuse("a datagram in more than 64 buffers", "copy it into one.");
}

udp_socket::datagram udp_socket::do_receive(iovec* v, std::size_t n, std::size_t room) {
    constexpr char const* call = "udp_socket::receive_from";
    auto s = state_.open(call);
    resource_guard::scoped alone(s->reading);
    detail::io_point(call);
    for (bool waited = false;; waited = true) {
        datagram d;
        msghdr m{};
        m.msg_name = d.from.data();
        m.msg_namelen = static_cast<socklen_t>(d.from.capacity());
        m.msg_iov = v;
        m.msg_iovlen = n;
        // With MSG_TRUNC the answer is what the datagram had, whatever there was room for.
        ssize_t r = detail::uninterrupted([&] { return ::recvmsg(s->socket.native_handle(), &m, MSG_DONTWAIT | MSG_TRUNC); });
        int e = errno;
        if (r < 0 && e == EAGAIN && s->earlier_error == 0) {
            wait_for(*s, udp::socket::wait_read, call);
            continue;
        }
        if (!waited) detail::io_did_not_wait();
        if (r < 0) throw_system(e == EAGAIN ? std::exchange(s->earlier_error, 0) : e, call);
        d.from.resize(m.msg_namelen);
        d.size = (std::min)(static_cast<std::size_t>(r), room);
        d.dropped = static_cast<std::size_t>(r) - d.size;
        return d;
    }
}

void udp_socket::do_send(iovec* v, std::size_t n, endpoint_type const* to) {
    constexpr char const* call = "udp_socket::send";
    auto s = state_.open(call);
    detail::io_point(call);
    msghdr m{};
    if (to) {
        m.msg_name = const_cast<void*>(static_cast<void const*>(to->data()));
        m.msg_namelen = static_cast<socklen_t>(to->size());
    }
    m.msg_iov = v;
    m.msg_iovlen = n;
    bool waited = false, told = false;
    for (;;) {
        if (detail::uninterrupted([&] { return ::sendmsg(s->socket.native_handle(), &m, MSG_DONTWAIT | MSG_NOSIGNAL); }) >= 0) break;
        int e = errno;
        if (e == EAGAIN) {
            waited = true;
            wait_for(*s, udp::socket::wait_write, call);
        } else if (is_of_an_earlier_one(e) && !std::exchange(told, true)) {
            s->earlier_error = e;  // it has been told, and this datagram was not sent: once more
        } else {
            throw_system(e, call);
        }
    }
    if (!waited) detail::io_did_not_wait();
}

udp_socket connect_udp(std::string const& host, std::uint16_t port) {
    std::exception_ptr last;
    for (auto const& e : resolve_tcp(host, port)) {
        try { return udp_socket::connect({e.address(), e.port()}); } catch (boost::system::system_error const&) { last = std::current_exception(); }
    }
    if (last) std::rethrow_exception(last);
    throw boost::system::system_error(asio::error::host_not_found, "weft::connect_udp: " + host);
}

}  // namespace weft
