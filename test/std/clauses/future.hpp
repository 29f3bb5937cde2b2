// SPDX-License-Identifier: BSL-1.0
// [futures]. Included twice, see clauses.hpp.

template <class R>
constexpr bool future_traits() {
    using promise = lib::promise<R>;
    using future = lib::future<R>;
    using shared = lib::shared_future<R>;
    static_assert(!std::is_copy_constructible_v<promise> && !std::is_copy_assignable_v<promise> && std::is_nothrow_move_constructible_v<promise> && std::is_nothrow_move_assignable_v<promise>);
    static_assert(std::is_default_constructible_v<promise> && std::is_nothrow_swappable_v<promise>);
    static_assert(std::is_constructible_v<promise, std::allocator_arg_t, std::allocator<char> const&> && std::uses_allocator_v<promise, std::allocator<char>>);
    static_assert(!std::is_copy_constructible_v<future> && !std::is_copy_assignable_v<future> && std::is_nothrow_move_constructible_v<future> && std::is_nothrow_move_assignable_v<future>);
    static_assert(std::is_nothrow_default_constructible_v<future> && noexcept(std::declval<future const&>().valid()) && noexcept(std::declval<future&>().share()));
    static_assert(std::is_nothrow_default_constructible_v<shared> && (!exact || std::is_nothrow_copy_constructible_v<shared>) && std::is_nothrow_move_constructible_v<shared>);
    static_assert((!exact || std::is_nothrow_copy_assignable_v<shared>) && std::is_nothrow_move_assignable_v<shared> && std::is_nothrow_constructible_v<shared, future>);
    static_assert(std::is_convertible_v<future, shared> && noexcept(std::declval<shared const&>().valid()));
    static_assert(std::is_same_v<decltype(std::declval<promise&>().get_future()), future> && std::is_same_v<decltype(std::declval<future&>().share()), shared>);
    static_assert(std::is_same_v<decltype(std::declval<future&>().get()), R>);
    static_assert(std::is_same_v<decltype(std::declval<future const&>().wait_for(1s)), lib::future_status> && std::is_same_v<decltype(std::declval<future const&>().wait_until(steady::now())), lib::future_status>);
    return true;
}
static_assert(future_traits<int>() && future_traits<int&>() && future_traits<void>() && future_traits<std::unique_ptr<int>>());
static_assert(std::is_same_v<decltype(std::declval<lib::shared_future<int> const&>().get()), int const&> && std::is_same_v<decltype(std::declval<lib::shared_future<int&> const&>().get()), int&> && std::is_same_v<decltype(std::declval<lib::shared_future<void> const&>().get()), void>);
static_assert(std::is_same_v<lib::future_errc, std::future_errc> && std::is_same_v<lib::launch, std::launch> && std::is_same_v<lib::future_error, std::future_error>);
using task_type = lib::packaged_task<int(long)>;
static_assert(!std::is_copy_constructible_v<task_type> && !std::is_copy_assignable_v<task_type> && std::is_nothrow_move_constructible_v<task_type> && std::is_nothrow_move_assignable_v<task_type>);
static_assert(std::is_nothrow_default_constructible_v<task_type> && std::is_nothrow_swappable_v<task_type> && noexcept(std::declval<task_type const&>().valid()));
static_assert(!std::is_constructible_v<task_type, task_type const&> && !std::is_convertible_v<int (*)(long), task_type>);
static int plain_function(long v) { return static_cast<int>(v) + 1; }
static_assert(std::is_same_v<decltype(lib::packaged_task(plain_function)), task_type>);
static_assert(std::is_same_v<decltype(lib::packaged_task([](char) { return 1.0; })), lib::packaged_task<double(char)>>);
static_assert(std::is_same_v<decltype(lib::packaged_task(std::function<int(long)>())), task_type>);
static_assert(std::is_same_v<decltype(lib::async([] { return 1; })), lib::future<int>> && std::is_same_v<decltype(lib::async(lib::launch::deferred, plain_function, 1L)), lib::future<int>>);

