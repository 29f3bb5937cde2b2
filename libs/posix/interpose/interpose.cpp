// SPDX-License-Identifier: BSL-1.0
// libweft_posix: libc's names, for code that is compiled already. In a task they are weft::posix's, elsewhere the next ones', most often libc's.
// Linked on purpose, as a whole, into the program itself: there these names come before those of every shared library.
#undef _FORTIFY_SOURCE
#include <weft/core/cancelled.hpp>
#include <weft/core/errors.hpp>
#include <weft/posix/readiness.hpp>

#include "asio/fd_waits.hpp"
#include "core/kernel.hpp"
#include "posix/interpose/clocks.hpp"
#include "posix/interpose/next_symbol.hpp"
#include "posix/interpose/pthread_calls.hpp"
#include "posix/libc_calls.hpp"
#include "posix/waits.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <new>
#include <sys/epoll.h>
#include <system_error>

namespace {

namespace px = weft::posix;
using weft::detail::find_next;
using weft::detail::libc;

/// Those that have no counterpart in weft::posix.
constinit struct {
    int (*clock_nanosleep)(clockid_t, int, timespec const*, timespec*);
    int (*ppoll)(pollfd*, nfds_t, timespec const*, sigset_t const*);
    int (*pselect)(int, fd_set*, fd_set*, fd_set*, timespec const*, sigset_t const*);
    int (*epoll_wait)(int, epoll_event*, int, int);
    int (*epoll_pwait)(int, epoll_event*, int, int, sigset_t const*);
} further{};

std::atomic<bool> resolved{false};

void resolve() {
    find_next(further.clock_nanosleep, "clock_nanosleep");
    find_next(further.ppoll, "ppoll");
    find_next(further.pselect, "pselect");
    find_next(further.epoll_wait, "epoll_wait");
    find_next(further.epoll_pwait, "epoll_pwait");
    weft::detail::libc_calls c{};
    find_next(c.read, "read");
    find_next(c.readv, "readv");
    find_next(c.write, "write");
    find_next(c.writev, "writev");
    find_next(c.recv, "recv");
    find_next(c.recvfrom, "recvfrom");
    find_next(c.recvmsg, "recvmsg");
    find_next(c.send, "send");
    find_next(c.sendto, "sendto");
    find_next(c.sendmsg, "sendmsg");
    find_next(c.connect, "connect");
    find_next(c.accept, "accept");
    find_next(c.accept4, "accept4");
    find_next(c.close, "close");
    find_next(c.poll, "poll");
    find_next(c.select, "select");
    find_next(c.sleep, "sleep");
    find_next(c.usleep, "usleep");
    find_next(c.nanosleep, "nanosleep");
    find_next(c.getaddrinfo, "getaddrinfo");
    libc = c;
    resolved.store(true, std::memory_order_release);
}

// Before other constructors, which may start threads. Libraries that are initialised before the program come here by next().
__attribute__((constructor(101))) void resolve_early() {
    resolve();
    weft::detail::next_pthread_calls();
}

weft::detail::libc_calls const& next() {
    if (!resolved.load(std::memory_order_acquire)) resolve();
    return libc;
}
auto const& next_further() {
    if (!resolved.load(std::memory_order_acquire)) resolve();
    return further;
}

// Not in a callback, where Asio's own calls are made, nor in a run that cannot wait for descriptors.
bool in_fiber() noexcept { return weft::detail::running_task && weft::detail::can_wait_for_fds(); }

// A C library has no destructors, so nothing may be thrown through it: a cancellation is an error of the call. As the scope stays cancelled, the
// next call fails, too, and the next point of weft's own raises. Not EINTR: that is what loops try again.
template <class R, class F>
R answered(R failure, F call) noexcept {
    try {
        return call();
    } catch (weft::cancelled const&) {
        errno = ECANCELED;
    } catch (weft::deadlock_error const&) {
        errno = EDEADLK;
    } catch (std::bad_alloc const&) {
        errno = ENOMEM;
    } catch (std::system_error const& e) {
        errno = e.code().value();
    } catch (std::exception const&) {
        errno = EIO;
    }
    int e = errno;
    if (e == ECANCELED) weft::detail::told_as_error();
    errno = e;
    return failure;
}

template <class F> ssize_t transfer(F call) noexcept { return answered<ssize_t>(-1, call); }
template <class F> int result(F call) noexcept { return answered<int>(-1, call); }

bool valid(timespec const& t) noexcept { return t.tv_sec >= 0 && weft::detail::is_time(&t); }

// What is ready in an epoll set is asked of the kernel, as the calls of a run's own loop are; that something is, is waited for.
int wait_for_events(int set, epoll_event* events, int most, int milliseconds) {
    weft::time_point deadline = milliseconds < 0 ? weft::never : weft::detail::wait_deadline(std::chrono::milliseconds(milliseconds));
    for (;;) {
        int n = next_further().epoll_wait(set, events, most, 0);
        if (n != 0 || milliseconds == 0) {
            int e = errno;
            weft::detail::looked();
            errno = e;
            return n;
        }
        if (!weft::wait_readable(set, deadline)) return 0;
    }
}

}  // namespace

