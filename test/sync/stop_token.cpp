// SPDX-License-Identifier: BSL-1.0
// Stop tokens where they differ from std's, between tasks, threads and callbacks. What they share is in test/std/conformance_stop.cpp.
#include "fixture.hpp"

#include <weft/sync/condition_variable.hpp>
#include <weft/sync/stop_token.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace weft_test;
namespace wt = weft::testing;

BOOST_AUTO_TEST_SUITE(stop_token)

BOOST_AUTO_TEST_CASE(a_callback_s_destructor_waits_for_it_while_it_is_suspended_in_another_task) {
    run_checked([] {
        weft::stop_source source;
        weft::event go_on;
        bool ended = false, destroyed = false;
        auto callback = [&] { go_on.wait(); ended = true; };
        auto c = std::make_unique<weft::stop_callback<decltype(callback)>>(source.get_token(), callback);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("requester", [&] { BOOST_TEST(source.request_stop()); });
            wt::wait_all_tasks_blocked();
            n.start_soon("destroyer", [&] { c.reset(); BOOST_TEST(ended); destroyed = true; });
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!destroyed);
            go_on.set();
        });
        BOOST_TEST(destroyed);
    });
}

BOOST_AUTO_TEST_CASE(the_wait_of_a_destructor_and_a_callback_are_shielded) {
    run_checked([] {
        weft::stop_source source;
        weft::event go_on;
        bool ended = false;
        auto callback = [&] { go_on.wait(); ended = true; };
        auto c = std::make_unique<weft::stop_callback<decltype(callback)>>(source.get_token(), callback);
        bool caught = true;
        weft::cancel_scope s, d;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { caught = !s.run([&] { source.request_stop(); BOOST_TEST(ended); weft::checkpoint(); }); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { d.run([&] { c.reset(); BOOST_TEST(ended); }); });
            wt::wait_all_tasks_blocked();
            s.cancel();
            d.cancel();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(!ended);
            go_on.set();
        });
        BOOST_TEST(caught);
    });
}

BOOST_AUTO_TEST_CASE(a_callback_that_destroys_itself_or_the_last_source_does_not_wait) {
    run_checked([] {
        auto source = std::make_unique<weft::stop_source>();
        std::optional<weft::stop_callback<std::function<void()>>> c;
        c.emplace(source->get_token(), [&] { source.reset(); c.reset(); });
        weft::stop_source copy = *source;
        BOOST_TEST(copy.request_stop());
        BOOST_TEST(!c.has_value());
    });
}

BOOST_AUTO_TEST_CASE(one_who_waits_for_a_callback_does_not_wait_for_the_next_ones) {
    run_checked([] {
        weft::stop_source source;
        weft::event first, second;
        auto a = [&] { first.wait(); };
        auto b = [&] { second.wait(); };
        auto ca = std::make_unique<weft::stop_callback<decltype(a)>>(source.get_token(), a);
        weft::stop_callback cb(source.get_token(), b);
        bool gone = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { source.request_stop(); });
            wt::wait_all_tasks_blocked();
            n.start_soon([&] { ca.reset(); gone = true; });
            wt::wait_all_tasks_blocked();
            first.set();
            wt::wait_all_tasks_blocked();
            BOOST_TEST(gone);
            second.set();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_condition_s_wait_is_ended_by_weft_s_token) {
    run_checked([] {
        weft::mutex m;
        weft::condition_variable_any changed;
        weft::stop_source before, during, other;
        before.request_stop();
        std::unique_lock lock(m);
        int asked = 0;
        BOOST_TEST(!changed.wait(lock, before.get_token(), [&] { ++asked; return false; }));
        BOOST_TEST(asked == 1);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { weft::this_task::sleep_for(1s); during.request_stop(); });
            BOOST_TEST(!changed.wait(lock, during.get_token(), [] { return false; }));
            BOOST_TEST(lock.owns_lock());
            BOOST_TEST(!changed.wait_for(lock, other.get_token(), 1s, [] { return false; }));
            BOOST_TEST(changed.wait_until(lock, other.get_token(), weft::current_time() + 1s, [] { return true; }));
        });
    });
}

BOOST_AUTO_TEST_CASE(bridges_lead_from_std_s_tokens_to_weft_s_and_back) {
    std::stop_source from;
    weft::stop_source middle;
    std::stop_source to;
    {
        weft::stop_bridge a(from.get_token(), middle);
        weft::stop_bridge b(middle.get_token(), to);
        from.request_stop();
    }
    BOOST_TEST(middle.stop_requested());
    BOOST_TEST(to.stop_requested());
    run_checked([] {
        weft::cancel_scope s;
        weft::stop_source mine;
        s.run([&] {
            weft::stop_bridge b(weft::token_of(s), mine);
            s.cancel();
        });
        BOOST_TEST(mine.stop_requested());
    });
}

// Threads and tasks register, destroy and request at once; each callback is called at most once, and never after its destructor.
BOOST_AUTO_TEST_CASE(registering_destroying_and_requesting_race) {
    for (int round = 0; round < 100; ++round) {
        weft::stop_source source;
        std::atomic<int> calls{0};
        auto work = [&, token = source.get_token()] {
            for (int i = 0; i < 10; ++i) {
                auto alive = std::make_unique<std::atomic<int>>(0);
                auto count = [&calls, a = alive.get()] { ++*a; ++calls; };
                {
                    weft::stop_callback c(token, count);
                    if (i % 3 == 0) std::this_thread::yield();
                }
                if (alive->load() > 1) std::abort();
                alive.reset();
            }
        };
        std::thread plain(work);
        std::thread requester([&] { if (!source.request_stop()) std::abort(); });
        weft::run([&] { weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < 3; ++i) n.start_soon([&] { weft::checkpoint(); work(); }); }); });
        plain.join();
        requester.join();
        int last = 0;
        weft::stop_callback at_once(source.get_token(), [&] { ++last; });
        BOOST_REQUIRE(last == 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
