// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_SOCKET_STREAM_HPP
#define WEFT_NET_SOCKET_STREAM_HPP

#include <weft/core/time.hpp>
#include <weft/net/detail/owned_socket.hpp>
#include <weft/net/stream.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <cstddef>
#include <utility>

namespace weft {

/// A connection that may be closed, moved or destroyed while a task waits on it, and that one task at a time reads and one writes.
///
///     weft::tcp_stream stream = weft::connect_tcp("example.org", 80);
///     weft::write_all(stream, "GET / HTTP/1.0\r\n\r\n");
///     for (std::string& line : weft::buffered_reader(stream).lines(8192)) …
///
/// It owns an Asio socket, which weft::read_some and write_all also take as it is; then a task that waits when the socket is closed gets
/// operation_aborted, and the socket has to outlive it. For TLS and Beast use the socket.
/// Threads: the runtime's own.    Source: Trio's SocketStream.
template <class Protocol>
class basic_socket_stream {
public:
    using socket_type = typename Protocol::socket;
    using fiber_reads = void;
    using fiber_writes = void;

    basic_socket_stream() = default;  ///< not open
    basic_socket_stream(socket_type s) : state_(std::move(s)) {}  ///< not explicit: what connect and serve give becomes a stream
    basic_socket_stream(basic_socket_stream&&) = default;
    basic_socket_stream& operator=(basic_socket_stream&&) = default;

    /// As weft::read_some. Throws, too: closed_resource_error if it is closed, before or meanwhile (rule 114); busy_resource_error
    /// for a second reader (rule 113).
    template <class Buffers>
    std::size_t read_some(Buffers const& to) {
        auto s = state_.open("stream.read_some");
        resource_guard::scoped alone(s->reading);
        detail::io_outcome o = detail::read_once(s->socket, to);
        s->check_closed(o, "stream.read_some");
        return o.take_read("weft::read_some");
    }

    /// As weft::write_all. Throws, too: closed_resource_error, busy_resource_error for a second writer; broken_resource_error after a
    /// write that was cancelled, or failed, half way: what follows would be taken for its rest.
    template <class Buffers>
    void write_all(Buffers const& from) {
        auto s = state_.open("stream.write_all");
        resource_guard::scoped alone(s->writing);
        if (s->cut) detail::throw_broken_stream("stream.write_all");
        decltype(auto) buffers = detail::as_buffers(from);
        detail::io_outcome o = detail::write_whole(s->socket, buffers);
        if (o.code && o.bytes > 0) s->cut = true;
        s->check_closed(o, "stream.write_all");
        o.take_write("weft::write_all");
    }

    /// Nothing more will be written: the other side reads the end of the stream, and may go on writing. Never blocks.
    /// Throws: system_error, but not where the other side has gone; closed_resource_error; busy_resource_error while a task writes.
    void shutdown_write() {
        auto s = state_.open("stream.shutdown_write");
        resource_guard::scoped alone(s->writing);
        boost::system::error_code ec;
        s->socket.shutdown(socket_type::shutdown_send, ec);
        if (ec && ec != boost::asio::error::not_connected) throw boost::system::system_error(ec, "weft::basic_socket_stream::shutdown_write");
    }

    /// Closes. Tasks that wait on it wake with closed_resource_error. What has been written is still sent, unless the other side has sent
    /// something that was not read: then TCP resets the connection. Again: nothing. Never blocks.
    void close() noexcept { state_.close(); }

    /// Ends the connection in order: shuts writing down, reads and drops what still comes until the other side has closed, too, for `grace`
    /// at most, and closes. So that an answer is not lost in a reset because the request was not read to its end.
    /// Blocks:        always a checkpoint, until then.
    /// Cancellation:  and errors: it is closed in any case, and a cancellation is raised then (rule 121).
    /// Throws:        cancelled; nothing about the connection. With a task that reads or writes it closes at once.
    void close_gracefully(duration grace = std::chrono::seconds(5));

    bool is_open() const noexcept { return state_.is_open(); }
    /// For its options and addresses. Throws: closed_resource_error if it was moved from.
    socket_type& socket() { return state_.get("stream.socket").socket; }

private:
    detail::owned_socket_pointer<socket_type> state_;
};

using tcp_stream = basic_socket_stream<boost::asio::ip::tcp>;
using unix_stream = basic_socket_stream<boost::asio::local::stream_protocol>;

extern template void basic_socket_stream<boost::asio::ip::tcp>::close_gracefully(duration);
extern template void basic_socket_stream<boost::asio::local::stream_protocol>::close_gracefully(duration);

}  // namespace weft

#endif
