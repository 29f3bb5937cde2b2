// SPDX-License-Identifier: BSL-1.0
// Bad input and misuse: each is a named error that says what happened, to which task, and what to do; in release builds too.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/sync/event.hpp>

#include <boost/asio/post.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace weft_test;
namespace ll = weft::lowlevel;
using seconds = std::chrono::duration<double>;

namespace {

/// What a call throws: "class: text", with the class as far as the table names them.
std::string thrown_by(std::function<void()> const& f) {
    try { f(); }
    catch (weft::misuse_error const& e) { return std::string("misuse: ") + e.what(); }
    catch (weft::nursery_closed_error const& e) { return std::string("closed: ") + e.what(); }
    catch (weft::wrong_domain_error const& e) { return std::string("domain: ") + e.what(); }
    catch (weft::not_running_error const& e) { return std::string("not running: ") + e.what(); }
    catch (std::exception const& e) { return std::string("other: ") + e.what(); }
    return "nothing";
}

struct mistake { char const* name; char const* kind; std::function<void()> f; };

void check(std::vector<mistake> const& all) {
    for (auto const& m : all) {
        BOOST_TEST_CONTEXT(m.name) {
            std::string got = thrown_by(m.f);
            BOOST_TEST(got.starts_with(std::string(m.kind) + ": error[W"), got);
            BOOST_TEST(got.find("help:") != std::string::npos, got);
        }
    }
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

BOOST_AUTO_TEST_SUITE(misuse)

// rule 31
BOOST_AUTO_TEST_CASE(durations_that_are_negative_or_no_number) {
    run_checked([] {
        std::vector<mistake> all;
        for (auto d : {seconds(-1), seconds(-1e-12), seconds(not_a_number), seconds(-std::numeric_limits<double>::infinity())}) {
            all.push_back({"sleep_for", "misuse", [d] { weft::this_task::sleep_for(d); }});
            all.push_back({"move_on_after", "misuse", [d] { weft::move_on_after(d, [] {}); }});
            all.push_back({"fail_after", "misuse", [d] { weft::fail_after(d, [] {}); }});
            all.push_back({"set_deadline_after", "misuse", [d] { weft::cancel_scope s; s.set_deadline_after(d); }});
            weft::with_nursery([&](weft::nursery& n) { check({{"shutdown", "misuse", [&] { n.shutdown(d); }}}); });
        }
        check(all);
        check({
            {"integral", "misuse", [] { weft::this_task::sleep_for(-1ns); }},
            {"the least", "misuse", [] { weft::this_task::sleep_for((std::chrono::hours::min)()); }},
        });
        BOOST_CHECK_NO_THROW(weft::move_on_after(seconds(std::numeric_limits<double>::infinity()), [] {}));
        BOOST_CHECK_NO_THROW(weft::this_task::sleep_until(weft::always));  // a time that has passed is none
    });
}

BOOST_AUTO_TEST_CASE(run_options_out_of_range) {
    std::vector<mistake> all;
    auto with = [&](char const* name, auto change) {
        all.push_back({name, "misuse", [change] { weft::run_options o; change(o); weft::run(o, [] { BOOST_ERROR("main ran"); }); }});
    };
    with("no stack", [](weft::run_options& o) { o.stack_size = 0; });
    with("a small stack", [](weft::run_options& o) { o.stack_size = 4096; });
    with("a huge stack", [](weft::run_options& o) { o.stack_size = std::numeric_limits<std::size_t>::max(); });
    with("no guard", [](weft::run_options& o) { o.guard_size = 0; });
    with("a huge guard", [](weft::run_options& o) { o.guard_size = std::numeric_limits<std::size_t>::max(); });
    with("a null instrument", [](weft::run_options& o) { o.instruments = {std::make_shared<weft::instrument>(), nullptr}; });
    with("a null driver", [](weft::run_options& o) { o.make_driver = [] { return std::unique_ptr<weft::driver>(); }; });
    check(all);
    BOOST_TEST(run_checked([] { return 1; }) == 1);  // the thread is free for the next run
}

// rules 27, 63
BOOST_AUTO_TEST_CASE(scopes_and_runs_entered_twice) {
    run_checked([] {
        weft::cancel_scope again, nested, two;
        again.run([] {});
        check({
            {"a run inside", "misuse", [] { weft::run([] {}); }},
            {"again", "misuse", [&] { again.run([] {}); }},
            {"nested in itself", "misuse", [&] { nested.run([&] { nested.run([] {}); }); }},
        });
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { two.run([] { weft::this_task::sleep_for(1s); }); });
            weft::testing::wait_all_tasks_blocked();
            check({{"from two tasks", "misuse", [&] { two.run([] {}); }}});
        });
    });
}

