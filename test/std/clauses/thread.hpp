// SPDX-License-Identifier: BSL-1.0
// [thread.threads]: thread, its id, jthread, this_thread. Included twice, see clauses.hpp.

static_assert(!std::is_copy_constructible_v<lib::thread> && !std::is_copy_assignable_v<lib::thread>);
static_assert(std::is_nothrow_default_constructible_v<lib::thread> && std::is_nothrow_move_constructible_v<lib::thread>);
static_assert(std::is_nothrow_move_assignable_v<lib::thread> && std::is_nothrow_swappable_v<lib::thread>);
static_assert(!std::is_constructible_v<lib::thread, lib::thread const&> && !std::is_constructible_v<lib::thread, lib::thread&>);
static_assert(!std::is_convertible_v<void (*)(), lib::thread>);  // explicit
static_assert(noexcept(std::declval<lib::thread const&>().joinable()) && noexcept(std::declval<lib::thread const&>().get_id()));
static_assert(noexcept(lib::thread::hardware_concurrency()) && std::is_same_v<decltype(lib::thread::hardware_concurrency()), unsigned>);
static_assert(noexcept(std::declval<lib::thread&>().swap(std::declval<lib::thread&>())));
static_assert(std::is_same_v<decltype(std::declval<lib::thread&>().native_handle()), lib::thread::native_handle_type>);
static_assert(std::is_trivially_copyable_v<lib::thread::id> && std::is_standard_layout_v<lib::thread::id> && std::is_nothrow_default_constructible_v<lib::thread::id>);
static_assert(noexcept(lib::thread::id() == lib::thread::id()) && noexcept(lib::thread::id() <=> lib::thread::id()));
static_assert(std::is_same_v<decltype(lib::thread::id() <=> lib::thread::id()), std::strong_ordering>);
static_assert(std::is_same_v<std::invoke_result_t<std::hash<lib::thread::id>, lib::thread::id const&>, std::size_t>);
static_assert(std::is_default_constructible_v<std::hash<lib::thread::id>> && std::is_copy_assignable_v<std::hash<lib::thread::id>>);
static_assert(noexcept(lib::this_thread::get_id()) && std::is_same_v<decltype(lib::this_thread::get_id()), lib::thread::id>);

static_assert(!std::is_copy_constructible_v<lib::jthread> && std::is_nothrow_default_constructible_v<lib::jthread>);
static_assert(std::is_nothrow_move_constructible_v<lib::jthread> && std::is_nothrow_move_assignable_v<lib::jthread> && std::is_nothrow_swappable_v<lib::jthread>);
static_assert(std::is_same_v<lib::jthread::id, lib::thread::id> && std::is_same_v<lib::jthread::native_handle_type, lib::thread::native_handle_type>);
static_assert(noexcept(std::declval<lib::jthread&>().get_stop_source()) && noexcept(std::declval<lib::jthread const&>().get_stop_token()) && noexcept(std::declval<lib::jthread&>().request_stop()));
static_assert(noexcept(std::declval<lib::jthread const&>().joinable()) && noexcept(std::declval<lib::jthread const&>().get_id()) && noexcept(lib::jthread::hardware_concurrency()));
static_assert(!std::is_convertible_v<void (*)(), lib::jthread> && !std::is_constructible_v<lib::jthread, lib::jthread const&>);

CLAUSE(a_default_thread_is_none) {
    lib::thread t;
    BOOST_TEST(!t.joinable());
    BOOST_TEST((t.get_id() == lib::thread::id()));
    BOOST_TEST((code_thrown([&] { t.join(); }) == std::errc::invalid_argument));
    BOOST_TEST((code_thrown([&] { t.detach(); }) == std::errc::invalid_argument));
    lib::thread u = std::move(t);
    t = std::move(u);
    BOOST_TEST(!t.joinable());
}

CLAUSE(lvalues_are_copied_once_and_rvalues_never) {
    counted::counts f, a, r;
    struct call { counted own; void operator()(counted const&, counted&&) const {} };
    {
        call function{counted(f)};
        counted argument(a), moved(r);
        int made = f.copies;
        lib::thread t(function, argument, std::move(moved));
        t.join();
        BOOST_TEST(f.copies == made + 1);
        BOOST_TEST(a.copies == 1);
        BOOST_TEST(r.copies == 0);
        BOOST_TEST(f.alive == 1);  // the copies are gone when it is joined
        BOOST_TEST(a.alive == 1);
        BOOST_TEST(r.alive == 1);
    }
}

