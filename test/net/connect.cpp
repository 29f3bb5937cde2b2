// SPDX-License-Identifier: BSL-1.0
// Connecting by name: the algorithm as a table of scenarios in virtual time, and the real thing on the loopback.
#include "fixture.hpp"

#include <weft/asio.hpp>
#include <weft/net/connect.hpp>
#include <weft/threads/to_thread.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <map>

using namespace weft_test;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using weft::detail::connect_attempt;

namespace {

/// What an address does: after how many milliseconds it answers (positive), or fails (negative); 0: never.
using behaviour = std::map<std::string, int>;

struct outcome {
    std::string winner, attempts, failures;  // attempts: "address@when …"
    long at{};
    int open{};                              // sockets that were not closed
};

/// A connection that counts itself.
struct fake_socket {
    std::string address;
    int* open;
    fake_socket(std::string a, int& o) : address(std::move(a)), open(&o) { ++*open; }
    fake_socket(fake_socket&& o) noexcept : address(std::move(o.address)), open(std::exchange(o.open, nullptr)) {}
    ~fake_socket() { if (open) --*open; }
};

outcome connect(std::vector<std::string> addresses, behaviour b, weft::duration limit = weft::duration::max()) {
    outcome o;
    run_checked([&] {
        auto start = weft::current_time();
        auto now = [&] { return (weft::current_time() - start) / 1ms; };
        std::vector<connect_attempt<std::string>> failures;
        auto once = [&] {
            auto s = weft::detail::happy_eyeballs(addresses, 250ms, [&](std::string const& a) {
                o.attempts += (o.attempts.empty() ? "" : " ") + a + "@" + std::to_string(now());
                fake_socket pending(a, o.open);
                int after = b.at(a);
                if (after == 0) weft::this_task::sleep_forever();
                weft::this_task::sleep_for(std::chrono::milliseconds(std::abs(after)));
                if (after < 0) throw boost::system::system_error(asio::error::connection_refused);
                return pending;
            }, failures);
            if (s) o.winner = s->address;
            BOOST_TEST(o.open == (s ? 1 : 0));  // the losers are closed
        };
        if (limit == weft::duration::max()) once();
        else weft::move_on_after(limit, once);
        o.at = now();
    });
    return o;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(connecting)

// rule 116
BOOST_AUTO_TEST_CASE(attempts_follow_each_other_after_a_delay_or_a_failure_and_the_first_success_wins) {
    struct row { std::vector<std::string> addresses; behaviour b; char const* winner; char const* attempts; long at; };
    for (row const& r : {
             row{{"a"}, {{"a", 10}}, "a", "a@0", 10},
             row{{"a", "b"}, {{"a", 10}, {"b", 1}}, "a", "a@0", 10},                                    // in time: no second attempt
             row{{"a", "b"}, {{"a", 1000}, {"b", 10}}, "b", "a@0 b@250", 260},                          // slow: the next after the delay
             row{{"a", "b"}, {{"a", 300}, {"b", 100}}, "a", "a@0 b@250", 300},                          // the first may still win
             row{{"a", "b", "c"}, {{"a", -10}, {"b", 20}, {"c", 1}}, "b", "a@0 b@10", 30},              // a failure is not waited for
             row{{"a", "b", "c"}, {{"a", 0}, {"b", 0}, {"c", 5}}, "c", "a@0 b@250 c@500", 505},         // those that never answer
             row{{"a", "b", "c"}, {{"a", -300}, {"b", 200}, {"c", 1}}, "b", "a@0 b@250", 450},          // a late failure hurries nobody
             row{{"a", "b"}, {{"a", -10}, {"b", -20}}, "", "a@0 b@10", 30},                             // all fail
             row{{}, {}, "", "", 0},
         }) {
        outcome o = connect(r.addresses, r.b);
        BOOST_TEST(o.winner == r.winner);
        BOOST_TEST(o.attempts == r.attempts);
        BOOST_TEST(o.at == r.at);
        BOOST_TEST(o.open == 0);
    }
}

// rule 116
BOOST_AUTO_TEST_CASE(two_that_answer_at_once_give_one_winner_and_the_other_is_closed) {
    outcome o = connect({"a", "b"}, {{"a", 260}, {"b", 10}});
    BOOST_TEST((o.winner == "a" || o.winner == "b"));
    BOOST_TEST(o.open == 0);
}

// rule 116
BOOST_AUTO_TEST_CASE(a_cancellation_closes_all_attempts) {
    outcome o = connect({"a", "b", "c"}, {{"a", 0}, {"b", 0}, {"c", 0}}, 600ms);
    BOOST_TEST(o.winner == "");
    BOOST_TEST(o.attempts == "a@0 b@250 c@500");
    BOOST_TEST(o.at == 600);
    BOOST_TEST(o.open == 0);
    weft::testing::cancel_everywhere([] {
        std::vector<connect_attempt<int>> failures;
        weft::detail::happy_eyeballs(std::vector<int>{1, 2}, 250ms, [](int i) { weft::this_task::sleep_for(i == 1 ? 300ms : 100ms); return i; }, failures);
    });
}

BOOST_AUTO_TEST_CASE(an_error_that_is_none_of_the_network_s_leaves_as_itself) {
    run_checked([] {
        std::vector<connect_attempt<int>> failures;
        BOOST_CHECK_THROW(weft::detail::happy_eyeballs(std::vector<int>{1, 2}, 250ms, [](int) -> int { throw std::logic_error("x"); }, failures), std::logic_error);
    });
}

// rule 116: the order of the addresses
BOOST_AUTO_TEST_CASE(families_take_turns_and_the_first_one_begins) {
    auto mixed = [](std::string all) {
        std::vector<char> v(all.begin(), all.end());
        bool six = !v.empty() && std::isupper(static_cast<unsigned char>(v[0]));
        auto m = weft::detail::interleave(v, [&](char c) { return static_cast<bool>(std::isupper(static_cast<unsigned char>(c))) == six; });
        return std::string(m.begin(), m.end());
    };
    BOOST_TEST(mixed("ABCab") == "AaBbC");
    BOOST_TEST(mixed("abA") == "aAb");
    BOOST_TEST(mixed("ab") == "ab");
    BOOST_TEST(mixed("") == "");
}

BOOST_AUTO_TEST_CASE(a_listener_on_the_loopback_is_reached_by_name_and_by_number) {
    weft::run([] {
        tcp::acceptor listener(weft::get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        std::uint16_t port = listener.local_endpoint().port();
        for (char const* host : {"127.0.0.1", "localhost"}) {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { auto s = listener.async_accept(weft::use_fiber); asio::async_write(s, asio::buffer("x", 1), weft::use_fiber); });
                auto s = weft::connect_tcp(host, port);
                tcp::no_delay option;
                s.get_option(option);
                BOOST_TEST(option.value());
                char c = 0;
                asio::async_read(s, asio::buffer(&c, 1), weft::use_fiber);
                BOOST_TEST(c == 'x');
            });
        }
        listener.close();
        try {
            weft::connect_tcp("127.0.0.1", port);
            BOOST_ERROR("no exception");
        } catch (weft::connect_error const& e) {
            BOOST_TEST(e.attempts().size() == 1u);
            BOOST_TEST((e.attempts()[0].error == asio::error::connection_refused));
            BOOST_TEST(std::string(e.what()).find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
        }
        BOOST_CHECK_THROW(weft::connect_tcp(std::vector<tcp::endpoint>()), weft::connect_error);
        BOOST_CHECK_THROW(weft::connect_tcp("127.0.0.1", port, {.attempt_delay = -1s}), weft::misuse_error);
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { weft::connect_tcp("127.0.0.1", port); }));
    });
}

