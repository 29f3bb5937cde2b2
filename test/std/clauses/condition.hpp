// SPDX-License-Identifier: BSL-1.0
// [thread.condition]. Included twice, see clauses.hpp.

static_assert(!std::is_copy_constructible_v<lib::condition_variable> && !std::is_copy_assignable_v<lib::condition_variable>);
static_assert(!std::is_copy_constructible_v<lib::condition_variable_any> && !std::is_copy_assignable_v<lib::condition_variable_any>);
static_assert(std::is_default_constructible_v<lib::condition_variable> && std::is_default_constructible_v<lib::condition_variable_any>);
static_assert(noexcept(std::declval<lib::condition_variable&>().notify_one()) && noexcept(std::declval<lib::condition_variable&>().notify_all()));
static_assert(noexcept(std::declval<lib::condition_variable_any&>().notify_one()) && noexcept(std::declval<lib::condition_variable_any&>().notify_all()));
using condition_lock = lib::unique_lock<lib::mutex>;
static_assert(std::is_same_v<decltype(std::declval<lib::condition_variable&>().wait_for(std::declval<condition_lock&>(), 1s)), lib::cv_status>);
static_assert(std::is_same_v<decltype(std::declval<lib::condition_variable&>().wait_until(std::declval<condition_lock&>(), steady::now(), [] { return true; })), bool>);
static_assert(std::is_same_v<decltype(std::declval<lib::condition_variable_any&>().wait(std::declval<condition_lock&>(), lib::stop_token(), [] { return true; })), bool>);
static_assert(std::is_same_v<lib::cv_status, std::cv_status>);

template <class M, class C>
static void waits_and_is_notified() {
    M m;
    C changed;
    int stage = 0;
    lib::thread t([&] {
        lib::unique_lock<M> lock(m);
        stage = 1;
        changed.notify_all();
        changed.wait(lock, [&] { return stage == 2; });
        stage = 3;
        changed.notify_one();
    });
    lib::unique_lock<M> lock(m);
    while (stage != 1) changed.wait(lock);
    stage = 2;
    changed.notify_all();
    BOOST_TEST(changed.wait_for(lock, 1h, [&] { return stage == 3; }));
    BOOST_TEST(lock.owns_lock());
    lock.unlock();
    t.join();
    changed.notify_one();
    changed.notify_all();
}
CLAUSE(a_wait_unlocks_waits_and_locks_again) {
    waits_and_is_notified<lib::mutex, lib::condition_variable>();
    waits_and_is_notified<lib::mutex, lib::condition_variable_any>();
    waits_and_is_notified<lib::recursive_mutex, lib::condition_variable_any>();
    waits_and_is_notified<lib::timed_mutex, lib::condition_variable_any>();
    waits_and_is_notified<lib::shared_mutex, lib::condition_variable_any>();
}

template <class C>
static void times_out_by_any_clock() {
    lib::mutex m;
    C changed;
    lib::unique_lock<lib::mutex> lock(m);
    auto in_time = [&](auto now, auto wait) {  // a spurious end is allowed
        auto until = now() + 5ms;
        while (wait(until) == std::cv_status::no_timeout) {}
        BOOST_TEST((now() >= until));
        BOOST_TEST(lock.owns_lock());
    };
    in_time([] { return steady::now(); }, [&](auto t) { return changed.wait_until(lock, t); });
    in_time([] { return std::chrono::system_clock::now(); }, [&](auto t) { return changed.wait_until(lock, t); });
    in_time([] { return steady::now(); }, [&](auto t) { return changed.wait_for(lock, t - steady::now()); });
    auto until = unsteady_clock::set_back_before(10ms);
    while (changed.wait_until(lock, until) == std::cv_status::no_timeout) {}
    BOOST_TEST((unsteady_clock::now() >= until));
    until = unsteady_clock::set_back_before(10ms);
    BOOST_TEST(!changed.wait_until(lock, until, [] { return false; }));
    BOOST_TEST((unsteady_clock::now() >= until));
    int asked = 0;
    BOOST_TEST(!changed.wait_for(lock, 2ms, [&] { ++asked; return false; }));
    BOOST_TEST(asked >= 2);
    BOOST_TEST(changed.wait_for(lock, 1ms, [] { return true; }));
    BOOST_TEST((changed.wait_for(lock, -1s) == std::cv_status::timeout));
    BOOST_TEST((changed.wait_until(lock, steady::now() - 1h) == std::cv_status::timeout));
    BOOST_TEST(!changed.wait_until(lock, std::chrono::system_clock::now() - 1h, [] { return false; }));
}
CLAUSE(timed_waits_end_at_their_time_by_any_clock) {
    times_out_by_any_clock<lib::condition_variable>();
    times_out_by_any_clock<lib::condition_variable_any>();
}

