// SPDX-License-Identifier: BSL-1.0
// Who blocks the thread is named while it does. In real time: what is watched is the thread itself.
#include "fixture.hpp"
#include "stderr_of.hpp"

#include <weft/asio.hpp>
#include <weft/inspect.hpp>

#include <boost/asio/post.hpp>

#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

using namespace weft_test;
namespace wi = weft::inspect;

namespace {

/// What a watchdog has told, from its thread.
class told {
public:
    wi::watchdog_options options(weft::duration threshold = 100ms) {
        return {threshold, [this](wi::stall const& s) {
            std::lock_guard l(m_);
            all_.push_back(s);
        }};
    }
    std::vector<wi::stall> all() {
        std::lock_guard l(m_);
        return all_;
    }
    std::size_t count() { return all().size(); }
    /// Of this task, or of callbacks: on a loaded machine any step may take long, and is then told of, rightly.
    std::vector<wi::stall> of(std::string_view task) {
        std::vector<wi::stall> r;
        for (auto& s : all()) if (task.empty() ? s.id == 0 : s.task == task) r.push_back(s);
        return r;
    }

private:
    std::mutex m_;
    std::vector<wi::stall> all_;
};

void os_sleep(std::chrono::nanoseconds d) {
    timespec t{0, static_cast<long>(d.count())};
    ::nanosleep(&t, nullptr);
}

/// Blocks for as long as the watchdog needs to see it, 5 s at most.
struct until_told {
    told& t;
    bool over(std::chrono::steady_clock::time_point start) const { return !t.of("resize").empty() || std::chrono::steady_clock::now() - start > 5s; }
};

/// What is told of a task that blocks by `block`.
template <class F>
std::optional<wi::stall> of_task(F block) {
    told t;
    weft::run([&] {
        wi::watchdog w(t.options());
        weft::with_nursery([&](weft::nursery& n) { n.start_soon("resize", [&] { block(t); }); });
    });
    auto stalls = t.of("resize");
    BOOST_TEST(stalls.size() == 1u);
    return stalls.empty() ? std::nullopt : std::optional(stalls.front());
}

/// Calls `end`, which must not check anything (Boost.Test belongs to the test's thread), from a thread once something has been told.
template <class F>
std::thread ender(told& t, F end) {
    return std::thread([end, u = until_told{t}] {
        auto start = std::chrono::steady_clock::now();
        while (!u.over(start)) os_sleep(1ms);
        end();
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(watchdog)

BOOST_AUTO_TEST_CASE(a_task_that_blocks_in_read_is_named_while_it_does) {
    auto s = of_task([](told& t) {
        int fds[2];
        BOOST_REQUIRE(::pipe(fds) == 0);
        std::thread e = ender(t, [&] { static_cast<void>(!::write(fds[1], "x", 1)); });
        char c;
        BOOST_TEST(::read(fds[0], &c, 1) == 1);  // would never return if nothing were told while it blocks, but for the ender's limit
        e.join();
        ::close(fds[0]);
        ::close(fds[1]);
    });
    BOOST_REQUIRE(s);
    BOOST_TEST(s->task == "resize");
    BOOST_TEST(s->id > 0u);
    BOOST_TEST(s->call == "read");
    BOOST_TEST(!s->computes);
    BOOST_TEST((s->for_at_least >= 100ms));
    BOOST_TEST(s->help.find("weft::posix") != std::string::npos);
    BOOST_TEST(s->message().find("\"resize\" has held its thread for ") != std::string::npos);
    BOOST_TEST(s->message().find(", in read()\n  because: ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_that_sleeps_on_the_thread_is_told_of_weft_s_sleep) {
    auto s = of_task([](told&) { os_sleep(600ms); });
    BOOST_REQUIRE(s);
    BOOST_TEST(s->call == "nanosleep");
    BOOST_TEST(s->help == "weft::this_task::sleep_for");
}

BOOST_AUTO_TEST_CASE(one_that_joins_a_plain_thread_is_told_of_weft_s) {
    auto s = of_task([](told& t) { ender(t, [] {}).join(); });
    BOOST_REQUIRE(s);
    BOOST_TEST(s->call == "futex");
    BOOST_TEST(s->help.find("thread") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_that_waits_for_a_process_is_told_of_run_process) {
    auto s = of_task([](told& t) {
        int fds[2];
        BOOST_REQUIRE(::pipe(fds) == 0);
        pid_t child = ::fork();
        if (child == 0) {
            char c;
            static_cast<void>(!::read(fds[0], &c, 1));
            ::_exit(0);
        }
        std::thread e = ender(t, [&] { static_cast<void>(!::write(fds[1], "x", 1)); });
        BOOST_TEST(::waitpid(child, nullptr, 0) == child);
        e.join();
        ::close(fds[0]);
        ::close(fds[1]);
    });
    BOOST_REQUIRE(s);
    BOOST_TEST(s->call == "waitpid");
    BOOST_TEST(s->help.find("run_process") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_that_computes_is_told_to_yield) {
    auto s = of_task([](told& t) {
        until_told u{t};
        auto start = std::chrono::steady_clock::now();
        while (!u.over(start)) {}
    });
    BOOST_REQUIRE(s);
    BOOST_TEST(s->call == "");
    BOOST_TEST(s->computes);
    BOOST_TEST(s->help.find("weft::checkpoint") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_task_that_makes_the_watchdog_is_watched_at_once) {
    told t;
    weft::run([&] {
        wi::watchdog w(t.options());
        os_sleep(600ms);
    });
    BOOST_TEST(t.of("main").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_callback_that_blocks_is_reported_as_one) {
    told t;
    weft::run([&] {
        wi::watchdog w(t.options());
        weft::event done;
        boost::asio::post(weft::get_executor(), [&] {
            os_sleep(500ms);
            done.set();
        });
        done.wait();
    });
    auto stalls = t.of("");
    BOOST_REQUIRE(stalls.size() == 1u);
    BOOST_TEST(stalls[0].call == "nanosleep");
    BOOST_TEST(stalls[0].message().find("a callback has held its thread") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(each_stall_is_told_once_and_of_each_task) {
    told t;
    weft::run([&] {
        wi::watchdog w(t.options());
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon("t" + std::to_string(i), [] {
                os_sleep(600ms);
                weft::checkpoint();
            });
        });
    });
    for (auto name : {"t0", "t1", "t2"}) BOOST_TEST(t.of(name).size() == 1u);
}

BOOST_AUTO_TEST_CASE(waiting_yielding_and_an_idle_or_busy_loop_are_no_stalls) {
    told t;
    weft::run([&] {
        wi::watchdog w(t.options(300ms));
        weft::this_task::sleep_for(700ms);  // idle
        auto end = std::chrono::steady_clock::now() + 700ms;
        while (std::chrono::steady_clock::now() < end) weft::checkpoint();
        // Callbacks that keep the loop busy, each a short one.
        weft::event done;
        std::function<void()> again = [&] {
            if (std::chrono::steady_clock::now() < end) boost::asio::post(weft::get_executor(), again);
            else done.set();
        };
        end += 700ms;
        boost::asio::post(weft::get_executor(), again);
        done.wait();
    });
    for (auto& s : t.all()) BOOST_TEST_MESSAGE(s.message());
    BOOST_TEST(t.count() == 0u);
}

BOOST_AUTO_TEST_CASE(what_blocks_after_it_has_gone_or_the_run_has_ended_is_not_told) {
    told t;
    std::optional<wi::watchdog> outlives;
    weft::run([&] {
        { wi::watchdog w(t.options(300ms)); }
        os_sleep(700ms);
        outlives.emplace(t.options(300ms));
    });
    os_sleep(700ms);
    outlives.reset();
    BOOST_TEST(t.count() == 0u);
}

BOOST_AUTO_TEST_CASE(two_runs_have_a_watchdog_each) {
    told t[2];
    auto one = [&](int i) {
        weft::run([&] {
            wi::watchdog w(t[i].options(300ms));
            if (i == 1) os_sleep(900ms);
            else weft::this_task::sleep_for(900ms);
        });
    };
    std::thread a([&] { one(0); }), b([&] { one(1); });
    a.join();
    b.join();
    BOOST_TEST(t[0].count() == 0u);
    BOOST_TEST(t[1].count() == 1u);
}

BOOST_AUTO_TEST_CASE(a_deadlock_is_still_seen) {
    BOOST_CHECK_THROW(weft::run([] {
        wi::watchdog w;
        weft::event().wait();
    }), weft::deadlock_error);
}

BOOST_AUTO_TEST_CASE(reports_go_to_stderr_five_a_minute) {
    std::string text = stderr_of([] {
        weft::run([] {
            wi::watchdog w({.threshold = 10ms});
            for (int i = 0; i < 8; ++i) {
                os_sleep(200ms);
                weft::checkpoint();
            }
        });
    });
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find("warning[W111]: task #1 \"main\" has held", at)) != std::string::npos; ++at) ++n;
    BOOST_TEST(n == 5u);
}

BOOST_AUTO_TEST_CASE(its_misuse_is_refused) {
    BOOST_CHECK_THROW(wi::watchdog(), weft::not_running_error);
    weft::run([] { BOOST_CHECK_THROW(wi::watchdog({.threshold = 999us}), weft::misuse_error); });
}

BOOST_AUTO_TEST_SUITE_END()
