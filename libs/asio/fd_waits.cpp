// SPDX-License-Identifier: BSL-1.0
// An epoll instance of the run's own, which the io_context watches as one descriptor. Asio's own objects would take the descriptor over, or trust
// that nobody else closes it: a registration that the kernel has dropped is never heard of again. Here each wait arms its descriptor once
// (EPOLLONESHOT), by one call that fails where the registration is gone.
#include "asio/fd_waits.hpp"

#include <weft/asio/detail/operation.hpp>

#include "asio/loop_driver.hpp"
#include "core/kernel.hpp"
#include "core/self.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>
#include <vector>

namespace weft::detail {

namespace asio = boost::asio;

namespace {

std::atomic<std::size_t> held_fds{0};

/// A wait for one descriptor, in the frame of the task.
struct fd_waiter {
    fd_waiter* next{};
    fd_waiter* prev{};
    int fd{-1};               ///< -1: not listed
    std::uint32_t events{};
    kernel* run{};
    task_record* task{};
    bool woken{};
    bool closed{};
};

class fd_waits : public asio::execution_context::service {
public:
    using key_type = fd_waits;
    static asio::execution_context::id id;

    explicit fd_waits(asio::execution_context& context) : service(context), epoll_(static_cast<asio::io_context&>(context)) {}
    ~fd_waits() override { shutdown(); }

    /// 0 or errno; EPERM for what is always ready.
    int list(fd_waiter& w, int fd) {
        if (!epoll_.is_open()) { if (int e = open()) return e; }
        auto i = static_cast<std::size_t>(fd);
        if (i >= entries_.size()) entries_.resize(i + i / 2 + 16);
        w.fd = fd;  // from here on it is listed
        w.next = entries_[i];
        if (w.next) w.next->prev = &w;
        entries_[i] = &w;
        ++waiting_;
        int e = arm(w.fd);
        if (e == 0) watch();
        else unlist(w);
        return e;
    }

    void unlist(fd_waiter& w) noexcept {
        if (w.next) w.next->prev = w.prev;
        (w.prev ? w.prev->next : entries_[static_cast<std::size_t>(w.fd)]) = w.next;
        if (!w.woken) forget();
        w.fd = -1;
    }

    void closing(int fd) noexcept {
        if (fd < 0 || static_cast<std::size_t>(fd) >= entries_.size()) return;
        for (fd_waiter* w = entries_[static_cast<std::size_t>(fd)]; w; w = w->next) {
            w->closed = true;
            wake(*w);
        }
    }

private:
    void shutdown() override {
        if (!epoll_.is_open()) return;
        boost::system::error_code ignored;
        epoll_.close(ignored);
        --held_fds;
    }

    int open() {
        int fd = ::epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0) return errno;
        boost::system::error_code e;
        epoll_.assign(fd, e);
        if (e) { ::close(fd); return e.value(); }
        ++held_fds;
        return 0;
    }

    // For all that wait for it. What is there already is reported, too.
    int arm(int fd) noexcept {
        epoll_event e{};
        e.data.fd = fd;
        e.events = EPOLLONESHOT;
        for (fd_waiter* w = entries_[static_cast<std::size_t>(fd)]; w; w = w->next) if (!w->woken) e.events |= w->events;
        if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_MOD, fd, &e) == 0) return 0;
        if (errno != ENOENT) return errno;
        return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : errno;
    }

    // Only while somebody waits: it is work of the loop, which keeps a deadlock from being seen.
    void watch() {
        if (watched_) return;
        epoll_.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code const& e) {
            if (e) return;  // forget() or shutdown()
            watched_ = false;
            collect();
            if (waiting_ > 0) watch();
        });
        watched_ = true;  // not if there was no memory
    }

    void forget() noexcept {
        if (--waiting_ > 0 || !watched_) return;
        watched_ = false;
        boost::system::error_code ignored;
        epoll_.cancel(ignored);
    }

    void collect() noexcept {
        std::array<epoll_event, 128> events;
        int n = ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
        for (int i = 0; i < n; ++i) {
            int fd = events[static_cast<std::size_t>(i)].data.fd;
            std::uint32_t what = events[static_cast<std::size_t>(i)].events;
            bool left = false;
            for (fd_waiter* w = entries_[static_cast<std::size_t>(fd)]; w; w = w->next) {
                if (what & (w->events | EPOLLERR | EPOLLHUP)) wake(*w);
                left |= !w->woken;
            }
            // A file that is gone meanwhile: they ask again, and are told so.
            if (left && arm(fd) != 0) for (fd_waiter* w = entries_[static_cast<std::size_t>(fd)]; w; w = w->next) wake(*w);
        }
    }

    void wake(fd_waiter& w) noexcept {
        if (w.woken) return;
        w.woken = true;
        forget();
        w.run->unpark(*w.task);  // not parked any more if a cancellation or the deadline was faster
    }

    asio::posix::stream_descriptor epoll_;
    std::vector<fd_waiter*> entries_;  ///< by descriptor
    std::size_t waiting_{};            ///< listed and not woken
    bool watched_{};                   ///< a wait of the io_context for epoll_ is under way
};

