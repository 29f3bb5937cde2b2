// SPDX-License-Identifier: BSL-1.0
// Reading and writing. Sockets are asked with MSG_DONTWAIT, as O_NONBLOCK belongs to the open file, which others share. Other files have no such
// flag, so the kernel is asked first whether they are ready; a pipe that is has room for PIPE_BUF bytes.
#include <weft/posix/calls.hpp>

#include "posix/waits.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>

namespace weft {

using detail::fd_patience;
using detail::libc;

namespace {

/// A part of an iovec list: behind its first bytes, and not more than a limit. What does not fit is another call's.
struct slice {
    std::array<iovec, 16> parts;
    int n{};

    slice(iovec const* all, std::size_t count, std::size_t skip, std::size_t limit = SIZE_MAX) noexcept {
        for (; count > 0 && limit > 0 && n < static_cast<int>(parts.size()); ++all, --count) {
            std::size_t cut = std::min(skip, all->iov_len), rest = std::min(all->iov_len - cut, limit);
            skip -= cut;
            if (rest == 0) continue;
            limit -= rest;
            parts[static_cast<std::size_t>(n++)] = {static_cast<char*>(all->iov_base) + cut, rest};
        }
    }
};

std::size_t size_of(iovec const* v, std::size_t n) noexcept {
    std::size_t all = 0;
    for (; n > 0; ++v, --n) all += v->iov_len;
    return all;
}

bool fails(int e) noexcept { errno = e; return false; }

bool is_stream(int fd) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

msghdr message_of(iovec const* v, int n) noexcept {
    msghdr m{};
    m.msg_iov = const_cast<iovec*>(v);
    m.msg_iovlen = static_cast<std::size_t>(n);
    return m;
}

// After a call on a socket that failed: waits, and returns true if it is to be made again. Otherwise errno says why not; `other` is set if fd is no socket.
bool again(fd_patience& patience, bool transferred, bool* other) {
    if (errno == EINTR) return true;
    if (errno == ENOTSOCK && other) *other = true;
    if (errno != EAGAIN) return false;
    int e = patience.wait(transferred);
    return e == 0 || fails(e);
}

// Sets `other`, and does nothing, if fd is no socket.
ssize_t receive(char const* call, int fd, msghdr& m, int flags, bool* other = nullptr) {
    bool whole = flags & MSG_WAITALL && !(flags & MSG_PEEK);
    std::size_t all = whole ? size_of(m.msg_iov, m.msg_iovlen) : 0, done = 0;
    fd_patience patience(call, fd, POLLIN, SO_RCVTIMEO);
    msghdr now = m;
    for (;;) {
        slice rest(m.msg_iov, done ? m.msg_iovlen : 0, done);
        if (done) now = message_of(rest.parts.data(), rest.n);  // a sender's name and control data came with the first part
        ssize_t n = libc.recvmsg(fd, &now, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);
        if (n >= 0) {
            if (!done) { auto* iov = m.msg_iov; auto parts = m.msg_iovlen; m = now; m.msg_iov = iov; m.msg_iovlen = parts; }
            done += static_cast<std::size_t>(n);
            if (n > 0 && whole && done < all && is_stream(fd)) continue;
            break;
        }
        if (again(patience, done > 0, other)) continue;
        if (done) break;
        return -1;
    }
    if (!patience.waited()) detail::fd_did_not_wait(fd);
    return static_cast<ssize_t>(done);
}

// All of it, as a socket that blocks does.
ssize_t transmit(char const* call, int fd, msghdr const& m, int flags, bool* other = nullptr) {
    std::size_t all = size_of(m.msg_iov, m.msg_iovlen), done = 0;
    fd_patience patience(call, fd, POLLOUT, SO_SNDTIMEO);
    msghdr now = m;
    for (;;) {
        slice rest(m.msg_iov, done ? m.msg_iovlen : 0, done);
        if (done) now = message_of(rest.parts.data(), rest.n);
        ssize_t n = libc.sendmsg(fd, &now, flags | MSG_DONTWAIT);
        if (n >= 0) {
            done += static_cast<std::size_t>(n);
            if (done >= all || n == 0) break;
            if (!patience.waited() && detail::never_waits(fd)) break;
            continue;
        }
        if (again(patience, done > 0, other)) continue;
        if (done) break;
        return -1;
    }
    if (!patience.waited()) detail::fd_did_not_wait(fd);
    return static_cast<ssize_t>(done);
}

// A pipe, a terminal, a device: true when it is ready, or the call will not wait: an end that cannot be read or written is never ready.
bool file_ready(fd_patience& patience, int fd, int wrong_way, bool transferred = false) {
    if (patience.ready() || (::fcntl(fd, F_GETFL) & O_ACCMODE) == wrong_way) return true;
    do if (int e = patience.wait(transferred)) return e == EAGAIN || fails(e);  // EAGAIN: O_NONBLOCK, the kernel says so itself
    while (!patience.ready());
    return true;
}

ssize_t read_file(char const* call, int fd, iovec const* v, int n) {
    fd_patience patience(call, fd, POLLIN, 0);
    if (!file_ready(patience, fd, O_WRONLY)) return -1;
    ssize_t r = n == 1 ? libc.read(fd, v->iov_base, v->iov_len) : libc.readv(fd, v, n);
    if (!patience.waited()) detail::fd_did_not_wait(fd);
    return r;
}

ssize_t write_file(char const* call, int fd, iovec const* v, int n) {
    std::size_t all = size_of(v, static_cast<std::size_t>(n)), done = 0;
    if (all > PIPE_BUF && detail::never_waits(fd)) return libc.writev(fd, v, n);
    fd_patience patience(call, fd, POLLOUT, 0);
    do {
        ssize_t r = -1;
        if (file_ready(patience, fd, O_RDONLY, done > 0)) {
            slice rest(v, static_cast<std::size_t>(n), done, PIPE_BUF);
            r = all <= PIPE_BUF ? libc.writev(fd, v, n) : libc.writev(fd, rest.parts.data(), rest.n);
        }
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) return done ? static_cast<ssize_t>(done) : r;
        done += static_cast<std::size_t>(r);
        if (all <= PIPE_BUF) break;
    } while (done < all);
    if (!patience.waited()) detail::fd_did_not_wait(fd);
    return static_cast<ssize_t>(done);
}

bool plain(iovec const* v, int n) noexcept {  // what the kernel answers at once
    return n <= 0 || n > IOV_MAX || !v || size_of(v, static_cast<std::size_t>(n)) == 0;
}

}  // namespace

