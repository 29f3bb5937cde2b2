// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"
#include <weft/future/gather.hpp>
#include <weft/future/race.hpp>
#include <weft/future/as_completed.hpp>
#include <weft/asio/future.hpp>
using namespace weft_test;
BOOST_AUTO_TEST_CASE(t) {
    run_checked([] {
        auto [a, b] = weft::gather([] { return 1; }, [] {});
        BOOST_TEST(a == 1);
        (void)b;
        auto v = weft::race([] { return 1; }, [] { weft::this_task::sleep_for(1s); });
        BOOST_TEST(v.index() == 0);
        std::vector<std::function<int()>> fs{[] { weft::this_task::sleep_for(2s); return 2; }, [] { weft::this_task::sleep_for(1s); return 1; }};
        auto w = weft::gather(fs);
        BOOST_TEST(w.size() == 2);
        for (auto& i : weft::as_completed(fs)) { BOOST_TEST(i == 1); break; }
        std::promise<int> p;
        auto f = p.get_future();
        std::thread t([&] { p.set_value(3); });
        BOOST_TEST(weft::await(std::move(f)) == 3);
        t.join();
    });
}
