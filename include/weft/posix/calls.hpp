// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_POSIX_CALLS_HPP
#define WEFT_POSIX_CALLS_HPP

#include <netdb.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/// libc's blocking calls: same arguments, results and errno, but in a task the task waits, and the thread goes on.
///
///     ssize_t n = weft::posix::recv(fd, buffer, sizeof buffer, 0);      // -1 and errno as from ::recv
///
/// Each asks the kernel first without waiting, and waits by readiness; O_NONBLOCK, MSG_DONTWAIT, SO_RCVTIMEO and SO_SNDTIMEO keep their meaning,
/// and time-outs follow the run's clock. On plain threads, outside of a run, they are libc's. doc/reference/posix.md says what differs.
///
/// Blocks:        if it must wait; the others get their turn, now and then, if it need not.
/// Cancellation:  raised before anything was transferred; what was transferred is returned, and the next point raises. `close`, regular files and
///                descriptors with O_NONBLOCK are no cancellation points.
/// Throws:        cancelled; wrong_domain_error in a callback; not_running_error in a run without an io_context. Errors of the call are errno.
/// Threads:       any.
namespace weft::posix {

ssize_t read(int fd, void* to, size_t n);
ssize_t readv(int fd, iovec const* to, int parts);
ssize_t write(int fd, void const* from, size_t n);
ssize_t writev(int fd, iovec const* from, int parts);

ssize_t recv(int fd, void* to, size_t n, int flags);
ssize_t recvfrom(int fd, void* to, size_t n, int flags, sockaddr* from, socklen_t* length);
ssize_t recvmsg(int fd, msghdr* message, int flags);
ssize_t send(int fd, void const* from, size_t n, int flags);
ssize_t sendto(int fd, void const* from, size_t n, int flags, sockaddr const* to, socklen_t length);
ssize_t sendmsg(int fd, msghdr const* message, int flags);

/// Cancelled while it waits, or timed out (SO_SNDTIMEO: EINPROGRESS): the kernel goes on connecting; close the socket.
int connect(int fd, sockaddr const* to, socklen_t length);
int accept(int fd, sockaddr* from, socklen_t* length);
int accept4(int fd, sockaddr* from, socklen_t* length, int flags);
/// Never blocks. Tasks of this run that wait for fd in one of these calls end with EBADF.
int close(int fd);

int poll(pollfd* fds, nfds_t n, int milliseconds);
/// As Linux does it: the time that is left is written back.
int select(int n, fd_set* read, fd_set* write, fd_set* except, timeval* timeout);

unsigned sleep(unsigned seconds);
int usleep(useconds_t microseconds);
int nanosleep(timespec const* time, timespec* left);

/// On a helper thread (to_thread). Cancelled, the caller leaves at once, and the answer is dropped.
int getaddrinfo(char const* node, char const* service, addrinfo const* hints, addrinfo** result);

}  // namespace weft::posix

#endif
