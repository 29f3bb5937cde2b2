// SPDX-License-Identifier: BSL-1.0
#include "descriptors.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

namespace proxy {

using boost::system::error_code;

std::size_t connections_with_descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    // A socket on each side; and the process's own: streams, epoll, timer, signals, listener, a look-up, a second attempt to connect.
    constexpr rlim_t each = 2, others = 16;
    return std::clamp<rlim_t>(limit.rlim_cur > others ? (limit.rlim_cur - others) / each : 1, 1, 1'000'000);
}

bool of_capacity(error_code const& e) {
    return e.category() == boost::system::system_category() && (e.value() == EMFILE || e.value() == ENFILE || e.value() == ENOBUFS || e.value() == ENOMEM);
}

spare_descriptor::spare_descriptor(error_code& ec) : fd_(::eventfd(0, EFD_CLOEXEC)) {
    ec = fd_ < 0 ? error_code(errno, boost::system::system_category()) : error_code();
}

void spare_descriptor::give_up() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace proxy
