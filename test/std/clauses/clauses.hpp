// SPDX-License-Identifier: BSL-1.0
// What the standard says of its threads, as tests that compile against std and against weft from one source. A conformance_*.cpp
// includes a file of clauses twice, in a suite each, where `lib` is the one namespace or the other and `everywhere` runs a
// clause: of weft, outside of a run and in a task. What libstdc++ 12 itself does not keep is asked of weft alone, by `exact`.
#ifndef WEFT_TEST_STD_CLAUSES_HPP
#define WEFT_TEST_STD_CLAUSES_HPP

#include "core/child.hpp"

#include <weft/std.hpp>
#include <weft/weft.hpp>

#include <barrier>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <thread>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <sstream>
#include <system_error>
#include <type_traits>
#include <vector>

namespace weft_test {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

/// Registers a clause: a test in each place.
#define CLAUSE(name)                                          \
    static void name##_clause();                              \
    BOOST_AUTO_TEST_CASE(name) { everywhere(&name##_clause); } \
    static void name##_clause()

#define ON_STD                                       \
    namespace lib = ::std;                           \
    [[maybe_unused]] static constexpr char const* suite_name = "on_std"; \
    [[maybe_unused]] static constexpr bool exact = false; \
    [[maybe_unused]] static void everywhere(void (*clause)()) { clause(); }
#define ON_WEFT                                      \
    namespace lib = ::weft;                          \
    [[maybe_unused]] static constexpr char const* suite_name = "on_weft"; \
    [[maybe_unused]] static constexpr bool exact = true; \
    [[maybe_unused]] static void everywhere(void (*clause)()) { clause(); ::weft::run(clause); }

/// The code of the system_error that f throws.
template <class F>
std::error_code code_thrown(F&& f) {
    try { f(); } catch (std::system_error const& e) { return e.code(); }
    return {};
}
template <class F>
std::error_code future_error_thrown(F&& f) {
    try { f(); } catch (std::future_error const& e) { return e.code(); }
    return {};
}

/// Counts what a call costs in copies and moves.
struct counted {
    struct counts { int copies{}, moves{}, alive{}; };
    counts* c;
    explicit counted(counts& n) : c(&n) { ++c->alive; }
    counted(counted const& o) : c(o.c) { ++c->copies; ++c->alive; }
    counted(counted&& o) noexcept : c(o.c) { ++c->moves; ++c->alive; }
    ~counted() { --c->alive; }
    void operator()() const {}
};

/// A clock that runs with the steady one, but is set back by 15 ms when it is first asked after `at`.
struct unsteady_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<unsteady_clock>;
    static constexpr bool is_steady = false;
    static inline std::atomic<std::int64_t> offset{0};
    static inline std::atomic<std::int64_t> at{0};  // 0: no more
    static time_point now() {
        std::int64_t real = std::chrono::nanoseconds(steady::now().time_since_epoch()).count(), when = at.load();
        if (when != 0 && real + offset > when && at.compare_exchange_strong(when, 0)) offset -= 15'000'000;
        return time_point(duration(real + offset));
    }
    static time_point set_back_before(std::chrono::milliseconds in) {
        time_point t = now() + in;
        at = (t.time_since_epoch() - 1ms).count();
        return t;
    }
};

}  // namespace weft_test

using namespace weft_test;

#endif
