// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/std/atomic.hpp>
#include <weft/sync/event.hpp>

#include <boost/asio/post.hpp>

#include <functional>
#include <memory>
#include <thread>
#include <type_traits>

using namespace weft_test;

static_assert(sizeof(weft::atomic<char>) == sizeof(std::atomic<char>) && sizeof(weft::atomic_flag) == sizeof(std::atomic_flag));
static_assert(weft::atomic<int>::is_always_lock_free && std::is_same_v<weft::atomic<int>::value_type, int>);
static_assert(std::is_nothrow_default_constructible_v<weft::atomic<int>> && !std::is_copy_constructible_v<weft::atomic<int>> && !std::is_copy_assignable_v<weft::atomic<int>>);
static_assert(std::is_convertible_v<int, weft::atomic<int>> && std::is_convertible_v<weft::atomic<int>, int>);
static_assert(std::is_convertible_v<weft::atomic<int>*, std::atomic<int>*>);
static_assert(std::is_same_v<decltype(weft::atomic(5L)), weft::atomic<long>> && std::is_same_v<weft::atomic_size_t, weft::atomic<std::size_t>>);
static_assert(noexcept(std::declval<weft::atomic<int>&>().load()) && noexcept(std::declval<weft::atomic<int>&>().exchange(1)) && !noexcept(std::declval<weft::atomic<int>&>().wait(1)));

namespace {

constinit weft::atomic<int> constant{5};
constinit weft::atomic_flag flag = ATOMIC_FLAG_INIT;

/// A task loops until what `set` does, in a task behind it, has been seen.
void ends(std::function<void()> loop, std::function<void()> set) {
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon(loop);
            n.start_soon(set);
        });
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(atomic)

BOOST_AUTO_TEST_CASE(a_loop_that_waits_for_another_task_ends) {
    weft::atomic<bool> done{false};
    ends([&] { while (!done) {} }, [&] { done = true; });
    done = false;
    ends([&] { while (!done.load(std::memory_order_acquire)) {} }, [&] { done.store(true, std::memory_order_release); });
    weft::atomic<int> lock{1};
    ends([&] { while (lock.exchange(1) == 1) {} }, [&] { lock = 0; });
    ends([&] { for (int zero = 0; !lock.compare_exchange_weak(zero, 1); zero = 0) {} }, [&] { lock = 0; });
    ends([&] { for (int zero = 0; !lock.compare_exchange_strong(zero, 1, std::memory_order_acquire, std::memory_order_relaxed); zero = 0) {} }, [&] { lock = 0; });
    weft::atomic_flag held;
    BOOST_TEST(!held.test_and_set());
    ends([&] { while (held.test_and_set(std::memory_order_acquire)) {} }, [&] { held.clear(); });
    ends([&] { while (held.test()) {} }, [&] { held.clear(); });
}

BOOST_AUTO_TEST_CASE(what_is_asked_a_few_times_goes_on_at_once) {
    run_checked([] {
        weft::atomic<int> a{0};
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            for (int step = 0; step < 20; ++step) {
                weft::checkpoint();
                int before = turns;
                for (int i = 0; i < 100; ++i) {
                    a.store(a + 1);
                    int seven = a.exchange(7);
                    seven = 7;
                    BOOST_TEST(a.compare_exchange_strong(seven, 8));
                    a.fetch_add(1);
                }
                BOOST_TEST(turns == before);
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(all_else_is_std_s) {
    BOOST_TEST(constant.load() == 5);
    BOOST_TEST((constant = 6) == 6);
    BOOST_TEST(++constant == 7);
    BOOST_TEST((constant += 2) == 9);
    BOOST_TEST(std::atomic_fetch_sub(&constant, 4) == 9);
    BOOST_TEST(constant == 5);
    BOOST_TEST(!flag.test_and_set());
    int values[3] = {1, 2, 3};
    weft::atomic<int*> p = values;
    BOOST_TEST(*++p == 2);
    struct alignas(8) pair { int a, b; };  // else clang asks libatomic
    weft::atomic<pair> q{pair{1, 2}};
    BOOST_TEST(q.exchange({3, 4}).b == 2);
    volatile weft::atomic<int> hardware{3};
    BOOST_TEST(hardware.load() == 3);
    BOOST_TEST(hardware.exchange(4) == 3);
    weft::atomic<std::shared_ptr<int>> shared(std::make_shared<int>(8));
    BOOST_TEST(*shared.load() == 8);
}

BOOST_AUTO_TEST_CASE(wait_parks_and_is_a_cancellation_point) {
    run_checked([] {
        weft::atomic<int> step{0};
        weft::atomic_flag last;
        int seen = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                step.wait(0);
                seen = step;
                last.test_and_set();
                last.notify_all();
            });
            n.start_soon([&] {
                step = 4;
                step.notify_one();
                last.wait(false);
                BOOST_TEST(seen == 4);
            });
        });
        BOOST_TEST(!weft::move_on_after(5ms, [&] { step.wait(4); }));
        step.notify_all();
    });
}

BOOST_AUTO_TEST_CASE(in_a_callback_and_in_a_plain_thread_nothing_yields) {
    weft::run([] {
        weft::atomic<int> a{0};
        weft::event counted;
        boost::asio::post(weft::get_executor(), [&] {
            for (int i = 0; i < 1'000; ++i) a = a + 1;
            counted.set();
        });
        counted.wait();
        BOOST_TEST(a == 1'000);
    });
    weft::atomic<bool> go{false}, gone{false};
    std::thread t([&] { while (!go) {} gone = true; gone.notify_one(); });
    go = true;
    gone.wait(false);
    t.join();
}

BOOST_AUTO_TEST_CASE(tasks_of_runs_and_threads_share_a_spin_lock) {
    weft::atomic_flag spin;
    int held = 0;
    auto work = [&](auto between) {
        for (int i = 0; i < 200; ++i) {
            while (spin.test_and_set(std::memory_order_acquire)) {}
            ++held;
            between();  // held across a switch: who else wants it spins, and lets the holder go on
            spin.clear(std::memory_order_release);
        }
    };
    auto run = [&] {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 3; ++i) n.start_soon([&] { work([] { weft::checkpoint(); }); });
            });
        });
    };
    std::thread other(run), plain([&] { work([] {}); });
    run();
    other.join();
    plain.join();
    BOOST_TEST(held == 7 * 200);
}

BOOST_AUTO_TEST_SUITE_END()
