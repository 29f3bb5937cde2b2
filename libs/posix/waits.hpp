// SPDX-License-Identifier: BSL-1.0
// What the calls have in common: who calls, whether it may wait, and waiting.
#ifndef WEFT_LIBS_POSIX_WAITS_HPP
#define WEFT_LIBS_POSIX_WAITS_HPP

#include <weft/core/time.hpp>

#include "posix/libc_calls.hpp"

namespace weft::detail {

/// True in a task; false on a plain thread, which makes libc's call. Throws wrong_domain_error in a callback.
bool in_task(char const* call);
/// No call on it waits: O_NONBLOCK, or a file. These are left alone: no cancellation point and no turn for others, as whoever calls may hold
/// a lock (Asio does), and what a program writes to its files while it is being cancelled is written.
bool never_waits(int fd) noexcept;
/// The cancellation point at the start of a call on fd.
void fd_point(int fd);
/// After a call on fd that did not wait. Keeps errno.
void fd_did_not_wait(int fd);
/// After an accept that did not: who connects is taken many a turn. Keeps errno.
void accept_did_not_wait(int fd);

/// After `cancelled` was caught, to be told as an error of a call: it is not swallowed, and the next point raises again. Lets the others run, as who is
/// told may try again and again.
void told_as_error() noexcept;

/// The waits of one call for one descriptor.
class fd_patience {
public:
    /// `timeout_option`: SO_RCVTIMEO or SO_SNDTIMEO, which is asked for if it comes to waiting; 0: none.
    fd_patience(char const* call, int fd, short events, int timeout_option) noexcept : call_(call), fd_(fd), events_(events), option_(timeout_option) {}
    /// 0: try again. Otherwise the errno of the call: EAGAIN if it may not wait, or not any longer. Raises `cancelled`;
    /// ECANCELED if something was `transferred`: that is what the call returns, and the next point raises.
    int wait(bool transferred = false);
    /// True if the kernel says now that it is ready, or will not be.
    bool ready() const noexcept;
    bool waited() const noexcept { return rounds_ > 0; }
    bool timed_out() const noexcept { return timed_out_; }

private:
    char const* call_;
    int fd_;
    short events_;
    int option_;
    unsigned rounds_{};
    bool timed_out_{};
    time_point deadline_{never};  ///< known from the first round on
};

}  // namespace weft::detail

#endif
