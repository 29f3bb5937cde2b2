// SPDX-License-Identifier: BSL-1.0
// Values that belong to a task or to a run, and threads' own values, which tasks share.
#include "fixture.hpp"

#include <weft/asio/executor.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(task_local)

// rules 48, 148
BOOST_AUTO_TEST_CASE(a_child_inherits_the_starter_s_values_and_later_changes_stay_on_their_side) {
    static weft::task_local<std::string> name{"default"};
    run_checked([] {
        BOOST_TEST(name.get() == "default");
        name = "parent";
        std::vector<std::string> seen;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                seen.push_back(name);
                name = "child";
                weft::checkpoint();
                seen.push_back(name);
                weft::with_nursery([&](weft::nursery& m) { m.start_soon([&] { seen.push_back(name); }); });
            });
            name = "changed after the start";
            weft::checkpoint();
            BOOST_TEST(name.get() == "changed after the start");
        });
        BOOST_TEST(seen == (std::vector<std::string>{"parent", "child", "child"}), boost::test_tools::per_element());
        BOOST_TEST(name.get() == "changed after the start");
    });
    run_checked([] { BOOST_TEST(name.get() == "default"); });
}

// rule 48: the starter's, not those of the task that opened the nursery
BOOST_AUTO_TEST_CASE(a_child_gets_the_values_of_the_task_that_starts_it) {
    static weft::task_local<int> v{0};
    run_checked([] {
        int seen = 0;
        weft::with_nursery([&](weft::nursery& outer) {
            v = 1;
            outer.start_soon([&] { v = 2; outer.start_soon([&] { seen = v; }); });
        });
        BOOST_TEST(seen == 2);
        BOOST_TEST(v.get() == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_scoped_value_is_put_back_also_by_an_exception_or_a_cancellation) {
    static weft::task_local<int> v{1};
    run_checked([] {
        { weft::task_local<int>::scoped s(v, 2); BOOST_TEST(v.get() == 2); { weft::task_local<int>::scoped t(v, 3); BOOST_TEST(v.get() == 3); } BOOST_TEST(v.get() == 2); }
        BOOST_TEST(v.get() == 1);
        try { weft::task_local<int>::scoped s(v, 4); throw 1; } catch (int) {}
        BOOST_TEST(v.get() == 1);
        weft::move_on_after(1s, [] { weft::task_local<int>::scoped s(v, 5); weft::this_task::sleep_forever(); });
        BOOST_TEST(v.get() == 1);
    });
}

// rule 15
BOOST_AUTO_TEST_CASE(values_are_destroyed_with_the_last_task_that_has_them) {
    static weft::task_local<std::shared_ptr<int>> v;
    std::weak_ptr<int> watch;
    run_checked([&] {
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                auto p = std::make_shared<int>(1);
                watch = p;
                v = p;
                n.start_soon([&] { weft::this_task::sleep_for(1s); BOOST_TEST(*v.get() == 1); });
            });
            weft::this_task::sleep_for(500ms);
            BOOST_TEST(!watch.expired());
        });
        BOOST_TEST(watch.expired());
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_a_callback_starts_has_the_defaults) {
    static weft::task_local<int> v{7};
    run_checked([] {
        v = 8;
        int seen = 0;
        weft::with_nursery([&](weft::nursery& n) {
            weft::event started;
            boost::asio::post(weft::get_executor(), [&] { n.start_soon([&] { seen = v; }); started.set(); });
            started.wait();
        });
        BOOST_TEST(seen == 7);
    });
}

BOOST_AUTO_TEST_CASE(a_run_s_values_are_shared_by_its_tasks_and_callbacks_and_new_in_the_next_run) {
    static weft::run_local<int> first{1};
    static weft::run_local<std::vector<int>> list;
    for (int round = 0; round < 2; ++round) {
        run_checked([] {
            BOOST_TEST(first.get() == 1);
            BOOST_TEST(list->empty());
            *first = 5;
            weft::event done;
            boost::asio::post(weft::get_executor(), [&] { list->push_back(*first); done.set(); });
            done.wait();
            weft::with_nursery([](weft::nursery& n) { n.start_soon([] { list->push_back(6); first.set(9); }); });
            BOOST_TEST(*list == (std::vector<int>{5, 6}), boost::test_tools::per_element());
            BOOST_TEST(first.get() == 9);
        });
    }
}

BOOST_AUTO_TEST_CASE(the_default_of_a_run_s_value_may_use_other_ones) {
    static weft::run_local<int> a{1}, b{2}, c{3};
    struct sum { int value = *a + *b + *c; };
    static weft::run_local<sum> s;
    run_checked([] { BOOST_TEST(s->value == 6); BOOST_TEST(s->value == 6); });
}

// A later variable that is made at the address of a former one has nothing to do with it.
BOOST_AUTO_TEST_CASE(a_variable_s_values_end_with_it_for_whoever_asks) {
    alignas(std::max_align_t) unsigned char place[std::max(sizeof(weft::task_local<int>), sizeof(weft::run_local<int>))];
    run_checked([&] {
        auto first = new (place) weft::task_local<int>(1);
        *first = 2;
        first->~task_local();
        auto second = new (place) weft::task_local<std::string>("default");
        BOOST_TEST(second->get() == "default");
        second->~task_local();
        auto third = new (place) weft::run_local<int>(1);
        third->set(2);
        third->~run_local();
        auto fourth = new (place) weft::run_local<std::string>("default");
        BOOST_TEST(fourth->get() == "default");
        fourth->~run_local();
    });
}

// rules 15, 41
BOOST_AUTO_TEST_CASE(a_value_s_destructor_runs_in_its_task_and_may_wait_and_use_other_values) {
    static weft::task_local<int> other{1};
    static int seen, set_there;
    static std::uint64_t where;
    struct at_end {
        ~at_end() {
            where = weft::this_task::id();
            seen = other;  // its own have gone: the default
            other = 3;
            set_there = other;
            weft::this_task::sleep_for(1s);
        }
    };
    static weft::task_local<std::shared_ptr<at_end>> v;
    seen = set_there = 0;
    run_checked([] {
        std::uint64_t id = 0;
        auto start = weft::current_time();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { id = weft::this_task::id(); other = 2; v = std::make_shared<at_end>(); });
            n.start_soon([] { weft::checkpoint(); });
        });
        BOOST_TEST((weft::current_time() == start + 1s));  // the nursery waited for it
        BOOST_TEST(where == id);
    });
    BOOST_TEST(seen == 1);
    BOOST_TEST(set_there == 3);
}

