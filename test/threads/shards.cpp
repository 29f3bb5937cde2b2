// SPDX-License-Identifier: BSL-1.0
// Several runtimes that work together: start, calls, errors and cancellation across them, listeners on one port.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/threads/reuse_port.hpp>
#include <weft/threads/shards.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

using namespace weft_test;
using boost::asio::ip::tcp;

BOOST_AUTO_TEST_SUITE(shards)

BOOST_AUTO_TEST_CASE(each_shard_runs_on_a_thread_of_its_own_and_all_are_up_before_any_starts) {
    std::mutex m;
    std::set<std::thread::id> threads;
    std::set<unsigned> indices;
    std::atomic<int> wrong{0};
    weft::shards::run(3, [&](weft::shard& s) {
        for (unsigned i = 0; i < s.count(); ++i) wrong += !s.on(i);
        wrong += !s.on(s.index()).is_this_run();
        std::lock_guard lock(m);
        threads.insert(std::this_thread::get_id());
        indices.insert(s.index());
    });
    BOOST_TEST(threads.size() == 3u);
    BOOST_TEST((indices == std::set<unsigned>{0, 1, 2}));
    BOOST_TEST(wrong == 0);
    std::atomic<int> plain{0};
    weft::shards::run(2, [&] { ++plain; });
    weft::shards{}.run(2, [&](unsigned) { ++plain; });
    BOOST_TEST(plain == 4);
}

BOOST_AUTO_TEST_CASE(tasks_call_each_other_across_shards) {
    std::atomic<int> sum{0};
    weft::shards::run(3, [&](weft::shard& s) {
        unsigned next = (s.index() + 1) % s.count();
        weft::with_nursery([&](weft::nursery& n) {  // main stays free for calls
            n.start_soon([&] {
                for (int i = 0; i < 20; ++i) sum += s.on(next).call([i] { weft::checkpoint(); return i; });
            });
        });
        static std::atomic<unsigned> done;
        ++done;
        while (done % s.count() != 0) weft::this_task::sleep_for(100us);  // the others may still call here
    });
    BOOST_TEST(sum == 3 * 190);
}

BOOST_AUTO_TEST_CASE(an_error_cancels_the_other_shards_and_leaves_in_a_group) {
    std::atomic<int> cancelled{0}, started{0};
    try {
        weft::shards::run(3, [&](weft::shard& s) {
            if (s.index() == 1) {
                while (started < 2) weft::this_task::sleep_for(100us);
                throw std::out_of_range("shard one");
            }
            ++started;
            try { weft::this_task::sleep_forever(); } catch (weft::cancelled const& c) { if (c.reason() == "another shard failed") ++cancelled; throw; }
        });
        BOOST_ERROR("nothing thrown");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 1u);
        BOOST_TEST(g.contains<std::out_of_range>());
    }
    BOOST_TEST(cancelled == 2);
}

BOOST_AUTO_TEST_CASE(cancelling_the_calling_task_cancels_every_shard_and_waits_for_all) {
    weft::run([] {
        std::atomic<int> started{0}, cleaned{0};
        weft::cancel_scope scope;
        bool returned = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                scope.run([&] {
                    weft::shards::run(2, [&] {
                        ++started;
                        try { weft::this_task::sleep_forever(); } catch (...) { ++cleaned; throw; }
                    });
                    returned = true;
                });
            });
            while (started < 2) weft::this_task::sleep_for(100us);
            scope.cancel();
        });
        BOOST_TEST(scope.cancelled_caught());
        BOOST_TEST(!returned);
        BOOST_TEST(cleaned == 2);
    });
}

BOOST_AUTO_TEST_CASE(cancelled_while_the_shards_come_up_nothing_hangs) {
    for (int i = 0; i < 30; ++i) {
        weft::run([&] {
            weft::move_on_after(std::chrono::microseconds(10 * i), [] { weft::shards::run(3, [] { weft::this_task::sleep_forever(); }); });
        });
    }
    BOOST_TEST(true);
}

BOOST_AUTO_TEST_CASE(in_a_cancelled_scope_no_shard_is_started) {
    std::atomic<bool> ran{false};
    weft::run([&] {
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { weft::shards::run(2, [&] { ran = true; }); });
    });
    BOOST_TEST(!ran);
}

BOOST_AUTO_TEST_CASE(options_that_belong_to_one_run_are_refused) {
    weft::testing::mock_clock clock;
    weft::shards_options o;
    o.run.clock = &clock;
    BOOST_CHECK_THROW(weft::shards::run(2, o, [] {}), weft::misuse_error);
    weft::shards_options bad;
    bad.run.stack_size = 1;
    try {
        weft::shards::run(2, bad, [] {});
        BOOST_ERROR("nothing thrown");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.leaf_count() == 2u);
        BOOST_TEST(g.contains<weft::misuse_error>());
    }
    BOOST_CHECK_THROW(weft::shards::run(1, [](weft::shard& s) { static_cast<void>(s.on(1)); }), weft::exception_group);
}

BOOST_AUTO_TEST_CASE(shards_listen_on_one_port_and_every_connection_is_served) {
    std::atomic<unsigned short> port{0};
    std::atomic<int> served{0}, asked{0};
    weft::shards::run(2, [&](weft::shard& s) {
        if (s.index() == 1) while (port == 0) weft::this_task::sleep_for(100us);
        auto listener = weft::listen_reuse_port({boost::asio::ip::address_v4::loopback(), port});
        port = listener.local_endpoint().port();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                for (;;) {
                    tcp::socket c = listener.async_accept(weft::use_fiber);
                    char byte;
                    boost::asio::async_read(c, boost::asio::buffer(&byte, 1), weft::use_fiber);
                    ++served;
                }
            });
            for (int i = 0; i < 10; ++i) {
                tcp::socket c(weft::get_executor());
                c.async_connect({boost::asio::ip::address_v4::loopback(), port}, weft::use_fiber);
                boost::asio::async_write(c, boost::asio::buffer("x", 1), weft::use_fiber);
                ++asked;
            }
            while (served < 20) weft::this_task::sleep_for(200us);
            n.cancel();
        });
    });
    BOOST_TEST(asked == 20);
    BOOST_TEST(served == 20);
}

BOOST_AUTO_TEST_SUITE_END()
