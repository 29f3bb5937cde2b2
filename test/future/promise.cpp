// SPDX-License-Identifier: BSL-1.0
// Promises and futures as std has them, in tasks, threads and outside of a run.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/future/promise.hpp>

#include <boost/asio/post.hpp>

#include <array>
#include <list>
#include <memory>
#include <memory_resource>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace weft_test;

namespace {

auto is(std::future_errc e) { return [e](std::future_error const& x) { return x.code() == e; }; }

struct oops : std::runtime_error { using std::runtime_error::runtime_error; };

/// Throws when copied, so many times.
struct brittle {
    int* left;
    explicit brittle(int& n) : left(&n) {}
    brittle(brittle const& o) : left(o.left) { if (*left > 0) { --*left; throw oops("copy"); } }
};

/// Calls f in each place that std's promise covers: outside of a run, on a thread, in a task.
template <class F>
void everywhere(F&& f) {
    f();
    std::thread(f).join();
    run_checked(f);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(promise)

BOOST_AUTO_TEST_CASE(a_value_a_reference_void_and_a_move_only_value_arrive) {
    everywhere([] {
        weft::promise<std::string> s;
        auto f = s.get_future();
        s.set_value("text");
        BOOST_TEST(f.valid());
        BOOST_TEST(f.get() == "text");
        BOOST_TEST(!f.valid());

        int x = 1;
        weft::promise<int&> r;
        auto rf = r.get_future();
        r.set_value(x);
        BOOST_TEST(&rf.get() == &x);

        weft::promise<void> v;
        auto vf = v.get_future();
        v.set_value();
        vf.get();

        weft::promise<std::unique_ptr<int>> m;
        auto mf = m.get_future();
        m.set_value(std::make_unique<int>(5));
        BOOST_TEST(*mf.get() == 5);
    });
}

BOOST_AUTO_TEST_CASE(misuse_is_std_s_future_error) {
    everywhere([] {
        weft::promise<int> p;
        auto f = p.get_future();
        BOOST_CHECK_EXCEPTION(static_cast<void>(p.get_future()), std::future_error, is(std::future_errc::future_already_retrieved));
        p.set_value(1);
        BOOST_CHECK_EXCEPTION(p.set_value(2), std::future_error, is(std::future_errc::promise_already_satisfied));
        BOOST_CHECK_EXCEPTION(p.set_exception(std::make_exception_ptr(oops("late"))), std::future_error, is(std::future_errc::promise_already_satisfied));
        BOOST_CHECK_EXCEPTION(p.set_cancelled(), std::future_error, is(std::future_errc::promise_already_satisfied));
        BOOST_TEST(f.get() == 1);
        BOOST_CHECK_EXCEPTION(f.get(), std::future_error, is(std::future_errc::no_state));
        BOOST_CHECK_EXCEPTION(f.wait_for(1s), std::future_error, is(std::future_errc::no_state));
        weft::promise<int> taken = std::move(p);
        BOOST_CHECK_EXCEPTION(p.set_value(1), std::future_error, is(std::future_errc::no_state));
        BOOST_CHECK_EXCEPTION(static_cast<void>(p.get_future()), std::future_error, is(std::future_errc::no_state));
        BOOST_CHECK_EXCEPTION(weft::future<int>().wait(), std::future_error, is(std::future_errc::no_state));
    });
}

BOOST_AUTO_TEST_CASE(an_unfulfilled_promise_that_goes_is_broken) {
    everywhere([] {
        weft::future<int> dropped, assigned;
        {
            weft::promise<int> p;
            dropped = p.get_future();
        }
        BOOST_CHECK_EXCEPTION(dropped.get(), std::future_error, is(std::future_errc::broken_promise));
        weft::promise<int> p;
        assigned = p.get_future();
        p = weft::promise<int>();
        BOOST_CHECK_EXCEPTION(assigned.get(), std::future_error, is(std::future_errc::broken_promise));
        auto second = p.get_future();
        p.set_value(3);
        BOOST_TEST(second.get() == 3);
    });
}

BOOST_AUTO_TEST_CASE(a_value_whose_copy_throws_leaves_the_promise_unfulfilled) {
    run_checked([] {
        int failures = 1;
        brittle b(failures);
        weft::promise<brittle> p;
        auto f = p.get_future();
        BOOST_CHECK_THROW(p.set_value(b), oops);
        BOOST_CHECK((f.wait_for(0s) == std::future_status::timeout));
        p.set_value(b);
        BOOST_TEST(f.get().left == &failures);
    });
}

BOOST_AUTO_TEST_CASE(a_waiting_task_gets_the_value_the_error_or_the_broken_promise) {
    run_checked([] {
        for (int how = 0; how < 3; ++how) {
            weft::promise<int> p;
            auto f = p.get_future();
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    if (how == 0) BOOST_TEST(f.get() == 7);
                    if (how == 1) BOOST_CHECK_THROW(f.get(), oops);
                    if (how == 2) BOOST_CHECK_EXCEPTION(f.get(), std::future_error, is(std::future_errc::broken_promise));
                });
                weft::testing::wait_all_tasks_blocked();
                auto mine = std::move(p);
                if (how == 0) mine.set_value(7);
                if (how == 1) mine.set_exception(std::make_exception_ptr(oops("set")));
            });
            BOOST_TEST(!f.valid());
        }
    });
}

