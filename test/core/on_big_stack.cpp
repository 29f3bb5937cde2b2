// SPDX-License-Identifier: BSL-1.0
// Code on a stack of its own within the task; and, as both are about code that was not written for tasks, no_yield_scope.
#include "core/child.hpp"
#include "core/recursion.hpp"
#include "fixture.hpp"
#include "stderr_of.hpp"

#include <weft/asio.hpp>
#include <weft/inspect.hpp>

#include <boost/asio/post.hpp>
#include <boost/fiber/operations.hpp>

#include <regex>
#include <sstream>
#include <thread>

using namespace weft_test;

namespace {

constexpr std::size_t mega = 1 << 20;

/// Uses about `bytes` of stack, then calls f there.
template <class F>
WEFT_NOINLINE int use_stack(std::size_t bytes, F&& f) {
    char volatile frame[1024];
    frame[bytes % 1024] = 1;
    if (recursion_ends) return 0;  // never: where f always throws, g++ would see no end
    if (bytes < 2048) f();
    else use_stack(bytes - 1024, f);
    return frame[bytes % 1024];
}

struct dtor {
    std::function<void()> f;
    ~dtor() { f(); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(child, *boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(scenario) {
    auto overflow = [] { weft::on_big_stack([] { for_ever(0); }, 2 * mega); };
    as_child({
        {"overflow", [&] { weft::run([&] { weft::with_nursery([&](weft::nursery& n) { n.start_soon("parser", overflow); }); }); }},
        {"overflow of the inner", [&] { weft::run([&] { weft::on_big_stack([&] { weft::checkpoint(); overflow(); }, mega); }); }},
        {"no room", [] {
            rlimit few{std::size_t{1} << 30, std::size_t{1} << 30};
            ::setrlimit(RLIMIT_AS, &few);
            try { weft::on_big_stack([] {}, std::size_t{2} << 30); } catch (weft::stack_limit_error const& e) { std::fputs(e.what(), stderr); ::_exit(7); }
        }},
    });
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(on_big_stack)

BOOST_AUTO_TEST_CASE(what_a_task_has_no_room_for_runs_and_its_result_comes_back) {
    run_checked([] {
        BOOST_TEST(weft::on_big_stack([] { return use_stack(6 * mega, [] {}); }) >= 0);
        std::string const text(2000, 'a');
        BOOST_TEST(weft::on_big_stack([&] { return std::regex_match(text, std::regex("(a|b)*")); }, 64 * mega));  // 1.5 MB of stack
        int n = 1;
        int& r = weft::on_big_stack([&]() -> int& { return n; });
        BOOST_TEST(&r == &n);
        BOOST_TEST(*weft::on_big_stack([] { return std::make_unique<int>(5); }) == 5);  // moves only
        struct moves { moves() = default; moves(moves const&) = delete; int operator()() { return 6; } } callable;
        BOOST_TEST(weft::on_big_stack(callable) == 6);
        BOOST_TEST(weft::on_big_stack([] { return weft::on_big_stack([] { return use_stack(2 * mega, [] { weft::checkpoint(); }); }, 4 * mega) >= 0; }, 32 * 1024));
    });
}

BOOST_AUTO_TEST_CASE(it_is_the_same_task_which_may_wait_there_beside_others) {
    run_checked([] {
        auto start = weft::current_time();
        weft::task_local<int> mine(0);
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 20; ++i) n.start_soon([&, i] {
                mine.set(i);
                auto id = weft::this_task::id();
                for (int j = 0; j < 3; ++j) weft::on_big_stack([&] {
                    use_stack(mega, [&] {
                        weft::this_task::sleep_for(10ms);
                        BOOST_TEST(weft::this_task::id() == id);
                        BOOST_TEST(mine.get() == i);
                        weft::on_big_stack([] { weft::checkpoint(); }, mega);
                    });
                }, 4 * mega);
            });
        });
        BOOST_TEST((weft::current_time() - start == 30ms));
        weft::with_nursery([](weft::nursery& n) { weft::on_big_stack([&] { n.start_soon([] { weft::checkpoint(); }); }); });
    });
}

BOOST_AUTO_TEST_CASE(exceptions_and_their_state_pass_through) {
    run_checked([] {
        BOOST_CHECK_EXCEPTION(weft::on_big_stack([] { use_stack(mega, [] { weft::checkpoint(); throw std::runtime_error("deep"); }); }), std::runtime_error,
                              [](auto const& e) { return std::string(e.what()) == "deep"; });
        try { throw 5; } catch (int) {
            weft::on_big_stack([] {
                weft::checkpoint();
                BOOST_CHECK_THROW(throw, int);  // the handler's around it
            });
        }
        int seen = -1;
        try {
            dtor d{[&] { weft::on_big_stack([&] { weft::yield_shielded(); seen = std::uncaught_exceptions(); }); }};
            throw 6;
        } catch (int) {}
        BOOST_TEST(seen == 1);
        errno = 17;
        weft::on_big_stack([] { weft::checkpoint(); BOOST_TEST(errno == 17); });
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_passes_through_and_unwinds) {
    run_checked([] {
        bool unwound = false;
        auto body = [&] {
            unwound = false;
            weft::on_big_stack([&] {
                dtor d{[&] { unwound = true; }};
                use_stack(mega, [] { weft::this_task::sleep_forever(); });
            });
        };
        BOOST_TEST(!weft::move_on_after(10ms, body));   // by a deadline
        BOOST_TEST(unwound);
        weft::cancel_scope before;
        before.cancel();
        before.run([&] { weft::on_big_stack([&] { BOOST_CHECK_THROW(weft::check_cancelled(), weft::cancelled); }); body(); });
        BOOST_TEST(before.cancelled_caught());
        BOOST_CHECK_THROW(weft::with_nursery([&](weft::nursery& n) {  // by a sibling
            n.start_soon(body);
            n.start_soon([] { weft::checkpoint(); throw std::runtime_error("x"); });
        }), weft::exception_group);
        BOOST_TEST(unwound);
        bool inside = true;   // one that is caught inside does not leave
        weft::on_big_stack([&] { inside = weft::move_on_after(1ms, [] { weft::this_task::sleep_forever(); }); });
        BOOST_TEST(!inside);
    });
    weft::testing::cancel_everywhere([] {
        weft::on_big_stack([] { weft::checkpoint(); weft::on_big_stack([] { weft::checkpoint(); }, mega); }, mega);
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_waits_for_noexcept_frames_on_either_stack) {
    struct waits_in_noexcept {
        static void inner() noexcept { weft::this_task::sleep_for(10ms); }
        static void outer() noexcept { weft::on_big_stack([] { weft::this_task::sleep_for(10ms); }); }
    };
    auto cancelled_behind = [](void (*f)() noexcept, bool big) {
        bool behind = false, done = true;
        std::string said = stderr_of([&] {
            done = weft::move_on_after(1ms, [&] {
                if (big) weft::on_big_stack([&] { f(); behind = true; weft::checkpoint(); });
                else { f(); behind = true; weft::checkpoint(); }
            });
        });
        BOOST_TEST(behind);
        BOOST_TEST(!done);
        BOOST_TEST(said.find("W105") != std::string::npos, said);
    };
    run_checked([&] {
        cancelled_behind(&waits_in_noexcept::inner, true);
        cancelled_behind(&waits_in_noexcept::outer, false);
    });
}

BOOST_AUTO_TEST_CASE(callbacks_plain_threads_and_code_outside_of_runs_may_use_it) {
    auto deep = [] { return use_stack(4 * mega, [] {}) >= 0; };
    BOOST_TEST(weft::on_big_stack(deep));
    bool in_thread = false, in_callback = false, refused = false;
    std::thread([&] { in_thread = weft::on_big_stack(deep); }).join();
    BOOST_TEST(in_thread);
    run_checked([&] {
        weft::event done;
        boost::asio::post(weft::get_executor(), [&] {
            in_callback = weft::on_big_stack(deep);
            refused = throws<weft::wrong_domain_error>([] { weft::on_big_stack([] { weft::checkpoint(); }); });
            done.set();
        });
        done.wait();
    });
    BOOST_TEST(in_callback);
    BOOST_TEST(refused);
}

BOOST_AUTO_TEST_CASE(an_overflow_names_the_task_and_the_stack) {
    for (auto [scenario, name] : {std::pair{"overflow", "\"parser\""}, std::pair{"overflow of the inner", "\"main\""}}) {
        outcome o = run_child("child", scenario);
        BOOST_TEST(o.text.find("fatal[W021]: stack overflow in task #") != std::string::npos, o.text);
        BOOST_TEST(o.text.find(std::string(name) + ": its big stack of 2048 KiB") != std::string::npos, o.text);
        BOOST_TEST((o.signal != 0 || o.code != 0));
    }
}

BOOST_AUTO_TEST_CASE(sizes_that_cannot_be_had_are_errors) {
    BOOST_CHECK_THROW(weft::on_big_stack([] {}, 100), weft::misuse_error);
    BOOST_CHECK_THROW(weft::on_big_stack([] {}, std::size_t{1} << 40), weft::misuse_error);
    BOOST_TEST(weft::on_big_stack([] { return use_stack(4096, [] {}) >= 0; }, 17'000));  // rounded up to pages
#if !WEFT_ASAN && !WEFT_TSAN  // which take the address space for themselves
    outcome o = run_child("child", "no room");
    BOOST_TEST(o.code == 7);
    BOOST_TEST(o.text.find("error[W022]: on_big_stack: no stack of 2097152 KiB can be had") != std::string::npos, o.text);
#endif
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(no_yield_scope)

BOOST_AUTO_TEST_CASE(a_wait_or_yield_in_it_is_reported_once_a_place_and_counted) {
    run_checked([] {
        auto block = [](std::size_t& count) {
            weft::no_yield_scope alone("the parser's buffer");
            weft::checkpoint();
            weft::this_task::sleep_for(1ms);
            boost::this_fiber::yield();
            count = alone.suspensions();
        };
        std::size_t count = 0;
        std::string said = stderr_of([&] { block(count); });
        BOOST_TEST(count == 3u);
        BOOST_TEST(said.find("error[W106]: task #") == 0u, said);
        BOOST_TEST(said.find("\"main\" gives way to others (a yield) in a no_yield_scope, at on_big_stack.cpp:") != std::string::npos, said);
        BOOST_TEST(said.find("because: the parser's buffer: ") != std::string::npos, said);
        BOOST_TEST(said.find("error[", 1) == std::string::npos, said);
        BOOST_TEST(stderr_of([&] { block(count); }) == "");
        BOOST_TEST(count == 3u);
    });
}

BOOST_AUTO_TEST_CASE(it_is_the_tasks_own_and_nests) {
    run_checked([] {
        std::size_t first = 0, second = 0, outer = 0;
        std::string said = stderr_of([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { weft::no_yield_scope s; weft::this_task::sleep_for(2ms); first = s.suspensions(); });
                n.start_soon([&] {
                    weft::no_yield_scope a;
                    { weft::no_yield_scope b; weft::this_task::sleep_for(1ms); second = b.suspensions(); }
                    weft::this_task::sleep_for(5ms);
                    outer = a.suspensions();
                });
                weft::checkpoint();   // of no scope
            });
        });
        BOOST_TEST(first == 1u);
        BOOST_TEST(second == 1u);
        BOOST_TEST(outer == 2u);
        BOOST_TEST(said.find("in a no_yield_scope") != std::string::npos);
    });
}

BOOST_AUTO_TEST_CASE(what_lets_nobody_else_run_is_no_matter) {
    weft::no_yield_scope outside;
    std::this_thread::yield();
    BOOST_TEST(outside.suspensions() == 0u);
    run_checked([] {
        BOOST_TEST(stderr_of([] {
            weft::no_yield_scope s;
            weft::check_cancelled();
            weft::mutex m;
            std::lock_guard lock(m);
            weft::event e;
            e.set();
            BOOST_TEST(s.suspensions() == 0u);
        }) == "");
        // Cancelled in it: left as any block is.
        weft::cancel_scope c;
        std::string said = stderr_of([&] { c.run([&] { weft::no_yield_scope s; c.cancel(); weft::checkpoint(); }); });
        BOOST_TEST(c.cancelled_caught());
        BOOST_TEST(said.find("W106") != std::string::npos);
        BOOST_TEST(stderr_of([] { weft::checkpoint(); }) == "");
    });
}

BOOST_AUTO_TEST_SUITE_END()