CLAUSE(a_promise_s_value_error_and_reference_reach_the_future) {
    lib::promise<int> p;
    lib::future<int> f = p.get_future();
    BOOST_TEST(f.valid());
    BOOST_TEST((f.wait_for(0s) == lib::future_status::timeout));
    p.set_value(3);
    BOOST_TEST((f.wait_for(0s) == lib::future_status::ready));
    f.wait();
    BOOST_TEST(f.get() == 3);
    BOOST_TEST(!f.valid());
    lib::promise<int&> r;
    int target = 0;
    lib::future<int&> g = r.get_future();
    r.set_value(target);
    BOOST_TEST(&g.get() == &target);
    lib::promise<void> v;
    lib::future<void> h = v.get_future();
    v.set_exception(std::make_exception_ptr(5));
    BOOST_CHECK_THROW(h.get(), int);
    lib::promise<std::unique_ptr<int>> u;
    auto i = u.get_future();
    u.set_value(std::make_unique<int>(4));
    BOOST_TEST(*i.get() == 4);
    lib::promise<int> allocated(std::allocator_arg, std::allocator<char>());
    allocated.set_value(1);
    BOOST_TEST(allocated.get_future().get() == 1);
}

CLAUSE(promises_report_std_s_errors) {
    lib::promise<int> p;
    auto f = p.get_future();
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(p.get_future()); }) == lib::future_errc::future_already_retrieved));
    p.set_value(1);
    BOOST_TEST((future_error_thrown([&] { p.set_value(2); }) == lib::future_errc::promise_already_satisfied));
    BOOST_TEST((future_error_thrown([&] { p.set_exception(std::make_exception_ptr(1)); }) == lib::future_errc::promise_already_satisfied));
    lib::promise<int> moved = std::move(p);
    BOOST_TEST((future_error_thrown([&] { p.set_value(2); }) == lib::future_errc::no_state));
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(p.get_future()); }) == lib::future_errc::no_state));
    lib::future<int> broken;
    {
        lib::promise<int> gone;
        broken = gone.get_future();
        BOOST_TEST((broken.wait_for(0s) == lib::future_status::timeout));
    }
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(broken.get()); }) == lib::future_errc::broken_promise));
    lib::promise<int> assigned;
    auto old = assigned.get_future();
    assigned = lib::promise<int>();
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(old.get()); }) == lib::future_errc::broken_promise));
    lib::promise<int> a, b;
    auto fa = a.get_future();
    swap(a, b);
    b.set_value(7);
    BOOST_TEST(fa.get() == 7);
}

CLAUSE(a_value_whose_copy_throws_leaves_the_promise_unfulfilled) {
    struct fragile { bool bad; fragile(bool b) : bad(b) {} fragile(fragile const& o) : bad(o.bad) { if (bad) throw 5; } };
    lib::promise<fragile> p;
    auto f = p.get_future();
    fragile bad(true), good(false);
    BOOST_CHECK_THROW(p.set_value(bad), int);
    p.set_value(good);
    BOOST_TEST(!f.get().bad);
}

CLAUSE(shared_futures_are_copied_and_read_again) {
    lib::promise<int> p;
    lib::shared_future<int> a = p.get_future().share(), b = a;
    lib::shared_future<int> c;
    BOOST_TEST(!c.valid());
    c = a;
    p.set_value(6);
    BOOST_TEST(a.get() == 6);
    BOOST_TEST(a.get() == 6);
    BOOST_TEST(&b.get() == &c.get());
    lib::shared_future<int> moved = std::move(a);
    BOOST_TEST(!a.valid());
    BOOST_TEST(moved.valid());
    BOOST_TEST((moved.wait_until(steady::now()) == lib::future_status::ready));
    lib::promise<void> e;
    lib::shared_future<void> err(e.get_future());
    e.set_exception(std::make_exception_ptr(1));
    BOOST_CHECK_THROW(err.get(), int);
    BOOST_CHECK_THROW(err.get(), int);
}

