// SPDX-License-Identifier: BSL-1.0
#include "inspect/blocking_call.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft::inspect {
namespace {

constexpr char on_thread[] = "weft::to_thread([&] { ... }) around it";
constexpr char stream[] = "a stream of weft's net room, or weft::posix's call of that name on a non-blocking descriptor; of a file, weft::to_thread([&] { ... }) around it";
constexpr char sockets[] = "weft::connect_tcp, weft::serve_tcp, or weft::posix's call of that name";
constexpr char readiness[] = "weft::wait_readable, weft::wait_writable or weft::posix::poll";

struct entry { long number; char const* name; char const* help; };
constexpr entry calls[] = {
    {SYS_read, "read", stream}, {SYS_readv, "readv", stream}, {SYS_write, "write", stream}, {SYS_writev, "writev", stream},
    {SYS_pread64, "pread", on_thread}, {SYS_pwrite64, "pwrite", on_thread},
    {SYS_recvfrom, "recv", stream}, {SYS_recvmsg, "recvmsg", stream}, {SYS_sendto, "send", stream}, {SYS_sendmsg, "sendmsg", stream},
    {SYS_connect, "connect", sockets}, {SYS_accept, "accept", sockets}, {SYS_accept4, "accept", sockets},
    {SYS_ppoll, "poll", readiness}, {SYS_pselect6, "select", readiness}, {SYS_epoll_pwait, "epoll_wait", readiness},
#ifdef SYS_poll
    {SYS_poll, "poll", readiness}, {SYS_select, "select", readiness}, {SYS_epoll_wait, "epoll_wait", readiness},
#endif
    {SYS_nanosleep, "nanosleep", "weft::this_task::sleep_for"}, {SYS_clock_nanosleep, "nanosleep", "weft::this_task::sleep_for"},
    {SYS_futex, "futex", "of weft:: what it is in std (mutex, condition_variable, future, thread, ...); weft::to_thread([&] { ... }) around it if it waits for a plain thread in a library"},
    {SYS_wait4, "waitpid", "weft::run_process, or weft::to_thread([&] { ... }) around it"}, {SYS_waitid, "waitid", "weft::run_process, or weft::to_thread([&] { ... }) around it"},
    {SYS_rt_sigtimedwait, "sigwait", "weft::with_signals"}, {SYS_rt_sigsuspend, "sigsuspend", "weft::with_signals"},
    {SYS_flock, "flock", on_thread}, {SYS_fcntl, "fcntl", on_thread}, {SYS_fsync, "fsync", on_thread}, {SYS_fdatasync, "fdatasync", on_thread},
    {SYS_openat, "open", on_thread}, {SYS_renameat2, "rename", on_thread}, {SYS_unlinkat, "unlink", on_thread}, {SYS_getdents64, "readdir", on_thread},
};

}  // namespace

blocking_call blocking_call_of(long number) {
    for (entry const& e : calls) if (e.number == number) return {e.name, e.help};
    return {"system call " + std::to_string(number), on_thread};
}

bool waits_for_events(long number) noexcept {
#ifdef SYS_epoll_wait
    if (number == SYS_epoll_wait) return true;
#endif
    return number == SYS_epoll_pwait;
}

thread_place place_of(pid_t thread) {
    std::string path = "/proc/self/task/" + std::to_string(thread) + "/syscall";
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char text[256];
    ssize_t n = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    if (n <= 0) return {};
    thread_place p;
    p.known = true;
    p.text.assign(text, static_cast<std::size_t>(n));
    if (p.text.compare(0, 7, "running") == 0) p.computes = true;
    else p.number = std::strtol(text, nullptr, 10);  // "-1 …": it sleeps, but not in a call: in a page fault, say
    return p;
}

}  // namespace weft::inspect
