// SPDX-License-Identifier: BSL-1.0
// Callbacks posted from signal handlers.
#include "fixture.hpp"

#include <weft/sync/event.hpp>
#include <weft/threads/signal_trigger.hpp>

#include <cerrno>
#include <csignal>
#include <memory>
#include <thread>

using namespace weft_test;

namespace {

weft::signal_trigger* target;
int errno_seen;

extern "C" void on_signal(int) {
    errno = 77;
    target->fire();
    errno_seen = errno;
}

struct handler {
    explicit handler(weft::signal_trigger& t) { target = &t; std::signal(SIGUSR1, on_signal); }
    ~handler() { std::signal(SIGUSR1, SIG_DFL); target = nullptr; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(signal_trigger)

// rule 108
BOOST_AUTO_TEST_CASE(a_signal_handler_wakes_a_task_of_the_run) {
    weft::run([] {
        weft::event got;
        int calls = 0;
        weft::signal_trigger t(weft::current_token(), [&] { ++calls; got.set(); });
        handler h(t);
        std::raise(SIGUSR1);
        BOOST_TEST(errno_seen == 77);
        got.wait();
        BOOST_TEST(calls == 1);
    });
}

// rule 108: idempotent until it has begun
BOOST_AUTO_TEST_CASE(firings_before_the_callback_has_begun_are_one) {
    weft::run([] {
        int calls = 0;
        weft::signal_trigger t(weft::current_token(), [&] { ++calls; });
        handler h(t);
        for (int i = 0; i < 100; ++i) std::raise(SIGUSR1);
        while (calls == 0) weft::this_task::sleep_for(100us);
        weft::this_task::sleep_for(2ms);
        BOOST_TEST(calls == 1);
        std::raise(SIGUSR1);
        while (calls == 1) weft::this_task::sleep_for(100us);
        BOOST_TEST(calls == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_trigger_of_a_run_that_has_ended_does_nothing) {
    std::unique_ptr<weft::signal_trigger> t;
    int calls = 0;
    weft::run([&] { t = std::make_unique<weft::signal_trigger>(weft::current_token(), [&] { ++calls; }); });
    t->fire();
    t.reset();
    BOOST_TEST(calls == 0);
    BOOST_CHECK_THROW(weft::signal_trigger(weft::run_token(), [] {}), weft::run_finished_error);
}

BOOST_AUTO_TEST_CASE(many_threads_fire_while_the_run_ends) {
    for (int i = 0; i < 20; ++i) {
        std::unique_ptr<weft::signal_trigger> t;
        std::thread a, b;
        weft::run([&] {
            t = std::make_unique<weft::signal_trigger>(weft::current_token(), [] {});
            a = std::thread([&] { for (int k = 0; k < 200; ++k) t->fire(); });
            b = std::thread([&] { for (int k = 0; k < 200; ++k) t->fire(); });
        });
        a.join();
        b.join();
    }
    BOOST_TEST(true);  // the sanitizers say whether
}

BOOST_AUTO_TEST_SUITE_END()