// rules 46, 50, 51
BOOST_AUTO_TEST_CASE(nurseries_and_starts_used_out_of_order) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            n.close();
            check({
                {"start_soon", "closed", [&] { n.start_soon("late", [] {}); }},
                {"spawn", "closed", [&] { n.spawn([] { return 1; }); }},
                {"start", "closed", [&] { n.start([](weft::task_status<int>& s) { s.started(1); }); }},
                {"start_service", "closed", [&] { n.start_service([] {}); }},
                {"weft::spawn", "closed", [&] { weft::spawn(n, [] {}, [](std::exception_ptr) {}); }},
            });
        });
        weft::with_nursery([](weft::nursery& n) {
            n.start([](weft::task_status<int>& s) {
                s.started(1);
                check({{"started twice", "misuse", [&] { s.started(2); }}});
            });
            check({
                {"never started", "misuse", [&] { n.start([](weft::task_status<int>&) {}); }},
                {"an empty handle", "misuse", [] { weft::task_handle<int> h; h.join(); }},
            });
            n.cancel();
        });
    });
}

BOOST_AUTO_TEST_CASE(objects_of_a_run_used_from_another_thread) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto task = ll::current_task();
            std::vector<mistake> all{
                {"start_soon", "not running", [&] { n.start_soon([] {}); }},
                {"scope().cancel", "domain", [&] { n.scope().cancel(); }},
                {"unpark", "domain", [&] { ll::unpark(task); }},
            };
            std::vector<std::string> got;
            std::thread([&] { for (auto& m : all) got.push_back(thrown_by(m.f)); }).join();
            for (std::size_t i = 0; i < all.size(); ++i) BOOST_TEST((got[i].starts_with(all[i].kind) && got[i].find("help:") != std::string::npos), all[i].name << ": " << got[i]);
            std::string with_a_run;
            std::thread([&] { weft::run([&] { with_a_run = thrown_by([&] { n.start_soon([] {}); }); }); }).join();
            BOOST_TEST(with_a_run.starts_with("domain: error[W012]"), with_a_run);
        });
    });
}

BOOST_AUTO_TEST_CASE(lowlevel_calls_out_of_order) {
    run_checked([] {
        check({
            {"unpark of nobody", "misuse", [] { ll::unpark({}); }},
            {"unpark of one that runs", "misuse", [] { ll::unpark(ll::current_task()); }},
            {"a null instrument", "misuse", [] { ll::add_instrument(nullptr); }},
        });
        ll::task_ref parked;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { parked = ll::current_task(); ll::park([] {}); });
            weft::testing::wait_all_tasks_blocked();
            ll::unpark(parked);
            check({{"unpark twice", "misuse", [&] { ll::unpark(parked); }}});
        });
        check({{"unpark of one that has ended", "misuse", [&] { ll::unpark(parked); }}});
    });
}

// rule 36
BOOST_AUTO_TEST_CASE(values_that_do_not_exist_yet_or_at_all) {
    run_checked([] {
        weft::cancel_scope relative;
        relative.set_deadline_after(1s);
        check({
            {"the deadline of a relative scope that was not entered", "misuse", [&] { static_cast<void>(relative.deadline()); }},
            {"a group of no errors", "misuse", [] { weft::exception_group("g", {}); }},
            {"a group with a null error", "misuse", [] { weft::exception_group("g", {nullptr}); }},
        });
    });
}

// rule 138: those of core are in run.cpp, Asio's in asio/handlers.cpp
BOOST_AUTO_TEST_CASE(calls_that_block_on_a_nursery_or_a_handle_in_a_callback) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) {
            auto h = n.spawn([] { weft::this_task::sleep_for(1s); return 1; });
            bool ran = false;
            std::vector<mistake> all{
                {"start", "domain", [&] { n.start([&](weft::task_status<>& s) { ran = true; s.started(); }); }},
                {"shutdown", "domain", [&] { n.shutdown(1s); }},
                {"join", "domain", [&] { h.join(); }},
                {"get", "domain", [&] { h.get(); }},
            };
            weft::event done;
            boost::asio::post(weft::get_executor(), [&] { check(all); done.set(); });
            done.wait();
            BOOST_TEST(!ran);
            BOOST_CHECK_NO_THROW(n.start_soon([] {}));  // a shutdown that was refused has closed nothing
            BOOST_TEST(h.get() == 1);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_message_names_the_task) {
    run_checked([] {
        std::string text;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("the culprit", [&] { text = thrown_by([] { weft::this_task::sleep_for(-1s); }); });
        });
        BOOST_TEST(text.find("the culprit") != std::string::npos, text);
    });
}

BOOST_AUTO_TEST_SUITE_END()