namespace posix {

ssize_t readv(int fd, iovec const* to, int parts) {
    if (!detail::in_task("posix::readv") || plain(to, parts)) return libc.readv(fd, to, parts);
    detail::fd_point(fd);
    msghdr m = message_of(to, parts);
    bool other = false;
    ssize_t n = receive("posix::read", fd, m, 0, &other);
    return other ? read_file("posix::read", fd, to, parts) : n;
}

ssize_t writev(int fd, iovec const* from, int parts) {
    if (!detail::in_task("posix::writev") || plain(from, parts)) return libc.writev(fd, from, parts);
    detail::fd_point(fd);
    bool other = false;
    ssize_t n = transmit("posix::write", fd, message_of(from, parts), 0, &other);
    return other ? write_file("posix::write", fd, from, parts) : n;
}

ssize_t read(int fd, void* to, size_t n) {
    if (!detail::in_task("posix::read") || n == 0) return libc.read(fd, to, n);
    iovec v{to, n};
    return posix::readv(fd, &v, 1);
}

ssize_t write(int fd, void const* from, size_t n) {
    if (!detail::in_task("posix::write") || n == 0) return libc.write(fd, from, n);
    iovec v{const_cast<void*>(from), n};
    return posix::writev(fd, &v, 1);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
    if (!detail::in_task("posix::recvmsg") || flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) return libc.recvmsg(fd, message, flags);
    detail::fd_point(fd);
    return receive("posix::recvmsg", fd, *message, flags);
}

ssize_t recvfrom(int fd, void* to, size_t n, int flags, sockaddr* from, socklen_t* length) {
    if (!detail::in_task("posix::recvfrom") || flags & (MSG_DONTWAIT | MSG_ERRQUEUE) || (from && !length)) return libc.recvfrom(fd, to, n, flags, from, length);
    detail::fd_point(fd);
    iovec v{to, n};
    msghdr m = message_of(&v, 1);
    m.msg_name = from;
    m.msg_namelen = from ? *length : 0;
    ssize_t r = receive("posix::recvfrom", fd, m, flags);
    if (r >= 0 && from) *length = m.msg_namelen;
    return r;
}

ssize_t recv(int fd, void* to, size_t n, int flags) {
    if (!detail::in_task("posix::recv") || flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) return libc.recv(fd, to, n, flags);
    return posix::recvfrom(fd, to, n, flags, nullptr, nullptr);
}

ssize_t sendmsg(int fd, msghdr const* message, int flags) {
    if (!detail::in_task("posix::sendmsg") || flags & MSG_DONTWAIT) return libc.sendmsg(fd, message, flags);
    detail::fd_point(fd);
    return transmit("posix::sendmsg", fd, *message, flags);
}

ssize_t sendto(int fd, void const* from, size_t n, int flags, sockaddr const* to, socklen_t length) {
    if (!detail::in_task("posix::sendto") || flags & MSG_DONTWAIT) return libc.sendto(fd, from, n, flags, to, length);
    iovec v{const_cast<void*>(from), n};
    msghdr m = message_of(&v, 1);
    m.msg_name = const_cast<sockaddr*>(to);
    m.msg_namelen = to ? length : 0;
    return posix::sendmsg(fd, &m, flags);
}

ssize_t send(int fd, void const* from, size_t n, int flags) {
    if (!detail::in_task("posix::send") || flags & MSG_DONTWAIT) return libc.send(fd, from, n, flags);
    return posix::sendto(fd, from, n, flags, nullptr, 0);
}

}  // namespace posix
}  // namespace weft
