// SPDX-License-Identifier: BSL-1.0
// One read or write of a stream: the system call first, the asynchronous operation only where that would block.
#ifndef WEFT_NET_DETAIL_STREAM_IO_HPP
#define WEFT_NET_DETAIL_STREAM_IO_HPP

#include <weft/asio/use_fiber.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <array>
#include <concepts>
#include <span>
#include <string_view>
#include <sys/uio.h>

namespace boost::asio {
template <class Protocol, class Executor> class basic_stream_socket;
template <class Executor> class basic_readable_pipe;
template <class Executor> class basic_writable_pipe;
namespace posix { template <class Executor> class basic_stream_descriptor; }
}  // namespace boost::asio

namespace weft::detail {

/// What a read or write came to. Bytes and an error may come together.
struct io_outcome {
    std::size_t bytes{};
    boost::system::error_code code{};
    bool asked{};  ///< weft passed a cancellation on to the operation

    /// Of a read: the bytes, or what the error means. Bytes beat a cancellation, but not another error.
    std::size_t take_read(char const* call) const {
        if (code && !(cancelled() && bytes > 0)) [[unlikely]] fail(call);
        return bytes;
    }
    /// Of a write: all of it, or what the error means.
    void take_write(char const* call) const { if (code) [[unlikely]] fail(call); }
    std::size_t report(boost::system::error_code& ec) const noexcept { ec = code; return bytes; }
    bool cancelled() const noexcept { return asked && code == boost::system::errc::operation_canceled; }

private:
    [[noreturn]] WEFT_COLD void fail(char const* call) const;
};

/// The token of these operations: never throws for an error of the stream, has a name in the dump, and is no cancellation point before it
/// starts, as that has been passed. In a scope that is cancelled already the operation is started and told so at once.
struct outcome_token { char const* what; };

/// Streams of weft's own: their members block the task. (Those of Asio's sockets block the thread.)
template <class S> concept fiber_readable = requires { typename S::fiber_reads; };
template <class S> concept fiber_writable = requires { typename S::fiber_writes; };
template <class S>
concept async_readable = requires(S& s, boost::asio::mutable_buffer b, outcome_token t) { { s.async_read_some(b, t) } -> std::same_as<io_outcome>; };
template <class S>
concept async_writable = requires(S& s, boost::asio::const_buffer b, outcome_token t) { { s.async_write_some(b, t) } -> std::same_as<io_outcome>; };

/// How a stream's own descriptor is read and written without waiting. Exactly these types: one derived from them may do more.
enum class fd_kind : unsigned char { none, socket, file };
template <class S> inline constexpr fd_kind kind_of = fd_kind::none;
template <class P, class E> inline constexpr fd_kind kind_of<boost::asio::basic_stream_socket<P, E>> = fd_kind::socket;
template <class E> inline constexpr fd_kind kind_of<boost::asio::basic_readable_pipe<E>> = fd_kind::file;
template <class E> inline constexpr fd_kind kind_of<boost::asio::basic_writable_pipe<E>> = fd_kind::file;
template <class E> inline constexpr fd_kind kind_of<boost::asio::posix::basic_stream_descriptor<E>> = fd_kind::file;

/// The cancellation point at the start of an operation.
void io_point(char const* call);
/// After one that did not wait: others get their turn, now and then.
void io_did_not_wait();
/// Whether a read is worth a system call: not after one that has emptied it, as Asio's operation begins with a call of its own.
bool worth_reading(int fd) noexcept;
void note_read(int fd, std::size_t bytes, std::size_t room) noexcept;
/// Bytes, or -1 and errno.
ssize_t read_now(fd_kind kind, int fd, iovec* v, int n) noexcept;
ssize_t write_now(fd_kind kind, int fd, iovec* v, int n) noexcept;

template <class Buffers>
decltype(auto) as_buffers(Buffers const& b) {
    if constexpr (std::is_convertible_v<Buffers const&, std::string_view>) { std::string_view s = b; return boost::asio::const_buffer(s.data(), s.size()); }
    else return (b);
}

/// The parts of a buffer sequence behind its first bytes, as many as fit. In the frame of who waits: no allocation.
template <class Part, std::size_t N>
struct buffer_parts {
    std::array<Part, N> parts;  // uninitialised but for the first n
    std::size_t n = 0, bytes = 0;

