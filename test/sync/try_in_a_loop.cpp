// SPDX-License-Identifier: BSL-1.0
// Loops that try until they succeed, as on threads, where whoever holds what they want has its time.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/recursive_mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

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

BOOST_AUTO_TEST_CASE(and_one_over_try_acquire) {
    weft::binary_semaphore s(1);
    ends(s, [](auto& x) { x.acquire(); }, [](auto& x) { x.release(); }, [](auto& x) { return x.try_acquire(); });
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
                for (int i = 0; i < 1'000; ++i) BOOST_TEST(!m.try_lock());
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
