// SPDX-License-Identifier: BSL-1.0
// weft::shared's channels: between tasks of several runs, and plain threads.
#include "fixture.hpp"

#include <weft/sync/channel.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(shared_channel)

BOOST_AUTO_TEST_CASE(plain_threads_and_tasks_send_to_each_other) {
    auto [there_tx, there_rx] = weft::shared::make_channel<int>(0);
    auto [back_tx, back_rx] = weft::shared::make_channel<std::string>(2);
    std::thread t([rx = std::move(there_rx), tx = std::move(back_tx)]() mutable { for (int v : rx) tx.send(std::to_string(v)); });
    run_checked([&, tx = std::move(there_tx), &rx = back_rx]() mutable {
        for (int i = 0; i < 200; ++i) {
            tx.send(i);
            BOOST_REQUIRE(rx.receive() == std::to_string(i));
        }
        tx.close();
        BOOST_CHECK_THROW(rx.receive(), weft::end_of_channel);
    });
    t.join();
}

BOOST_AUTO_TEST_CASE(without_a_run_threads_wait_with_deadlines) {
    auto [tx, rx] = weft::shared::make_channel<int>(1);
    BOOST_TEST(!rx.receive_for(1ms));
    tx.send(1);
    BOOST_TEST(!tx.send_for(2, 1ms));
    BOOST_TEST(!tx.send_until(2, std::chrono::system_clock::now() + 1ms));
    BOOST_TEST(rx.receive_until(std::chrono::system_clock::now() + 1h).value() == 1);
    auto s = rx.statistics();
    BOOST_TEST(s.waiting_senders + s.waiting_receivers + s.buffered == 0u);
}

// rules 93, 95, 96, 99 among threads: senders and receivers of all kinds, some of them giving up, each item once
BOOST_AUTO_TEST_CASE(stress_between_runs_and_threads_loses_and_doubles_nothing) {
    constexpr int parties = 2, each = 150, tasks = 4;
    for (std::size_t capacity : {0u, 1u, 16u}) {
        auto ends = weft::shared::make_channel<std::unique_ptr<int>>(capacity);
        std::atomic<int> received{0}, kept{0}, lost{0}, abandoned{0};
        std::vector<std::atomic<int>> seen(2 * parties * tasks * each);
        std::vector<std::thread> threads;
        auto send_all = [&](auto& tx, int first) {
            for (int i = first; i < first + each; ++i) {
                auto item = std::make_unique<int>(i);
                switch (i % 4) {
                    case 0: tx.send(std::move(item)); break;
                    case 1: while (!tx.try_send(std::move(item))) if (tx.send_for(std::move(item), 20us)) break; break;
                    case 2: if (!tx.send_for(std::move(item), 5us)) ++(item ? kept : lost); break;
                    default:
                        while (item) tx.send_for(std::move(item), 1ms);
                }
            }
        };
        auto take = [&](std::unique_ptr<int> item) { ++seen[static_cast<std::size_t>(*item)]; ++received; };
        auto receive_all = [&](auto& rx, int k) {
            try {
                for (;; ++k) {
                    if (k % 3 == 0) take(rx.receive());
                    else if (auto item = rx.receive_for(k % 3 == 1 ? 10us : 1ms)) take(std::move(*item));
                    else ++abandoned;
                }
            } catch (weft::end_of_channel const&) {}
        };
        for (int p = 0; p < parties; ++p) {
            threads.emplace_back([&, p, tx = ends.sender.clone()]() mutable {
                weft::run([&] {
                    weft::with_nursery([&](weft::nursery& n) { for (int t = 0; t < tasks; ++t) n.start_soon([&, t] { send_all(tx, (p * tasks + t) * each); }); });
                });
            });
            threads.emplace_back([&, p, tx = ends.sender.clone()]() mutable { for (int t = 0; t < tasks; ++t) send_all(tx, ((parties + p) * tasks + t) * each); });
            threads.emplace_back([&, rx = ends.receiver.clone()]() mutable {
                weft::run([&] {
                    weft::with_nursery([&](weft::nursery& n) {
                        for (int t = 0; t < tasks; ++t) n.start_soon([&, t] { receive_all(rx, t); });
                        n.start_soon([&] {  // one that is cancelled again and again
                            for (bool more = true; more;) {
                                more = !weft::move_on_after(15us, [&] { try { for (;;) take(rx.receive()); } catch (weft::end_of_channel const&) {} });
                            }
                        });
                    });
                });
            });
            threads.emplace_back([&, p, rx = ends.receiver.clone()]() mutable { receive_all(rx, p); });
        }
        ends.sender.close();
        ends.receiver.close();
        for (auto& t : threads) t.join();
        BOOST_TEST(lost == 0);  // what was not sent is its sender's still
        BOOST_TEST(received + kept == static_cast<int>(seen.size()));
        for (auto& s : seen) BOOST_REQUIRE(s <= 1);
    }
}

// rules 95, 96
BOOST_AUTO_TEST_CASE(a_close_from_another_thread_ends_the_waits_once) {
    for (int i = 0; i < 200; ++i) {
        auto [tx, rx] = weft::shared::make_channel<int>(0);
        std::atomic<int> ends{0};
        std::thread t([&, &rx = rx] { try { rx.receive(); ends += 1; } catch (weft::closed_resource_error const&) { ends += 10; } });
        weft::run([&, &tx = tx, &rx = rx] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { try { tx.send(1); ends += 100; } catch (weft::broken_resource_error const&) { ends += 1000; } });
                for (int k = 0; k < i % 20; ++k) weft::checkpoint();
                rx.close();
            });
        });
        t.join();
        BOOST_TEST((ends == 101 || ends == 1010));
    }
}

BOOST_AUTO_TEST_SUITE_END()
