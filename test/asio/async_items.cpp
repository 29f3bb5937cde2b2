// SPDX-License-Identifier: BSL-1.0
// Ranges and resources across the border: callbacks take a task's items, feed a task's loop, and borrow what a task owns.
#include "fixture.hpp"

#include <weft/asio/async_items.hpp>
#include <weft/asio/use_fiber.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <functional>
#include <memory>
#include <vector>

using namespace weft_test;
namespace asio = boost::asio;

namespace {

bool is_aborted(std::exception_ptr const& e) {
    if (!e) return false;
    try { std::rethrow_exception(e); }
    catch (boost::system::system_error const& x) { return x.code() == asio::error::operation_aborted; }
    catch (...) { return false; }
}

template <class E>
bool holds(std::exception_ptr const& e) {
    if (!e) return false;
    try { std::rethrow_exception(e); } catch (E const&) { return true; } catch (...) { return false; }
}

/// Callback code that takes all items of a range, one after the other.
template <class Range>
struct taker {
    Range& range;
    weft::nursery* n{};
    std::vector<int> got{};
    std::exception_ptr error{};
    weft::event ended{};

    void start(weft::nursery& in) { n = &in; next(); }
    void next() {
        weft::async_next(*n, range, [this](std::exception_ptr e, std::optional<int> v) {
            if (e || !v) {
                error = e;
                ended.set();
                return;
            }
            got.push_back(*v);
            next();
        });
    }
};

/// Callback code that sends 0, 1, …, each when the one before was taken.
template <class Sender>
struct giver {
    Sender& to;
    int last;
    std::function<void()> at_end;
    weft::nursery* n{};
    int sent = 0;

    void start(weft::nursery& in) { n = &in; next(); }
    void next() {
        if (sent == last) return at_end();
        weft::async_send(*n, to, sent, [this](std::exception_ptr e) {
            if (e) return at_end();
            ++sent;
            next();
        });
    }
};

std::vector<int> const three{0, 1, 2};

auto counting_generator(weft::nursery& n, int& produced, int last) {
    return weft::make_generator<int>(n, [&produced, last](auto& out) { for (; produced < last;) out.send(produced++); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(async_items)

// --- a task produces, callbacks take ---

BOOST_AUTO_TEST_CASE(callbacks_take_the_items_of_a_generator_which_runs_only_when_asked) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            int produced = 0;
            auto items = counting_generator(n, produced, 3);
            int got = -1;
            asio::post(weft::get_executor(), [&] { weft::async_next(n, items, [&](std::exception_ptr, std::optional<int> v) { got = *v; }); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(got == 0);
            BOOST_TEST(produced == 1);
            taker<decltype(items)> t{items};
            asio::post(weft::get_executor(), [&] { t.start(n); });
            t.ended.wait();
            BOOST_TEST((t.got == std::vector<int>{1, 2}));
            BOOST_TEST(!t.error);
        });
    });
}

BOOST_AUTO_TEST_CASE(callbacks_take_the_items_of_a_channel_and_of_a_broadcast) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto [tx, rx] = weft::make_channel<int>(1);
            auto [out, in] = weft::make_broadcast<int>({.capacity = 8});
            taker<decltype(rx)> a{rx};
            taker<decltype(in)> b{in};
            a.start(n);
            b.start(n);
            for (int i : three) { tx.send(i); out.send(i); }
            tx.close();
            out.close();
            a.ended.wait();
            b.ended.wait();
            BOOST_TEST((a.got == three && b.got == three));
            BOOST_TEST((!a.error && !b.error));
        });
    });
}

// rule 128
BOOST_AUTO_TEST_CASE(the_producer_s_error_comes_after_its_items_as_itself) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto items = weft::make_generator<int>(n, [](auto& out) { out.send(0); throw std::range_error("x"); });
            taker<decltype(items)> t{items};
            t.start(n);
            t.ended.wait();
            BOOST_TEST(t.got.size() == 1u);
            BOOST_TEST(holds<std::range_error>(t.error));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_next_completes_with_operation_aborted_and_loses_no_item) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto [tx, rx] = weft::make_channel<int>(0);
            asio::cancellation_signal signal;
            bool aborted = false;
            weft::async_next(n, rx, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, std::optional<int> v) { aborted = is_aborted(e) && !v; }));
            weft::testing::wait_all_tasks_blocked();
            signal.emit(asio::cancellation_type::total);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(aborted);
            BOOST_TEST(!tx.try_send(1));  // nobody waits

            std::optional<int> got;
            weft::async_next(n, rx, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, std::optional<int> v) { got = v; }));
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(tx.try_send(2));  // handed over, and then cancelled
            signal.emit(asio::cancellation_type::total);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(got.value_or(0) == 2);
        });
    });
}

// --- callbacks produce, a task takes ---

