// SPDX-License-Identifier: BSL-1.0
// Signals received in tasks.
#include "core/child.hpp"
#include "fixture.hpp"

#include <weft/net/signals.hpp>

#include <csignal>
#include <thread>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(signals_child, *boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(child) {
    as_child({{"unreceived", [] {
        weft::run([] { weft::with_signals({SIGTERM}, [](weft::signal_receiver&) { ::raise(SIGTERM); }); });
    }}});
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(signals)

BOOST_AUTO_TEST_CASE(signals_come_in_the_order_of_their_arrival_and_the_same_one_once) {
    run_checked([] {
        weft::with_signals({SIGUSR1, SIGUSR2, SIGHUP}, [](weft::signal_receiver& signals) {
            BOOST_TEST(!signals.try_receive());
            ::raise(SIGUSR2);
            ::raise(SIGUSR1);
            ::raise(SIGUSR2);
            BOOST_TEST(signals.receive() == SIGUSR2);
            BOOST_TEST(signals.try_receive().value() == SIGUSR1);
            BOOST_TEST(!signals.try_receive());
            std::string got;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([] { weft::this_task::sleep_for(1ms); ::raise(SIGHUP); weft::this_task::sleep_for(1ms); ::raise(SIGUSR1); });
                for (int s : signals) { got += s == SIGHUP ? "h" : "1"; if (s == SIGUSR1) break; }
            });
            BOOST_TEST(got == "h1");
        });
    });
}

// rule 123
BOOST_AUTO_TEST_CASE(none_starves_another) {
    run_checked([] {
        weft::with_signals({SIGUSR1, SIGUSR2}, [](weft::signal_receiver& signals) {
            int one = 0, two = 0;
            ::raise(SIGUSR1);
            ::raise(SIGUSR2);
            for (int i = 0; i < 20; ++i) {
                int s = signals.receive();
                ++(s == SIGUSR1 ? one : two);
                ::raise(s);
            }
            BOOST_TEST(one == 10);
            BOOST_TEST(two == 10);
            signals.try_receive();
            signals.try_receive();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_receive_is_cancelled_before_and_during_and_loses_no_signal) {
    run_checked([] {
        weft::with_signals({SIGUSR1}, [](weft::signal_receiver& signals) {
            weft::testing::assert_checkpoints([&] { ::raise(SIGUSR1); signals.receive(); });
            ::raise(SIGUSR1);
            weft::cancel_scope before;
            before.cancel();
            BOOST_TEST(!before.run([&] { signals.receive(); }));
            BOOST_TEST(signals.receive() == SIGUSR1);
            BOOST_TEST(!weft::move_on_after(1ms, [&] { signals.receive(); }));
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { BOOST_CHECK_THROW(signals.receive(), weft::busy_resource_error); n.cancel(); });
                signals.receive();
            });
            ::raise(SIGUSR1);
            BOOST_TEST(signals.receive() == SIGUSR1);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_signal_is_an_alternative_of_a_select) {
    run_checked([] {
        weft::with_signals({SIGUSR1}, [](weft::signal_receiver& signals) {
            auto wait = [&] { return weft::select(signals.on_receive([](int s) { return s; }), weft::on_timeout(2ms, [] { return 0; })); };
            BOOST_TEST(wait() == 0);
            ::raise(SIGUSR1);
            BOOST_TEST(wait() == SIGUSR1);
            BOOST_TEST(wait() == 0);
        });
    });
}

BOOST_AUTO_TEST_CASE(another_thread_may_get_the_signal) {
    run_checked([] {
        weft::with_signals({SIGUSR1}, [](weft::signal_receiver& signals) {
            for (int i = 0; i < 20; ++i) {
                std::thread t([] { ::raise(SIGUSR1); });
                BOOST_TEST(signals.receive() == SIGUSR1);
                t.join();
            }
        });
    });
}

namespace {
std::atomic<int> former_calls{0};
}

// rule 123
BOOST_AUTO_TEST_CASE(what_came_and_was_not_received_goes_to_the_former_disposition) {
    struct sigaction mine{}, before{}, after{};
    mine.sa_handler = [](int) { ++former_calls; };
    ::sigaction(SIGUSR1, &mine, &before);
    run_checked([] {
        weft::with_signals({SIGUSR1}, [](weft::signal_receiver&) { ::raise(SIGUSR1); BOOST_TEST(former_calls == 0); });
        BOOST_TEST(former_calls == 1);
        BOOST_CHECK_THROW(weft::with_signals({SIGUSR1}, [](weft::signal_receiver&) { ::raise(SIGUSR1); throw std::runtime_error("x"); }), std::runtime_error);
        BOOST_TEST(former_calls == 2);
        weft::with_signals({SIGUSR1}, [](weft::signal_receiver& s) { ::raise(SIGUSR1); s.receive(); });
        BOOST_TEST(former_calls == 2);
    });
    ::sigaction(SIGUSR1, &before, &after);
    BOOST_TEST((after.sa_handler == mine.sa_handler));
    BOOST_TEST(run_child("signals_child", "unreceived").signal == SIGTERM);  // its default: the end of the process
}

BOOST_AUTO_TEST_CASE(mistakes_are_named_and_leave_the_dispositions_as_they_were) {
    struct sigaction before{}, after{};
    ::sigaction(SIGUSR1, nullptr, &before);
    run_checked([] {
        BOOST_CHECK_THROW(weft::with_signals({SIGUSR1, 0}, [](weft::signal_receiver&) {}), boost::system::system_error);
        BOOST_CHECK_THROW(weft::with_signals({SIGUSR1, SIGKILL}, [](weft::signal_receiver&) {}), boost::system::system_error);
        weft::with_signals({SIGUSR1}, [](weft::signal_receiver&) {
            BOOST_CHECK_THROW(weft::with_signals({SIGUSR2, SIGUSR1}, [](weft::signal_receiver&) {}), weft::busy_resource_error);
        });
        weft::with_signals({SIGUSR2}, [](weft::signal_receiver&) {});  // free again
    });
    ::sigaction(SIGUSR1, nullptr, &after);
    BOOST_TEST((before.sa_handler == after.sa_handler));
    BOOST_CHECK_THROW(weft::with_signals({SIGUSR1}, [](weft::signal_receiver&) {}), weft::not_running_error);
}

BOOST_AUTO_TEST_SUITE_END()