// In the order in which statics are destroyed.
BOOST_AUTO_TEST_CASE(a_run_s_values_are_destroyed_last_made_first_and_may_use_those_made_before) {
    static std::vector<std::string> ends;
    struct first_made { std::string name{"first"}; ~first_made() { ends.push_back(name); } };
    static weft::run_local<std::shared_ptr<first_made>> first;
    struct second_made { ~second_made() { ends.push_back("second uses " + (*first)->name); } };
    static weft::run_local<std::shared_ptr<second_made>> second;
    ends.clear();
    run_checked([] {
        *first = std::make_shared<first_made>();
        *second = std::make_shared<second_made>();
    });
    BOOST_TEST(ends == (std::vector<std::string>{"second uses first", "first"}), boost::test_tools::per_element());
}

// rule 48
BOOST_AUTO_TEST_CASE(every_way_to_start_a_child_hands_the_values_on) {
    static weft::task_local<int> v{0};
    run_checked([] {
        v = 5;
        std::vector<int> seen;
        auto look = [&] { seen.push_back(v); v = -1; };
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon(look);
            n.spawn(look).join();
            n.start_service(look);
            n.start([&](weft::task_status<>& s) { look(); s.started(); });
        });
        BOOST_TEST(seen == (std::vector<int>{5, 5, 5, 5}), boost::test_tools::per_element());
        BOOST_TEST(v.get() == 5);
    });
}

// rule 148
BOOST_AUTO_TEST_CASE(a_task_never_changes_threads_and_thread_local_is_shared_by_the_tasks_of_a_thread) {
    static thread_local int counter = 0;
    counter = 100;
    auto one = [](int tasks) {
        counter = 0;
        int moved = 0;
        weft::run([&] {
            auto home = std::this_thread::get_id();
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < tasks; ++i) {
                    n.start_soon([&] {
                        for (int k = 0; k < 10; ++k) {
                            ++counter;
                            weft::checkpoint();
                            moved += std::this_thread::get_id() != home;
                        }
                    });
                }
            });
        });
        return moved == 0 && counter == 10 * tasks;
    };
    bool there = false;
    std::thread t([&] { there = one(7); });
    bool here = one(5);
    t.join();
    BOOST_TEST(here);
    BOOST_TEST(there);
}

BOOST_AUTO_TEST_SUITE_END()
