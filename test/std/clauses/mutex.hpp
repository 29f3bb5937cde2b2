// SPDX-License-Identifier: BSL-1.0
// [thread.mutex], [thread.lock], [thread.once]. Included twice, see clauses.hpp.

template <class M>
constexpr bool mutex_traits() {
    static_assert(std::is_default_constructible_v<M> && std::is_destructible_v<M>);
    static_assert(!std::is_copy_constructible_v<M> && !std::is_move_constructible_v<M> && !std::is_copy_assignable_v<M> && !std::is_move_assignable_v<M>);
    static_assert(std::is_same_v<decltype(std::declval<M&>().lock()), void> && std::is_same_v<decltype(std::declval<M&>().unlock()), void>);
    static_assert(std::is_same_v<decltype(std::declval<M&>().try_lock()), bool>);
    return true;
}
static_assert(mutex_traits<lib::mutex>() && mutex_traits<lib::recursive_mutex>() && mutex_traits<lib::timed_mutex>());
static_assert(mutex_traits<lib::recursive_timed_mutex>() && mutex_traits<lib::shared_mutex>() && mutex_traits<lib::shared_timed_mutex>());
static_assert(std::is_nothrow_default_constructible_v<lib::mutex>);
static_assert(noexcept(std::declval<lib::recursive_mutex&>().try_lock()) && noexcept(std::declval<lib::recursive_timed_mutex&>().try_lock()));
static constinit lib::mutex constant_initialised;  // constexpr constructor
[[maybe_unused]] static constinit lib::once_flag constant_flag;
static_assert(std::is_nothrow_default_constructible_v<lib::once_flag> && !std::is_copy_constructible_v<lib::once_flag> && !std::is_copy_assignable_v<lib::once_flag>);

static_assert(std::is_same_v<typename lib::unique_lock<lib::mutex>::mutex_type, lib::mutex> && std::is_same_v<typename lib::lock_guard<lib::mutex>::mutex_type, lib::mutex>);
static_assert(std::is_same_v<typename lib::scoped_lock<lib::mutex>::mutex_type, lib::mutex> && std::is_same_v<typename lib::shared_lock<lib::shared_mutex>::mutex_type, lib::shared_mutex>);
static_assert(std::is_same_v<decltype(lib::unique_lock(constant_initialised)), lib::unique_lock<lib::mutex>> && std::is_same_v<decltype(lib::scoped_lock(constant_initialised)), lib::scoped_lock<lib::mutex>>);
static_assert(std::is_empty_v<lib::defer_lock_t> && std::is_empty_v<lib::adopt_lock_t> && std::is_empty_v<lib::try_to_lock_t>);

/// Whether another thread finds m free. Leaves it as it was.
template <class M>
static bool free_for_others(M& m) {
    bool free = false;
    lib::thread t([&] { if (m.try_lock()) { free = true; m.unlock(); } });
    t.join();
    return free;
}
template <class M>
static bool shareable_by_others(M& m) {
    bool free = false;
    lib::thread t([&] { if (m.try_lock_shared()) { free = true; m.unlock_shared(); } });
    t.join();
    return free;
}

template <class M>
static void excludes() {
    M m;
    m.lock();
    BOOST_TEST(!free_for_others(m));
    m.unlock();
    BOOST_TEST(free_for_others(m));
    BOOST_TEST(m.try_lock());
    BOOST_TEST(!free_for_others(m));
    m.unlock();
    int inside = 0, most = 0, sum = 0;
    std::vector<lib::thread> all;
    for (int i = 0; i < 4; ++i) all.emplace_back([&] {
        for (int j = 0; j < 25; ++j) {
            lib::lock_guard lock(m);
            most = std::max(most, ++inside);
            if (j % 8 == 0) lib::this_thread::yield();
            ++sum;
            --inside;
        }
    });
    for (auto& t : all) t.join();
    BOOST_TEST(most == 1);
    BOOST_TEST(sum == 100);
}

CLAUSE(mutexes_exclude) {
    excludes<lib::mutex>();
    excludes<lib::timed_mutex>();
    excludes<lib::recursive_mutex>();
    excludes<lib::recursive_timed_mutex>();
    excludes<lib::shared_mutex>();
    excludes<lib::shared_timed_mutex>();
    lib::lock_guard lock(constant_initialised);
    BOOST_TEST(!free_for_others(constant_initialised));
}

