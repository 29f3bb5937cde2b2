// SPDX-License-Identifier: BSL-1.0
// Destroying what somebody waits for ends the process with a sentence that says so: the wait could never end.
#include "core/child.hpp"
#include "fixture.hpp"

#include <optional>

using namespace weft_test;

namespace {

/// Destroys a T while a task waits for it.
template <class T, class... A>
std::function<void()> destroyed(std::function<void(T&)> wait, A... a) {
    return [=] {
        weft::run([&] {
            std::optional<T> t(std::in_place, a...);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { wait(*t); });
                weft::testing::wait_all_tasks_blocked();
                t.reset();
            });
        });
    };
}

template <class M>
std::function<void()> destroyed_lock() {
    return [] {
        weft::run([&] {
            std::optional<M> m(std::in_place);
            weft::with_nursery([&](weft::nursery& n) {
                m->lock();
                n.start_soon([&] { m->lock(); });
                weft::testing::wait_all_tasks_blocked();
                m.reset();
            });
        });
    };
}

template <class M, class C>
std::function<void()> destroyed_condition() {
    return [] {
        weft::run([&] {
            M m;
            std::optional<C> c(std::in_place);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { std::unique_lock lock(m); c->wait(lock); });
                weft::testing::wait_all_tasks_blocked();
                c.reset();
            });
        });
    };
}

struct scenario { char const* name; char const* sentence; std::function<void()> run; };

std::vector<scenario> const& scenarios() {
    static std::vector<scenario> const all{
        {"event", "an event was destroyed with tasks waiting for it", destroyed<weft::event>([](auto& e) { e.wait(); })},
        {"shared::event", "an event was destroyed with tasks waiting for it", destroyed<weft::shared::event>([](auto& e) { e.wait(); })},
        {"semaphore", "a semaphore was destroyed with tasks or threads waiting for it", destroyed<weft::binary_semaphore>([](auto& s) { s.acquire(); }, 0)},
        {"local::semaphore", "a semaphore was destroyed with tasks or threads waiting for it", destroyed<weft::local::counting_semaphore<3>>([](auto& s) { s.acquire(); }, 0)},
        {"latch", "a latch was destroyed with tasks or threads waiting for it", destroyed<weft::latch>([](auto& l) { l.wait(); }, 1)},
        {"barrier", "a barrier was destroyed with tasks or threads waiting for it", destroyed<weft::barrier<>>([](auto& b) { b.arrive_and_wait(); }, 2)},
        {"parking_lot", "a parking_lot was destroyed with tasks waiting in it", destroyed<weft::parking_lot>([](auto& p) { p.park(); })},
        {"capacity_limiter", "a capacity_limiter was destroyed with tasks waiting for it", destroyed<weft::capacity_limiter>([](auto& l) { l.acquire(); }, 0.0)},
        {"mutex", "a mutex was destroyed with tasks or threads waiting for it", destroyed_lock<weft::mutex>()},
        {"local::mutex", "a mutex was destroyed with tasks or threads waiting for it", destroyed_lock<weft::local::mutex>()},
        {"shared_mutex", "a shared_mutex was destroyed with tasks or threads waiting for it", destroyed_lock<weft::shared_mutex>()},
        {"condition_variable", "a condition variable was destroyed with tasks or threads waiting", destroyed_condition<weft::mutex, weft::condition_variable>()},
        {"local::condition_variable", "a condition variable was destroyed with tasks or threads waiting", destroyed_condition<weft::local::mutex, weft::local::condition_variable>()},
    };
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sync_destroyed_child, *boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(child) {
    std::map<std::string, std::function<void()>> all;
    for (auto const& s : scenarios()) all.emplace(s.name, s.run);
    as_child(all);
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sync_destroyed)

BOOST_AUTO_TEST_CASE(with_waiters_the_process_ends_with_a_sentence_that_says_what_was_destroyed) {
    for (auto const& s : scenarios()) {
        outcome o = run_child("sync_destroyed_child", s.name);
        BOOST_TEST(o.signal == SIGABRT, s.name << ": signal " << o.signal << ", code " << o.code);
        BOOST_TEST(contains(o.text, s.sentence), s.name << ": " << o.text);
    }
}

// Channels, broadcasts and watches cannot be destroyed with waiters: their handles' destructors end the waits (rule 96).

BOOST_AUTO_TEST_SUITE_END()