CLAUSE(functions_are_invoked_as_INVOKE_says) {
    struct object { int got = 0; void set(int v) { got = v; } } o;
    lib::thread a(&object::set, &o, 7);
    a.join();
    BOOST_TEST(o.got == 7);
    lib::thread b(&object::set, std::ref(o), 8);
    b.join();
    BOOST_TEST(o.got == 8);
    int value = 0;
    lib::thread c([](int& v) { v = 5; }, std::ref(value));
    c.join();
    BOOST_TEST(value == 5);
    auto only = std::make_unique<int>(3);
    lib::thread d([&, f = std::make_unique<int>(4)](std::unique_ptr<int> p) { value = *p + *f; }, std::move(only));
    d.join();
    BOOST_TEST(value == 7);
    char const text[] = "decays";
    bool pointer = false;
    lib::thread e([&](auto t) { pointer = std::is_same_v<decltype(t), char const*>; }, text);
    e.join();
    BOOST_TEST(pointer);
    struct once { int* n; void operator()() && { ++*n; } };
    lib::thread g(once{&value});
    g.join();
    BOOST_TEST(value == 8);
    lib::thread h([] { return 42; });  // the result is dropped
    h.join();
}

CLAUSE(what_a_copy_throws_leaves_the_constructor_and_nothing_runs) {
    struct fragile {
        bool* ran;
        explicit fragile(bool& r) : ran(&r) {}
        fragile(fragile const&) { throw 5; }
        void operator()() const { *ran = true; }
    };
    bool ran = false;
    fragile f(ran);
    BOOST_CHECK_THROW(lib::thread t(f), int);
    BOOST_TEST(!ran);
}

CLAUSE(a_thread_moves_swaps_and_ends_with_its_join) {
    std::atomic<bool> go_on{false};
    lib::thread t([&] { while (!go_on) lib::this_thread::yield(); });
    auto id = t.get_id();
    BOOST_TEST((id != lib::thread::id()));
    BOOST_TEST((id != lib::this_thread::get_id()));
    lib::thread u = std::move(t);
    BOOST_TEST(!t.joinable());
    BOOST_TEST((u.get_id() == id));
    swap(t, u);
    BOOST_TEST((t.get_id() == id));
    t.swap(u);
    t = std::move(u);
    BOOST_TEST((t.get_id() == id));
    go_on = true;
    t.join();
    BOOST_TEST(!t.joinable());
    BOOST_TEST((t.get_id() == lib::thread::id()));
}

CLAUSE(the_thread_object_s_id_is_what_the_thread_sees) {
    lib::thread::id inside;
    lib::thread t([&] { inside = lib::this_thread::get_id(); });
    auto id = t.get_id();
    t.join();
    BOOST_TEST((inside == id));
}

CLAUSE(ids_are_ordered_hashed_and_written) {
    std::atomic<bool> go_on{false};
    auto wait = [&] { while (!go_on) lib::this_thread::yield(); };
    lib::thread a(wait), b(wait);
    lib::thread::id none, x = a.get_id(), y = b.get_id(), me = lib::this_thread::get_id();
    BOOST_TEST((x != y && x != none && y != none && me != x && me != y && me != none));
    BOOST_TEST(((x < y) != (y < x)));
    BOOST_TEST(((x <= y) == !(y < x)));
    BOOST_TEST((x >= x && x <= x && (x <=> x) == 0));
    std::hash<lib::thread::id> hash;
    lib::thread::id x2 = x;
    BOOST_TEST(hash(x) == hash(x2));
    auto text = [](lib::thread::id i) { std::ostringstream out; out << i; return out.str(); };
    BOOST_TEST(text(x) == text(x2));
    BOOST_TEST(text(x) != text(y));
    BOOST_TEST(text(none) != text(x));
    std::wostringstream wide;
    wide << x;
    BOOST_TEST(!wide.str().empty());
    go_on = true;
    a.join();
    b.join();
}

CLAUSE(a_thread_cannot_join_itself) {
    std::atomic<bool> ready{false}, tried{false};
    std::error_code code;
    lib::thread t;
    lib::thread u([&] {
        while (!ready) lib::this_thread::yield();
        code = code_thrown([&] { t.join(); });
        tried = true;
    });
    t = std::move(u);
    ready = true;
    while (!tried) lib::this_thread::yield();
    BOOST_TEST((code == std::errc::resource_deadlock_would_occur));
    t.join();
}

CLAUSE(a_detached_thread_goes_on) {
    auto done = std::make_shared<std::atomic<bool>>(false);
    lib::thread t([done] { *done = true; });
    t.detach();
    BOOST_TEST(!t.joinable());
    BOOST_TEST((t.get_id() == lib::thread::id()));
    while (!*done) lib::this_thread::yield();
}