BOOST_AUTO_TEST_CASE(swap_and_moves_carry_the_state) {
    run_checked([] {
        weft::promise<int> a, b;
        auto fa = a.get_future();
        swap(a, b);
        b.set_value(1);
        BOOST_TEST(fa.get() == 1);
        auto fb = a.get_future();
        weft::future<int> moved;
        moved = std::move(fb);
        BOOST_TEST(!fb.valid());
        a.set_value(2);
        BOOST_TEST(moved.get() == 2);
    });
}

BOOST_AUTO_TEST_CASE(the_shared_state_comes_from_the_allocator_that_is_given) {
    std::array<std::byte, 1024> memory;
    std::pmr::monotonic_buffer_resource pool(memory.data(), memory.size(), std::pmr::null_memory_resource());
    std::pmr::polymorphic_allocator<> alloc(&pool);
    static_assert(std::uses_allocator_v<weft::promise<int>, std::pmr::polymorphic_allocator<>>);
    weft::promise<int> p(std::allocator_arg, alloc);
    weft::promise<int&> r(std::allocator_arg, alloc);
    weft::promise<void> v(std::allocator_arg, alloc);
    auto f = p.get_future();
    p.set_value(4);
    BOOST_TEST(f.get() == 4);
    std::pmr::vector<weft::promise<int>> several(alloc);  // hands its allocator to each promise that it takes
    several.push_back(std::move(p));
    BOOST_CHECK_THROW(static_cast<void>(several.at(0).get_future()), std::future_error);
    std::tuple<weft::promise<int&>, weft::promise<void>> pair(std::allocator_arg, alloc, std::move(r), std::move(v));
    auto g = std::get<1>(pair).get_future();
    std::get<1>(pair).set_value();
    g.get();
}

namespace {
/// Of a class type, as pointers into shared memory are.
template <class T>
struct fancy_pointer {
    using element_type = T;
    T* at{};
    T* operator->() const { return at; }
    static fancy_pointer pointer_to(T& t) { return {std::addressof(t)}; }
};
template <class T>
struct fancy_allocator {
    using value_type = T;
    using pointer = fancy_pointer<T>;
    int* blocks;
    explicit fancy_allocator(int& n) : blocks(&n) {}
    template <class U>
    fancy_allocator(fancy_allocator<U> const& o) : blocks(o.blocks) {}
    pointer allocate(std::size_t n) { ++*blocks; return {std::allocator<T>().allocate(n)}; }
    void deallocate(pointer p, std::size_t n) { --*blocks; std::allocator<T>().deallocate(p.at, n); }
    bool operator==(fancy_allocator const&) const = default;
};
}  // namespace

BOOST_AUTO_TEST_CASE(an_allocator_may_have_pointers_of_its_own) {
    int blocks = 0;
    {
        weft::promise<std::string> p(std::allocator_arg, fancy_allocator<char>(blocks));
        BOOST_TEST(blocks == 1);
        auto f = p.get_future();
        p.set_value("there");
        BOOST_TEST(f.get() == "there");
    }
    BOOST_TEST(blocks == 0);
}

// rule 128: a callback fulfils, and may read what is ready, but not wait
BOOST_AUTO_TEST_CASE(a_callback_may_fulfil_a_promise_and_read_a_ready_future) {
    run_checked([] {
        weft::promise<int> p, other;
        auto f = p.get_future(), g = other.get_future();
        boost::asio::post(weft::get_executor(), [&] {
            BOOST_CHECK_THROW(g.get(), weft::wrong_domain_error);
            BOOST_TEST(g.valid());
            p.set_value(1);
            other.set_value(2);
            BOOST_TEST(g.get() == 2);
        });
        BOOST_TEST(f.get() == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_put_into_a_promise_does_not_leave_its_own_scope) {
    run_checked([] {
        weft::promise<void> p;
        auto f = p.get_future();
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([&] {
                try { weft::this_task::sleep_forever(); } catch (...) { p.set_exception(std::current_exception()); throw; }
            });
            weft::testing::wait_all_tasks_blocked();
            h.cancel();
            BOOST_CHECK_THROW(f.get(), weft::task_cancelled_error);
        });
    });
}

BOOST_AUTO_TEST_CASE(threads_and_tasks_fulfil_for_one_another) {
    weft::promise<int> there, back;
    auto to = there.get_future(), from = back.get_future();
    std::thread t([&] { back.set_value(to.get() + 1); });
    weft::run([&] {
        there.set_value(1);
        BOOST_TEST(from.get() == 2);
    });
    t.join();
}

BOOST_AUTO_TEST_SUITE_END()