// The look-up's thread goes on after a cancellation, and may have a file open: each scenario waits for its end, so that the ledger tells.
BOOST_AUTO_TEST_CASE(a_look_up_and_a_connection_by_name_can_be_cancelled_everywhere) {
    auto and_its_thread = [](auto f) {
        struct at_end {
            ~at_end() {
                weft::cancel_scope s;
                s.set_shield(true);
                s.run([] { while (weft::default_thread_limiter().borrowed_tokens() > 0) weft::this_task::sleep_for(1ms); });
            }
        } e;
        f();
    };
    weft::testing::cancel_everywhere_options options;
    options.real_time = true;
    auto look_up = weft::testing::cancel_everywhere([&] {
        and_its_thread([] { BOOST_TEST(!weft::resolve_tcp("localhost", 80).empty()); });
    }, options);
    BOOST_TEST(look_up.points >= 1u);
    BOOST_TEST(look_up.waits >= 1u);
    auto connected = weft::testing::cancel_everywhere([&] {
        tcp::acceptor listener(weft::get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        std::uint16_t port = listener.local_endpoint().port();
        and_its_thread([&] { weft::connect_tcp("localhost", port); });
    }, options);
    BOOST_TEST(connected.waits > look_up.waits);
}

BOOST_AUTO_TEST_CASE(a_name_that_does_not_exist_is_a_system_error) {
    weft::run([] { BOOST_CHECK_THROW(weft::resolve_tcp("no such name.invalid", 1), boost::system::system_error); });
}

BOOST_AUTO_TEST_SUITE_END()