extern "C" {

// What the build has the linker look for, so that this file is taken out of the archive.
int weft_posix_linked = 1;
// And the files of the locks: of pthread's own names nothing is taken out of an archive where a shared library before it has them (a sanitizer's), or where the reference is weak.
extern int const weft_posix_mutexes, weft_posix_conditions, weft_posix_rwlocks, weft_posix_asked, weft_posix_once;
extern int const* const weft_posix_parts[];
int const* const weft_posix_parts[] = {&weft_posix_mutexes, &weft_posix_conditions, &weft_posix_rwlocks, &weft_posix_asked, &weft_posix_once};

[[noreturn]] void __chk_fail();

ssize_t read(int fd, void* to, size_t n) { return in_fiber() ? transfer([&] { return px::read(fd, to, n); }) : next().read(fd, to, n); }
ssize_t readv(int fd, iovec const* to, int parts) { return in_fiber() ? transfer([&] { return px::readv(fd, to, parts); }) : next().readv(fd, to, parts); }
ssize_t write(int fd, void const* from, size_t n) { return in_fiber() ? transfer([&] { return px::write(fd, from, n); }) : next().write(fd, from, n); }
ssize_t writev(int fd, iovec const* from, int parts) { return in_fiber() ? transfer([&] { return px::writev(fd, from, parts); }) : next().writev(fd, from, parts); }

ssize_t recv(int fd, void* to, size_t n, int flags) { return in_fiber() ? transfer([&] { return px::recv(fd, to, n, flags); }) : next().recv(fd, to, n, flags); }
ssize_t recvfrom(int fd, void* to, size_t n, int flags, sockaddr* from, socklen_t* length) {
    return in_fiber() ? transfer([&] { return px::recvfrom(fd, to, n, flags, from, length); }) : next().recvfrom(fd, to, n, flags, from, length);
}
ssize_t recvmsg(int fd, msghdr* m, int flags) { return in_fiber() ? transfer([&] { return px::recvmsg(fd, m, flags); }) : next().recvmsg(fd, m, flags); }
ssize_t send(int fd, void const* from, size_t n, int flags) { return in_fiber() ? transfer([&] { return px::send(fd, from, n, flags); }) : next().send(fd, from, n, flags); }
ssize_t sendto(int fd, void const* from, size_t n, int flags, sockaddr const* to, socklen_t length) {
    return in_fiber() ? transfer([&] { return px::sendto(fd, from, n, flags, to, length); }) : next().sendto(fd, from, n, flags, to, length);
}
ssize_t sendmsg(int fd, msghdr const* m, int flags) { return in_fiber() ? transfer([&] { return px::sendmsg(fd, m, flags); }) : next().sendmsg(fd, m, flags); }

// What _FORTIFY_SOURCE makes of some of them, in distributions' libraries.
ssize_t __read_chk(int fd, void* to, size_t n, size_t size) {
    if (n > size) __chk_fail();
    return read(fd, to, n);
}
ssize_t __recv_chk(int fd, void* to, size_t n, size_t size, int flags) {
    if (n > size) __chk_fail();
    return recv(fd, to, n, flags);
}
ssize_t __recvfrom_chk(int fd, void* to, size_t n, size_t size, int flags, sockaddr* from, socklen_t* length) {
    if (n > size) __chk_fail();
    return recvfrom(fd, to, n, flags, from, length);
}
int __poll_chk(pollfd* fds, nfds_t n, int milliseconds, size_t size) {
    if (n > size / sizeof *fds) __chk_fail();
    return poll(fds, n, milliseconds);
}

int connect(int fd, sockaddr const* to, socklen_t length) { return in_fiber() ? result([&] { return px::connect(fd, to, length); }) : next().connect(fd, to, length); }
int accept(int fd, sockaddr* from, socklen_t* length) { return in_fiber() ? result([&] { return px::accept(fd, from, length); }) : next().accept(fd, from, length); }
int accept4(int fd, sockaddr* from, socklen_t* length, int flags) {
    return in_fiber() ? result([&] { return px::accept4(fd, from, length, flags); }) : next().accept4(fd, from, length, flags);
}
int close(int fd) {
    if (in_fiber()) weft::detail::fd_closing(fd);
    return next().close(fd);
}

int poll(pollfd* fds, nfds_t n, int milliseconds) { return in_fiber() ? result([&] { return px::poll(fds, n, milliseconds); }) : next().poll(fds, n, milliseconds); }
int select(int n, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
    return in_fiber() ? result([&] { return px::select(n, in, out, except, timeout); }) : next().select(n, in, out, except, timeout);
}

unsigned sleep(unsigned seconds) { return in_fiber() ? answered<unsigned>(seconds, [&] { return px::sleep(seconds); }) : next().sleep(seconds); }
int usleep(useconds_t microseconds) { return in_fiber() ? result([&] { return px::usleep(microseconds); }) : next().usleep(microseconds); }
int nanosleep(timespec const* time, timespec* left) {
    if (!in_fiber()) return next().nanosleep(time, left);
    timespec asked = *time;  // `left` may be the same
    int r = result([&] { return px::nanosleep(time, left); });
    if (r != 0 && errno == ECANCELED && left) *left = asked;
    return r;
}

// Until a point in time: what is left of it.
int clock_nanosleep(clockid_t clock, int flags, timespec const* time, timespec* left) {
    bool of_time = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
    if (!in_fiber() || !of_time) return next_further().clock_nanosleep(clock, flags, time, left);
    if (!valid(*time)) return EINVAL;
    timespec rest = *time;
    if (flags & TIMER_ABSTIME) {
        auto d = weft::detail::left_until(clock, time);
        rest = {d / std::chrono::seconds(1), (d % std::chrono::seconds(1)).count()};
        left = nullptr;
    }
    return nanosleep(&rest, left) == 0 ? 0 : errno;
}

// A signal ends no wait of a task's, so no mask need be set for one.
int ppoll(pollfd* fds, nfds_t n, timespec const* timeout, sigset_t const* mask) {
    if (!in_fiber()) return next_further().ppoll(fds, n, timeout, mask);
    if (timeout && !valid(*timeout)) { errno = EINVAL; return -1; }
    constexpr time_t longest = 2'000'000;  // three weeks: what fits an int
    int milliseconds = !timeout ? -1 : static_cast<int>(std::min(timeout->tv_sec, longest) * 1000 + (timeout->tv_nsec + 999'999) / 1'000'000);
    return poll(fds, n, milliseconds);
}
int __ppoll_chk(pollfd* fds, nfds_t n, timespec const* timeout, sigset_t const* mask, size_t size) {
    if (n > size / sizeof *fds) __chk_fail();
    return ppoll(fds, n, timeout, mask);
}
int pselect(int n, fd_set* in, fd_set* out, fd_set* except, timespec const* timeout, sigset_t const* mask) {
    if (!in_fiber()) return next_further().pselect(n, in, out, except, timeout, mask);
    if (!timeout) return select(n, in, out, except, nullptr);
    if (!valid(*timeout)) { errno = EINVAL; return -1; }
    timeval up{timeout->tv_sec, (timeout->tv_nsec + 999) / 1000};
    if (up.tv_usec == 1'000'000) up = {up.tv_sec + 1, 0};
    return select(n, in, out, except, &up);
}
int epoll_wait(int set, epoll_event* events, int most, int milliseconds) {
    return in_fiber() ? result([&] { return wait_for_events(set, events, most, milliseconds); }) : next_further().epoll_wait(set, events, most, milliseconds);
}
int epoll_pwait(int set, epoll_event* events, int most, int milliseconds, sigset_t const* mask) {
    return in_fiber() ? result([&] { return wait_for_events(set, events, most, milliseconds); }) : next_further().epoll_pwait(set, events, most, milliseconds, mask);
}

int getaddrinfo(char const* node, char const* service, addrinfo const* hints, addrinfo** list) {
    return in_fiber() ? answered<int>(EAI_SYSTEM, [&] { return px::getaddrinfo(node, service, hints, list); }) : next().getaddrinfo(node, service, hints, list);
}

}  // extern "C"
