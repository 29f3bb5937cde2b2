// SPDX-License-Identifier: BSL-1.0
#include <weft/net/detail/stream_io.hpp>

#include <weft/core/lowlevel.hpp>

#include "core/kernel.hpp"
#include "core/self.hpp"
#include "net/uninterrupted.hpp"

#include <bitset>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <sys/socket.h>

namespace weft::detail {

namespace {

/// What this thread remembers of descriptors, by their low bits. Hints only: a wrong one, of a descriptor that was closed and opened again
/// or that shares its place, costs a system call or a turn of the loop.
constexpr std::size_t remembered = 4096;
struct fd_hints {
    std::bitset<remembered> emptied;      ///< the last read got less than it had room for: the next would most likely find nothing
    std::bitset<remembered> must_be_waited_for;  ///< cannot be asked not to block
};
thread_local fd_hints hints;

std::size_t place(int fd) noexcept { return static_cast<unsigned>(fd) % remembered; }

// RWF_NOWAIT and not O_NONBLOCK: that belongs to the open file, which other processes may share, and setting it costs a call.
template <class Call>
ssize_t file_now(int fd, Call call) noexcept {
    if (hints.must_be_waited_for[place(fd)]) { errno = EAGAIN; return -1; }
    ssize_t n = uninterrupted(call);
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {  // terminals; pipes before Linux 6.4
        hints.must_be_waited_for[place(fd)] = true;
        errno = EAGAIN;
    }
    return n;
}

}  // namespace

void io_outcome::fail(char const* call) const {
    if (cancelled()) lowlevel::raise_cancelled();
    throw boost::system::system_error(code, call);
}

void io_point(char const* call) {
    task_record& t = self(call);  // first: outside of a run there is no kernel to ask
    this_kernel->cancel_point(t);
}

void io_did_not_wait() { if (this_kernel->count_inline_completion()) this_kernel->yield(*this_kernel->current()); }

bool worth_reading(int fd) noexcept { return !hints.emptied[place(fd)]; }
// Not at the end of the stream: Asio 1.26 does not look again after it has seen it, but waits for an edge that never comes.
void note_read(int fd, std::size_t bytes, std::size_t room) noexcept { hints.emptied[place(fd)] = bytes > 0 && bytes < room; }

ssize_t read_now(fd_kind kind, int fd, iovec* v, int n) noexcept {
    if (kind == fd_kind::file) return file_now(fd, [&] { return ::preadv2(fd, v, n, -1, RWF_NOWAIT); });
    if (n == 1) return uninterrupted([&] { return ::recv(fd, v->iov_base, v->iov_len, MSG_DONTWAIT); });
    msghdr m{};
    m.msg_iov = v;
    m.msg_iovlen = static_cast<std::size_t>(n);
    return uninterrupted([&] { return ::recvmsg(fd, &m, MSG_DONTWAIT); });
}

ssize_t write_now(fd_kind kind, int fd, iovec* v, int n) noexcept {
    if (kind == fd_kind::file) return file_now(fd, [&] { return ::pwritev2(fd, v, n, -1, RWF_NOWAIT); });
    if (n == 1) return uninterrupted([&] { return ::send(fd, v->iov_base, v->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL); });
    msghdr m{};
    m.msg_iov = v;
    m.msg_iovlen = static_cast<std::size_t>(n);
    return uninterrupted([&] { return ::sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL); });
}

}  // namespace weft::detail