    template <class Buffers>
    explicit buffer_parts(Buffers const& all, std::size_t skip = 0) noexcept {
        auto end = boost::asio::buffer_sequence_end(all);
        for (auto i = boost::asio::buffer_sequence_begin(all); i != end && n < N; ++i) {
            using buffer = std::conditional_t<std::is_convertible_v<decltype(*i), boost::asio::mutable_buffer>, boost::asio::mutable_buffer, boost::asio::const_buffer>;
            buffer b(*i);
            std::size_t cut = (std::min)(skip, b.size());
            skip -= cut;
            b += cut;
            if (b.size() == 0) continue;
            if constexpr (std::is_same_v<Part, iovec>) parts[n] = {const_cast<void*>(static_cast<void const*>(b.data())), b.size()};
            else parts[n] = b;
            ++n;
            bytes += b.size();
        }
    }
};
template <class Buffers>
inline constexpr std::size_t parts_of = std::is_convertible_v<Buffers const&, boost::asio::const_buffer> ? 1 : 64;
template <class Buffers> using io_vector = buffer_parts<iovec, parts_of<Buffers>>;

/// A read of at least one byte. The end of the stream is no error: no bytes and no code.
template <class S, class Buffers>
io_outcome read_once(S& s, Buffers const& to) {
    io_point("read_some");
    io_vector<Buffers> v(to);
    if (v.bytes == 0) { io_did_not_wait(); return {}; }
    int fd = -1;
    if constexpr (kind_of<S> != fd_kind::none) {
        fd = s.native_handle();
        if (worth_reading(fd)) {
            ssize_t n = read_now(kind_of<S>, fd, v.parts.data(), static_cast<int>(v.n));
            if (n >= 0) {
                note_read(fd, static_cast<std::size_t>(n), v.bytes);
                io_did_not_wait();
                return {static_cast<std::size_t>(n), {}};
            }
            if (errno != EAGAIN) {
                io_outcome failed{0, {errno, boost::system::system_category()}};
                io_did_not_wait();
                return failed;
            }
        }
    }
    io_outcome o = s.async_read_some(to, outcome_token{"read_some"});
    if (o.code && o.code == boost::asio::error::eof) o.code.clear();
    if constexpr (kind_of<S> != fd_kind::none) note_read(fd, o.bytes, v.bytes);
    return o;
}

/// Writes everything, in as many calls as it takes.
template <class S, class Buffers>
io_outcome write_whole(S& s, Buffers const& from) {
    io_point("write_all");
    std::size_t done = 0, all = boost::asio::buffer_size(from);
    bool waited = false;
    io_outcome o;
    if constexpr (kind_of<S> != fd_kind::none) {
        if (all > 0) {
            io_vector<Buffers> v(from);
            ssize_t n = write_now(kind_of<S>, s.native_handle(), v.parts.data(), static_cast<int>(v.n));
            if (n >= 0) done = static_cast<std::size_t>(n);
            else if (errno != EAGAIN) o.code.assign(errno, boost::system::system_category());
        }
    }
    while (done < all && !o.code) {
        buffer_parts<boost::asio::const_buffer, (std::min)(parts_of<Buffers>, std::size_t{16})> rest(from, done);
        waited = true;
        if constexpr (parts_of<Buffers> == 1) o = s.async_write_some(rest.parts[0], outcome_token{"write_all"});
        else o = s.async_write_some(std::span<boost::asio::const_buffer const>(rest.parts.data(), rest.n), outcome_token{"write_all"});
        done += o.bytes;
    }
    if (!waited) io_did_not_wait();
    if (done == all) return {all, {}};
    o.bytes = done;
    return o;
}

}  // namespace weft::detail

namespace boost::asio {

/// A transfer, or a wait for readiness.
template <class... Bytes>
class async_result<weft::detail::outcome_token, void(boost::system::error_code, Bytes...)> {
public:
    using return_type = weft::detail::io_outcome;
    template <class Initiation, class... Args>
    static return_type initiate(Initiation&& initiation, weft::detail::outcome_token token, Args&&... args) {
        using signature = void(boost::system::error_code, Bytes...);
        weft::detail::typed_operation<signature> op(token.what, weft::detail::operation::start_point::passed);
        std::forward<Initiation>(initiation)(weft::detail::fiber_handler<signature>(op), std::forward<Args>(args)...);
        op.wait();
        auto const& result = std::get<1>(op.stored);
        std::size_t bytes = 0;
        if constexpr (sizeof...(Bytes) == 1) bytes = std::get<1>(result);
        return {bytes, std::get<0>(result), op.asked()};
    }
};

}  // namespace boost::asio

#endif
