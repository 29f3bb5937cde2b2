// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_POSIX_SOCKET_STREAMBUF_HPP
#define WEFT_POSIX_SOCKET_STREAMBUF_HPP

#include <weft/posix/fd.hpp>

#include <cstddef>
#include <streambuf>
#include <system_error>
#include <vector>

namespace weft {

/// Standard streams on a socket or pipe: operator>>, std::getline and operator<< wait in the task.
///
///     weft::socket_streambuf buffer(std::move(socket));      // a weft::fd; or an int, which stays the caller's
///     std::iostream peer(&buffer);
///     peer << "EHLO me\r\n" << std::flush;
///     std::string answer;
///     std::getline(peer, answer);
///
/// A read that must ask the socket sends first what was written, so that a question is not waited for with its answer.
/// Errors:        standard streams swallow exceptions of their buffer: the stream is bad(), and error() says why. With
///                stream.exceptions(std::ios::badbit) they leave as system_error. The end of the stream is eof(), and no error.
/// Cancellation:  at each call of the socket; an error like the others (ECANCELED), which the stream may keep to itself, and the next cancellation
///                point of weft's raises. Nothing is lost or sent twice: after clear() reading and flushing go on where they stopped.
/// Hazard:        destroyed, it sends what the socket takes at once, and drops the rest: flush before.
/// Threads:       any, one at a time.    Complexity: a system call for each full buffer.    Source: std::filebuf.
class socket_streambuf : public std::streambuf {
public:
    explicit socket_streambuf(int socket, std::size_t buffer = 4096) : socket_streambuf(fd(), socket, buffer) {}
    explicit socket_streambuf(fd socket, std::size_t buffer = 4096) : socket_streambuf(std::move(socket), -1, buffer) {}
    ~socket_streambuf() override;

    int get() const noexcept { return owned_ ? owned_.get() : lent_.get(); }
    /// Of the last call that failed; none if none did.
    std::error_code const& error() const noexcept { return error_; }

protected:
    int_type underflow() override;
    int_type overflow(int_type c) override;
    int sync() override;

private:
    socket_streambuf(fd owned, int lent, std::size_t buffer);
    fd& socket() noexcept { return owned_ ? owned_ : lent_; }
    void send_all();
    void sent(std::size_t bytes) noexcept;
    template <class F> std::size_t with_error(F f);

    fd owned_;
    fd lent_;  ///< released, not closed
    std::vector<char> in_, out_;
    std::error_code error_;
};

}  // namespace weft

#endif
