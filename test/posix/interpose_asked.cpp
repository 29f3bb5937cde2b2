// SPDX-License-Identifier: BSL-1.0
// Semaphores, words in memory, ends of threads and the further waits of libc, in a program that is linked with weft_posix.
#include "posix/os_mutex.hpp"

#include <weft/asio/executor.hpp>

#include <atomic>
#include <barrier>
#include <csignal>
#include <future>
#include <latch>
#include <poll.h>
#include <semaphore>
#include <semaphore.h>
#include <string>
#include <sys/epoll.h>
#include <sys/select.h>
#include <thread>
#include <unistd.h>

using namespace weft_test;

namespace {
struct os_semaphore {
    sem_t s;
    explicit os_semaphore(unsigned n = 0) { ::sem_init(&s, 0, n); }
    ~os_semaphore() { ::sem_destroy(&s); }
};
sem_t* posted_by_signal;

/// A cancelled child waits on until main does what it waits for, and raises then.
void waits_on(std::function<void()> wait, std::function<void()> give) {
    run_checked([&] {
        bool had = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                wait();
                had = true;
                BOOST_CHECK_THROW(weft::check_cancelled(), weft::cancelled);
            });
            for (int i = 0; i < 3; ++i) weft::yield_shielded();
            n.cancel();
            for (int i = 0; i < 3; ++i) weft::yield_shielded();
            BOOST_TEST(!had);
            give();
        });
        BOOST_TEST(had);
    });
}
}  // namespace

BOOST_AUTO_TEST_SUITE(interposed_semaphore)

BOOST_AUTO_TEST_CASE(a_task_waits_for_another_one_a_thread_or_a_signal_handler) {
    run_checked([] {
        os_semaphore items, room(2);
        std::string got;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 6; ++i) { BOOST_TEST(::sem_wait(&items.s) == 0); got += 'x'; BOOST_TEST(::sem_post(&room.s) == 0); } });
            n.start_soon([&] { for (int i = 0; i < 6; ++i) { BOOST_TEST(::sem_wait(&room.s) == 0); BOOST_TEST(::sem_post(&items.s) == 0); } });
        });
        BOOST_TEST(got == "xxxxxx");
    });
    weft::run([] {
        os_semaphore s;
        std::thread t([&] { std::this_thread::sleep_for(5ms); ::sem_post(&s.s); });
        BOOST_TEST(::sem_wait(&s.s) == 0);
        t.join();
        posted_by_signal = &s.s;
        auto before = std::signal(SIGUSR1, [](int) { ::sem_post(posted_by_signal); });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(::sem_wait(&s.s) == 0); });
            weft::this_task::sleep_for(2ms);
            std::raise(SIGUSR1);
        });
        std::signal(SIGUSR1, before);
    });
}

