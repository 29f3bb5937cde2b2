// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/std/fiber_local.hpp>
#include <weft/std/main.hpp>
#include <weft/std/thread.hpp>

#include <string>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(fiber_local)

BOOST_AUTO_TEST_CASE(each_task_thread_and_loop_has_its_own_value) {
    static weft::fiber_local<int> n{5};
    static weft::fiber_local<std::string> text([made = 0]() mutable { return std::to_string(++made); });
    n = 1;
    BOOST_TEST(*text == "1");
    run_checked([] {
        BOOST_TEST(*n == 5);
        n = 6;
        weft::with_nursery([&](weft::nursery& nn) {
            for (int i = 0; i < 3; ++i) nn.start_soon([i] { BOOST_TEST(*n == 5); n = i; weft::checkpoint(); BOOST_TEST(*n == i); BOOST_TEST(text->size() == 1u); });
        });
        BOOST_TEST(*n == 6);
    });
    BOOST_TEST(*n == 1);
    bool own = false;
    std::thread([&] { own = *n == 5; }).join();
    BOOST_TEST(own);
    BOOST_TEST(*text == "1");
}

namespace {
struct logged {
    std::vector<std::string>* log;
    std::string name;
    ~logged() {
        if (!log) return;
        weft::checkpoint();  // may wait, and is not cancelled
        log->push_back(name);
    }
};
}  // namespace

BOOST_AUTO_TEST_CASE(values_go_at_the_end_of_the_task_the_last_made_first_and_may_wait) {
    static weft::fiber_local<logged> a{logged{nullptr, "a"}}, b{logged{nullptr, "b"}};
    run_checked([] {
        std::vector<std::string> log;
        bool cancelled = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                b->log = &log;
                a->log = &log;
                BOOST_TEST(log.empty());
            });
        });
        BOOST_TEST(log == (std::vector<std::string>{"a", "b"}), boost::test_tools::per_element());
        log.clear();
        weft::with_nursery([&](weft::nursery& n) {  // in a scope that is cancelled
            n.start_soon([&] { a->log = &log; try { weft::this_task::sleep_forever(); } catch (weft::cancelled const&) { cancelled = true; throw; } });
            weft::checkpoint();
            n.cancel();
        });
        BOOST_TEST(cancelled);
        BOOST_TEST(log.size() == 1u);
        log.clear();
        weft::thread t([&] { a->log = &log; });
        t.join();
        BOOST_TEST(log.size() == 1u);  // before the join returns
    });
}

BOOST_AUTO_TEST_CASE(a_value_that_throws_when_it_is_made_is_made_again) {
    static int made = 0;
    static weft::fiber_local<int> n([] { if (++made == 1) throw 5; return made; });
    run_checked([] {
        BOOST_CHECK_THROW(n.get(), int);
        BOOST_TEST(*n == 2);
        BOOST_TEST(*n == 2);
    });
}

BOOST_AUTO_TEST_SUITE_END()

namespace with_arguments { WEFT_MAIN(int argc, char** argv) { weft::checkpoint(); return argc == 1 && argv[0] ? 5 : 0; } }
namespace without { WEFT_MAIN() { weft::checkpoint(); return 6; } }

BOOST_AUTO_TEST_SUITE(adopt_main)

BOOST_AUTO_TEST_CASE(the_macro_makes_a_main_of_either_form) {
    char name[] = "program";
    char* argv[] = {name, nullptr};
    BOOST_TEST(with_arguments::main(1, argv) == 5);
    BOOST_TEST(without::main(1, argv) == 6);
}

BOOST_AUTO_TEST_CASE(a_main_with_or_without_arguments_becomes_the_main_task) {
    char name[] = "program";
    char* argv[] = {name, nullptr};
    BOOST_TEST(weft::adopt_main([](int argc, char** a) { weft::checkpoint(); return argc == 1 && std::string(a[0]) == "program" ? 7 : 0; }, 1, argv) == 7);
    bool task = false;
    BOOST_TEST(weft::adopt_main([&] { weft::thread t([&] { weft::checkpoint(); task = true; }); t.join(); return 3; }) == 3);
    BOOST_TEST(task);
    BOOST_CHECK_THROW(weft::adopt_main([]() -> int { throw 5; }), int);
}

BOOST_AUTO_TEST_SUITE_END()
