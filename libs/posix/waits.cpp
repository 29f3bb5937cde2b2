// SPDX-License-Identifier: BSL-1.0
#include "posix/waits.hpp"

#include "asio/fd_waits.hpp"
#include "core/self.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace weft::detail {

constinit libc_calls libc{::read, ::readv, ::write, ::writev, ::recv, ::recvfrom, ::recvmsg, ::send, ::sendto, ::sendmsg, ::connect, ::accept, ::accept4,
                          ::close, ::poll, ::select, ::sleep, ::usleep, ::nanosleep, ::getaddrinfo};

bool in_task(char const* call) {
    if (running_task) return true;
    if (this_kernel) throw_outside(call);
    return false;
}

bool never_waits(int fd) noexcept {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || flags & O_NONBLOCK) return true;
    struct stat s;
    return ::fstat(fd, &s) != 0 || S_ISREG(s.st_mode) || S_ISDIR(s.st_mode) || S_ISBLK(s.st_mode);
}

void fd_point(int fd) {
    kernel& k = *this_kernel;
    task_record& t = *running_task;
    if (k.probe() || k.must_raise(t)) [[unlikely]] { if (!never_waits(fd)) k.cancel_point(t); }
}

namespace {
void others_turn(int fd, kernel::inline_cost cost) {
    if (!this_kernel->count_inline_completion(cost)) return;
    int e = errno;
    if (!never_waits(fd)) this_kernel->yield(*running_task);
    errno = e;
}
}  // namespace

void fd_did_not_wait(int fd) { others_turn(fd, kernel::inline_cost::transfer); }
void accept_did_not_wait(int fd) { others_turn(fd, kernel::inline_cost::look); }

void told_as_error() noexcept {
    running_task->raised_ = false;
    this_kernel->yield(*running_task);
}

bool fd_patience::ready() const noexcept {
    pollfd p{fd_, events_, 0};
    return libc.poll(&p, 1, 0) != 0;
}

int fd_patience::wait(bool transferred) {
    // After some rounds in which the kernel said "ready" and then did not do it (a Unix socket whose peer is full), ask once a millisecond.
    constexpr unsigned eager = 4;
    if (rounds_++ == 0) {
        if (never_waits(fd_)) return EAGAIN;
        timeval limit{};
        socklen_t size = sizeof limit;
        if (option_ && ::getsockopt(fd_, SOL_SOCKET, option_, &limit, &size) == 0 && (limit.tv_sec || limit.tv_usec)) {
            deadline_ = saturating_add(this_kernel->now(), std::chrono::seconds(limit.tv_sec) + std::chrono::microseconds(limit.tv_usec));
        }
    }
    pollfd p{fd_, events_, 0};
    bool pause = rounds_ > eager && ready();
    time_point until = pause ? std::min(deadline_, saturating_add(this_kernel->now(), std::chrono::milliseconds(1))) : deadline_;
    int e = wait_for_fds(call_, &p, pause ? 0 : 1, until, !transferred);
    if (e != ETIMEDOUT) return e;
    timed_out_ = !pause || until == deadline_;
    return timed_out_ ? EAGAIN : 0;
}

}  // namespace weft::detail
