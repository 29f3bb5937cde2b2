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

}  // namespace weft_test

#endif
