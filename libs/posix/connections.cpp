// SPDX-License-Identifier: BSL-1.0
#include <weft/posix/calls.hpp>

#include "asio/fd_waits.hpp"
#include "core/kernel.hpp"
#include "posix/waits.hpp"

#include <cerrno>
#include <fcntl.h>

namespace weft {

using detail::fd_patience;
using detail::libc;

namespace {

// There is no flag for a connect that does not wait: O_NONBLOCK is set for this one call, on a socket that nobody uses yet.
int connect_now(int fd, sockaddr const* to, socklen_t length) noexcept {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return libc.connect(fd, to, length);
    int r = libc.connect(fd, to, length), e = errno;
    ::fcntl(fd, F_SETFL, flags);
    errno = e;
    return r;
}

}  // namespace

int posix::connect(int fd, sockaddr const* to, socklen_t length) {
    if (!detail::in_task("posix::connect") || detail::never_waits(fd)) return libc.connect(fd, to, length);
    detail::fd_point(fd);
    fd_patience patience("posix::connect", fd, POLLOUT, SO_SNDTIMEO);
    while (connect_now(fd, to, length) != 0) {  // the second call tells the result, and has the kernel note that it was told
        bool full = errno == EAGAIN;  // a Unix listener's queue: nothing tells when it has room
        if (errno == EISCONN && patience.waited()) break;
        if (!full && errno != EINPROGRESS && errno != EALREADY) return -1;
        do {
            if (int e = patience.wait()) { errno = e == EAGAIN && !full ? EINPROGRESS : e; return -1; }
        } while (!full && !patience.ready());
    }
    if (!patience.waited()) detail::fd_did_not_wait(fd);
    return 0;
}

int posix::accept4(int fd, sockaddr* from, socklen_t* length, int flags) {
    if (!detail::in_task("posix::accept")) return libc.accept4(fd, from, length, flags);
    detail::fd_point(fd);
    fd_patience patience("posix::accept", fd, POLLIN, SO_RCVTIMEO);
    while (!patience.ready()) {
        if (int e = patience.wait()) {
            if (e == EAGAIN && !patience.timed_out()) break;  // O_NONBLOCK, or no listener: the kernel says so itself
            errno = e;
            return -1;
        }
    }
    int r = libc.accept4(fd, from, length, flags);
    if (!patience.waited()) detail::accept_did_not_wait(fd);
    return r;
}

int posix::accept(int fd, sockaddr* from, socklen_t* length) { return posix::accept4(fd, from, length, 0); }

int posix::close(int fd) {
    detail::fd_closing(fd);
    return libc.close(fd);
}

}  // namespace weft
