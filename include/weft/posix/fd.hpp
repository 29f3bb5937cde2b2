// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_POSIX_FD_HPP
#define WEFT_POSIX_FD_HPP

#include <weft/core/time.hpp>

#include <cstddef>
#include <utility>

namespace weft {

/// Owns a descriptor, and closes it.
///
///     weft::fd pipe(::open("/run/events", O_RDONLY));
///     while (std::size_t n = pipe.read_some(block, sizeof block)) use(block, n);
///
/// Reads and writes wait in the task, on a plain thread in the thread, with O_NONBLOCK or without.
/// Cancellation:  read_some, write_some: raised before anything is read or written, or while they wait: nothing is lost. write_all: also when a
///                part has been written: then nobody can say how much.
/// Throws:        system_error, also for a time-out of SO_RCVTIMEO or SO_SNDTIMEO (EAGAIN), and EBADF if it has none; never SIGPIPE from a
///                socket; cancelled; wrong_domain_error in a callback.
/// Threads:       any, one at a time.    Source: unique_fd of many code bases.
class fd {
public:
    fd() noexcept = default;
    explicit fd(int descriptor) noexcept : fd_(descriptor) {}  ///< negative: none
    fd(fd&& o) noexcept : fd_(o.release()) {}
    fd& operator=(fd&& o) noexcept { reset(o.release()); return *this; }
    ~fd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }  ///< who calls it closes it
    void reset(int descriptor = -1) noexcept;                  ///< closes what it had

    std::size_t read_some(void* to, std::size_t bytes);        ///< at least one byte; 0 at the end, or for no bytes
    std::size_t write_some(void const* from, std::size_t bytes);  ///< all of them, but fewer if it is cancelled after a part, or has O_NONBLOCK
    void write_all(void const* from, std::size_t bytes);

private:
    int fd_ = -1;
};

}  // namespace weft

#endif