BOOST_AUTO_TEST_CASE(times_are_the_run_s_and_errors_libc_s) {
    run_checked([] {
        os_semaphore s(1);
        timespec none{0, 1'000'000'000}, past{0, 0};
        BOOST_TEST(::sem_timedwait(&s.s, &none) == 0);  // there is no need to look at the time
        BOOST_TEST((::sem_timedwait(&s.s, &none) == -1 && errno == EINVAL));
        BOOST_TEST((::sem_timedwait(&s.s, &past) == -1 && errno == ETIMEDOUT));
        auto start = weft::current_time();
        timespec t = from_now(CLOCK_REALTIME, 1s);
        BOOST_TEST((::sem_timedwait(&s.s, &t) == -1 && errno == ETIMEDOUT));
        BOOST_TEST(waited_about(start, 1s));
        t = from_now(CLOCK_MONOTONIC, 1s);
        BOOST_TEST((::sem_clockwait(&s.s, CLOCK_MONOTONIC, &t) == -1 && errno == ETIMEDOUT));
        BOOST_TEST(waited_about(start, 2s));
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_goes_on) {
    os_semaphore s;
    waits_on([&] { BOOST_TEST(::sem_wait(&s.s) == 0); }, [&] { ::sem_post(&s.s); });
}

BOOST_AUTO_TEST_CASE(one_that_is_a_lock_lets_a_loop_that_looks_end) {
    run_checked([] {
        os_semaphore s(1);
        bool ready = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { for (bool seen = false; !seen;) { ::sem_wait(&s.s); seen = ready; ::sem_post(&s.s); } });
            n.start_soon([&] { ::sem_wait(&s.s); ready = true; ::sem_post(&s.s); });
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_futex)

BOOST_AUTO_TEST_CASE(std_s_futures_latches_semaphores_and_atomics_wait_in_the_task) {
    run_checked([] {
        std::promise<int> p;
        std::future<int> f = p.get_future();
        std::latch l(2);
        std::barrier b(3);
        std::counting_semaphore<3> s(0);
        std::atomic<int> a{0};
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(f.get() == 7); l.count_down(); });
            n.start_soon([&] { s.acquire(); l.count_down(); });
            n.start_soon([&] { l.wait(); a = 1; a.notify_all(); });
            for (int i = 0; i < 3; ++i) n.start_soon([&] { a.wait(0); b.arrive_and_wait(); ++a; });
            weft::this_task::sleep_for(1s);
            BOOST_TEST(a == 0);
            p.set_value(7);
            s.release();
        });
        BOOST_TEST(a == 4);
    });
}

BOOST_AUTO_TEST_CASE(their_timed_waits_end) {
    weft::run([] {  // libstdc++ looks at the clock itself
        std::promise<void> p;
        auto f = p.get_future();
        std::binary_semaphore s(0);
        int ticks = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++ticks) weft::checkpoint(); });
            BOOST_TEST((f.wait_for(5ms) == std::future_status::timeout));
            BOOST_TEST((f.wait_until(std::chrono::system_clock::now() + 5ms) == std::future_status::timeout));
            BOOST_TEST(!s.try_acquire_for(5ms));
        });
        BOOST_TEST(ticks > 0);
    });
}

BOOST_AUTO_TEST_CASE(a_thread_wakes_a_task_and_a_task_a_thread) {
    weft::run([] {
        std::atomic<int> turn{0};
        std::thread t([&] { for (int i = 1; i < 40; i += 2) { turn.wait(i - 1); turn = i + 1; turn.notify_all(); } });
        for (int i = 0; i < 40; i += 2) {
            turn = i + 1;
            turn.notify_all();
            if (i + 1 < 40) turn.wait(i + 1);
        }
        t.join();
        BOOST_TEST(std::async(std::launch::async, [] { std::this_thread::sleep_for(2ms); return 3; }).get() == 3);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_for_a_future_goes_on) {
    std::promise<void> p;
    auto f = p.get_future();
    waits_on([&] { f.get(); }, [&] { p.set_value(); });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_waits)

BOOST_AUTO_TEST_CASE(a_join_waits_in_the_task_for_a_thread_that_waits_for_another_task) {
    run_checked([] {
        os_semaphore s;
        bool joined = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { std::thread([&] { ::sem_wait(&s.s); }).join(); joined = true; });
            for (int i = 0; i < 3; ++i) weft::checkpoint();
            BOOST_TEST(!joined);
            ::sem_post(&s.s);
        });
        BOOST_TEST(joined);
        BOOST_TEST(::pthread_join(::pthread_self(), nullptr) == EDEADLK);
    });
}

BOOST_AUTO_TEST_CASE(a_spin_lock_that_is_held_over_a_wait_makes_the_others_wait_and_not_the_thread) {
    run_checked([] {
        pthread_spinlock_t l;
        ::pthread_spin_init(&l, PTHREAD_PROCESS_PRIVATE);
        int inside = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] {
                BOOST_TEST(::pthread_spin_lock(&l) == 0);
                BOOST_TEST(++inside == 1);
                weft::this_task::sleep_for(1s);
                --inside;
                BOOST_TEST(::pthread_spin_unlock(&l) == 0);
            });
        });
        ::pthread_spin_destroy(&l);
    });
}

