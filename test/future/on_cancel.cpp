// SPDX-License-Identifier: BSL-1.0
// A cancelled waiter asks the producer to stop, and waits for its answer.
#include "fixture.hpp"

#include <weft/future/promise.hpp>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {

struct oops : std::runtime_error { using std::runtime_error::runtime_error; };

enum class answer { value, error, cancelled, broken };

void give(weft::promise<int>& p, answer a) {
    switch (a) {
        case answer::value: p.set_value(7); return;
        case answer::error: p.set_exception(std::make_exception_ptr(oops("answer"))); return;
        case answer::cancelled: p.set_cancelled(); return;
        case answer::broken: { auto gone = std::move(p); return; }
    }
}

constexpr answer answers[]{answer::value, answer::error, answer::cancelled, answer::broken};
/// What a waiter that has asked makes of it.
char const* expected_of(answer a) { return a == answer::value ? "7" : a == answer::error ? "oops" : "cancelled"; }

/// How a get() ended, in a word.
std::string outcome(weft::cancel_scope& s, weft::future<int>& f) {
    try {
        auto v = s.run([&] { return f.get(); });
        return v ? std::to_string(*v) : "cancelled";
    } catch (oops const&) { return "oops"; }
    catch (weft::task_cancelled_error const&) { return "task_cancelled"; }
    catch (std::future_error const&) { return "broken"; }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(on_cancel)

// rules 125, 126
BOOST_AUTO_TEST_CASE(the_producer_s_answer_decides_and_is_awaited) {
    for (answer a : answers) {
        std::string expected = expected_of(a);
        run_checked([&] {
            weft::promise<int> p;
            auto f = p.get_future();
            weft::event asked;
            p.on_cancel([&] { asked.set(); });
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    auto start = weft::current_time();
                    BOOST_TEST(outcome(s, f) == expected);
                    BOOST_CHECK((weft::current_time() - start == 3s));
                    BOOST_TEST(s.cancelled_caught() == (a == answer::cancelled || a == answer::broken));
                });
                n.start_soon([&] { asked.wait(); weft::this_task::sleep_for(2s); give(p, a); });
                weft::this_task::sleep_for(1s);
                s.cancel();
            });
        });
    }
}

// rule 126: a cancelled answer that nobody here asked for
BOOST_AUTO_TEST_CASE(a_producer_that_was_cancelled_by_others_is_an_error_and_marks_no_scope) {
    run_checked([] {
        for (bool waiting : {true, false}) {
            weft::promise<int> p;
            auto f = p.get_future();
            p.on_cancel([] { BOOST_ERROR("asked"); });
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                if (!waiting) p.set_cancelled();
                n.start_soon([&] { BOOST_TEST(outcome(s, f) == "task_cancelled"); });
                weft::checkpoint();
                if (waiting) p.set_cancelled();
            });
            BOOST_TEST(!s.cancelled_caught());
        }
    });
}

BOOST_AUTO_TEST_CASE(the_handler_may_answer_itself) {
    for (answer a : answers) {
        std::string expected = expected_of(a);
        run_checked([&] {
            weft::promise<int> p;
            auto f = p.get_future();
            p.on_cancel([&] { give(p, a); });
            weft::cancel_scope s;
            s.set_deadline_after(1s);
            BOOST_TEST(outcome(s, f) == expected);
        });
    }
}

BOOST_AUTO_TEST_CASE(a_wait_in_a_scope_that_is_cancelled_already_asks_too) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        int asked = 0;
        p.on_cancel([&] { ++asked; p.set_cancelled(); });
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(outcome(s, f) == "cancelled");
        BOOST_TEST(asked == 1);
    });
}

// After a value or an error the next point raises: the cancellation is not lost.
BOOST_AUTO_TEST_CASE(a_cancellation_that_came_too_late_is_raised_at_the_next_point) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        p.on_cancel([&] { p.set_value(1); });
        int got = 0;
        bool reached = false;
        weft::move_on_after(1s, [&] { got = f.get(); weft::checkpoint(); reached = true; });
        BOOST_TEST(got == 1);
        BOOST_TEST(!reached);
    });
}

BOOST_AUTO_TEST_CASE(wait_and_wait_for_ask_as_get_does_and_time_does_not) {
    run_checked([] {
        for (int how = 0; how < 2; ++how) {
            weft::promise<int> p;
            auto f = p.get_future();
            int asked = 0;
            p.on_cancel([&] { ++asked; });
            BOOST_CHECK((f.wait_for(1s) == std::future_status::timeout));
            BOOST_TEST(asked == 0);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    bool done = weft::move_on_after(1s, [&] {
                        if (how == 0) f.wait();
                        else BOOST_CHECK((f.wait_for(2s) == std::future_status::ready));  // the answer came later than that
                    });
                    BOOST_TEST(done);
                });
                weft::this_task::sleep_for(5s);
                BOOST_TEST(asked == 1);
                p.set_value(3);
            });
            BOOST_TEST(f.get() == 3);
        }
    });
}

