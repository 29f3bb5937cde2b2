// SPDX-License-Identifier: BSL-1.0
// pthread's read-write locks in tasks, in a program that is linked with weft_posix.
#include "core/child.hpp"
#include "posix/os_mutex.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {
struct os_rwlock {
    pthread_rwlock_t l;
    explicit os_rwlock(int kind = PTHREAD_RWLOCK_PREFER_READER_NP) {
        pthread_rwlockattr_t a;
        ::pthread_rwlockattr_init(&a);
        ::pthread_rwlockattr_setkind_np(&a, kind);
        ::pthread_rwlock_init(&l, &a);
        ::pthread_rwlockattr_destroy(&a);
    }
    ~os_rwlock() { ::pthread_rwlock_destroy(&l); }
    int read() { return ::pthread_rwlock_rdlock(&l); }
    int try_read() { return ::pthread_rwlock_tryrdlock(&l); }
    int write() { return ::pthread_rwlock_wrlock(&l); }
    int try_write() { return ::pthread_rwlock_trywrlock(&l); }
    int unlock() { return ::pthread_rwlock_unlock(&l); }
};

/// What another thread gets at once.
template <class F>
int in_thread(F f) {
    int r = 0;
    std::thread([&] { r = f(); }).join();
    return r;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(interposed_rwlock)

BOOST_AUTO_TEST_CASE(tasks_read_together_and_write_alone_across_waits) {
    run_checked([] {
        os_rwlock l;
        int reading = 0, most = 0, writing = 0;
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] {
                BOOST_TEST(l.read() == 0);
                most = std::max(most, ++reading);
                BOOST_TEST(writing == 0);
                weft::this_task::sleep_for(1s);
                --reading;
                BOOST_TEST(l.unlock() == 0);
            });
            for (int i = 0; i < 2; ++i) n.start_soon([&] {
                BOOST_TEST(l.write() == 0);
                BOOST_TEST((++writing == 1 && reading == 0));
                weft::this_task::sleep_for(1s);
                --writing;
                BOOST_TEST(l.unlock() == 0);
            });
        });
        BOOST_TEST(most == 3);
        BOOST_TEST(waited_about(start, 3s));  // 1 for those who read, 2 for those who write
        BOOST_TEST(in_thread([&] { return l.try_write() == 0 && l.unlock() == 0; }));  // libc's is free
    });
}

BOOST_AUTO_TEST_CASE(who_reads_may_read_again_though_a_writer_waits_unless_the_kind_forbids_it) {
    for (bool forbids : {false, true}) {
        run_checked([&] {
            os_rwlock l(forbids ? PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP : PTHREAD_RWLOCK_PREFER_READER_NP);
            std::string order;
            weft::with_nursery([&](weft::nursery& n) {
                BOOST_TEST(l.read() == 0);
                n.start_soon([&] { BOOST_TEST(l.write() == 0); order += "write "; BOOST_TEST(l.unlock() == 0); });
                weft::testing::wait_all_tasks_blocked();
                if (!forbids) {
                    BOOST_TEST(l.read() == 0);
                    BOOST_TEST(l.unlock() == 0);
                }
                n.start_soon([&] { BOOST_TEST(l.read() == 0); order += "read "; BOOST_TEST(l.unlock() == 0); });
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(l.unlock() == 0);
            });
            BOOST_TEST(order == (forbids ? "write read " : "read write "));
        });
    }
}

BOOST_AUTO_TEST_CASE(threads_are_kept_out_as_long_as_a_task_has_it) {
    run_checked([] {
        os_rwlock l;
        auto reads = [&] { int e = l.try_read(); return e ? e : l.unlock(); };
        auto writes = [&] { int e = l.try_write(); return e ? e : l.unlock(); };
        BOOST_TEST(l.read() == 0);
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { BOOST_TEST(l.read() == 0); BOOST_TEST(l.unlock() == 0); }); });
        BOOST_TEST(in_thread(writes) == EBUSY);  // one task reads still
        BOOST_TEST(in_thread(reads) == 0);
        BOOST_TEST(l.unlock() == 0);
        BOOST_TEST(l.write() == 0);
        BOOST_TEST(in_thread(reads) == EBUSY);
        BOOST_TEST(l.unlock() == 0);
        BOOST_TEST(in_thread(writes) == 0);
        std::atomic<bool> held{false}, seen{false};
        std::thread holder([&] {
            l.write();
            held = true;
            while (!seen) std::this_thread::sleep_for(1ms);
            std::this_thread::sleep_for(5ms);
            l.unlock();
        });
        while (!held) std::this_thread::sleep_for(1ms);
        BOOST_TEST(l.try_read() == EBUSY);
        seen = true;
        BOOST_TEST(l.read() == 0);  // waits for the thread, as libc does
        BOOST_TEST(l.unlock() == 0);
        holder.join();
    });
}