CLAUSE(a_jthread_passes_its_token_if_the_function_takes_one) {
    bool with = false, without = false, argument = false;
    lib::jthread a([&](lib::stop_token t) { with = t.stop_possible(); });
    lib::jthread b([&] { without = true; });
    lib::jthread c([&](lib::stop_token, int v) { argument = v == 3; }, 3);
    lib::jthread d([](int) {}, 3);
    lib::jthread both;
    int which = 0;
    struct overloaded { int* w; void operator()(lib::stop_token) const { *w = 1; } void operator()() const { *w = 2; } };
    both = lib::jthread(overloaded{&which});
    for (lib::jthread* j : {&a, &b, &c, &d, &both}) j->join();
    BOOST_TEST(with);
    BOOST_TEST(without);
    BOOST_TEST(argument);
    BOOST_TEST(which == 1);
}

CLAUSE(a_jthread_s_destructor_requests_stop_and_joins) {
    bool stopped = false;
    lib::stop_token token;
    {
        lib::jthread t([&](lib::stop_token s) { while (!s.stop_requested()) lib::this_thread::yield(); stopped = true; });
        token = t.get_stop_token();
        BOOST_TEST((t.get_stop_source().get_token() == token));
        BOOST_TEST(!token.stop_requested());
    }
    BOOST_TEST(stopped);
    BOOST_TEST(token.stop_requested());
}

CLAUSE(assigning_to_a_jthread_stops_and_joins_the_old_one) {
    bool stopped = false;
    lib::jthread t([&](lib::stop_token s) { while (!s.stop_requested()) lib::this_thread::yield(); stopped = true; });
    auto old = t.get_stop_token();
    t = lib::jthread([] {});
    BOOST_TEST(stopped);
    BOOST_TEST(old.stop_requested());
    BOOST_TEST((t.get_stop_token() != old));
    t = lib::jthread();
    BOOST_TEST(!t.joinable());
    BOOST_TEST(!t.get_stop_token().stop_possible());
}

CLAUSE(a_jthread_moves_swaps_stops_joins_and_detaches) {
    lib::jthread none;
    BOOST_TEST(!none.joinable());
    BOOST_TEST(!none.get_stop_source().stop_possible());
    BOOST_TEST(!none.request_stop());
    BOOST_TEST((none.get_id() == lib::jthread::id()));
    BOOST_TEST((code_thrown([&] { none.join(); }) == std::errc::invalid_argument));
    lib::jthread t([](lib::stop_token s) { while (!s.stop_requested()) lib::this_thread::yield(); });
    auto id = t.get_id();
    auto token = t.get_stop_token();
    swap(t, none);
    BOOST_TEST((none.get_id() == id && none.get_stop_token() == token));
    lib::jthread u = std::move(none);
    BOOST_TEST((u.get_id() == id && !none.joinable()));
    BOOST_TEST(u.request_stop());
    BOOST_TEST(!u.request_stop());
    u.join();
    BOOST_TEST(!u.joinable());
    BOOST_TEST(token.stop_requested());
    auto done = std::make_shared<std::atomic<bool>>(false);
    lib::jthread d([done](lib::stop_token s) { while (!s.stop_requested()) lib::this_thread::yield(); *done = true; });
    auto source = d.get_stop_source();
    d.detach();
    BOOST_TEST(!d.joinable());
    source.request_stop();
    while (!*done) lib::this_thread::yield();
}

CLAUSE(sleeps_last_at_least_as_long_as_they_were_asked_to) {
    auto start = steady::now();
    lib::this_thread::sleep_for(5ms);
    BOOST_TEST((steady::now() - start >= 5ms));
    start = steady::now();
    lib::this_thread::sleep_for(std::chrono::duration<double, std::milli>(2.5));
    BOOST_TEST((steady::now() - start >= 2500us));
    auto until = steady::now() + 5ms;
    lib::this_thread::sleep_until(until);
    BOOST_TEST((steady::now() >= until));
    auto wall = std::chrono::system_clock::now() + 5ms;
    lib::this_thread::sleep_until(wall);
    BOOST_TEST((std::chrono::system_clock::now() >= wall));
    lib::this_thread::sleep_for(-1h);
    lib::this_thread::sleep_for(0s);
    lib::this_thread::sleep_until(steady::now() - 1h);
    lib::this_thread::sleep_until(std::chrono::system_clock::time_point());
}

CLAUSE(a_clock_that_is_set_back_is_looked_at_again_by_sleep_until) {
    auto until = unsteady_clock::set_back_before(10ms);
    lib::this_thread::sleep_until(until);
    BOOST_TEST((unsteady_clock::now() >= until));
}
