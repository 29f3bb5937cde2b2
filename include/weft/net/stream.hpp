// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_STREAM_HPP
#define WEFT_NET_STREAM_HPP

#include <weft/net/detail/stream_io.hpp>

#include <cstddef>

namespace weft {

/// Anything with Asio's async_read_some: sockets, pipes, descriptors, TLS and Beast streams, testing::memory_stream.
template <class S>
concept readable_stream = detail::fiber_readable<S> || detail::async_readable<S>;
template <class S>
concept writable_stream = detail::fiber_writable<S> || detail::async_writable<S>;

/// Reads what is there: at least one byte, at most what the buffers hold; 0 at the end of the stream.
///
///     while (std::size_t n = weft::read_some(socket, asio::buffer(block))) weft::write_all(socket, asio::buffer(block, n));
///
/// Sockets, pipes and descriptors are asked at once, and the task waits only if nothing is there; other streams run their
/// async_read_some. Instead: buffered_reader, for lines and messages.
/// Blocks:        only if it must wait; a cancellation point always, and of those that need not wait every 16th in a row yields.
/// Cancellation:  raised before anything is read, or while it waits: nothing is lost, unless the stream says otherwise (an
///                asio::ssl::stream is unusable then; a tls_stream is not). What has been read stands, and the next point raises.
/// Throws:        system_error; cancelled; wrong_domain_error; not_running_error.
/// Hazard:        one reader at a time: what two of them get is in no order.
/// Complexity:    one system call; no allocation once warm.    Threads: the runtime's own.    Source: Trio's receive_some.
template <readable_stream S, class Buffers>
std::size_t read_some(S& stream, Buffers const& to) {
    if constexpr (detail::fiber_readable<S>) return stream.read_some(to);
    else return detail::read_once(stream, to).take_read("weft::read_some");
}

/// The same, but the error is reported. A cancellation while it waits sets operation_aborted, and the next point raises. Throws: cancelled, before it starts.
template <readable_stream S, class Buffers>
    requires(!detail::fiber_readable<S>)
std::size_t read_some(S& stream, Buffers const& to, boost::system::error_code& ec) {
    return detail::read_once(stream, to).report(ec);
}

/// Writes all of the buffers, or of a string.
///
/// Sockets, pipes and descriptors take what they can at once, and the task waits only for room for the rest.
/// Blocks:        only if it must wait; a cancellation point always, and of those that need not wait every 16th in a row yields.
/// Cancellation:  raised before anything is written; or while it waits, when a part has been written: then nobody can say what the
///                other side has, so close the stream. The form with an error_code returns how much was written.
/// Throws:        system_error (broken_pipe or connection_reset where the other side has gone; never SIGPIPE from a socket); cancelled;
///                wrong_domain_error; not_running_error.
/// Hazard:        one writer at a time: what two of them write is mixed.
/// Complexity:    one system call, more if it waits; no allocation once warm.    Threads: the runtime's own.    Source: Trio's send_all.
template <writable_stream S, class Buffers>
void write_all(S& stream, Buffers const& from) {
    if constexpr (detail::fiber_writable<S>) stream.write_all(from);
    else detail::write_whole(stream, detail::as_buffers(from)).take_write("weft::write_all");
}

/// The same, but the error is reported. Returns the bytes that were written.
template <writable_stream S, class Buffers>
    requires(!detail::fiber_writable<S>)
std::size_t write_all(S& stream, Buffers const& from, boost::system::error_code& ec) {
    return detail::write_whole(stream, detail::as_buffers(from)).report(ec);
}

}  // namespace weft

#endif
