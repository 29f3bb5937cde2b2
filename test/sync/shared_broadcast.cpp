// SPDX-License-Identifier: BSL-1.0
// weft::shared's broadcasts: between tasks of several runs, and plain threads.
#include "fixture.hpp"

#include <weft/sync/broadcast.hpp>
#include <weft/sync/select.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(shared_broadcast)

BOOST_AUTO_TEST_CASE(without_a_run_threads_wait_with_deadlines) {
    auto [tx, rx] = weft::shared::make_broadcast<int>({.capacity = 1});
    BOOST_TEST(!rx.receive_for(1ms));
    tx.send(1);
    BOOST_TEST(!tx.send_for(2, 1ms));
    BOOST_TEST(!tx.send_until(2, std::chrono::system_clock::now() + 1ms));
    BOOST_TEST(rx.receive_until(std::chrono::system_clock::now() + 1h).value() == 1);
    auto s = rx.statistics();
    BOOST_TEST(s.waiting_senders + s.waiting_receivers + s.buffered == 0u);
    auto [local_tx, local_rx] = weft::make_broadcast<int>();
    BOOST_CHECK_THROW(local_rx.receive(), weft::not_running_error);
}

// rules 93, 94, 99 among threads: two senders, receivers of all kinds, some giving up again and again. With lag_policy::block each
// receiver gets each value once and each sender's in order; with skip, what it has missed is counted.
BOOST_AUTO_TEST_CASE(stress_between_runs_and_threads_loses_and_doubles_nothing) {
    constexpr int each = 80, senders = 2;
    for (auto lag : {weft::lag_policy::block, weft::lag_policy::skip}) for (std::size_t capacity : {1u, 8u}) {
        auto ends = weft::shared::make_broadcast<std::unique_ptr<int const>>({.capacity = capacity, .lag = lag});
        std::atomic<int> wrong{0}, finished{0};
        auto follow = [&](auto& rx, int style) {
            int last[senders] = {-1, -1};
            std::uint64_t seen = 0;
            auto take = [&](std::shared_ptr<std::unique_ptr<int const> const> p) {
                int v = **p, from = v / each;
                if (v <= last[from] || (lag == weft::lag_policy::block && last[from] >= 0 && v != last[from] + 1)) ++wrong;
                last[from] = v;
                ++seen;
            };
            try {
                for (int k = style;; ++k) {
                    if (k % 3 == 0) take(rx.receive_shared());
                    else if (k % 3 == 1) weft::select(rx.on_receive([&](auto const& v) { take(std::shared_ptr<std::unique_ptr<int const> const>(std::shared_ptr<void>(), &v)); }), weft::on_timeout(10us, [] {}));
                    else if (style == 0) std::this_thread::yield();
                }
            } catch (weft::end_of_channel const&) {}
            seen += rx.lagged();
            if (seen == senders * each) ++finished;
            else ++wrong;
        };
        std::vector<std::thread> threads;
        for (int i = 0; i < 2; ++i) threads.emplace_back([&, i, rx = ends.receiver.clone()]() mutable { follow(rx, i); });
        std::vector<decltype(ends.receiver)> for_tasks;
        for (int i = 0; i < 3; ++i) for_tasks.push_back(ends.receiver.clone());
        threads.emplace_back([&] {
            weft::run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    for (int i = 0; i < 3; ++i) n.start_soon([&, i] { follow(for_tasks[static_cast<std::size_t>(i)], i); });
                });
            });
        });
        threads.emplace_back([&, rx = ends.receiver.clone()]() mutable {  // comes and goes, and is cancelled
            weft::run([&] {
                try {
                    for (int k = 0;; ++k) {
                        auto own = rx.clone();
                        rx.close();
                        weft::move_on_after(5us, [&] { for (int i = 0; i < k % 7; ++i) own.receive_shared(); });
                        rx = own.clone();
                        while (rx.try_receive_shared()) {}
                    }
                } catch (weft::end_of_channel const&) {}
            });
        });
        auto send_all = [&](auto& tx, int from) { for (int i = 0; i < each; ++i) tx.send(std::make_unique<int const>(from * each + i)); };
        threads.emplace_back([&, tx = ends.sender.clone()]() mutable { send_all(tx, 0); });
        threads.emplace_back([&, tx = ends.sender.clone()]() mutable { weft::run([&] { send_all(tx, 1); }); });
        ends.sender.close();
        ends.receiver.close();
        for (auto& t : threads) t.join();
        BOOST_TEST(wrong == 0);
        BOOST_TEST(finished == 5);
    }
}

// rule 96
BOOST_AUTO_TEST_CASE(a_close_from_another_thread_ends_the_waits_once) {
    for (int i = 0; i < 100; ++i) {
        auto [tx, rx] = weft::shared::make_broadcast<int>({.capacity = 1});
        auto slow = rx.clone();
        tx.send(0);
        rx.receive();
        std::atomic<int> ends{0};
        std::thread t([&, &rx = rx] { try { rx.receive(); ends += 1; } catch (weft::closed_resource_error const&) { ends += 10; } });
        weft::run([&, &tx = tx, &rx = rx] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { try { tx.send(1); ends += 100; } catch (weft::closed_resource_error const&) { ends += 1000; } });
                for (int k = 0; k < i % 20; ++k) weft::checkpoint();
                if (i % 3 == 0) slow.close();
                rx.close();
                tx.close();
            });
        });
        t.join();
        BOOST_TEST((ends == 101 || ends == 1010 || ends == 110));
    }
}

BOOST_AUTO_TEST_SUITE_END()
