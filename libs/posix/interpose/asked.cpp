// SPDX-License-Identifier: BSL-1.0
// What nobody tells of: semaphores, which a signal handler or another process may post; the end of a thread; spin locks; words in memory (futexes),
// on which std::future, std::latch and std::atomic wait. A task asks again and again, and lets the thread go on meanwhile.
#include "posix/interpose/clocks.hpp"
#include "posix/interpose/gates.hpp"
#include "posix/interpose/pthread_calls.hpp"
#include "std/spin_pause.hpp"

#include <cstdarg>
#include <linux/futex.h>
#include <sys/syscall.h>

namespace {

using namespace weft::detail;

/// Until answer() is true: yields, then sleeps, longer and longer, up to a millisecond. False: the time has come first. Asks at least once. No
/// cancellation point, as the locks are none: C code takes what it waited for as had.
template <class F>
bool ask(char const* call, void const* what, weft::time_point deadline, F answer) noexcept {
    for (unsigned round = 0; !answer(); ++round) {
        auto pause = spin_pause(round);
        bool sleeps = pause > pause.zero();
        weft::time_point now = deadline == weft::never && !sleeps ? weft::always : this_kernel->now();
        if (now >= deadline) return false;
        if (sleeps) {
            try {
                wait_queue<no_lock> nobody;
                waiter w(call, false);
                std::unique_lock lock(nobody.lock());
                nobody.wait(lock, w, {.reason = {call, what, nullptr}, .deadline = std::min<weft::time_point>(deadline, now + pause), .cancellable = false});
                continue;
            } catch (std::exception const&) {  // no memory for a timer
            }
        }
        this_kernel->yield(*running_task);
    }
    return true;
}

int failed_with(int e) noexcept {
    errno = e;
    return -1;
}

/// sem_wait and its like; `until` is null for the first.
int take(sem_t* s, clockid_t clock, timespec const* until) noexcept {
    auto try_once = [s] {
        int r;
        do r = next_pthread_calls().sem_trywait(s); while (r != 0 && errno == EINTR);
        return r == 0 ? 0 : errno;
    };
    looked();  // before: a semaphore is a lock, too
    int e = try_once();
    if (e == EAGAIN) {
        if (until && !is_time(until)) return failed_with(EINVAL);
        if (!ask("sem_wait", s, until ? deadline_of(clock, until) : weft::never, [&] { return (e = try_once()) != EAGAIN; })) return failed_with(ETIMEDOUT);
    }
    return e == 0 ? 0 : failed_with(e);
}

/// As the kernel's, but for who is woken: each whose word has changed. Now and then one whose word has not, as the kernel may, too: it might have been told all the same.
int wait_for_word(unsigned const* word, int operation, unsigned old, timespec const* timeout) noexcept {
    auto changed = [&] { return __atomic_load_n(word, __ATOMIC_SEQ_CST) != old; };
    if (changed()) return failed_with(EAGAIN);
    weft::time_point deadline = weft::never;
    if (timeout) {
        if (!is_time(timeout) || timeout->tv_sec < 0) return failed_with(EINVAL);
        if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) deadline = wait_deadline(std::chrono::seconds(timeout->tv_sec) + std::chrono::nanoseconds(timeout->tv_nsec));
        else deadline = deadline_of(operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, timeout);
    }
    weft::time_point soon = wait_deadline(std::chrono::milliseconds(100));
    if (ask("futex", word, std::min(deadline, soon), changed) || soon < deadline) return 0;
    return failed_with(ETIMEDOUT);
}

}  // namespace

extern "C" {

extern int const weft_posix_asked;
int const weft_posix_asked = 1;

int sem_wait(sem_t* s) { return a_task_calls() ? take(s, CLOCK_REALTIME, nullptr) : next_pthread_calls().sem_wait(s); }
int sem_timedwait(sem_t* s, timespec const* until) { return a_task_calls() ? take(s, CLOCK_REALTIME, until) : next_pthread_calls().sem_timedwait(s, until); }
int sem_clockwait(sem_t* s, clockid_t clock, timespec const* until) { return a_task_calls() ? take(s, clock, until) : next_pthread_calls().sem_clockwait(s, clock, until); }

int pthread_spin_lock(pthread_spinlock_t* l) noexcept {
    if (!a_task_calls()) return next_pthread_calls().spin_lock(l);
    int e = 0;
    ask("pthread_spin_lock", const_cast<int const*>(l), weft::never, [&] { return (e = next_pthread_calls().spin_trylock(l)) != EBUSY; });
    return e;
}

int pthread_join(pthread_t t, void** result) {
    if (!a_task_calls() || ::pthread_equal(t, ::pthread_self())) return next_pthread_calls().join(t, result);
    int e = 0;
    ask("pthread_join", nullptr, weft::never, [&] { return (e = next_pthread_calls().tryjoin(t, result)) != EBUSY; });
    return e;
}

// The six arguments that a system call may have, whether they were passed or not, as libc's own function does.
long syscall(long number, ...) noexcept {
    std::va_list list;
    va_start(list, number);
    long a[6];
    for (long& x : a) x = va_arg(list, long);
    va_end(list);
    if (number == SYS_futex && a_task_calls()) {
        int command = static_cast<int>(a[1]) & FUTEX_CMD_MASK;
        if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) {
            return wait_for_word(reinterpret_cast<unsigned const*>(a[0]), static_cast<int>(a[1]), static_cast<unsigned>(a[2]), reinterpret_cast<timespec const*>(a[3]));
        }
    }
    return next_pthread_calls().syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"
