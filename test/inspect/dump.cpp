// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/inspect.hpp>

#include <sstream>

using namespace weft_test;

namespace {
std::string dumped() {
    std::ostringstream os;
    weft::inspect::dump(os);
    return os.str();
}
bool has(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Touches so many bytes of the stack.
[[gnu::noinline]] void use_stack(std::size_t bytes) {
    auto* p = static_cast<char volatile*>(__builtin_alloca(bytes));
    for (std::size_t i = 0; i < bytes; i += 1024) p[i] = 1;
}
}  // namespace

BOOST_AUTO_TEST_CASE(it_shows_the_tree_with_states_wait_reasons_and_ages) {
    run_checked([] {
        weft::event e;
        weft::with_nursery(weft::nursery_options{.name = "server"}, [&](weft::nursery& n) {
            n.start_soon("reader", [&] { e.wait(); });
            n.start_soon("sleeper", [] { weft::move_on_after(3s, [] { weft::this_task::sleep_forever(); }); });
            n.start_service("ticker", [] { weft::this_task::sleep_forever(); });
            weft::this_task::sleep_for(2s);
            std::string d = dumped();
            BOOST_TEST_MESSAGE(d);
            BOOST_TEST(has(d, "runtime \"main\"  4 tasks: 0 ready, 1 running, 3 waiting"));
            BOOST_TEST(has(d, "#1 main  running"));
            BOOST_TEST(has(d, "nursery \"server\" (dump.cpp:"));
            BOOST_TEST(has(d, "reader  waiting  event  2.0 s"));
            BOOST_TEST(has(d, "sleeper  waiting  sleep_forever  2.0 s"));
            BOOST_TEST(has(d, "ticker (service)  waiting"));
            e.set();
        });
    });
}

BOOST_AUTO_TEST_CASE(it_shows_cancellations_that_were_not_seen_yet_and_why) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("late", [] { weft::this_task::sleep_forever(); });
            weft::testing::wait_all_tasks_blocked();
            n.cancel("enough");
            std::string d = dumped();
            BOOST_TEST_MESSAGE(d);
            BOOST_TEST(has(d, "cancelled: enough"));
            BOOST_TEST(has(d, "late  ready  cancelled, not yet seen"));
        });
    });
}

BOOST_AUTO_TEST_CASE(equal_siblings_collapse_to_a_count) {
    run_checked([] {
        weft::event e;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 1000; ++i) n.start_soon("conn", [&] { e.wait(); });
            n.start_soon("other", [&] { e.wait(); });
            weft::testing::wait_all_tasks_blocked();
            std::string d = dumped();
            BOOST_TEST(has(d, "1000 × conn  waiting  event"));
            BOOST_TEST(has(d, "other  waiting  event"));
            BOOST_TEST(std::count(d.begin(), d.end(), '\n') < 8);
            e.set();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_task_without_a_name_is_shown_by_its_place) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([] { weft::this_task::sleep_for(1s); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(has(dumped(), "task dump.cpp:"));
        });
    });
}

BOOST_AUTO_TEST_CASE(it_shows_nested_nurseries_deadlines_and_stop_requests) {
    run_checked([] {
        weft::with_nursery(weft::nursery_options{.name = "outer"}, [&](weft::nursery& n) {
            n.start_soon("parent", [] {
                weft::with_nursery(weft::nursery_options{.name = "inner"}, [](weft::nursery& m) {
                    m.scope().set_deadline_after(5s);
                    m.start_soon("child", [] { weft::this_task::sleep_for(3s); });
                });
            });
            weft::this_task::sleep_for(1s);
            n.scope().request_stop();
            std::string d = dumped();
            BOOST_TEST_MESSAGE(d);
            BOOST_TEST(has(d, "parent  waiting  nursery exit"));
            BOOST_TEST(has(d, "nursery \"inner\" (dump.cpp:"));
            BOOST_TEST(has(d, "deadline in 4.0 s"));
            BOOST_TEST(has(d, "child  waiting  sleep  1.0 s  stop requested"));
        });
    });
}

BOOST_AUTO_TEST_CASE(the_deepest_stack_is_known_also_when_its_task_has_ended) {
    weft::run_options o;
    o.stack_size = 512 * 1024;
    run_checked(o, [] {
        for (int i = 0; i < 100; ++i) weft::with_nursery([&](weft::nursery& n) { n.start_soon([] { weft::this_task::sleep_for(1s); }); });
        std::size_t shallow = weft::inspect::stack_high_water();
        BOOST_TEST((shallow > 0 && shallow < 128 * 1024));
        weft::with_nursery([](weft::nursery& n) { n.start_soon([] { use_stack(200 * 1024); }); });
        std::size_t deep = weft::inspect::stack_high_water();
        BOOST_TEST((deep >= 200 * 1024 && deep < 200 * 1024 + 128 * 1024));
        BOOST_TEST(has(dumped(), "\nstacks of 512 KiB, of which the deepest has used " + std::to_string(deep / 1024) + " KiB\n"));
    });
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_it_says_so) {
    BOOST_CHECK_THROW(dumped(), weft::not_running_error);
    BOOST_CHECK_THROW(weft::inspect::stack_high_water(), weft::not_running_error);
}
