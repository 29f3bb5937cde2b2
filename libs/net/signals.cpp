// SPDX-License-Identifier: BSL-1.0
#include <weft/net/signals.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

#include <boost/system/system_error.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace weft {
namespace {

/// What a signal handler may touch: one for each signal, for the life of the process.
struct signal_slot {
    std::atomic<std::uint64_t> arrived{0};  ///< its place in the order of arrival; 0: none waits to be received
    std::atomic<int> fd{-1};                ///< of the receiver; -1: nobody has the signal
    std::atomic<int> inside{0};             ///< handlers that are running
    struct sigaction former{};              ///< written and read by the receiver
};
signal_slot slots[NSIG];
std::atomic<std::uint64_t> arrivals{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "used in a signal handler");

void wake(int fd) noexcept {
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(fd, &one, sizeof one);
}

extern "C" void weft_signal_arrived(int s) {
    int before = errno;
    signal_slot& slot = slots[s];
    slot.inside.fetch_add(1, std::memory_order_acq_rel);
    std::uint64_t none = 0;
    slot.arrived.compare_exchange_strong(none, arrivals.fetch_add(1, std::memory_order_relaxed) + 1, std::memory_order_acq_rel);
    if (int fd = slot.fd.load(std::memory_order_acquire); fd >= 0) wake(fd);
    slot.inside.fetch_sub(1, std::memory_order_acq_rel);
    errno = before;
}

/// Gives a signal back. Returns whether one has come that nobody received.
bool release(int s) noexcept {
    signal_slot& slot = slots[s];
    ::sigaction(s, &slot.former, nullptr);
    while (slot.inside.load(std::memory_order_acquire) != 0) ::sched_yield();  // one that began before, in another thread
    bool waiting = slot.arrived.exchange(0, std::memory_order_acq_rel) != 0;
    slot.fd.store(-1, std::memory_order_release);
    return waiting;
}

}  // namespace

signal_receiver::signal_receiver(std::vector<int> signals) : wake_(get_executor()) {
    int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) throw boost::system::system_error(errno, boost::system::system_category(), "weft::with_signals: eventfd");
    wake_.assign(fd);
    try {
        for (int s : signals) {
            if (s <= 0 || s >= NSIG) throw boost::system::system_error(EINVAL, boost::system::system_category(), "weft::with_signals: signal " + std::to_string(s));
            int nobody = -1;
            if (!slots[s].fd.compare_exchange_strong(nobody, fd, std::memory_order_acq_rel)) {
                throw busy_resource_error(detail::message("W100", "with_signals: another receiver has signal " + std::to_string(s) + detail::in_task(), "a signal goes to one receiver at a time.",
                                                          "receive it in one place, and pass it on through a channel or a broadcast."));
            }
            struct sigaction action{};
            action.sa_handler = &weft_signal_arrived;
            action.sa_flags = SA_RESTART;
            ::sigfillset(&action.sa_mask);
            if (::sigaction(s, &action, &slots[s].former) != 0) {
                int e = errno;
                slots[s].fd.store(-1, std::memory_order_release);
                throw boost::system::system_error(e, boost::system::system_category(), "weft::with_signals: signal " + std::to_string(s));
            }
            signals_.push_back(s);
        }
    } catch (...) {
        for (int s : signals_) if (release(s)) ::kill(::getpid(), s);
        throw;
    }
}

signal_receiver::~signal_receiver() {
    for (int s : signals_) if (release(s)) ::kill(::getpid(), s);
}

std::optional<int> signal_receiver::try_receive() {
    std::uint64_t woken;
    [[maybe_unused]] ssize_t n = ::read(wake_.native_handle(), &woken, sizeof woken);  // before the look: what comes later wakes again
    int first = 0, waiting = 0;
    std::uint64_t least = 0;
    for (int s : signals_) {
        std::uint64_t at = slots[s].arrived.load(std::memory_order_acquire);
        if (at == 0) continue;
        ++waiting;
        if (first == 0 || at < least) { first = s; least = at; }
    }
    if (waiting > 1) wake(wake_.native_handle());
    if (first == 0) return std::nullopt;
    slots[first].arrived.store(0, std::memory_order_release);
    return first;
}

int signal_receiver::receive() {
    resource_guard::scoped alone(guard_);
    lowlevel::cancel_point();
    if (auto s = try_receive()) {
        yield_shielded();
        return *s;
    }
    for (;;) {
        wake_.async_wait(wake_.wait_read, use_fiber);
        if (auto s = try_receive()) return *s;
    }
}

}  // namespace weft
