// SPDX-License-Identifier: BSL-1.0
#include "fixture.hpp"

#include <weft/asio/executor.hpp>
#include <weft/sync/resource_guard.hpp>

#include <boost/asio/post.hpp>
#include <boost/mpl/list.hpp>

#include <thread>
#include <vector>

using namespace weft_test;

namespace {
using all = boost::mpl::list<weft::resource_guard, weft::shared::resource_guard>;
constinit weft::shared::resource_guard before_main("static");  // the constructor is constexpr

/// The text of the busy_resource_error that a use throws; "" if there is none.
template <class G>
std::string busy(G& g) {
    try { typename G::scoped use(g); } catch (weft::busy_resource_error const& e) { return e.what(); }
    return "";
}
bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }
}  // namespace

BOOST_AUTO_TEST_SUITE(resource_guard)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_second_user_gets_an_error_that_names_the_resource_and_both, G, all) {
    run_checked([] {
        G g("socket 7");
        int used = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("first", [&] {
                typename G::scoped use(g);
                BOOST_TEST(g.busy());
                weft::this_task::sleep_for(1s);
                ++used;
            });
            weft::testing::wait_all_tasks_blocked();
            n.start_soon("second", [&] {
                std::string text = busy(g);
                BOOST_TEST(has(text, "socket 7: in use by task #2 \"first\" when task #3 \"second\""), text);
                BOOST_TEST(has(text, "help: "), text);
                weft::this_task::sleep_for(2s);
                BOOST_TEST(g.use([&] { return ++used; }) == 2);
            });
        });
        BOOST_TEST(used == 2);
        BOOST_TEST(!g.busy());
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_task_that_uses_it_twice_at_once_gets_the_error_too, G, all) {
    run_checked([] {
        G g("parser");
        typename G::scoped use(g);
        std::string text = busy(g);
        BOOST_TEST(has(text, "in use by task #1 \"main\" when it again"), text);
        BOOST_TEST(g.busy());  // by the first use, still
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_error_ends_a_use, G, all) {
    run_checked([] {
        G g;
        BOOST_CHECK_THROW(g.use([] { throw std::domain_error("x"); }), std::domain_error);
        BOOST_TEST(!weft::move_on_after(1s, [&] { g.use([] { weft::this_task::sleep_forever(); }); }));
        BOOST_TEST(busy(g) == "");
    });
}

// rule 2
BOOST_AUTO_TEST_CASE_TEMPLATE(a_use_is_no_checkpoint, G, all) {
    run_checked([] {
        G g;
        weft::testing::assert_no_checkpoints([&] { typename G::scoped use(g); (void)g.busy(); });
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_user_that_has_ended_and_a_callback_are_named_as_such, G, all) {
    run_checked([] {
        G g;
        std::unique_ptr<typename G::scoped> forgotten;
        weft::with_nursery([&](weft::nursery& n) { n.start_soon([&] { forgotten = std::make_unique<typename G::scoped>(g); }); });
        std::string text = busy(g);
        BOOST_TEST(has(text, "task #2, which has ended"), text);
        forgotten.reset();
        weft::event done;
        typename G::scoped use(g);
        boost::asio::post(weft::get_executor(), [&] { text = busy(g); done.set(); });
        done.wait();
        BOOST_TEST(has(text, "when a callback"), text);
    });
}

BOOST_AUTO_TEST_CASE(a_task_of_another_run_and_a_thread_are_named_as_such) {
    auto& g = before_main;
    std::string in_thread, in_run;
    weft::run([&] {
        weft::shared::resource_guard::scoped use(g);
        std::thread([&] { in_thread = busy(g); }).join();
        std::thread([&] { weft::run([&] { in_run = busy(g); }); }).join();
    });
    BOOST_TEST(has(in_thread, "task #1 of another run when this thread"), in_thread);
    BOOST_TEST(has(in_run, "task #1 of another run when task #1 \"main\""), in_run);
    weft::shared::resource_guard::scoped use(g);
    std::thread([&] { in_thread = busy(g); }).join();
    BOOST_TEST(has(in_thread, "in use by another thread when this thread"), in_thread);
}

BOOST_AUTO_TEST_CASE(threads_never_use_it_at_the_same_time) {
    weft::shared::resource_guard g;
    long uses = 0, expected = 0;  // no atomic: the guard orders it
    std::vector<long> ours(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 300; ++i) {
                try { g.use([&] { ++uses; ++ours[t]; }); } catch (weft::busy_resource_error const&) {}
            }
        });
    }
    for (auto& t : threads) t.join();
    for (long o : ours) expected += o;
    BOOST_TEST(uses == expected);
    BOOST_TEST(uses > 0);
}

BOOST_AUTO_TEST_SUITE_END()