template <class M>
static void recurses() {
    M m;
    m.lock();
    m.lock();
    BOOST_TEST(m.try_lock());
    m.unlock();
    m.unlock();
    BOOST_TEST(!free_for_others(m));
    m.unlock();
    BOOST_TEST(free_for_others(m));
}
CLAUSE(recursive_mutexes_count) {
    recurses<lib::recursive_mutex>();
    recurses<lib::recursive_timed_mutex>();
    lib::recursive_timed_mutex m;
    BOOST_TEST(m.try_lock_for(0s));
    BOOST_TEST(m.try_lock_until(steady::now() - 1h));
    m.unlock();
    BOOST_TEST(!free_for_others(m));
    m.unlock();
}

template <class M>
static void times_out() {
    M m;
    BOOST_TEST(m.try_lock_for(-1h));  // a free one is taken however late it is
    m.unlock();
    BOOST_TEST(m.try_lock_until(steady::now() - 1h));
    m.unlock();
    BOOST_TEST(m.try_lock_until(std::chrono::system_clock::time_point()));
    std::atomic<bool> waits_for_ever{false};
    lib::thread t([&] {
        auto start = steady::now();
        if (m.try_lock_for(5ms) || steady::now() - start < 5ms) std::abort();
        auto wall = std::chrono::system_clock::now() + 5ms;
        if (m.try_lock_until(wall) || std::chrono::system_clock::now() < wall) std::abort();
        auto until = unsteady_clock::set_back_before(10ms);
        if (m.try_lock_until(until) || unsteady_clock::now() < until) std::abort();
        if (m.try_lock_for(std::chrono::duration<double>(0.001)) || m.try_lock_for(-1s)) std::abort();
        waits_for_ever = true;
        if (!m.try_lock_for(1h)) std::abort();  // until it is unlocked
        m.unlock();
    });
    while (!waits_for_ever) lib::this_thread::yield();
    m.unlock();
    t.join();
}
CLAUSE(timed_locks_end_at_their_time_by_any_clock) {
    times_out<lib::timed_mutex>();
    times_out<lib::recursive_timed_mutex>();
    times_out<lib::shared_timed_mutex>();
}

template <class M>
static void shares() {
    M m;
    m.lock_shared();
    BOOST_TEST(shareable_by_others(m));
    BOOST_TEST(!free_for_others(m));
    m.unlock_shared();
    m.lock();
    BOOST_TEST(!shareable_by_others(m));
    m.unlock();
    BOOST_TEST(m.try_lock_shared());
    m.unlock_shared();
}
CLAUSE(shared_mutexes_let_many_read_or_one_write) {
    shares<lib::shared_mutex>();
    shares<lib::shared_timed_mutex>();
    lib::shared_timed_mutex m;
    BOOST_TEST(m.try_lock_shared_for(-1s));
    BOOST_TEST(m.try_lock_shared_until(steady::now()));
    lib::thread t([&] { if (m.try_lock_for(5ms) || m.try_lock_until(std::chrono::system_clock::now() + 5ms)) std::abort(); });
    t.join();
    m.unlock_shared();
    m.unlock_shared();
    m.lock();
    lib::thread u([&] { if (m.try_lock_shared_for(5ms) || m.try_lock_shared_until(std::chrono::system_clock::now() + 5ms)) std::abort(); });
    u.join();
    m.unlock();
}