CLAUSE(notify_all_wakes_all_and_notify_one_at_least_one) {
    lib::mutex m;
    lib::condition_variable changed;
    int waiting = 0, passed = 0, permits = 0;
    std::vector<lib::thread> all;
    for (int i = 0; i < 4; ++i) all.emplace_back([&] {
        lib::unique_lock<lib::mutex> lock(m);
        ++waiting;
        changed.wait(lock, [&] { return permits > 0; });
        --permits;
        ++passed;
    });
    auto until = [&](auto pred) { for (;;) { { lib::lock_guard lock(m); if (pred()) return; } lib::this_thread::yield(); } };
    until([&] { return waiting == 4; });
    { lib::lock_guard lock(m); permits = 1; }
    changed.notify_one();
    until([&] { return passed == 1; });
    { lib::lock_guard lock(m); permits = 3; }
    changed.notify_all();
    for (auto& t : all) t.join();
    BOOST_TEST(passed == 4);
}

CLAUSE(a_predicate_that_throws_leaves_the_lock_held) {
    lib::mutex m;
    lib::condition_variable a;
    lib::condition_variable_any b;
    lib::unique_lock<lib::mutex> lock(m);
    auto raise = []() -> bool { throw 5; };
    BOOST_CHECK_THROW(a.wait(lock, raise), int);
    BOOST_CHECK_THROW(b.wait_for(lock, 1s, raise), int);
    BOOST_TEST(lock.owns_lock());
}

CLAUSE(waits_with_a_stop_token) {
    lib::mutex m;
    lib::condition_variable_any changed;
    lib::unique_lock<lib::mutex> lock(m);
    lib::stop_source stopped, none(lib::nostopstate), later, never;
    stopped.request_stop();
    int asked = 0;
    BOOST_TEST(!changed.wait(lock, stopped.get_token(), [&] { ++asked; return false; }));
    BOOST_TEST(asked == 1);
    BOOST_TEST(changed.wait(lock, stopped.get_token(), [] { return true; }));
    BOOST_TEST(changed.wait(lock, none.get_token(), [] { return true; }));
    BOOST_TEST(!changed.wait_for(lock, never.get_token(), 2ms, [] { return false; }));
    BOOST_TEST(!changed.wait_until(lock, never.get_token(), std::chrono::system_clock::now() + 2ms, [] { return false; }));
    BOOST_TEST(changed.wait_until(lock, never.get_token(), steady::now() - 1h, [] { return true; }));
    lib::thread t([&] { lib::this_thread::sleep_for(1ms); later.request_stop(); });
    BOOST_TEST(!changed.wait(lock, later.get_token(), [] { return false; }));
    BOOST_TEST(lock.owns_lock());
    t.join();
    lib::stop_source again;
    lib::thread u([&] { again.request_stop(); });
    BOOST_TEST(!changed.wait_for(lock, again.get_token(), 1h, [] { return false; }));
    u.join();
}

CLAUSE(notify_all_at_thread_exit_unlocks_when_the_thread_has_ended) {
    lib::mutex m;
    lib::condition_variable changed;
    bool set = false;
    lib::thread t([&] {
        lib::unique_lock<lib::mutex> lock(m);
        set = true;
        lib::notify_all_at_thread_exit(changed, std::move(lock));
        lib::this_thread::sleep_for(2ms);
    });
    lib::unique_lock<lib::mutex> lock(m);
    changed.wait(lock, [&] { return set; });
    lock.unlock();
    t.join();
    BOOST_TEST(m.try_lock());
    m.unlock();
}