CLAUSE(waits_for_futures_end_at_their_time_by_any_clock) {
    lib::promise<int> p;
    auto f = p.get_future();
    auto start = steady::now();
    BOOST_TEST((f.wait_for(5ms) == lib::future_status::timeout));
    BOOST_TEST((steady::now() - start >= 5ms));
    auto wall = std::chrono::system_clock::now() + 5ms;
    BOOST_TEST((f.wait_until(wall) == lib::future_status::timeout));
    BOOST_TEST((std::chrono::system_clock::now() >= wall));
    auto until = unsteady_clock::set_back_before(10ms);
    BOOST_TEST((f.wait_until(until) == lib::future_status::timeout));
    BOOST_TEST((unsteady_clock::now() >= until));
    BOOST_TEST((f.wait_for(-1h) == lib::future_status::timeout));
    BOOST_TEST((f.wait_until(steady::time_point()) == lib::future_status::timeout));
    BOOST_TEST((f.wait_until(steady::time_point::min()) == lib::future_status::timeout));
    BOOST_TEST((f.wait_until(std::chrono::system_clock::time_point::min()) == lib::future_status::timeout));
    lib::thread t([&] { p.set_value(1); });
    BOOST_TEST((f.wait_for(1h) == lib::future_status::ready));
    t.join();
}

CLAUSE(results_set_at_thread_exit_come_at_its_end) {
    lib::promise<int> p;
    lib::promise<int&> r;
    lib::promise<void> v, e;
    int target = 0;
    auto fp = p.get_future();
    auto fr = r.get_future();
    auto fv = v.get_future(), fe = e.get_future();
    std::atomic<bool> early{false};
    lib::thread t([&] {
        p.set_value_at_thread_exit(1);
        r.set_value_at_thread_exit(target);
        v.set_value_at_thread_exit();
        e.set_exception_at_thread_exit(std::make_exception_ptr(5));
        if (future_error_thrown([&] { p.set_value(2); }) != lib::future_errc::promise_already_satisfied) std::abort();
        early = fp.wait_for(0s) == lib::future_status::ready || fv.wait_for(0s) == lib::future_status::ready;
    });
    t.join();
    BOOST_TEST(!early);
    BOOST_TEST(fp.get() == 1);
    BOOST_TEST(&fr.get() == &target);
    fv.get();
    BOOST_CHECK_THROW(fe.get(), int);
}

CLAUSE(packaged_tasks_call_once_and_reset) {
    lib::packaged_task<int(int, std::unique_ptr<int>)> t([](int a, std::unique_ptr<int> b) { if (a < 0) throw a; return a + *b; });
    BOOST_TEST(t.valid());
    auto f = t.get_future();
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(t.get_future()); }) == lib::future_errc::future_already_retrieved));
    t(1, std::make_unique<int>(2));
    BOOST_TEST(f.get() == 3);
    BOOST_TEST((future_error_thrown([&] { t(1, nullptr); }) == lib::future_errc::promise_already_satisfied));
    t.reset();
    f = t.get_future();
    t(-1, nullptr);
    BOOST_CHECK_THROW(f.get(), int);
    t.reset();
    f = t.get_future();
    t.reset();  // uncalled
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(f.get()); }) == lib::future_errc::broken_promise));
    auto moved = std::move(t);
    BOOST_TEST(!t.valid());
    BOOST_TEST((future_error_thrown([&] { t(1, nullptr); }) == lib::future_errc::no_state));
    BOOST_TEST((future_error_thrown([&] { t.reset(); }) == lib::future_errc::no_state));
    BOOST_TEST((future_error_thrown([&] { static_cast<void>(t.get_future()); }) == lib::future_errc::no_state));
    swap(t, moved);
    BOOST_TEST(t.valid());
    counted::counts c;
    { counted function(c); lib::packaged_task<void()> made(function); BOOST_TEST(c.copies == 1); lib::packaged_task<void()> taken(std::move(function)); BOOST_TEST(c.copies == 1); }
    BOOST_TEST(c.alive == 0);
    struct object { long v = 4; int get() const { return static_cast<int>(v); } } o;  // as large as a pointer: g++ 12 looks for a table of virtual functions in it, and warns
    lib::packaged_task<int(object&)> member(&object::get);
    auto fm = member.get_future();
    member(o);
    BOOST_TEST(fm.get() == 4);
}