BOOST_AUTO_TEST_CASE(clock_nanosleep_follows_the_run_s_clock) {
    run_checked([] {
        auto start = weft::current_time();
        timespec t{3600, 0}, none{0, -1};
        BOOST_TEST(::clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr) == 0);
        BOOST_TEST((weft::current_time() - start == 1h));
        t = from_now(CLOCK_REALTIME, 1h);
        BOOST_TEST(::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, nullptr) == 0);
        BOOST_TEST(waited_about(start, 2h));
        t = {1, 0};  // long ago
        BOOST_TEST(::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, nullptr) == 0);
        BOOST_TEST(waited_about(start, 2h));
        BOOST_TEST(::clock_nanosleep(CLOCK_MONOTONIC, 0, &none, nullptr) == EINVAL);
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { t = {1, 5}; BOOST_TEST(::clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == ECANCELED); BOOST_TEST(t.tv_nsec == 5); });
    });
}

BOOST_AUTO_TEST_CASE(ppoll_pselect_and_epoll_wait_wait_in_the_task) {
    run_checked([] {
        int ends[2];
        BOOST_TEST_REQUIRE(::pipe(ends) == 0);
        int set = ::epoll_create1(EPOLL_CLOEXEC);
        epoll_event event{EPOLLIN, {.u32 = 9}};
        BOOST_TEST_REQUIRE(::epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
        auto start = weft::current_time();
        pollfd p{ends[0], POLLIN, 0};
        timespec second{0, 999'999'999}, none{-1, 0};
        fd_set in;
        auto select = [&](timespec const* t) {
            FD_ZERO(&in);
            FD_SET(ends[0], &in);
            return ::pselect(ends[0] + 1, &in, nullptr, nullptr, t, nullptr);
        };
        BOOST_TEST(::ppoll(&p, 1, &second, nullptr) == 0);
        BOOST_TEST(select(&second) == 0);
        BOOST_TEST(second.tv_nsec == 999'999'999);
        BOOST_TEST(::epoll_wait(set, &event, 1, 1000) == 0);
        BOOST_TEST((weft::current_time() - start == 3s));  // rounded up
        BOOST_TEST(::epoll_wait(set, &event, 1, 0) == 0);
        BOOST_TEST((::ppoll(&p, 1, &none, nullptr) == -1 && errno == EINVAL));
        BOOST_TEST((select(&none) == -1 && errno == EINVAL));
        BOOST_TEST((::epoll_wait(ends[0], &event, 1, -1) == -1 && errno == EINVAL));
        event = {};
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(::ppoll(&p, 1, nullptr, nullptr) == 1); order += "poll "; });
            n.start_soon([&] { BOOST_TEST(select(nullptr) == 1); order += "select "; });
            n.start_soon([&] { BOOST_TEST(::epoll_pwait(set, &event, 1, -1, nullptr) == 1); BOOST_TEST((event.data.u32 == 9u)); order += "epoll "; });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(order == "");
            BOOST_TEST(::write(ends[1], "x", 1) == 1);
        });
        BOOST_TEST(order.size() == 18u);
        BOOST_TEST(::epoll_wait(set, &event, 1, -1) == 1);  // level-triggered: still there
        char c;
        BOOST_TEST(::read(ends[0], &c, 1) == 1);
        weft::cancel_scope s;
        s.set_deadline(weft::current_time() + 1s);
        s.run([&] {
            BOOST_TEST((::epoll_wait(set, &event, 1, -1) == -1 && errno == ECANCELED));
            BOOST_TEST((::ppoll(&p, 1, nullptr, nullptr) == -1 && errno == ECANCELED));
            weft::check_cancelled();
        });
        BOOST_TEST(s.cancelled_caught());
        for (int fd : {ends[0], ends[1], set}) ::close(fd);
    });
}

BOOST_AUTO_TEST_SUITE_END()
