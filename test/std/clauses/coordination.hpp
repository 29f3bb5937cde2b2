// SPDX-License-Identifier: BSL-1.0
// [thread.sema], [thread.coord]: semaphores, latches, barriers. Included twice, see clauses.hpp.

template <class T>
constexpr bool stays_put = !std::is_copy_constructible_v<T> && !std::is_move_constructible_v<T> && !std::is_copy_assignable_v<T> && !std::is_move_assignable_v<T>;
static_assert(stays_put<lib::latch> && stays_put<lib::barrier<>> && stays_put<lib::counting_semaphore<>> && stays_put<lib::binary_semaphore>);
static_assert(!std::is_convertible_v<std::ptrdiff_t, lib::latch> && !std::is_convertible_v<std::ptrdiff_t, lib::counting_semaphore<>> && !std::is_convertible_v<std::ptrdiff_t, lib::barrier<>>);
static_assert(lib::latch::max() > 0 && noexcept(lib::latch::max()) && lib::barrier<>::max() > 0 && noexcept(lib::barrier<>::max()));
static_assert(lib::counting_semaphore<5>::max() >= 5 && lib::binary_semaphore::max() >= 1 && noexcept(lib::counting_semaphore<>::max()));
static_assert(std::is_same_v<lib::binary_semaphore, lib::counting_semaphore<1>>);
static_assert(noexcept(std::declval<lib::latch const&>().try_wait()) && noexcept(std::declval<lib::counting_semaphore<>&>().try_acquire()));
static_assert(!std::is_copy_constructible_v<lib::barrier<>::arrival_token> && std::is_move_constructible_v<lib::barrier<>::arrival_token> && std::is_move_assignable_v<lib::barrier<>::arrival_token>);
static constinit lib::latch constant_latch(2);
static lib::counting_semaphore<7> constant_semaphore(3);

CLAUSE(semaphores_count) {
    lib::counting_semaphore<5> s(2);
    s.acquire();
    BOOST_TEST(s.try_acquire());
    BOOST_TEST(!s.try_acquire());
    s.release(3);
    BOOST_TEST(s.try_acquire_for(0s));
    BOOST_TEST(s.try_acquire_until(steady::now() - 1h));
    s.acquire();
    auto start = steady::now();
    BOOST_TEST(!s.try_acquire_for(5ms));
    BOOST_TEST((steady::now() - start >= 5ms));
    auto wall = std::chrono::system_clock::now() + 5ms;
    BOOST_TEST(!s.try_acquire_until(wall));
    BOOST_TEST((std::chrono::system_clock::now() >= wall));
    s.release(0);
    BOOST_TEST(!s.try_acquire());
    lib::thread t([&] { s.release(); });
    s.acquire();
    t.join();
    lib::binary_semaphore there(0), back(0);
    lib::thread u([&] { there.acquire(); back.release(); });
    there.release();
    BOOST_TEST(back.try_acquire_for(1h));
    u.join();
    BOOST_TEST(constant_semaphore.try_acquire());
    constant_semaphore.release();
}

CLAUSE(release_wakes_as_many_as_it_adds) {
    lib::counting_semaphore<> s(0);
    std::atomic<int> passed{0};
    std::vector<lib::thread> all;
    for (int i = 0; i < 4; ++i) all.emplace_back([&] { s.acquire(); ++passed; });
    s.release(3);
    while (passed != 3) lib::this_thread::yield();
    BOOST_TEST(!s.try_acquire());
    s.release();
    for (auto& t : all) t.join();
    BOOST_TEST(passed == 4);
}

CLAUSE(latches_open_once_and_stay_so) {
    lib::latch zero(0);
    BOOST_TEST(zero.try_wait());
    zero.wait();
    lib::latch l(4);
    std::atomic<int> passed{0};
    lib::thread a([&] { l.wait(); ++passed; });
    lib::thread b([&] { l.arrive_and_wait(2); ++passed; });
    l.count_down();
    BOOST_TEST(passed == 0);
    l.arrive_and_wait();
    BOOST_TEST(l.try_wait());
    a.join();
    b.join();
    BOOST_TEST(passed == 2);
    l.wait();
    l.count_down(0);
    static_cast<void>(constant_latch.try_wait());
}

CLAUSE(barriers_run_their_completion_between_phases) {
    int completions = 0, sum = 0;
    auto complete = [&]() noexcept { ++completions; };
    lib::barrier b(3, complete);
    static_assert(std::is_same_v<decltype(b), lib::barrier<decltype(complete)>>);
    std::atomic<int> arrived{0};
    std::vector<lib::thread> all;
    for (int i = 0; i < 3; ++i) all.emplace_back([&] {
        for (int phase = 1; phase <= 5; ++phase) {
            ++arrived;
            b.arrive_and_wait();
            if (arrived < 3 * phase || completions < phase) std::abort();
        }
    });
    for (auto& t : all) t.join();
    sum = completions;
    BOOST_TEST(sum == 5);
}

CLAUSE(barriers_have_tokens_and_may_be_left) {
    lib::barrier<> b(2);
    auto mine = b.arrive();
    lib::thread t([&] { b.arrive_and_drop(); });
    b.wait(std::move(mine));
    t.join();
    b.arrive_and_wait();  // one is left
    auto token = b.arrive();
    auto moved = std::move(token);
    b.wait(std::move(moved));
    lib::barrier many(3);
    static_cast<void>(many.arrive(2));
    many.arrive_and_wait();
}

CLAUSE(atomics_are_looped_over_and_waited_for) {
    lib::atomic<int> step{0};
    lib::atomic_flag taken = ATOMIC_FLAG_INIT;
    lib::thread t([&] {
        while (step.load(std::memory_order_acquire) == 0) {}
        int one = 1;
        while (!step.compare_exchange_weak(one, 2)) one = 1;
        step.notify_one();
        taken.wait(false);
    });
    lib::this_thread::yield();
    step = 1;
    for (int seen; (seen = step) < 2;) step.wait(seen);
    BOOST_TEST(step.exchange(3) == 2);
    BOOST_TEST(!taken.test_and_set());
    taken.notify_all();
    t.join();
    BOOST_TEST(taken.test());
}
