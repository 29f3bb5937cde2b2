// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_ASIO_FD_WAITS_HPP
#define WEFT_LIBS_ASIO_FD_WAITS_HPP

#include <weft/core/lowlevel.hpp>
#include <weft/core/time.hpp>

#include <cstddef>
#include <poll.h>

namespace weft::detail {

/// Parks the running task until one of the descriptors may have what its `events` ask for, or an error to tell. May come early: the caller asks
/// again. Returns 0, ETIMEDOUT, EBADF where a task closed one by fd_closing(), or what epoll said (ENOMEM, ENOSPC, EMFILE). Raises
/// `cancelled`, or returns ECANCELED if it shall not.
///
/// Descriptors are anybody's: they may be closed, and their numbers used again, behind weft's back. So nothing is remembered of them between two waits.
int wait_for_fds(char const* call, pollfd const* fds, std::size_t n, time_point deadline, bool raises = true);

/// False in a run without an io_context. Precondition: in a run.
bool can_wait_for_fds() noexcept;

/// A task or a callback is about to close fd: who waits for it on this run is woken, and told EBADF.
void fd_closing(int fd) noexcept;

/// Descriptors that weft's runs hold for these waits, for ledgers.
std::size_t fds_of_fd_waits() noexcept;

}  // namespace weft::detail

#endif
