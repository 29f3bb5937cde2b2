// SPDX-License-Identifier: BSL-1.0
// select among shared objects, from tasks of several runs and plain threads.
#include "fixture.hpp"

#include <weft/sync/channel.hpp>
#include <weft/sync/select.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(select_shared)

BOOST_AUTO_TEST_CASE(a_plain_thread_selects_among_shared_objects) {
    auto [tx, rx] = weft::shared::make_channel<int>(0);
    weft::shared::event stop;
    BOOST_TEST(weft::select(rx.on_receive([](int) { return 0; }), stop.on_set([] { return 1; }), weft::on_timeout(1ms, [] { return 2; })) == 2);
    std::thread t([&, tx = std::move(tx)]() mutable {
        for (int i = 0; i < 100; ++i) tx.send(i);
        stop.set();
    });
    int sum = 0;
    for (bool more = true; more;) {
        weft::select(rx.on_receive([&](std::optional<int> v) { if (v) sum += *v; else more = false; }), stop.on_set([&] { more = false; }));
    }
    BOOST_TEST(sum == 4950);
    t.join();
    weft::event local;
    BOOST_CHECK_THROW(weft::select(local.on_set([] {}), rx.on_receive([](std::optional<int>) {})), weft::not_running_error);
    BOOST_TEST(rx.statistics().waiting_receivers + stop.waiters() == 0u);
}

BOOST_AUTO_TEST_CASE(a_task_selects_among_local_and_shared_objects) {
    auto [tx, rx] = weft::shared::make_channel<int>(1);
    std::thread t([&tx = tx] { for (int i = 0; i < 50; ++i) tx.send(1); });  // not closed at its end: a select would meet that
    weft::run([&, &rx = rx] {
        auto [ltx, lrx] = weft::make_channel<int>(1);
        weft::with_nursery([&, &ltx = ltx, &lrx = lrx](weft::nursery& n) {
            n.start_soon([&] { for (int i = 0; i < 50; ++i) ltx.send(1); });
            int sum = 0;
            while (sum < 100) weft::select(lrx.on_receive([&](int v) { sum += v; }), rx.on_receive([&](int v) { sum += v; }));
            BOOST_TEST(sum == 100);
        });
    });
    t.join();
}

// rules 93, 144: selects of all kinds over the same channels in different orders; no lock order can block, every item once
BOOST_AUTO_TEST_CASE(stress_of_selects_between_runs_and_threads_loses_and_doubles_nothing) {
    constexpr int each = 200, channels = 3, tasks = 3;
    using item = std::unique_ptr<int>;
    for (std::size_t capacity : {0u, 2u}) {
        std::vector<weft::basic_channel<item, weft::detail::spin_lock>> c;
        for (int i = 0; i < channels; ++i) c.push_back(weft::shared::make_channel<item>(capacity));
        std::atomic<int> received{0}, first_free{0};
        constexpr int total = 4 * tasks * each;
        std::vector<std::atomic<int>> seen(total);
        auto take = [&](item v) { ++seen[static_cast<std::size_t>(*v)]; ++received; };
        // Sends its own items wherever somebody takes them, and receives meanwhile.
        auto both = [&](int k, bool give_up) {
            int first = first_free.fetch_add(each);
            for (int sent = 0; sent < each || received < total;) {
                auto& a = c[static_cast<std::size_t>(k % channels)];
                auto& b = c[static_cast<std::size_t>((k + 1) % channels)];
                ++k;
                item own = std::make_unique<int>(first + sent);
                auto f = [&](item v) { take(std::move(v)); };
                if (sent == each) {
                    weft::select(b.receiver.on_receive(f), a.receiver.on_receive(f), weft::on_timeout(50us, [] {}));
                } else if (give_up) {
                    weft::select(a.receiver.on_receive(f), b.sender.on_send(std::move(own), [&] { ++sent; }), weft::on_timeout(std::chrono::microseconds(k % 20), [] {}));
                } else {
                    weft::select(b.sender.on_send(std::move(own), [&] { ++sent; }), a.receiver.on_receive(f), a.sender.on_send(std::make_unique<int>(first + sent), [&] { ++sent; }),
                                 weft::on_timeout(1ms, [] {}));
                }
            }
        };
        std::vector<std::thread> threads;
        for (int p = 0; p < 2; ++p) {
            threads.emplace_back([&, p] {
                weft::run([&] {
                    weft::with_nursery([&](weft::nursery& n) {
                        for (int t = 0; t < tasks; ++t) n.start_soon([&, t] { both(p + t, t % 2 == 0); });
                    });
                });
            });
            for (int t = 0; t < tasks; ++t) threads.emplace_back([&, t, p] { both(p + t, t % 2 == 0); });
        }
        for (auto& t : threads) t.join();
        BOOST_TEST(received == total);
        for (auto& s : seen) BOOST_REQUIRE(s == 1);
        for (auto& ends : c) {
            auto s = ends.sender.statistics();
            BOOST_TEST(s.waiting_receivers + s.waiting_senders + s.buffered == 0u);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
