// SPDX-License-Identifier: BSL-1.0
#include <weft/threads/signal_trigger.hpp>

#include <cerrno>
#include <signal.h>
#include <system_error>
#include <thread>
#include <fcntl.h>
#include <unistd.h>

namespace weft {

/// Counted: the trigger, and each firing that is under way.
struct signal_trigger::state {
    run_token token;
    std::function<void()> f;
    std::atomic<bool> fired{false};  ///< and not begun yet
    std::atomic<int> references{1};
    void release() noexcept { if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }
};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "used in signal handlers");

namespace {

/// Reads pointers of fired triggers from a pipe and posts them. For the life of the process.
struct forwarder {
    int write_end;

    forwarder() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "weft::signal_trigger: pipe");
        ::fcntl(ends[1], F_SETFL, O_NONBLOCK);  // a handler must not block; a full pipe holds 8,000 different triggers
        write_end = ends[1];
        sigset_t all, before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals go to the program's threads
        try {
            std::thread([end = ends[0]] { forward(end); }).detach();
        } catch (...) {
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            ::close(ends[0]);
            ::close(ends[1]);
            throw;
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    static forwarder& instance() { static forwarder* f = new forwarder; return *f; }

private:
    static void forward(int end) {
        signal_trigger::state* s;
        for (;;) {
            ssize_t n = ::read(end, &s, sizeof s);  // pointers are written whole: they are shorter than PIPE_BUF
            if (n < 0 && errno == EINTR) continue;
            if (n != sizeof s) return;
            bool sent = s->token.try_post([s] {
                s->fired.store(false, std::memory_order_release);
                struct last { signal_trigger::state* s; ~last() { s->release(); } } l{s};
                s->f();
            });
            if (!sent) s->release();
        }
    }
};

}  // namespace

signal_trigger::signal_trigger(run_token token, std::function<void()> f) {
    if (!token) throw run_finished_error(detail::message("W060", "signal_trigger: an empty run_token", "", "take one with current_token()."));
    static_cast<void>(forwarder::instance());
    state_ = new state{.token = std::move(token), .f = std::move(f)};
}

signal_trigger::~signal_trigger() { state_->release(); }

void signal_trigger::fire() noexcept {
    if (state_->fired.exchange(true, std::memory_order_acq_rel)) return;
    int before = errno;
    state_->references.fetch_add(1, std::memory_order_relaxed);
    state* s = state_;
    if (::write(forwarder::instance().write_end, &s, sizeof s) != sizeof s) {
        state_->fired.store(false, std::memory_order_release);  // the pipe is full: the next firing tries again
        state_->references.fetch_sub(1, std::memory_order_relaxed);
    }
    errno = before;
}

}  // namespace weft