CLAUSE(lock_classes_hold_defer_adopt_and_try) {
    lib::mutex m, n;
    {
        lib::unique_lock<lib::mutex> none, deferred(m, lib::defer_lock);
        BOOST_TEST(!none.owns_lock());
        BOOST_TEST(!deferred);
        BOOST_TEST((code_thrown([&] { none.lock(); }) == std::errc::operation_not_permitted));
        BOOST_TEST((code_thrown([&] { none.unlock(); }) == std::errc::operation_not_permitted));
        deferred.lock();
        BOOST_TEST((code_thrown([&] { deferred.lock(); }) == std::errc::resource_deadlock_would_occur));
        BOOST_TEST((code_thrown([&] { static_cast<void>(deferred.try_lock()); }) == std::errc::resource_deadlock_would_occur));
        none = std::move(deferred);
        BOOST_TEST(none.owns_lock());
        BOOST_TEST(none.mutex() == &m);
        BOOST_TEST(none.release() == &m);
        lib::lock_guard adopted(m, lib::adopt_lock);
        BOOST_TEST(!free_for_others(m));
    }
    BOOST_TEST(free_for_others(m));
    {
        lib::scoped_lock both(m, n);
        BOOST_TEST(!free_for_others(m));
        BOOST_TEST(!free_for_others(n));
        lib::scoped_lock empty;
        static_cast<void>(empty);
    }
    lib::lock(m, n);
    lib::scoped_lock adopted(lib::adopt_lock, m, n);
    lib::thread t([&] { lib::unique_lock tried(m, lib::try_to_lock); if (tried) std::abort(); if (lib::try_lock(n, m) != 0) std::abort(); });
    t.join();
}

CLAUSE(lock_classes_take_times_and_share) {
    lib::shared_timed_mutex m;
    lib::timed_mutex n;
    lib::shared_lock<lib::shared_timed_mutex> a(m, 1ms), b(m, steady::now() + 1ms), c(m, lib::try_to_lock);
    BOOST_TEST((a && b && c));
    lib::unique_lock<lib::timed_mutex> d(n, 1ms);
    BOOST_TEST(d.owns_lock());
    lib::thread t([&] { lib::unique_lock<lib::timed_mutex> e(n, steady::now() + 2ms); if (e) std::abort(); lib::unique_lock<lib::shared_timed_mutex> f(m, 2ms); if (f) std::abort(); });
    t.join();
    swap(a, b);
    a.unlock();
    BOOST_CHECK_THROW(a.unlock(), std::system_error);  // operation_not_permitted, but for libstdc++ 12
}

CLAUSE(lock_and_try_lock_are_all_or_nothing) {
    lib::mutex a, b, c;
    BOOST_TEST(lib::try_lock(a, b, c) == -1);
    lib::thread t([&] { if (lib::try_lock(a, b) != 0) std::abort(); });
    t.join();
    a.unlock();
    c.unlock();
    lib::thread u([&] { if (lib::try_lock(a, b, c) != 1) std::abort(); if (!a.try_lock() || !c.try_lock()) std::abort(); a.unlock(); c.unlock(); });
    u.join();
    b.unlock();
    struct thrower { void lock() { throw 1; } bool try_lock() { throw 1; } void unlock() {} } bad;
    BOOST_CHECK_THROW(lib::lock(a, bad), int);
    BOOST_TEST(free_for_others(a));
    // In opposite orders, again and again.
    int both = 0;
    lib::thread one([&] { for (int i = 0; i < 50; ++i) { lib::lock(a, b); ++both; lib::this_thread::yield(); a.unlock(); b.unlock(); } });
    lib::thread two([&] { for (int i = 0; i < 50; ++i) { lib::lock(b, a); ++both; lib::this_thread::yield(); b.unlock(); a.unlock(); } });
    one.join();
    two.join();
    BOOST_TEST(both == 100);
}

CLAUSE(call_once_runs_the_first_that_returns) {
    lib::once_flag flag;
    int calls = 0, seen = 0;
    BOOST_CHECK_THROW(lib::call_once(flag, [&] { ++calls; throw 5; }), int);
    std::vector<lib::thread> all;
    for (int i = 0; i < 4; ++i) all.emplace_back([&] {
        lib::call_once(flag, [&] { lib::this_thread::sleep_for(2ms); ++calls; });
        if (calls != 2) std::abort();
    });
    for (auto& t : all) t.join();
    BOOST_TEST(calls == 2);
    lib::call_once(flag, [&] { ++calls; });
    BOOST_TEST(calls == 2);
    lib::once_flag arguments, member, movable;
    lib::call_once(arguments, [&](int& v, int&& w) { v = w; }, seen, 9);
    BOOST_TEST(seen == 9);
    struct object { int n = 0; void add(int v) { n += v; } } o;
    lib::call_once(member, &object::add, o, 3);  // a copy would not show
    BOOST_TEST(o.n == 3);
    counted::counts c;
    counted argument(c);
    lib::call_once(movable, [](counted&) {}, argument);
    BOOST_TEST(c.copies + c.moves == 0);
}
