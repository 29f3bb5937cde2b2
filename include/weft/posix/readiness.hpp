// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_POSIX_READINESS_HPP
#define WEFT_POSIX_READINESS_HPP

#include <weft/core/time.hpp>

namespace weft {

/// Waits until a read from any descriptor would not wait, or has an error or the end to tell. For libraries that own a descriptor and
/// have calls that do not block (libpq, OpenSSL, zeromq, libcurl's multi interface).
///
///     while (!library_try(handle)) weft::wait_readable(library_fd(handle));
///
/// Blocks:        the task; a plain thread likewise. Lets others run, now and then, if it need not wait. Regular files are always readable.
/// Returns:       false if the deadline came first.
/// Cancellation:  raised before or while it waits; readiness that has come stands.
/// Throws:        cancelled; system_error: EBADF, also if a task of this run closes fd by posix::close meanwhile; wrong_domain_error in a callback.
/// Threads:       any; several tasks may wait for one descriptor.    Complexity: a system call if it is ready, else three, and no allocation.
bool wait_readable(int fd, time_point deadline = never);
/// The same for writing; a connecting socket is writable when it is connected, or has failed.
bool wait_writable(int fd, time_point deadline = never);

}  // namespace weft

#endif
