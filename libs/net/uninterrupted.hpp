// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_NET_UNINTERRUPTED_HPP
#define WEFT_LIBS_NET_UNINTERRUPTED_HPP

#include <cerrno>
#include <sys/types.h>

namespace weft::detail {

/// Makes the system call again as long as a signal comes in between.
template <class Call>
ssize_t uninterrupted(Call call) {
    ssize_t n;
    do n = call(); while (n < 0 && errno == EINTR);
    return n;
}

}  // namespace weft::detail

#endif
