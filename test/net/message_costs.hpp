// SPDX-License-Identifier: BSL-1.0
// What message_costs.cpp counts: the system calls and the allocations of its own program. The definitions below take the place of the C
// library's in the whole executable; include this in one file only.
#ifndef WEFT_TEST_MESSAGE_COSTS_HPP
#define WEFT_TEST_MESSAGE_COSTS_HPP

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ostream>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace weft_test {

enum call { receive, send_, wait_, wait_without_blocking, epoll_control, timer_set, other_read, other_write, call_kinds };
inline constexpr char const* call_names[] = {"receive", "send", "epoll_wait", "epoll_wait(0)", "epoll_ctl", "timerfd_settime", "read", "write"};

struct costs {
    std::array<long, call_kinds> calls{};
    long allocations{};
    costs operator-(costs const& o) const {
        costs r = *this;
        for (std::size_t i = 0; i < call_kinds; ++i) r.calls[i] -= o.calls[i];
        r.allocations -= o.allocations;
        return r;
    }
    friend std::ostream& operator<<(std::ostream& out, costs const& c) {
        for (std::size_t i = 0; i < call_kinds; ++i) if (c.calls[i]) out << call_names[i] << " " << c.calls[i] << ", ";
        return out << c.allocations << " allocations";
    }
};
inline constinit costs counted{};

/// Called before the process would sleep for ever, or for long, in epoll_wait.
using hook = void (*)();
inline constinit hook before_sleep = nullptr;

inline long counted_call(call kind, long number, long a, long b, long c, long d = 0, long e = 0, long f = 0) {
    ++counted.calls[kind];
    return ::syscall(number, a, b, c, d, e, f);
}
template <class T>
long word(T* p) { return reinterpret_cast<long>(p); }

}  // namespace weft_test

extern "C" {
ssize_t recv(int s, void* p, std::size_t n, int flags) { using namespace weft_test; return counted_call(receive, SYS_recvfrom, s, word(p), static_cast<long>(n), flags); }
ssize_t send(int s, void const* p, std::size_t n, int flags) { using namespace weft_test; return counted_call(send_, SYS_sendto, s, word(p), static_cast<long>(n), flags); }
ssize_t recvmsg(int s, msghdr* m, int flags) { using namespace weft_test; return counted_call(receive, SYS_recvmsg, s, word(m), flags); }
ssize_t sendmsg(int s, msghdr const* m, int flags) { using namespace weft_test; return counted_call(send_, SYS_sendmsg, s, word(m), flags); }
ssize_t read(int fd, void* p, std::size_t n) { using namespace weft_test; return counted_call(other_read, SYS_read, fd, word(p), static_cast<long>(n)); }
ssize_t write(int fd, void const* p, std::size_t n) { using namespace weft_test; return counted_call(other_write, SYS_write, fd, word(p), static_cast<long>(n)); }
ssize_t readv(int fd, iovec const* v, int n) { using namespace weft_test; return counted_call(receive, SYS_readv, fd, word(v), n); }
ssize_t writev(int fd, iovec const* v, int n) { using namespace weft_test; return counted_call(send_, SYS_writev, fd, word(v), n); }
int epoll_wait(int e, epoll_event* v, int n, int timeout) {
    using namespace weft_test;
    if (timeout != 0 && before_sleep) before_sleep();
    return static_cast<int>(counted_call(timeout == 0 ? wait_without_blocking : wait_, SYS_epoll_wait, e, word(v), n, timeout));
}
int epoll_ctl(int e, int op, int fd, epoll_event* v) noexcept { using namespace weft_test; return static_cast<int>(counted_call(epoll_control, SYS_epoll_ctl, e, op, fd, word(v))); }
int timerfd_settime(int fd, int flags, itimerspec const* to, itimerspec* was) noexcept {
    using namespace weft_test;
    return static_cast<int>(counted_call(timer_set, SYS_timerfd_settime, fd, flags, word(to), word(was)));
}
}

// The sanitizers have a malloc of their own: there allocations are not counted.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) noexcept { ++weft_test::counted.allocations; return __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) noexcept { ++weft_test::counted.allocations; return __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) noexcept { ++weft_test::counted.allocations; return __libc_realloc(p, n); }
void* memalign(std::size_t a, std::size_t n) noexcept { ++weft_test::counted.allocations; return __libc_memalign(a, n); }
void* aligned_alloc(std::size_t a, std::size_t n) noexcept { ++weft_test::counted.allocations; return __libc_memalign(a, n); }
int posix_memalign(void** p, std::size_t a, std::size_t n) noexcept { ++weft_test::counted.allocations; return (*p = __libc_memalign(a, n)) ? 0 : ENOMEM; }
}
#endif

#endif