CLAUSE(make_ready_at_thread_exit_stores_now_and_shows_at_the_end) {
    std::atomic<bool> early{false};
    lib::packaged_task<int()> p([] { return 3; });
    auto f = p.get_future();
    lib::thread t([&] {
        p.make_ready_at_thread_exit();
        early = f.wait_for(0s) == lib::future_status::ready;
        if (future_error_thrown([&] { p(); }) != lib::future_errc::promise_already_satisfied) std::abort();
    });
    t.join();
    BOOST_TEST(!early);
    BOOST_TEST(f.get() == 3);
}

CLAUSE(async_runs_beside_its_caller_or_in_the_wait) {
    auto me = lib::this_thread::get_id();
    auto a = lib::async(lib::launch::async, [] { return lib::this_thread::get_id(); });
    BOOST_TEST((a.get() != me));
    auto d = lib::async(lib::launch::deferred, [] { return lib::this_thread::get_id(); });
    BOOST_TEST((d.wait_for(1h) == lib::future_status::deferred));
    BOOST_TEST((d.wait_until(steady::now()) == lib::future_status::deferred));
    BOOST_TEST((d.get() == me));
    BOOST_TEST(lib::async([](int v, std::unique_ptr<int> p) { return v + *p; }, 1, std::make_unique<int>(2)).get() == 3);
    struct object { int v; int add(int w) { return v += w; } } o{1};
    BOOST_TEST(lib::async(lib::launch::async, &object::add, &o, 4).get() == 5);
    BOOST_TEST(o.v == 5);
    auto e = lib::async(lib::launch::async, []() -> int { throw 5; });
    BOOST_CHECK_THROW(e.get(), int);
    auto r = lib::async(lib::launch::async, [&]() -> int& { return o.v; });
    BOOST_TEST(&r.get() == &o.v);
    BOOST_TEST(lib::async(lib::launch::deferred, plain_function, 1L).get() == 2);
    int calls = 0;
    { auto never = lib::async(lib::launch::deferred, [&] { ++calls; }); }
    BOOST_TEST(calls == 0);
    lib::shared_future<int> s = lib::async(lib::launch::deferred, [&] { return ++calls; });
    BOOST_TEST(s.get() == 1);
    BOOST_TEST(s.get() == 1);
}

CLAUSE(the_future_of_an_async_waits_in_its_destructor) {
    std::atomic<bool> ended{false};
    {
        auto f = lib::async(lib::launch::async, [&] { lib::this_thread::sleep_for(3ms); ended = true; });
        auto g = std::move(f);
    }
    BOOST_TEST(ended);
    counted::counts c;
    {
        counted argument(c);
        lib::async(lib::launch::async, [](counted&&) {}, argument).get();
        BOOST_TEST(c.copies == 1);
    }
    BOOST_TEST(c.alive == 0);
}

CLAUSE(future_errors_have_std_s_category_and_codes) {
    std::error_code code = lib::make_error_code(lib::future_errc::no_state);
    BOOST_TEST((code.category() == lib::future_category()));
    BOOST_TEST(std::string(lib::future_category().name()) == "future");
    lib::future_error e(lib::future_errc::broken_promise);
    BOOST_TEST((e.code() == lib::future_errc::broken_promise));
    BOOST_TEST(std::is_error_code_enum_v<lib::future_errc>);
}
