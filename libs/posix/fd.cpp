// SPDX-License-Identifier: BSL-1.0
#include <weft/posix/fd.hpp>

#include <weft/posix/calls.hpp>
#include <weft/posix/readiness.hpp>

#include <cerrno>
#include <fcntl.h>
#include <system_error>

namespace weft {
namespace {

// After a call that failed: returns if it is to be made again.
void after_failure(char const* call, int descriptor, bool writing) {
    int e = errno;
    if (e == EINTR) return;
    // Of a descriptor that does not wait, nothing is there yet; of one that does, its own time is over.
    if ((e == EAGAIN || e == EWOULDBLOCK) && ::fcntl(descriptor, F_GETFL) & O_NONBLOCK) {
        if (writing) wait_writable(descriptor);
        else wait_readable(descriptor);
        return;
    }
    throw std::system_error(e, std::system_category(), call);
}

}  // namespace

void fd::reset(int descriptor) noexcept {
    int old = std::exchange(fd_, descriptor);
    if (old >= 0 && old != descriptor) posix::close(old);
}

std::size_t fd::read_some(void* to, std::size_t bytes) {
    for (;;) {
        ssize_t n = posix::read(fd_, to, bytes);
        if (n >= 0) return static_cast<std::size_t>(n);
        after_failure("weft::fd::read_some", fd_, false);
    }
}

std::size_t fd::write_some(void const* from, std::size_t bytes) {
    for (bool socket = true; bytes > 0;) {
        ssize_t n = socket ? posix::send(fd_, from, bytes, MSG_NOSIGNAL) : posix::write(fd_, from, bytes);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (socket && errno == ENOTSOCK) socket = false;
        else after_failure("weft::fd::write_some", fd_, true);
    }
    return 0;
}

void fd::write_all(void const* from, std::size_t bytes) {
    for (auto* at = static_cast<char const*>(from); bytes > 0;) {
        std::size_t n = write_some(at, bytes);  // after a part of it, the next call raises
        at += n;
        bytes -= n;
    }
}

}  // namespace weft
