// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_DETAIL_OWNED_SOCKET_HPP
#define WEFT_NET_DETAIL_OWNED_SOCKET_HPP

#include <weft/net/detail/stream_io.hpp>
#include <weft/sync/resource_guard.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <utility>

namespace weft::detail {

[[noreturn]] WEFT_COLD void throw_closed_socket(char const* call);
[[noreturn]] WEFT_COLD void throw_broken_stream(char const* call);

/// What weft's own sockets refer to: whoever waits in an operation holds it, so that the object itself may be moved, closed or
/// destroyed meanwhile.
template <class Socket>
struct owned_socket : boost::intrusive_ref_counter<owned_socket<Socket>, boost::thread_unsafe_counter> {
    explicit owned_socket(Socket&& s) : socket(std::move(s)) {}

    Socket socket;
    resource_guard reading{"a socket, for reading"}, writing{"a socket, for writing"};
    bool closed{};
    int earlier_error{};  ///< errno of a datagram sent before, that a send came upon; for the receiver
    bool cut{};  ///< a write ended half way: what comes next would be taken for the rest of it

    void check_open(char const* call) const { if (closed) throw_closed_socket(call); }
    /// Those who wait wake with closed_resource_error.
    void close() noexcept {
        closed = true;
        boost::system::error_code ignored;
        socket.close(ignored);
    }
    /// What an error of an operation means once the socket has been closed under it.
    void check_closed(io_outcome const& o, char const* call) const {
        if (closed && o.code && !o.cancelled()) throw_closed_socket(call);
    }
};

template <class Socket>
class owned_socket_pointer {
public:
    owned_socket_pointer() = default;
    explicit owned_socket_pointer(Socket&& s) : p_(new owned_socket<Socket>(std::move(s))) {}
    owned_socket_pointer(owned_socket_pointer&&) = default;
    owned_socket_pointer& operator=(owned_socket_pointer&& o) noexcept {
        if (this != &o) { close(); p_ = std::move(o.p_); }
        return *this;
    }
    ~owned_socket_pointer() { close(); }

    /// Holds it for an operation.
    boost::intrusive_ptr<owned_socket<Socket>> open(char const* call) const {
        if (!p_) throw_closed_socket(call);
        p_->check_open(call);
        return p_;
    }
    owned_socket<Socket>& get(char const* call) const {
        if (!p_) throw_closed_socket(call);
        return *p_;
    }
    bool is_open() const noexcept { return p_ && !p_->closed; }
    void close() noexcept { if (is_open()) p_->close(); }

private:
    boost::intrusive_ptr<owned_socket<Socket>> p_;  // null when moved from
};

}  // namespace weft::detail

#endif