BOOST_AUTO_TEST_CASE(callbacks_feed_a_task_s_loop_no_faster_than_it_takes) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto [tx, rx] = weft::make_channel<int>(1);
            giver<decltype(tx)> g{tx, 5, [&tx = tx] { tx.close(); }};
            asio::post(weft::get_executor(), [&] { g.start(n); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(g.sent == 1);  // one is in the buffer, the next one waits
            std::vector<int> got;
            for (int v : rx) {
                got.push_back(v);
                BOOST_TEST(g.sent <= v + 2);
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(g.sent <= v + 2);
            }
            BOOST_TEST((got == std::vector<int>{0, 1, 2, 3, 4}));
        });
    });
}

BOOST_AUTO_TEST_CASE(callbacks_feed_a_generator_whose_producer_waits_for_them) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto items = weft::make_generator<int>(n, [&n](auto& out) {
                weft::event done;
                giver<std::decay_t<decltype(out)>> g{out, 3, [&] { done.set(); }};
                asio::post(weft::get_executor(), [&] { g.start(n); });
                done.wait();
            });
            std::vector<int> got;
            for (int v : items) got.push_back(v);
            BOOST_TEST((got == three));
        });
    });
}

BOOST_AUTO_TEST_CASE(a_send_that_nobody_takes_completes_with_the_channel_s_error_or_is_cancelled) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            auto [tx, rx] = weft::make_channel<std::unique_ptr<int>>(0);
            asio::cancellation_signal signal;
            bool aborted = false, broken = false;
            weft::async_send(n, tx, std::make_unique<int>(1), asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { aborted = is_aborted(e); }));
            weft::testing::wait_all_tasks_blocked();
            signal.emit(asio::cancellation_type::total);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(aborted);
            BOOST_TEST(!rx.try_receive());
            rx.close();
            weft::async_send(n, tx, std::make_unique<int>(2), [&](std::exception_ptr e) { broken = holds<weft::broken_resource_error>(e); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(broken);
        });
    });
}

// --- a resource ---

BOOST_AUTO_TEST_CASE(a_callback_borrows_what_a_task_owns_and_gives_it_back_later) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            std::string text;
            weft::loan<std::string> kept;
            weft::with_lent(text, [&](weft::lending<std::string> const& l) {
                asio::post(weft::get_executor(), [&, l] {
                    weft::async_borrow(n, l, [&](std::exception_ptr e, weft::loan<std::string> loan) {
                        BOOST_TEST(!e);
                        loan->append("callback, ");
                        kept = std::move(loan);
                    });
                });
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(!l.try_borrow());
                asio::post(weft::get_executor(), [&] { kept->append("later, "); kept.give_back(); });
                l.borrow()->append("task");
            });
            BOOST_TEST(text == "callback, later, task");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_callback_s_borrowing_is_cancelled_or_refused_and_a_loan_that_nobody_takes_comes_back) {
    run_checked([] {
        weft::with_nursery([&](weft::nursery& n) {
            std::string text;
            bool aborted = false, closed = false;
            weft::loan<std::string> mine;
            weft::with_lent(text, [&](weft::lending<std::string> const& l) {
                mine = l.borrow();
                asio::cancellation_signal signal;
                weft::async_borrow(n, l, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, weft::loan<std::string> loan) { aborted = is_aborted(e) && !loan; }));
                weft::testing::wait_all_tasks_blocked();
                signal.emit(asio::cancellation_type::total);
                weft::testing::wait_all_tasks_blocked();
                mine.give_back();
                weft::async_borrow(n, l, [](std::exception_ptr, weft::loan<std::string> const&) {});
                weft::testing::wait_all_tasks_blocked();
                mine = l.borrow();
                weft::async_borrow(n, l, [&](std::exception_ptr e, weft::loan<std::string> const&) {
                    closed = holds<weft::closed_resource_error>(e);
                    mine.give_back();
                });
                weft::testing::wait_all_tasks_blocked();
            });
            BOOST_TEST(aborted);
            BOOST_TEST(closed);
        });
    });
}

// --- everywhere ---

BOOST_AUTO_TEST_CASE(items_and_resources_that_cross_can_be_cancelled_everywhere) {
    auto r = weft::testing::cancel_everywhere([] {
        weft::with_nursery([](weft::nursery& n) {
            int produced = 0;
            auto items = counting_generator(n, produced, 2);
            auto [tx, rx] = weft::make_channel<int>(0);
            std::string text;
            // Outside of the nursery that waits for their callbacks.
            taker<decltype(items)> t{items};
            giver<decltype(tx)> g{tx, 2, [&tx = tx] { tx.close(); }};
            weft::with_nursery([&, &rx = rx](weft::nursery& calls) {
                t.start(calls);
                g.start(calls);
                weft::with_lent(text, [&](weft::lending<std::string> const& l) {
                    weft::async_borrow(calls, l, [](std::exception_ptr, weft::loan<std::string> loan) { if (loan) loan->append("x"); });
                    l.borrow()->append("y");
                });
                for (int v : rx) static_cast<void>(v);
                t.ended.wait();
            });
        });
    });
    BOOST_TEST(r.waits >= 4u);
}

BOOST_AUTO_TEST_SUITE_END()
