// SPDX-License-Identifier: BSL-1.0
#include <weft/posix/readiness.hpp>

#include "asio/fd_waits.hpp"
#include "core/kernel.hpp"
#include "posix/waits.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace weft {

namespace detail {
namespace {

/// As poll(), until a time of the run's clock.
int poll_until(char const* call, pollfd* fds, nfds_t n, time_point deadline) {
    this_kernel->cancel_point(*running_task);
    int found = libc.poll(fds, n, 0);
    if (found != 0) {
        int e = errno;
        if (this_kernel->count_inline_completion(kernel::inline_cost::look)) this_kernel->yield(*running_task);
        errno = e;
        return found;
    }
    for (;;) {
        int e = wait_for_fds(call, fds, n, deadline);
        if (e != 0 && e != ETIMEDOUT && e != EBADF) { errno = e; return -1; }
        found = libc.poll(fds, n, 0);  // of a closed descriptor it says POLLNVAL
        if (found != 0 || e == ETIMEDOUT) return found;
        if (e == EBADF && n == 1) {  // closed, and its number is in use again
            fds->revents = POLLNVAL;
            return 1;
        }
    }
}

/// Of a plain thread: the same, with the steady clock.
int poll_thread(pollfd* p, time_point deadline) {
    for (;;) {
        int milliseconds = -1;
        if (deadline != never) {
            auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
            milliseconds = static_cast<int>(std::clamp<long>(left, 0, 1'000'000));
        }
        int n = libc.poll(p, 1, milliseconds);
        if (n > 0 || (n < 0 && errno != EINTR)) return n;
        if (n == 0 && std::chrono::steady_clock::now() >= deadline) return 0;
    }
}

bool wait_fd(char const* call, int fd, short events, time_point deadline) {
    if (fd < 0) throw std::system_error(EBADF, std::system_category(), call);  // poll() would pass over it
    pollfd p{fd, events, 0};
    int n = in_task(call) ? poll_until(call, &p, 1, deadline) : poll_thread(&p, deadline);
    if (n < 0) throw std::system_error(errno, std::system_category(), call);
    if (n > 0 && p.revents & POLLNVAL) throw std::system_error(EBADF, std::system_category(), call);
    return n > 0;
}

time_point after(duration d) { return saturating_add(this_kernel->now(), d); }

constexpr auto bits = static_cast<int>(8 * sizeof(unsigned long));
// Not FD_ISSET: sets may be larger than fd_set.
bool has(fd_set const* s, int fd) noexcept { return s && reinterpret_cast<unsigned long const*>(s)[fd / bits] & 1ul << fd % bits; }
void put(fd_set* s, int fd, bool in) noexcept {
    if (!s) return;
    auto& word = reinterpret_cast<unsigned long*>(s)[fd / bits];
    word = in ? word | 1ul << fd % bits : word & ~(1ul << fd % bits);
}

}  // namespace
}  // namespace detail

bool wait_readable(int fd, time_point deadline) { return detail::wait_fd("wait_readable", fd, POLLIN, deadline); }
bool wait_writable(int fd, time_point deadline) { return detail::wait_fd("wait_writable", fd, POLLOUT, deadline); }

int posix::poll(pollfd* fds, nfds_t n, int milliseconds) {
    if (milliseconds == 0 || !detail::in_task("posix::poll")) return detail::libc.poll(fds, n, milliseconds);
    return detail::poll_until("posix::poll", fds, n, milliseconds < 0 ? never : detail::after(std::chrono::milliseconds(milliseconds)));
}

int posix::select(int n, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
    bool at_once = timeout && timeout->tv_sec == 0 && timeout->tv_usec == 0;
    bool bad = n < 0 || (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0));
    if (at_once || bad || !detail::in_task("posix::select")) return detail::libc.select(n, read, write, except, timeout);
    std::vector<pollfd> fds;
    for (int fd = 0; fd < n; ++fd) {
        int events = (detail::has(read, fd) ? POLLIN : 0) | (detail::has(write, fd) ? POLLOUT : 0) | (detail::has(except, fd) ? POLLPRI : 0);
        if (events) fds.push_back({fd, static_cast<short>(events), 0});
    }
    time_point deadline = timeout ? detail::after(std::chrono::seconds(timeout->tv_sec) + std::chrono::microseconds(timeout->tv_usec)) : never;
    int found = detail::poll_until("posix::select", fds.data(), fds.size(), deadline);
    if (found < 0) return found;
    for (pollfd const& p : fds) if (p.revents & POLLNVAL) { errno = EBADF; return -1; }
    found = 0;
    for (pollfd const& p : fds) {  // what the kernel's select takes for readable, writable, exceptional
        auto answer = [&](fd_set* s, int asked, int means) {
            bool in = p.events & asked && p.revents & means;
            detail::put(s, p.fd, in);
            found += in;
        };
        if (p.events & POLLIN) answer(read, POLLIN, POLLIN | POLLHUP | POLLERR);
        if (p.events & POLLOUT) answer(write, POLLOUT, POLLOUT | POLLERR);
        if (p.events & POLLPRI) answer(except, POLLPRI, POLLPRI);
    }
    if (timeout) {
        auto left = std::chrono::duration_cast<std::chrono::microseconds>(std::max(deadline - detail::this_kernel->now(), duration::zero())).count();
        *timeout = {left / 1'000'000, left % 1'000'000};
    }
    return found;
}

}  // namespace weft
