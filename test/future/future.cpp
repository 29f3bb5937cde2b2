// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/future/async.hpp>
#include <weft/future/packaged_task.hpp>
#include <weft/future/promise.hpp>

using namespace weft_test;

BOOST_AUTO_TEST_CASE(t) {
    run_checked([] {
        auto f = weft::async([](int x) { return x + 1; }, 41);
        BOOST_TEST(f.get() == 42);
        weft::packaged_task t([](int x) { return x * 2; });
        auto g = t.get_future();
        t(21);
        BOOST_TEST(g.get() == 42);
        weft::promise<void> p;
        weft::shared_future<void> s = p.get_future().share();
        p.set_value();
        s.get();
    });
}