asio::execution_context::id fd_waits::id;

/// The waiters of one call; takes them off their lists on every way out.
class fd_waiters {
public:
    fd_waiters(fd_waits& all, std::size_t n) : all_(all), n_(n) {
        if (n > few_.size()) many_.resize(n);
    }
    ~fd_waiters() { for (fd_waiter& w : *this) if (w.fd >= 0) all_.unlist(w); }
    fd_waiters(fd_waiters const&) = delete;
    fd_waiter* begin() noexcept { return many_.empty() ? few_.data() : many_.data(); }
    fd_waiter* end() noexcept { return begin() + n_; }

private:
    fd_waits& all_;
    std::size_t n_;
    std::array<fd_waiter, 3> few_{};
    std::vector<fd_waiter> many_;
};

std::string describe(void const* object) { return "descriptor " + std::to_string(static_cast<pollfd const*>(object)->fd); }

}  // namespace

int wait_for_fds(char const* call, pollfd const* fds, std::size_t n, time_point deadline, bool raises) {
    task_record& t = self(call);
    kernel& k = *this_kernel;
    fd_waits& all = asio::use_service<fd_waits>(current_loop().io());
    fd_waiters waiters(all, n);
    fd_waiter* w = waiters.begin();
    for (std::size_t i = 0; i < n; ++i, ++w) {
        if (fds[i].fd < 0) continue;
        w->events = static_cast<std::uint16_t>(fds[i].events);
        w->run = &k;
        w->task = &t;
        // EPERM: a regular file, which has no events, and of which the caller knows that it is not ready.
        if (int e = all.list(*w, fds[i].fd); e != 0 && e != EPERM) return e;
    }
    struct timer : alarm_node {
        kernel* run{};
        bool fired{};
        ~timer() { run->disarm_node(*this); }
    } alarm;
    alarm.run = &k;
    alarm.task = &t;
    alarm.expired = [](alarm_node& a) noexcept {
        auto& self = static_cast<timer&>(a);
        self.fired = self.run->unpark(*self.task);
    };
    if (deadline != never) k.arm_node(alarm, deadline);
    wait_reason reason{call, n == 1 ? fds : nullptr, n == 1 ? &describe : nullptr};
    k.park(t, [](void*) { return abort_answer::succeeded; }, nullptr, reason, raises);
    if (t.woken_by_cancel_) {
        if (!raises) return ECANCELED;
        k.raise(t);
    }
    for (fd_waiter& x : waiters) if (x.closed) return EBADF;
    return alarm.fired ? ETIMEDOUT : 0;
}

bool can_wait_for_fds() noexcept { return this_kernel->loop_driver().kind() == &asio_kind; }

void fd_closing(int fd) noexcept {
    kernel* k = this_kernel;
    if (!k || k->finished() || !can_wait_for_fds()) return;
    auto& io = static_cast<loop_driver&>(k->loop_driver()).context().io();
    if (asio::has_service<fd_waits>(io)) asio::use_service<fd_waits>(io).closing(fd);
}

std::size_t fds_of_fd_waits() noexcept { return held_fds.load(std::memory_order_relaxed); }

}  // namespace weft::detail
