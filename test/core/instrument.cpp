// SPDX-License-Identifier: BSL-1.0
// The nine hooks of an instrument, their order, and what becomes of one that throws.
#include "fixture.hpp"
#include "stderr_of.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

using namespace weft_test;
namespace ll = weft::lowlevel;

namespace {

/// Writes down each call of a hook as "hook name".
struct recorder : weft::instrument {
    std::vector<std::string> calls;
    void note(char const* hook, std::string_view name = {}) { calls.push_back(name.empty() ? hook : std::string(hook) + " " + std::string(name)); }
    void before_run() override { note("before_run"); }
    void after_run() override { note("after_run"); }
    void task_spawned(weft::task_info const& t) override { note("spawned", t.name); }
    void task_scheduled(weft::task_info const& t) override { note("scheduled", t.name); }
    void before_task_step(weft::task_info const& t) override { note("before", t.name); }
    void after_task_step(weft::task_info const& t) override { note("after", t.name); }
    void task_exited(weft::task_info const& t) override { note("exited", t.name); }
    void before_io_wait(weft::duration) override { note("before_io"); }
    void after_io_wait(weft::duration) override { note("after_io"); }

    std::vector<std::string> of(std::string const& name) const {
        std::vector<std::string> r;
        for (auto const& c : calls) if (c.size() > name.size() && c.ends_with(" " + name)) r.push_back(c.substr(0, c.size() - name.size() - 1));
        return r;
    }
    long count(std::string const& call) const { return std::count(calls.begin(), calls.end(), call); }
};

weft::run_options with(std::shared_ptr<weft::instrument> i) {
    weft::run_options o;
    o.instruments.push_back(std::move(i));
    return o;
}

using names = std::vector<std::string>;

/// Calls f in each hook of a task's, with "hook name".
struct in_task_hooks : weft::instrument {
    std::function<void(std::string const&)> f;
    void call(char const* hook, weft::task_info const& t) { f(std::string(hook) + " " + std::string(t.name)); }
    void task_spawned(weft::task_info const& t) override { call("spawned", t); }
    void task_scheduled(weft::task_info const& t) override { call("scheduled", t); }
    void before_task_step(weft::task_info const& t) override { call("before", t); }
    void after_task_step(weft::task_info const& t) override { call("after", t); }
    void task_exited(weft::task_info const& t) override { call("exited", t); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(instrument)

// rule 69
BOOST_AUTO_TEST_CASE(a_task_is_spawned_scheduled_stepped_in_pairs_and_exits_once) {
    auto r = std::make_shared<recorder>();
    weft::run(with(r), [] {
        weft::with_nursery([](weft::nursery& n) { n.start_soon("child", [] { weft::checkpoint(); weft::checkpoint(); }); });
    });
    BOOST_TEST(r->of("child") == (names{"spawned", "scheduled", "before", "scheduled", "after", "before", "scheduled", "after", "before", "after", "exited"}),
               boost::test_tools::per_element());
    auto main = r->of("main");
    BOOST_TEST(main.front() == "spawned");
    BOOST_TEST(main.back() == "exited");
    BOOST_TEST(r->calls.front() == "before_run");
    BOOST_TEST(r->calls.back() == "after_run");
}

// rule 69: steps never overlap, whatever the interleaving
BOOST_AUTO_TEST_CASE(between_before_and_after_of_a_step_no_other_task_steps) {
    auto r = std::make_shared<recorder>();
    weft::run(with(r), [] {
        weft::event e;
        weft::with_nursery([&](weft::nursery& n) {
            for (auto name : {"a", "b", "c"}) n.start_soon(name, [&] { weft::checkpoint(); e.wait(); weft::this_task::sleep_for(1us); });
            weft::checkpoint();
            e.set();
        });
    });
    std::string inside;
    int steps = 0;
    for (auto const& c : r->calls) {
        if (c.starts_with("before ")) { BOOST_TEST(inside == ""); inside = c.substr(7); ++steps; }
        if (c.starts_with("after ")) { BOOST_TEST(inside == c.substr(6)); inside.clear(); }
    }
    BOOST_TEST(inside == "");
    BOOST_TEST(steps >= 3 * 4);
}

// rule 69
BOOST_AUTO_TEST_CASE(the_loop_s_waits_are_reported_in_pairs) {
    auto r = std::make_shared<recorder>();
    weft::run(with(r), [] { weft::this_task::sleep_for(2ms); });
    BOOST_TEST(r->count("before_io") >= 1);
    BOOST_TEST(r->count("before_io") == r->count("after_io"));
    bool waiting = false;
    for (auto const& c : r->calls) {
        if (c == "before_io") { BOOST_TEST(!waiting); waiting = true; }
        if (c == "after_io") { BOOST_TEST(waiting); waiting = false; }
    }
}

// rule 69
BOOST_AUTO_TEST_CASE(an_instrument_whose_hook_throws_is_removed_and_the_rest_goes_on) {
    struct crashes : weft::instrument {
        int steps = 0;
        void before_task_step(weft::task_info const&) override { if (++steps == 2) throw std::runtime_error("hook"); }
    };
    auto bad = std::make_shared<crashes>();
    auto good = std::make_shared<recorder>();
    weft::run_options o;
    o.instruments = {bad, good};
    int rounds = 0;
    weft::run(o, [&] { for (; rounds < 5; ++rounds) weft::checkpoint(); });
    BOOST_TEST(rounds == 5);
    BOOST_TEST(bad->steps == 2);
    BOOST_TEST(bad.use_count() == 2);  // here, and in the options
    BOOST_TEST(good->count("before main") == 6);
}

// rule 69: every hook
BOOST_AUTO_TEST_CASE(any_hook_may_throw_without_harm_to_the_run) {
    for (std::string which : {"before_run", "spawned main", "scheduled main", "before main", "after main", "before_io", "after_io", "exited child", "after_run"}) {
        struct crashes : recorder {};
        auto r = std::make_shared<crashes>();
        struct at : recorder {
            std::string which;
            bool thrown = false;
            void check() { if (!calls.empty() && calls.back() == which) { thrown = true; throw 1; } }
            void before_run() override { recorder::before_run(); check(); }
            void after_run() override { recorder::after_run(); check(); }
            void task_spawned(weft::task_info const& t) override { recorder::task_spawned(t); check(); }
            void task_scheduled(weft::task_info const& t) override { recorder::task_scheduled(t); check(); }
            void before_task_step(weft::task_info const& t) override { recorder::before_task_step(t); check(); }
            void after_task_step(weft::task_info const& t) override { recorder::after_task_step(t); check(); }
            void task_exited(weft::task_info const& t) override { recorder::task_exited(t); check(); }
            void before_io_wait(weft::duration d) override { recorder::before_io_wait(d); check(); }
            void after_io_wait(weft::duration d) override { recorder::after_io_wait(d); check(); }
        };
        auto a = std::make_shared<at>();
        a->which = which;
        bool done = false;
        weft::run(with(a), [&] {
            weft::with_nursery([](weft::nursery& n) { n.start_soon("child", [] { weft::this_task::sleep_for(500us); }); });
            done = true;
        });
        BOOST_TEST(done, which);
        BOOST_TEST(a->thrown, which);
        BOOST_TEST(a->calls.back() == which);
    }
}

BOOST_AUTO_TEST_CASE(instruments_are_added_and_removed_while_the_run_goes_on_also_inside_hooks) {
    auto r = std::make_shared<recorder>();
    struct once : weft::instrument {
        int steps = 0;
        void before_task_step(weft::task_info const&) override { ++steps; ll::remove_instrument(*this); }
    };
    struct adds : weft::instrument {
        std::shared_ptr<weft::instrument> what;
        void after_task_step(weft::task_info const&) override { if (what) ll::add_instrument(std::exchange(what, nullptr)); }
    };
    run_checked([&] {
        auto o = std::make_shared<once>();
        auto a = std::make_shared<adds>();
        a->what = r;
        ll::add_instrument(o);
        ll::add_instrument(a);
        for (int i = 0; i < 3; ++i) weft::checkpoint();
        BOOST_TEST(o->steps == 1);
        BOOST_TEST(o.use_count() == 1);
        auto before = r->calls.size();
        BOOST_TEST(before > 0u);
        ll::remove_instrument(*r);
        ll::remove_instrument(*r);  // not there any more: nothing happens
        weft::checkpoint();
        BOOST_TEST(r->calls.size() == before);
        ll::remove_instrument(*a);
        BOOST_CHECK_THROW(ll::add_instrument(nullptr), weft::misuse_error);
    });
}

// rule 69
BOOST_AUTO_TEST_CASE(a_removed_instrument_is_reported_once_with_a_remedy) {
    struct crashes : weft::instrument {
        void before_task_step(weft::task_info const&) override { throw std::runtime_error("hook"); }
    };
    std::string text = stderr_of([] { weft::run(with(std::make_shared<crashes>()), [] { for (int i = 0; i < 5; ++i) weft::checkpoint(); }); });
    BOOST_TEST(text.starts_with("error[W103]: "), text);
    BOOST_TEST(text.find("help:") != std::string::npos, text);
    BOOST_TEST(text.find("W103", 8) == std::string::npos, text);
}

// An event is told to those who were there when it began, so that nobody hears the end of a step without its beginning.
BOOST_AUTO_TEST_CASE(an_instrument_added_in_a_hook_is_told_of_the_next_event_first) {
    for (std::string hook : {"spawned child", "scheduled child", "before child", "after child", "exited child"}) {
        auto added = std::make_shared<recorder>();
        auto adds = std::make_shared<in_task_hooks>();
        names told;
        adds->f = [&](std::string const& call) {
            if (!told.empty() || call == hook) told.push_back(call);
            if (call == hook && told.size() == 1) ll::add_instrument(added);
        };
        weft::run(with(adds), [] { weft::with_nursery([](weft::nursery& n) { n.start_soon("child", [] { weft::checkpoint(); }); }); });
        names heard;
        for (auto const& c : added->calls) if (c.find(' ') != std::string::npos) heard.push_back(c);
        BOOST_REQUIRE(told.size() > 1u);
        told.erase(told.begin());
        BOOST_TEST_CONTEXT(hook) { BOOST_TEST(heard == told, boost::test_tools::per_element()); }
    }
}

BOOST_AUTO_TEST_CASE(a_hook_may_remove_any_instrument_and_no_other_one_misses_an_event) {
    for (std::size_t who = 0; who < 3; ++who) {
        for (std::size_t whom = 0; whom < 3; ++whom) {
            std::vector<std::shared_ptr<in_task_hooks>> all(3);
            std::vector<int> steps(3);
            weft::run_options o;
            for (std::size_t i = 0; i < 3; ++i) {
                all[i] = std::make_shared<in_task_hooks>();
                all[i]->f = [&, i](std::string const& call) {
                    if (call != "before main") return;
                    if (++steps[i] == 2 && i == who) ll::remove_instrument(*all[whom]);
                };
                o.instruments.push_back(all[i]);
            }
            weft::run(o, [] { for (int i = 0; i < 3; ++i) weft::checkpoint(); });
            for (std::size_t i = 0; i < 3; ++i) {
                int expected = i != whom ? 4 : whom > who ? 1 : 2;  // one further on is not told of that event any more
                BOOST_TEST(steps[i] == expected, i << " of " << who << " removes " << whom << ": " << steps[i]);
            }
        }
    }
}

// Events inside of an event: the hooks of the inner one are called before the outer one goes on.
BOOST_AUTO_TEST_CASE(a_hook_may_start_tasks_and_set_events) {
    auto hooks = std::make_shared<in_task_hooks>();
    auto after = std::make_shared<recorder>();
    int ran = 0;
    run_checked([&] {
        weft::event e;
        weft::with_nursery([&](weft::nursery& n) {
            hooks->f = [&](std::string const& call) {
                if (call == "exited first") { n.start_soon("second", [&] { ++ran; }); ll::remove_instrument(*hooks); e.set(); }
            };
            ll::add_instrument(hooks);
            ll::add_instrument(after);
            n.start_soon("first", [&] { ++ran; });
            e.wait();
        });
        ll::remove_instrument(*after);
        BOOST_TEST(hooks.use_count() == 1);
    });
    BOOST_TEST(ran == 2);
    BOOST_TEST(after->of("first").back() == "exited");
    BOOST_TEST(after->of("second").front() == "spawned");
    BOOST_TEST(after->of("second").back() == "exited");
}

// rule 69
BOOST_AUTO_TEST_CASE(tasks_that_fail_or_are_cancelled_exit_like_others) {
    auto r = std::make_shared<recorder>();
    bool failed = false;
    try {
        weft::run(with(r), [] {
            weft::with_nursery([](weft::nursery& n) {
                n.start_soon("cancelled", [] { weft::this_task::sleep_forever(); });
                n.start_soon("failing", [] { weft::checkpoint(); throw std::runtime_error("x"); });
            });
        });
    } catch (weft::exception_group const&) { failed = true; }
    BOOST_TEST(failed);
    for (auto name : {"cancelled", "failing", "main"}) {
        auto calls = r->of(name);
        BOOST_TEST_CONTEXT(name) {
            BOOST_TEST(calls.front() == "spawned");
            BOOST_TEST(std::count(calls.begin(), calls.end(), "exited") == 1);
            BOOST_TEST(std::count(calls.begin(), calls.end(), "before") == std::count(calls.begin(), calls.end(), "after"));
            BOOST_TEST(std::count(calls.begin(), calls.end(), "scheduled") == std::count(calls.begin(), calls.end(), "before"));
        }
    }
}

BOOST_AUTO_TEST_CASE(one_that_does_not_watch_io_waits_leaves_the_loop_as_it_is) {
    struct steps_only : recorder {
        bool watches_io_waits() const noexcept override { return false; }
    };
    auto sleeps = [](std::shared_ptr<recorder> r) {
        weft::run(with(r), [] { weft::this_task::sleep_for(1ms); });
        return r;
    };
    BOOST_TEST(sleeps(std::make_shared<recorder>())->count("before_io") > 0);
    auto r = sleeps(std::make_shared<steps_only>());
    BOOST_TEST(r->count("before_io") == 0);
    BOOST_TEST(r->count("after_io") == 0);
    BOOST_TEST(r->count("before main") == 2);
}

BOOST_AUTO_TEST_SUITE_END()
