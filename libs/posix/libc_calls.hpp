// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_POSIX_LIBC_CALLS_HPP
#define WEFT_LIBS_POSIX_LIBC_CALLS_HPP

#include <weft/posix/calls.hpp>

namespace weft::detail {

/// The C library's own. Where weft_posix is linked its names stand in front of these, so it puts the next ones here before main.
struct libc_calls {
    ssize_t (*read)(int, void*, size_t);
    ssize_t (*readv)(int, iovec const*, int);
    ssize_t (*write)(int, void const*, size_t);
    ssize_t (*writev)(int, iovec const*, int);
    ssize_t (*recv)(int, void*, size_t, int);
    ssize_t (*recvfrom)(int, void*, size_t, int, sockaddr*, socklen_t*);
    ssize_t (*recvmsg)(int, msghdr*, int);
    ssize_t (*send)(int, void const*, size_t, int);
    ssize_t (*sendto)(int, void const*, size_t, int, sockaddr const*, socklen_t);
    ssize_t (*sendmsg)(int, msghdr const*, int);
    int (*connect)(int, sockaddr const*, socklen_t);
    int (*accept)(int, sockaddr*, socklen_t*);
    int (*accept4)(int, sockaddr*, socklen_t*, int);
    int (*close)(int);
    int (*poll)(pollfd*, nfds_t, int);
    int (*select)(int, fd_set*, fd_set*, fd_set*, timeval*);
    unsigned (*sleep)(unsigned);
    int (*usleep)(useconds_t);
    int (*nanosleep)(timespec const*, timespec*);
    int (*getaddrinfo)(char const*, char const*, addrinfo const*, addrinfo**);
};

extern constinit libc_calls libc;

}  // namespace weft::detail

#endif
