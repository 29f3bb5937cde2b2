// SPDX-License-Identifier: BSL-1.0
// [stoptoken], [stopsource], [stopcallback]. Included twice, see clauses.hpp.

static_assert(std::is_nothrow_default_constructible_v<lib::stop_token> && std::is_nothrow_copy_constructible_v<lib::stop_token>);
static_assert(std::is_nothrow_move_constructible_v<lib::stop_token> && std::is_nothrow_copy_assignable_v<lib::stop_token> && std::is_nothrow_move_assignable_v<lib::stop_token>);
static_assert(std::is_nothrow_swappable_v<lib::stop_token> && std::is_nothrow_swappable_v<lib::stop_source>);
static_assert(noexcept(lib::stop_token().stop_requested()) && noexcept(lib::stop_token().stop_possible()));
static_assert(!exact || noexcept(lib::stop_token() == lib::stop_token()));
static_assert(std::is_default_constructible_v<lib::stop_source> && !std::is_nothrow_default_constructible_v<lib::stop_source>);
static_assert(std::is_nothrow_constructible_v<lib::stop_source, lib::nostopstate_t> && !std::is_convertible_v<lib::nostopstate_t, lib::stop_source>);
static_assert(std::is_nothrow_copy_constructible_v<lib::stop_source> && std::is_nothrow_move_constructible_v<lib::stop_source>);
static_assert(std::is_nothrow_copy_assignable_v<lib::stop_source> && std::is_nothrow_move_assignable_v<lib::stop_source>);
static_assert(noexcept(std::declval<lib::stop_source const&>().get_token()) && noexcept(std::declval<lib::stop_source const&>().request_stop()));
static_assert(noexcept(std::declval<lib::stop_source const&>().stop_requested()) && noexcept(std::declval<lib::stop_source const&>().stop_possible()));
static_assert(std::is_same_v<lib::stop_callback<void (*)()>::callback_type, void (*)()>);
static_assert(!std::is_copy_constructible_v<lib::stop_callback<void (*)()>> && !std::is_move_constructible_v<lib::stop_callback<void (*)()>>);
static_assert(!std::is_copy_assignable_v<lib::stop_callback<void (*)()>> && !std::is_move_assignable_v<lib::stop_callback<void (*)()>>);
static_assert(std::is_nothrow_constructible_v<lib::stop_callback<void (*)()>, lib::stop_token const&, void (*)()>);
static_assert(std::is_nothrow_constructible_v<lib::stop_callback<void (*)()>, lib::stop_token, void (*)()>);
static_assert(!std::is_nothrow_constructible_v<lib::stop_callback<std::function<void()>>, lib::stop_token, std::function<void()> const&>);
static_assert(!std::is_constructible_v<lib::stop_callback<void (*)()>, lib::stop_token, int>);
static_assert(std::is_same_v<decltype(lib::stop_callback(lib::stop_token(), std::function<void()>())), lib::stop_callback<std::function<void()>>>);

CLAUSE(a_default_token_and_a_source_without_state_can_not_be_stopped) {
    lib::stop_token t;
    BOOST_TEST(!t.stop_possible());
    BOOST_TEST(!t.stop_requested());
    lib::stop_source s(lib::nostopstate);
    BOOST_TEST(!s.stop_possible());
    BOOST_TEST(!s.stop_requested());
    BOOST_TEST(!s.request_stop());
    BOOST_TEST((s.get_token() == t));
    bool called = false;
    lib::stop_callback c(t, [&] { called = true; });
    BOOST_TEST(!called);
}

CLAUSE(a_token_that_is_moved_into_a_callback_keeps_its_state_if_the_stop_was_requested) {
    lib::stop_source s;
    lib::stop_token waiting = s.get_token(), t = s.get_token();
    int calls = 0;
    lib::stop_callback first(std::move(waiting), [&] { ++calls; });
    BOOST_TEST(!waiting.stop_possible());
    s.request_stop();
    lib::stop_callback second(std::move(t), [&] { ++calls; });
    BOOST_TEST(calls == 2);
    BOOST_TEST(t.stop_possible());
}

CLAUSE(the_first_request_stops_and_it_stays_so) {
    lib::stop_source s;
    lib::stop_token t = s.get_token();
    BOOST_TEST(t.stop_possible());
    BOOST_TEST(!t.stop_requested());
    BOOST_TEST(s.request_stop());
    BOOST_TEST(!s.request_stop());
    BOOST_TEST(t.stop_requested());
    BOOST_TEST(s.stop_requested());
    BOOST_TEST(s.get_token().stop_requested());
}