BOOST_AUTO_TEST_CASE(what_would_be_for_ever_or_undefined_is_an_error) {
    run_checked([] {
        os_rwlock l;
        BOOST_TEST(l.write() == 0);
        BOOST_TEST(l.write() == EDEADLK);
        BOOST_TEST(l.read() == EDEADLK);
        BOOST_TEST((l.try_write() == EBUSY && l.try_read() == EBUSY));
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] {
            BOOST_TEST(l.unlock() == EPERM);
            BOOST_TEST((l.try_write() == EBUSY && l.try_read() == EBUSY));
            auto start = weft::current_time();
            timespec soon = from_now(CLOCK_REALTIME, 1s), later = from_now(CLOCK_MONOTONIC, 2s), none{0, -1};
            BOOST_TEST(::pthread_rwlock_timedrdlock(&l.l, &soon) == ETIMEDOUT);
            BOOST_TEST(waited_about(start, 1s));
            later = from_now(CLOCK_MONOTONIC, 1s);
            BOOST_TEST(::pthread_rwlock_clockwrlock(&l.l, CLOCK_MONOTONIC, &later) == ETIMEDOUT);
            BOOST_TEST(waited_about(start, 2s));
            BOOST_TEST(::pthread_rwlock_timedwrlock(&l.l, &none) == EINVAL);
            BOOST_TEST(::pthread_rwlock_clockrdlock(&l.l, CLOCK_MONOTONIC, &none) == EINVAL);
        }); });
        BOOST_TEST(l.unlock() == 0);
        BOOST_TEST(l.try_write() == 0);
        BOOST_TEST(l.unlock() == 0);
    });
    BOOST_CHECK_THROW(run_checked([] {
        os_rwlock l;
        BOOST_TEST(l.read() == 0);
        BOOST_TEST(l.write() == EDEADLK);  // waits for itself: the run is stuck
        BOOST_TEST(l.unlock() == 0);
        weft::this_task::sleep_forever();
    }), weft::deadlock_error);
}

BOOST_AUTO_TEST_CASE(a_cancelled_task_has_it_and_raises_at_the_next_point) {
    run_checked([] {
        os_rwlock l;
        BOOST_TEST(l.write() == 0);
        bool had = false;
        weft::with_nursery([&](weft::nursery& n) {
            for (bool shared : {true, false}) n.start_soon([&, shared] {
                BOOST_TEST((shared ? l.read() : l.write()) == 0);
                had = true;
                BOOST_TEST(l.unlock() == 0);
                BOOST_CHECK_THROW(weft::check_cancelled(), weft::cancelled);
            });
            weft::testing::wait_all_tasks_blocked();
            n.cancel();
            weft::yield_shielded();
            BOOST_TEST(!had);
            BOOST_TEST(l.unlock() == 0);
        });
        BOOST_TEST(had);
    });
}

BOOST_AUTO_TEST_CASE(std_s_shared_mutex_is_made_of_it) {
    run_checked([] {
        std::shared_mutex m;
        std::shared_timed_mutex timed;
        bool ready = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { std::lock_guard lock(m); weft::this_task::sleep_for(1s); });
            n.start_soon([&] {
                std::shared_lock lock(m);
                std::shared_lock again(m);
                weft::this_task::sleep_for(1s);
            });
            n.start_soon([&] { std::unique_lock lock(timed); weft::this_task::sleep_for(1s); ready = true; });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(!timed.try_lock_shared_for(500ms));
            for (bool seen = false; !seen;) {  // and a loop that only looks ends
                std::shared_lock lock(timed);
                seen = ready;
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(runs_and_threads_share_one) {
    std::shared_mutex m;
    int value = 0, copy = 0;
    auto work = [&](auto between) {
        for (int i = 0; i < 100; ++i) {
            { std::lock_guard lock(m); ++value; between(); copy = value; }
            { std::shared_lock lock(m); if (copy != value) std::abort(); between(); if (copy != value) std::abort(); }
        }
    };
    auto run = [&] {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 4; ++i) n.start_soon([&] { work([] { weft::checkpoint(); }); });
            });
        });
    };
    std::thread plain([&] { work([] {}); });
    run();
    plain.join();
    BOOST_TEST(value == 500);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_rwlock_child, *boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(scenario) {
    auto held = [](bool writing, bool wanted) {
        weft::run([&] {
            os_rwlock l;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { writing ? l.write() : l.read(); weft::this_task::sleep_for(20ms); l.unlock(); });
                weft::testing::wait_all_tasks_blocked();
                boost::asio::post(weft::get_executor(), [&] { wanted ? l.write() : l.read(); l.unlock(); });
            });
        });
    };
    as_child({{"write", [&] { held(false, true); }}, {"read", [&] { held(true, false); }}, {"both read", [&] { held(false, false); }}});
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interposed_rwlock_in_callbacks)

BOOST_AUTO_TEST_CASE(what_only_a_task_can_give_ends_the_program_with_a_message) {
    for (std::string call : {"write", "read"}) {
        outcome o = run_child("interposed_rwlock_child", call);
        BOOST_TEST(o.signal == SIGABRT);
        BOOST_TEST(contains(o.text, "W107"));
        BOOST_TEST(contains(o.text, call == "write" ? "pthread_rwlock_wrlock in a callback" : "pthread_rwlock_rdlock in a callback"));
    }
    outcome o = run_child("interposed_rwlock_child", "both read");
    BOOST_TEST((o.signal == 0 && o.code == 0), o.text);
}

BOOST_AUTO_TEST_SUITE_END()
