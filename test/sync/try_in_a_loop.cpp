// SPDX-License-Identifier: BSL-1.0
// Loops that try until they succeed, as on threads, where whoever holds what they want has its time.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/recursive_mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>

#include <weft/std/jthread.hpp>
#include <weft/std/this_thread.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/stop_token.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <functional>
#include <mutex>
#include <shared_mutex>

using namespace weft_test;

namespace {

/// A task takes `resource` and gives it back after a checkpoint, while another tries for it by `attempt`.
template <class R, class Take, class GiveBack, class Attempt>
void ends(R& resource, Take take, GiveBack give_back, Attempt attempt) {
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                take(resource);
                weft::checkpoint();
                give_back(resource);
            });
            n.start_soon([&] {
                weft::checkpoint();
                while (!attempt(resource)) {}
                give_back(resource);
            });
        });
    });
}

using mutexes = boost::mpl::list<weft::mutex, weft::recursive_mutex, weft::timed_mutex, weft::recursive_timed_mutex, weft::shared_mutex>;

}  // namespace

BOOST_AUTO_TEST_SUITE(try_in_a_loop)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_loop_over_try_lock_ends, M, mutexes) {
    M m;
    ends(m, [](M& x) { x.lock(); }, [](M& x) { x.unlock(); }, [](M& x) { return x.try_lock(); });
}

BOOST_AUTO_TEST_CASE(so_does_one_over_try_lock_shared) {
    weft::shared_mutex m;
    bool shared = false;
    ends(m, [](auto& x) { x.lock(); }, [&](auto& x) { if (shared) x.unlock_shared(); else x.unlock(); }, [&](auto& x) { return shared = x.try_lock_shared(); });
}

// As a reader that waits for a writer to come does.
BOOST_AUTO_TEST_CASE(and_one_that_succeeds_until_another_comes) {
    weft::shared_mutex m;
    weft::binary_semaphore s(1);
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            m.lock_shared();
            n.start_soon([&] {
                while (m.try_lock_shared()) m.unlock_shared();
                m.unlock_shared();
                while (s.try_acquire()) s.release();
            });
            n.start_soon([&] {
                m.lock();
                m.unlock();
                s.acquire();
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(and_one_over_try_acquire) {
    weft::binary_semaphore s(1);
    ends(s, [](auto& x) { x.acquire(); }, [](auto& x) { x.release(); }, [](auto& x) { return x.try_acquire(); });
}

BOOST_AUTO_TEST_CASE(and_one_over_a_latch_s_try_wait) {
    weft::latch l(1);
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { l.count_down(); });
            while (!l.try_wait()) {}
        });
    });
}

// `while (true) { std::lock_guard lock(m); if (ready) break; }`
BOOST_AUTO_TEST_CASE_TEMPLATE(a_loop_that_looks_under_a_lock_ends, M, mutexes) {
    M m;
    bool ready = false;
    auto looks = [&](auto take) {
        return [&, take] {
            for (bool seen = false; !seen;) {
                auto lock = take(m);
                seen = ready;
            }
        };
    };
    auto by_lock = looks([](M& x) { return std::unique_lock<M>(x); });
    auto by_try_lock = looks([](M& x) { return std::unique_lock<M>(x, std::try_to_lock); });
    for (std::function<void()> f : {std::function<void()>(by_lock), std::function<void()>(by_try_lock)}) {
        ready = false;
        run_checked([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon(f);
                n.start_soon(f);
                n.start_soon([&] { std::lock_guard lock(m); ready = true; });
            });
        });
    }
}

BOOST_AUTO_TEST_CASE(and_one_under_a_shared_lock) {
    weft::shared_mutex m;
    bool ready = false;
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                for (bool seen = false; !seen;) {
                    std::shared_lock lock(m);
                    seen = ready;
                }
            });
            n.start_soon([&] { std::lock_guard lock(m); ready = true; });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_worker_that_only_asks_its_stop_token_lets_others_run) {
    weft::run([] {
        int steps = 0;
        {
            weft::jthread worker([&](weft::stop_token stop) { while (!stop.stop_requested()) ++steps; });
            weft::jthread other([&](weft::stop_token stop) { while (!stop.stop_requested()) ++steps; });
            weft::this_thread::sleep_for(10ms);
        }
        BOOST_TEST(steps > 0);
        weft::stop_source s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { while (!s.stop_requested()) {} });
            n.start_soon([&] { s.request_stop(); });
        });
    });
}

BOOST_AUTO_TEST_CASE(who_locks_or_asks_only_a_few_times_goes_on_at_once) {
    run_checked([] {
        weft::mutex m;
        weft::stop_source s;
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            weft::checkpoint();
            int before = turns;
            for (int i = 0; i < 200; ++i) std::lock_guard lock(m);
            for (int i = 0; i < 10; ++i) BOOST_TEST(!s.stop_requested());
            BOOST_TEST(turns == before);
            s.request_stop();
            for (int i = 0; i < 1'000; ++i) BOOST_TEST(s.stop_requested());  // an answer that ends a loop
            BOOST_TEST(turns == before);
        });
    });
}

BOOST_AUTO_TEST_CASE(who_tries_no_more_than_a_hundred_times_goes_on_at_once) {
    run_checked([] {
        weft::mutex m;
        weft::binary_semaphore s(0);
        m.lock();
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            for (int step = 0; step < 20; ++step) {
                weft::checkpoint();
                int before = turns;
                for (int i = 0; i < 100; ++i) BOOST_TEST(!m.try_lock());
                for (int i = 0; i < 100; ++i) BOOST_TEST(!s.try_acquire());
                BOOST_TEST(turns == before);
            }
        });
        m.unlock();
    });
}

BOOST_AUTO_TEST_CASE(in_a_no_yield_scope_and_in_a_callback_it_never_yields) {
    run_checked([] {
        weft::mutex m;
        m.lock();
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            weft::checkpoint();
            int before = turns;
            {
                weft::no_yield_scope alone("tries");
                weft::mutex free;
                for (int i = 0; i < 1'000; ++i) {
                    BOOST_TEST(!m.try_lock());
                    std::lock_guard lock(free);
                }
                BOOST_TEST(alone.suspensions() == 0u);
            }
            BOOST_TEST(turns == before);
        });
        m.unlock();
    });
    weft::run([] {
        weft::mutex m;
        weft::event tried;
        m.lock();
        boost::asio::post(weft::get_executor(), [&] {
            for (int i = 0; i < 1'000; ++i) BOOST_TEST(!m.try_lock());
            tried.set();
        });
        tried.wait();
        m.unlock();
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_loop_is_not_left_by_an_exception_but_gets_on) {
    run_checked([] {
        weft::mutex m;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                m.lock();
                weft::yield_shielded();
                weft::yield_shielded();
                m.unlock();
            });
            n.start_soon([&] {
                weft::yield_shielded();
                while (!m.try_lock()) {}
                m.unlock();
                BOOST_CHECK_THROW(weft::check_cancelled(), weft::cancelled);
            });
            weft::yield_shielded();
            n.cancel();
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
