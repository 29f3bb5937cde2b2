// SPDX-License-Identifier: BSL-1.0
// What most tests need: a run in virtual time whose ledger must balance.
#ifndef WEFT_TEST_FIXTURE_HPP
#define WEFT_TEST_FIXTURE_HPP

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/test/unit_test.hpp>

namespace weft_test {

using namespace std::chrono_literals;

/// Runs f as main in virtual time, with real I/O available, and checks that nothing is left: no task, deadline, busy
/// stack or descriptor. Returns what f returns.
template <class F>
auto run_checked(weft::run_options options, F&& f) {
    weft::testing::mock_clock clock;
    if (!options.clock) options.clock = &clock;
    weft::testing::ledger outside;
    struct balance {
        weft::testing::ledger& l;
        ~balance() { BOOST_TEST(l.difference() == ""); }
    } at_end{outside};
    return weft::run(options, [&] {
        weft::testing::ledger inside;
        balance in{inside};
        return f();
    });
}

template <class F>
auto run_checked(F&& f) { return run_checked(weft::run_options{}, std::forward<F>(f)); }

/// Whether f throws an E. For other threads than the test's own, where Boost.Test's macros must not be used.
template <class E, class F>
bool throws(F&& f) {
    try { f(); } catch (E const&) { return true; } catch (...) {}
    return false;
}

}  // namespace weft_test

#endif
