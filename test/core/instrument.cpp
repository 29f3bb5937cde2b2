// SPDX-License-Identifier: BSL-1.0
// The nine hooks of an instrument, their order, and what becomes of one that throws.
#include "fixture.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

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
        if (c.starts_with("before ")) BOOST_TEST(true);
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

BOOST_AUTO_TEST_SUITE_END()