BOOST_AUTO_TEST_CASE(of_several_waiters_only_the_last_one_asks) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future().share();
        std::vector<int> asked, cancelled;
        int now = 0;
        p.on_cancel([&] { asked.push_back(now); });
        weft::cancel_scope scopes[3];
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&, i] { if (!scopes[i].run([&] { f.get(); })) cancelled.push_back(i); });
            weft::testing::wait_all_tasks_blocked();
            for (now = 0; now < 3; ++now) {
                scopes[now].cancel();
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(cancelled.size() == std::size_t(std::min(now + 1, 2)));
            }
            BOOST_TEST(asked == std::vector{2}, boost::test_tools::per_element());
            p.set_cancelled();
        });
        BOOST_TEST(cancelled.size() == 3u);
    });
}

BOOST_AUTO_TEST_CASE(waiters_that_are_cancelled_together_ask_once) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future().share();
        int asked = 0, ended = 0;
        p.on_cancel([&] { ++asked; p.set_cancelled(); });
        weft::move_on_after(1s, [&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 5; ++i) n.start_soon([&] { try { f.get(); } catch (...) { ++ended; throw; } });
            });
        });
        BOOST_TEST(asked == 1);
        BOOST_TEST(ended == 5);
    });
}

BOOST_AUTO_TEST_CASE(the_last_handler_counts_and_all_are_destroyed_with_the_result) {
    run_checked([] {
        auto life = std::make_shared<int>();
        weft::promise<int> p;
        auto f = p.get_future();
        p.on_cancel([life] { BOOST_ERROR("replaced"); });
        p.on_cancel([life, &p] { p.set_cancelled(); });
        BOOST_TEST(life.use_count() == 2);
        weft::cancel_scope s;
        s.set_deadline_after(1s);
        BOOST_TEST(outcome(s, f) == "cancelled");
        BOOST_TEST(life.use_count() == 1);
        p.on_cancel([life] {});
        BOOST_TEST(life.use_count() == 1);
        weft::promise<int> q;
        auto g = q.get_future();
        q.on_cancel([life] {});
        q.set_value(1);
        BOOST_TEST(life.use_count() == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_handler_set_after_the_question_is_called_at_once) {
    run_checked([] {
        weft::promise<int> p;
        auto f = p.get_future();
        std::vector<int> asked;
        p.on_cancel([&] { asked.push_back(1); });
        weft::cancel_scope s;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(outcome(s, f) == "cancelled"); });
            weft::checkpoint();
            s.cancel();
            weft::testing::wait_all_tasks_blocked();
            p.on_cancel([&] { asked.push_back(2); });
            BOOST_TEST(asked.size() == 2u);
            p.set_cancelled();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_ends_the_run_and_the_answer_is_awaited_all_the_same) {
    std::string how;
    try {
        weft::run([&] {
            weft::promise<int> p;
            auto f = p.get_future();
            p.on_cancel([] { throw oops("handler"); });
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { s.set_deadline_after(1ms); how = outcome(s, f); });
                try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { p.set_value(1); throw; }
            });
        });
        BOOST_ERROR("no error");
    } catch (weft::exception_group const& g) {
        BOOST_TEST(g.contains<oops>());
    }
    BOOST_TEST(how == "1");
}

// rules 11, 125
BOOST_AUTO_TEST_CASE(in_every_schedule_there_is_one_outcome_and_one_question_at_most) {
    for (answer a : {answer::value, answer::cancelled}) {
        auto r = weft::testing::explore([&] {
            weft::promise<int> p;
            auto f = p.get_future();
            weft::event stop;
            weft::cancel_scope s;
            int asked = 0;
            p.on_cancel([&] { ++asked; stop.set(); });
            std::string how;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { how = outcome(s, f); });
                n.start_soon([&] {
                    bool told = false;
                    for (int i = 0; i < 2 && !told; ++i) { told = stop.is_set(); weft::checkpoint(); }
                    give(p, told ? a : answer::value);
                });
                n.start_soon([&] { s.cancel(); });
            });
            if (asked > 1) throw std::logic_error("asked twice");
            if (how != "7" && how != "cancelled") throw std::logic_error(how);
            if (how == "cancelled" && asked && a == answer::value) throw std::logic_error("the value was lost");
        });
        BOOST_TEST(r.complete);
        BOOST_TEST(r.schedules >= 10u);
    }
}

// rule 152: the handler is in another thread's hands until fulfilling returns
BOOST_AUTO_TEST_CASE(no_handler_runs_once_fulfilling_has_returned) {
    int answered = 0;
    for (int i = 0; i < 60; ++i) {
        weft::promise<int> p;
        auto f = p.get_future();
        weft::shared::event ready;
        std::thread t([&] {
            {
                auto flag = std::make_unique<std::atomic<int>>(0);
                p.on_cancel([&flag = *flag] { for (int k = 0; k < 20; ++k) ++flag; });
                ready.set();
                for (int k = i % 6; k > 0; --k) std::this_thread::yield();
                p.set_value(1);
            }  // the flag goes
        });
        weft::run([&] {
            ready.wait();
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { if (outcome(s, f) == "1") ++answered; else BOOST_TEST(f.get() == 1); });  // it was there before the wait
                for (int k = i % 3; k > 0; --k) weft::checkpoint();
                s.cancel();
            });
        });
        t.join();
    }
    BOOST_TEST(answered > 0);
}

BOOST_AUTO_TEST_SUITE_END()
