// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/future/packaged_task.hpp>

#include <array>
#include <memory>
#include <memory_resource>
#include <thread>

using namespace weft_test;

namespace {
auto is(std::future_errc e) { return [e](std::future_error const& x) { return x.code() == e; }; }
int twice(int x) { return 2 * x; }
struct counted {
    int* copies;
    int* moves;
    counted(int& c, int& m) : copies(&c), moves(&m) {}
    counted(counted const& o) : copies(o.copies), moves(o.moves) { ++*copies; }
    counted(counted&& o) noexcept : copies(o.copies), moves(o.moves) { ++*moves; }
    int operator()() const { return 1; }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(packaged_task)

BOOST_AUTO_TEST_CASE(a_call_fulfils_the_future) {
    run_checked([] {
        weft::packaged_task<int(int, std::unique_ptr<int>)> t([](int a, std::unique_ptr<int> b) { return a + *b; });
        auto f = t.get_future();
        t(1, std::make_unique<int>(2));
        BOOST_TEST(f.get() == 3);
        int x = 0;
        weft::packaged_task<int&(int&)> r([](int& y) -> int& { return y; });
        auto rf = r.get_future();
        r(x);
        BOOST_TEST(&rf.get() == &x);
        weft::packaged_task<void()> v([] { return 5; });
        auto vf = v.get_future();
        v();
        vf.get();
        weft::packaged_task<void()> e([] { throw std::logic_error("e"); });
        auto ef = e.get_future();
        e();
        BOOST_CHECK_THROW(ef.get(), std::logic_error);
    });
}

BOOST_AUTO_TEST_CASE(signatures_are_deduced) {
    weft::packaged_task a(twice);
    weft::packaged_task b([u = std::make_unique<int>(4)](short) mutable { return *u; });
    static_assert(std::is_same_v<decltype(a), weft::packaged_task<int(int)>>);
    static_assert(std::is_same_v<decltype(b), weft::packaged_task<int(short)>>);
    static_assert(!std::is_copy_constructible_v<decltype(a)>);
    auto f = a.get_future();
    swap(a, a);
    a(4);
    BOOST_TEST(f.get() == 8);
}

BOOST_AUTO_TEST_CASE(misuse_is_std_s_future_error) {
    weft::packaged_task<int()> none;
    BOOST_TEST(!none.valid());
    BOOST_CHECK_EXCEPTION(none(), std::future_error, is(std::future_errc::no_state));
    BOOST_CHECK_EXCEPTION(none.reset(), std::future_error, is(std::future_errc::no_state));
    BOOST_CHECK_EXCEPTION(static_cast<void>(none.get_future()), std::future_error, is(std::future_errc::no_state));
    weft::packaged_task<int()> t([] { return 1; });
    auto f = t.get_future();
    BOOST_CHECK_EXCEPTION(static_cast<void>(t.get_future()), std::future_error, is(std::future_errc::future_already_retrieved));
    t();
    BOOST_CHECK_EXCEPTION(t(), std::future_error, is(std::future_errc::promise_already_satisfied));
    BOOST_TEST(f.get() == 1);
    auto g = [] { weft::packaged_task<int()> u([] { return 1; }); return u.get_future(); }();
    BOOST_CHECK_EXCEPTION(g.get(), std::future_error, is(std::future_errc::broken_promise));
}

BOOST_AUTO_TEST_CASE(function_and_state_come_from_the_allocator_that_is_given_and_again_after_a_reset) {
    struct from_buffer : std::pmr::memory_resource {
        int blocks = 0;
        void* do_allocate(std::size_t n, std::size_t align) override { ++blocks; return std::pmr::new_delete_resource()->allocate(n, align); }
        void do_deallocate(void* p, std::size_t n, std::size_t align) override { --blocks; std::pmr::new_delete_resource()->deallocate(p, n, align); }
        bool do_is_equal(memory_resource const& o) const noexcept override { return this == &o; }
    } memory;
    {
        weft::packaged_task<int(int)> t(std::allocator_arg, std::pmr::polymorphic_allocator<>(&memory), [big = std::array<int, 100>{7}](int i) { return big[static_cast<std::size_t>(i)]; });
        BOOST_TEST(memory.blocks == 1);
        auto f = t.get_future();
        t(0);
        BOOST_TEST(f.get() == 7);
        t.reset();
        f = t.get_future();
        BOOST_TEST(memory.blocks == 1);
        t(1);
        BOOST_TEST(f.get() == 0);
    }
    BOOST_TEST(memory.blocks == 0);
}

BOOST_AUTO_TEST_CASE(reset_breaks_the_old_future_and_makes_a_new_one) {
    int n = 0;
    weft::packaged_task<int()> t([&] { return ++n; });
    auto first = t.get_future();
    t.reset();
    BOOST_CHECK_EXCEPTION(first.get(), std::future_error, is(std::future_errc::broken_promise));
    auto second = t.get_future();
    t();
    t.reset();
    auto third = t.get_future();
    t();
    BOOST_TEST(second.get() == 1);
    BOOST_TEST(third.get() == 2);
}

BOOST_AUTO_TEST_CASE(the_function_is_copied_once_at_most) {
    int copies = 0, moves = 0;
    counted c(copies, moves);
    weft::packaged_task<int()> by_copy(c);
    BOOST_TEST(copies == 1);
    BOOST_TEST(moves == 0);
    weft::packaged_task<int()> by_move(std::move(c));
    by_copy();
    BOOST_TEST(copies == 1);
    BOOST_TEST(moves == 1);
}

// rules 18, 126
BOOST_AUTO_TEST_CASE(a_cancellation_inside_the_call_goes_on_to_its_scope_and_the_future_says_so) {
    run_checked([] {
        weft::packaged_task<void()> t([] { weft::this_task::sleep_forever(); });
        auto f = t.get_future();
        BOOST_TEST(!weft::move_on_after(1s, [&] { t(); }));
        BOOST_CHECK_THROW(f.get(), weft::task_cancelled_error);
    });
}

BOOST_AUTO_TEST_CASE(a_thread_calls_a_task_waits) {
    weft::packaged_task t(twice);
    auto f = t.get_future();
    std::thread thread(std::move(t), 21);
    weft::run([&] { BOOST_TEST(f.get() == 42); });
    thread.join();
}

BOOST_AUTO_TEST_SUITE_END()
