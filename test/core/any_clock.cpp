// SPDX-License-Identifier: BSL-1.0
// Points in time of any clock, unit and count as deadlines of the run's clock.
#include "fixture.hpp"

#include <weft/core/detail/any_clock.hpp>
#include <weft/future/promise.hpp>
#include <weft/std/this_thread.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>

using namespace weft_test;
using std::chrono::steady_clock;
using std::chrono::system_clock;

namespace {
/// A steady clock that counts by another type.
template <class Rep, class Period>
using steady_point = std::chrono::time_point<steady_clock, std::chrono::duration<Rep, Period>>;
template <class Rep, class Period>
using system_point = std::chrono::time_point<system_clock, std::chrono::duration<Rep, Period>>;
using hour = std::chrono::hours::period;

/// One that is at its largest value, where what is over and what is left overflow if they are subtracted.
struct late_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<late_clock>;
    [[maybe_unused]] static constexpr bool is_steady = false;
    static time_point now() { return (time_point::max)(); }
};

template <class Point>
weft::time_point deadline(Point p) { return weft::detail::deadline_by_clock(p, "test"); }
}  // namespace

BOOST_AUTO_TEST_SUITE(any_clock)

BOOST_AUTO_TEST_CASE(what_is_over_is_always_and_what_does_not_fit_is_never) {
    BOOST_CHECK((deadline((steady_clock::time_point::min)()) == weft::always));
    BOOST_CHECK((deadline(steady_clock::time_point()) == weft::always));
    BOOST_CHECK((deadline((steady_clock::time_point::max)()) == weft::never));
    BOOST_CHECK((deadline((steady_point<std::int64_t, hour>::min)()) == weft::always));
    BOOST_CHECK((deadline((steady_point<std::int64_t, hour>::max)()) == weft::never));
    BOOST_CHECK((deadline((steady_point<double, std::ratio<1>>::max)()) == weft::never));
    BOOST_CHECK((deadline((system_clock::time_point::min)()) == weft::always));
    BOOST_CHECK((deadline((system_point<std::int64_t, hour>::min)()) == weft::always));
    BOOST_CHECK((deadline((system_point<std::int64_t, hour>::max)()) == weft::never));
    BOOST_CHECK((deadline((late_clock::time_point::min)()) == weft::always));
    BOOST_CHECK((deadline(late_clock::time_point()) == weft::always));
    BOOST_CHECK_THROW(deadline(steady_point<double, std::ratio<1>>(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()))), weft::misuse_error);
    BOOST_CHECK_THROW(deadline(system_point<double, std::ratio<1>>(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()))), weft::misuse_error);
}

BOOST_AUTO_TEST_CASE(what_is_left_is_counted_to_the_nanosecond_and_up) {
    BOOST_CHECK((deadline(steady_clock::time_point(1ns)) == steady_clock::time_point(1ns)));
    BOOST_CHECK((deadline(steady_clock::time_point((std::chrono::nanoseconds::max)() - 1ns)) == steady_clock::time_point((std::chrono::nanoseconds::max)() - 1ns)));
    BOOST_CHECK((deadline(steady_point<std::uint64_t, std::ratio<1>>(std::chrono::duration<std::uint64_t>(5))) == steady_clock::time_point(5s)));
    BOOST_CHECK((deadline(steady_point<std::int64_t, std::pico>(std::chrono::duration<std::int64_t, std::pico>(1))) == steady_clock::time_point(1ns)));
    BOOST_CHECK((deadline(steady_point<double, std::milli>(std::chrono::duration<double, std::milli>(0.5))) == steady_clock::time_point(500us)));
}

BOOST_AUTO_TEST_CASE(every_timed_wait_returns_at_once_for_the_first_point_of_a_clock) {
    auto check = [](auto when) {
        weft::promise<void> p;
        BOOST_CHECK((p.get_future().wait_until(when) == std::future_status::timeout));
        weft::this_thread::sleep_until(when);
        weft::binary_semaphore s(0);
        BOOST_TEST(!s.try_acquire_until(when));
        weft::shared_timed_mutex m;
        BOOST_TEST(m.try_lock_shared_until(when));  // free: taken however late it is
        BOOST_TEST(!m.try_lock_until(when));
        m.unlock_shared();
        weft::mutex guard;
        weft::condition_variable c;
        std::unique_lock lock(guard);
        BOOST_CHECK((c.wait_until(lock, when) == std::cv_status::timeout));
    };
    auto check_all = [&] {
        check((steady_clock::time_point::min)());
        check((system_clock::time_point::min)());
        check((system_point<std::int64_t, hour>::min)());
        check(system_clock::now() - std::chrono::duration<std::uint64_t>(1));  // counts without a sign
    };
    run_checked(check_all);
    check_all();
}

BOOST_AUTO_TEST_SUITE_END()
