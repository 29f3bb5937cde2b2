// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/std_shadow.hpp>

namespace bystander { WEFT_STD_SHADOW }
namespace bystander { WEFT_STD_SHADOW }  // two headers may both ask for it
#include "std/shadowed_library.hpp"

// Debian's, whose header keeps the pool of its server inline; the rest is compiled, and not used here.
namespace httplib { WEFT_STD_SHADOW }
#include <httplib.h>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(shadow)

namespace b = bystander;
static_assert(std::is_same_v<b::std::thread, weft::thread> && std::is_same_v<b::std::jthread, weft::jthread>);
static_assert(std::is_same_v<b::std::mutex, weft::mutex> && std::is_same_v<b::std::recursive_mutex, weft::recursive_mutex>);
static_assert(std::is_same_v<b::std::timed_mutex, weft::timed_mutex> && std::is_same_v<b::std::recursive_timed_mutex, weft::recursive_timed_mutex>);
static_assert(std::is_same_v<b::std::shared_mutex, weft::shared_mutex> && std::is_same_v<b::std::shared_timed_mutex, weft::shared_timed_mutex>);
static_assert(std::is_same_v<b::std::condition_variable, weft::condition_variable> && std::is_same_v<b::std::condition_variable_any, weft::condition_variable_any>);
static_assert(std::is_same_v<b::std::once_flag, weft::once_flag> && std::is_same_v<b::std::latch, weft::latch>);
static_assert(std::is_same_v<b::std::future<int>, weft::future<int>> && std::is_same_v<b::std::shared_future<int>, weft::shared_future<int>>);
static_assert(std::is_same_v<b::std::promise<int>, weft::promise<int>> && std::is_same_v<b::std::packaged_task<int()>, weft::packaged_task<int()>>);
static_assert(std::is_same_v<b::std::counting_semaphore<7>, weft::counting_semaphore<7>> && std::is_same_v<b::gate, weft::binary_semaphore>);
static_assert(std::is_same_v<b::std::barrier<>, weft::barrier<>> && std::is_same_v<b::std::stop_token, weft::stop_token>);
static_assert(std::is_same_v<b::std::stop_source, weft::stop_source> && std::is_same_v<b::std::stop_callback<void (*)()>, weft::stop_callback<void (*)()>>);
static_assert(std::is_same_v<b::v1::detail::shared_mutex, weft::shared_mutex>, "through a using-directive too");
// All else is std's, and outside of the namespace everything.
static_assert(std::is_same_v<b::std::string, std::string> && std::is_same_v<b::std::chrono::milliseconds, std::chrono::milliseconds>);
static_assert(std::is_same_v<b::std::lock_guard<b::std::mutex>, std::lock_guard<weft::mutex>> && std::is_same_v<b::std::future_status, std::future_status>);
static_assert(!std::is_same_v<std::thread, weft::thread> && std::is_same_v<b::escaped, std::thread>);

BOOST_AUTO_TEST_CASE(a_librarys_pool_of_a_thousand_threads_is_a_thousand_tasks) {
    run_checked([] {
        auto start = weft::current_time();
        auto here = std::this_thread::get_id();
        b::pool p(1000);
        BOOST_TEST(p.workers().size() == 1000u);
        int at_once = 0, most = 0;
        std::vector<weft::future<bool>> results;
        for (int i = 0; i < 2000; ++i) results.push_back(p.submit([&] {
            most = std::max(most, ++at_once);
            b::th::sleep_for(100ms);
            --at_once;
            return std::this_thread::get_id() == here;
        }));
        for (auto& r : results) BOOST_TEST(r.get());
        BOOST_TEST(most == 1000);
        BOOST_TEST((weft::current_time() - start == 200ms));  // by the run's clock
    });
}

BOOST_AUTO_TEST_CASE(each_way_to_name_std_is_met) {
    run_checked([] {
        b::v1::detail::cache c;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&, i] { c.put(i); });
        });
        BOOST_TEST(c.get(2) == "2");
        BOOST_TEST(c.get(3) == "none");
        b::timed_mutex m;
        BOOST_TEST(!b::busy_for(m, 1ms));
        std::lock_guard lock(m);
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { BOOST_TEST(b::busy_for(m, 1ms)); }); });
        BOOST_TEST(b::initialised() == 1);
        BOOST_TEST(b::initialised() == 1);
        BOOST_TEST(b::sum_of_halves({1, 2, 3, 4, 5}) == 15);
        BOOST_TEST(b::ticks_until_stopped(95ms) == 10);
        BOOST_TEST(b::doubled_by_atomics(21) == 42);
        BOOST_TEST(b::me().starts_with("task "));
    });
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_it_is_threads_again) {
    b::pool p(2);
    auto here = std::this_thread::get_id();
    BOOST_TEST(p.submit([&] { return std::this_thread::get_id() != here; }).get());
    BOOST_TEST(b::sum_of_halves({1, 2, 3}) == 6);
    BOOST_TEST(b::doubled_by_atomics(4) == 8);
    BOOST_TEST(b::me().starts_with("thread "));
}

BOOST_AUTO_TEST_CASE(a_library_that_hangs_says_so_and_can_be_cancelled) {
#if !WEFT_TSAN  // which has a thread of its own, and any thread may notify
    BOOST_CHECK_EXCEPTION(weft::run([] { b::hangs(); }), weft::deadlock_error,
                          [](auto const& e) { return std::string(e.what()).find("condition_variable") != std::string::npos; });
#endif
    run_checked([] { BOOST_TEST(!weft::move_on_after(10ms, [] { b::hangs(); })); });
}

BOOST_AUTO_TEST_CASE(the_pool_of_cpp_httplib_unchanged) {
    run_checked([] {
        auto start = weft::current_time();
        auto here = std::this_thread::get_id();
        int done = 0;
        httplib::ThreadPool pool(500);
        for (int i = 0; i < 1000; ++i) pool.enqueue([&] {
            weft::this_thread::sleep_for(100ms);
            done += std::this_thread::get_id() == here;
        });
        pool.shutdown();
        BOOST_TEST(done == 1000);
        BOOST_TEST((weft::current_time() - start == 200ms));
    });
}

BOOST_AUTO_TEST_SUITE_END()
