// SPDX-License-Identifier: BSL-1.0
// Promises between runs and threads, under cancellation, deadlines and the end of runs (rule 152). Real time.
#include "fixture.hpp"

#include <weft/future/async.hpp>
#include <weft/future/promise.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {
void pause(int n) { for (; n > 0; --n) std::this_thread::yield(); }
}  // namespace

BOOST_AUTO_TEST_SUITE(future_stress)

// rules 11, 152: fulfilled, broken, cancelled or timed out; each wait ends once, and a value is there once
BOOST_AUTO_TEST_CASE(a_thread_fulfils_or_destroys_a_promise_as_its_waiter_is_cancelled) {
    constexpr int rounds = 40, n = 8;
    int values = 0, broken = 0, cancelled = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<weft::promise<int>> p(n);
        std::vector<weft::future<int>> f;
        for (auto& x : p) f.push_back(x.get_future());
        weft::shared::event go;
        std::thread t([&] {
            go.wait();
            for (int i = 0; i < n; ++i) {
                pause((round + i) % 4);
                if (i % 4 == 3) auto gone = std::move(p[std::size_t(i)]);
                else p[std::size_t(i)].set_value(1);
            }
        });
        weft::run([&] {
            weft::cancel_scope scopes[n];
            weft::with_nursery([&](weft::nursery& nursery) {
                for (int i = 0; i < n; ++i) {
                    nursery.start_soon([&, i] {
                        auto& mine = f[std::size_t(i)];
                        auto get = [&] {
                            if (i % 2) static_cast<void>(mine.wait_for(std::chrono::microseconds(round)));
                            values += mine.get();
                        };
                        try {
                            if (scopes[i].run(get)) return;
                            ++cancelled;
                            values += mine.get();  // nothing was lost
                        } catch (std::future_error const&) { ++broken; }
                    });
                }
                go.set();
                for (int k = 0; k < round % 5; ++k) weft::checkpoint();
                if (round % 2) for (auto& s : scopes) s.cancel();
            });
        });
        t.join();
    }
    BOOST_TEST(values == rounds * 6);
    BOOST_TEST(broken == rounds * 2);
    BOOST_TEST(cancelled > 0);
}

// rules 125, 152: the question and the answer cross
BOOST_AUTO_TEST_CASE(a_producer_thread_is_asked_to_stop_while_it_answers) {
    int outcomes = 0;
    for (int round = 0; round < 60; ++round) {
        weft::promise<int> p;
        auto f = p.get_future();
        std::atomic<bool> stop{false};
        weft::shared::event go;
        std::thread t([&] {
            p.on_cancel([&] { stop = true; });
            go.set();
            for (int k = 0; k < 20 * (round % 3) && !stop; ++k) std::this_thread::yield();
            if (round % 4 == 3) { auto gone = std::move(p); }
            else if (stop) p.set_cancelled();
            else p.set_value(1);
        });
        weft::run([&] {
            go.wait();
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    try { if (!s.run([&] { f.get(); })) ++outcomes; else ++outcomes; }
                    catch (std::future_error const&) { ++outcomes; }
                    catch (weft::task_cancelled_error const&) { ++outcomes; }
                });
                for (int k = 0; k < round % 4; ++k) weft::checkpoint();
                s.cancel();
            });
        });
        t.join();
    }
    BOOST_TEST(outcomes == 60);
}

// rule 152
BOOST_AUTO_TEST_CASE(promises_cross_between_two_runs_and_a_thread) {
    constexpr int rounds = 300;
    std::vector<weft::promise<int>> ab(rounds), bc(rounds), ca(rounds);
    std::vector<weft::future<int>> b, c, a;
    for (int i = 0; i < rounds; ++i) { b.push_back(ab[i].get_future()); c.push_back(bc[i].get_future()); a.push_back(ca[i].get_future()); }
    std::thread second([&] { weft::run([&] { for (int i = 0; i < rounds; ++i) bc[i].set_value(b[i].get() + 1); }); });
    std::thread third([&] { for (int i = 0; i < rounds; ++i) ca[i].set_value(c[i].get() + 1); });
    weft::run([&] {
        for (int i = 0; i < rounds; ++i) {
            ab[i].set_value(i);
            BOOST_REQUIRE(a[i].get() == i + 2);
            ab[i] = {};  // its state goes while the others may still be leaving it
        }
    });
    second.join();
    third.join();
}

BOOST_AUTO_TEST_CASE(copies_of_a_shared_future_are_read_and_dropped_everywhere_as_it_is_fulfilled) {
    for (int round = 0; round < 30; ++round) {
        auto p = std::make_unique<weft::promise<std::vector<int>>>();
        auto f = p->get_future().share();
        std::atomic<int> read{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) threads.emplace_back([&, f]() mutable { if (f.get().size() == 3) ++read; f = {}; });
        threads.emplace_back([&, f] { weft::run([&, f] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 4; ++i) n.start_soon([&, f] { if (f.get().size() == 3) ++read; }); }); }); });
        f = {};
        pause(round % 5);
        p->set_value({1, 2, 3});
        p.reset();
        for (auto& t : threads) t.join();
        BOOST_TEST(read == 7);
    }
}

// rule 152: a promise in a thread's hands when the run that waited for it has ended
BOOST_AUTO_TEST_CASE(a_run_may_end_while_threads_still_hold_its_promises) {
    for (int round = 0; round < 40; ++round) {
        weft::shared::event go;
        std::thread t;
        weft::run([&] {
            weft::promise<int> p;
            auto f = p.get_future();
            t = std::thread([&go, p = std::move(p), round]() mutable {
                p.on_cancel([] {});
                go.wait();
                pause(round % 6);
                if (round % 2) p.set_value(1);
            });
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { static_cast<void>(f.wait_for(std::chrono::microseconds(round))); });
                go.set();
            });
        });
        t.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_SUITE_END()