CLAUSE(a_token_without_sources_is_possible_only_if_it_was_requested) {
    lib::stop_token never, requested;
    {
        lib::stop_source a, b;
        lib::stop_source a2 = a;
        never = a.get_token();
        requested = b.get_token();
        b.request_stop();
        if constexpr (exact) a = lib::stop_source(lib::nostopstate);  // libstdc++ 12 forgets the one that it had
        BOOST_TEST(never.stop_possible());
    }
    BOOST_TEST(!never.stop_possible());
    BOOST_TEST(requested.stop_possible());
    BOOST_TEST(requested.stop_requested());
}

CLAUSE(equality_is_of_the_state) {
    lib::stop_source a, b, a2 = a;
    BOOST_TEST((a == a2));
    BOOST_TEST((a != b));
    BOOST_TEST((a.get_token() == a2.get_token()));
    BOOST_TEST((a.get_token() != b.get_token()));
    lib::stop_source moved = std::move(a2);
    BOOST_TEST((moved == a));
    BOOST_TEST(!a2.stop_possible());
    a.swap(b);
    BOOST_TEST((moved == b));
    swap(a, b);
    BOOST_TEST((moved == a));
    lib::stop_token t = a.get_token(), u = b.get_token();
    t.swap(u);
    BOOST_TEST((u == a.get_token()));
    lib::stop_token gone = std::move(u);
    BOOST_TEST(!u.stop_possible());
    BOOST_TEST(gone.stop_possible());
}

CLAUSE(callbacks_are_called_by_the_requester_or_at_once_and_not_when_they_are_gone) {
    lib::stop_source s;
    lib::thread::id where;
    int calls = 0;
    {
        lib::stop_callback gone(s.get_token(), [&] { calls += 100; });
    }
    lib::stop_callback c(s.get_token(), [&] { ++calls; where = lib::this_thread::get_id(); BOOST_TEST(s.stop_requested()); BOOST_TEST(!s.request_stop()); });
    lib::stop_callback d(s.get_token(), [&] { ++calls; });
    BOOST_TEST(calls == 0);
    s.request_stop();
    BOOST_TEST(calls == 2);
    BOOST_TEST((where == lib::this_thread::get_id()));
    lib::stop_token t = s.get_token();
    lib::stop_callback late(std::move(t), [&] { calls += 10; });
    BOOST_TEST(calls == 12);
}

CLAUSE(a_callback_may_destroy_itself_and_others_and_register_new_ones) {
    lib::stop_source s;
    using callback = lib::stop_callback<std::function<void()>>;
    std::unique_ptr<callback> self, other, added;
    int calls = 0;
    other = std::make_unique<callback>(s.get_token(), [&] { ++calls; });
    self = std::make_unique<callback>(s.get_token(), [&] { ++calls; added = std::make_unique<callback>(s.get_token(), [&] { ++calls; }); self.reset(); });
    s.request_stop();
    BOOST_TEST(calls == 3);
    BOOST_TEST(!self);
}

CLAUSE(a_callback_called_as_it_was_given_is_invoked_with_its_value_category) {
    struct f { int* lvalue; int* rvalue; void operator()() & { ++*lvalue; } void operator()() && { ++*rvalue; } };
    int lvalue = 0, rvalue = 0;
    f function{&lvalue, &rvalue};
    lib::stop_source s;
    lib::stop_callback<f> a(s.get_token(), function);
    lib::stop_callback<f&> b(s.get_token(), function);
    s.request_stop();
    BOOST_TEST(rvalue == 1);
    BOOST_TEST(lvalue == 1);
}

CLAUSE(a_destructor_waits_for_the_callback_in_another_thread) {
    lib::stop_source s;
    std::atomic<bool> inside{false}, go_on{false}, ended{false};
    auto f = [&] { inside = true; while (!go_on) lib::this_thread::yield(); ended = true; };
    auto c = std::make_unique<lib::stop_callback<decltype(f)>>(s.get_token(), f);
    lib::thread requester([&] { s.request_stop(); });
    while (!inside) lib::this_thread::yield();
    lib::thread releaser([&] { lib::this_thread::sleep_for(1ms); go_on = true; });
    c.reset();
    BOOST_TEST(ended);
    requester.join();
    releaser.join();
}
