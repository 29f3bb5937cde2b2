// SPDX-License-Identifier: BSL-1.0
// The client of example/redis: its reader of RESP over every split of every reply, the client against a real server, and the example's
// program as a process.
#include "servers.hpp"
#include "../fixture.hpp"

#include "redis/client/client.hpp"

#include <weft/asio/executor.hpp>
#include <weft/net/process.hpp>
#include <weft/net/stream.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cmath>
#include <random>

using namespace weft_test;
using redis::client;
using redis::value;
using kind = redis::value::kind;
using boost::unit_test::framework::master_test_suite;

namespace {

redis_server& rs() {
    static redis_server s;
    return s;
}
redis::client_options local() {
    redis::client_options o;
    o.socket = rs().socket();
    o.min_backoff = 1ms;
    o.max_backoff = 50ms;
    return o;
}

template <class F>
void run_real(F&& f) {
    rs();
    weft::testing::ledger before;
    weft::run([&] {
        f();
        BOOST_TEST(weft::lowlevel::current_statistics().living == 1u);
    });
    BOOST_TEST(before.difference() == "");
}

/// Runs f(client) against the server.
template <class F>
void with_client(redis::client_options o, F&& f) {
    run_real([&] {
        weft::with_nursery([&](weft::nursery& n) {
            client c(n, o);
            f(n, c);
        });
    });
}

template <class F>
void eventually(F&& f) {
    weft::fail_after(30s, [&] { while (!f()) weft::this_task::sleep_for(2ms); });
}

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

/// A stream that gives its text in pieces: cut at `cut`, and then every `step` bytes.
struct pieces {
    using fiber_reads = void;
    std::string text;
    std::size_t cut, step, at{};
    template <class B>
    std::size_t read_some(B const& to) {
        std::size_t end = at < cut ? cut : at + step;
        std::size_t n = boost::asio::buffer_copy(to, boost::asio::buffer(text.substr(at, std::min(end, text.size()) - at)));
        at += n;
        return n;
    }
};

value parse(std::string text, std::size_t cut = std::string::npos, std::size_t step = std::string::npos, redis::reply_limits limits = {}) {
    pieces p{std::move(text), std::min<std::size_t>(cut, 1 << 30), std::min<std::size_t>(step, 1 << 30)};
    weft::buffered_reader reader(p);
    value v = redis::reply_reader(reader, limits).read();
    if (!reader.at_end()) throw redis::protocol_error("something is left");
    return v;
}

bool same(value const& a, value const& b) {
    bool good = a.type == b.type && a.text == b.text && a.integer == b.integer && (a.real == b.real || (std::isnan(a.real) && std::isnan(b.real))) && a.elements.size() == b.elements.size();
    for (std::size_t i = 0; good && i < a.elements.size(); ++i) good = same(a.elements[i], b.elements[i]);
    return good;
}

/// What becomes of a text: "value", "protocol" or "incomplete"; anything else is thrown.
std::string fate(std::string const& text, redis::reply_limits limits = {}) {
    try { parse(text, 3, 7, limits); return "value"; }
    catch (redis::protocol_error const&) { return "protocol"; }
    catch (weft::incomplete_read_error const&) { return "incomplete"; }
}

std::vector<std::pair<std::string, value>> samples() {
    auto text = [](char const* t) { return value{.type = kind::text, .text = t}; };
    auto number = [](long n) { return value{.type = kind::integer, .integer = n}; };
    std::string raw("a\0\r\n$5\xff", 7);
    return {
        {"+OK\r\n", text("OK")},
        {"+\r\n", text("")},
        {"-ERR no\r\n", {.type = kind::error, .text = "ERR no"}},
        {":-9223372036854775808\r\n", number(INT64_MIN)},
        {":+7\r\n", number(7)},
        {"$7\r\n" + raw + "\r\n", {.type = kind::text, .text = raw}},
        {"$0\r\n\r\n", text("")},
        {"$-1\r\n", {}},
        {"*-1\r\n", {}},
        {"_\r\n", {}},
        {"*0\r\n", {.type = kind::list}},
        {"*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n+b\r\n", {.type = kind::list, .elements = {number(1), {.type = kind::list, .elements = {text("a"), {}}}, text("b")}}},
        {"#t\r\n", {.type = kind::boolean, .integer = 1}},
        {",1.5e3\r\n", {.type = kind::real, .real = 1500}},
        {",-inf\r\n", {.type = kind::real, .real = -INFINITY}},
        {",nan\r\n", {.type = kind::real, .real = NAN}},
        {"(3492890328409238509324850943850943825024385\r\n", text("3492890328409238509324850943850943825024385")},
        {"!8\r\nERR a\r\nb\r\n", {.type = kind::error, .text = "ERR a\r\nb"}},
        {"=7\r\ntxt:a\r\n\r\n", text("a\r\n")},
        {"%2\r\n+k\r\n:1\r\n+l\r\n_\r\n", {.type = kind::map, .elements = {text("k"), number(1), text("l"), {}}}},
        {"~2\r\n:1\r\n:2\r\n", {.type = kind::list, .elements = {number(1), number(2)}}},
        {">2\r\n+message\r\n+x\r\n", {.type = kind::push, .elements = {text("message"), text("x")}}},
        {"|1\r\n+ttl\r\n:9\r\n:5\r\n", number(5)},
    };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_client)

BOOST_AUTO_TEST_CASE(every_reply_is_read_wherever_it_is_cut) {
    run_checked([] {
        for (auto const& [text, expected] : samples()) {
            for (std::size_t cut = 0; cut <= text.size(); ++cut) {
                BOOST_REQUIRE(same(parse(text, cut), expected));
                BOOST_REQUIRE(same(parse(text, cut, 1), expected));
                if (cut < text.size()) BOOST_REQUIRE(fate(text.substr(0, cut)) == "incomplete");
            }
            BOOST_REQUIRE(fate(text + "x") == "protocol");
        }
    });
}

BOOST_AUTO_TEST_CASE(garbage_is_a_named_error_and_nothing_worse) {
    run_checked([] {
        for (char const* bad : {"x\r\n", "\r\n", ":\r\n", ":1x\r\n", ":99999999999999999999\r\n", "$x\r\n", "$-2\r\n", "$3\r\nabcd\r\n", "#x\r\n", "_x\r\n", ",\r\n",
                                ",1.2.3\r\n", "*-3\r\n", "*1x\r\n", "=2\r\nab\r\n", "$?\r\n;4\r\n", "%-2\r\n", "HTTP/1.1 400 Bad Request\r\n"})
            BOOST_TEST(fate(bad) == "protocol", bad);
        auto good = samples();
        std::minstd_rand random(1);
        redis::reply_limits limits{.bytes = 100'000, .depth = 8, .line = 1000};
        std::map<std::string, int> fates;
        for (int i = 0; i < 5000; ++i) {
            std::string text;
            if (i % 2) {  // a reply with bytes changed, taken out, put in
                text = good[random() % good.size()].first + good[random() % good.size()].first;
                for (unsigned n = 1 + random() % 3; n > 0 && !text.empty(); --n) {
                    std::size_t at = random() % text.size();
                    if (random() % 3 == 0) text.erase(at, 1);
                    else text[at] = "0123456789*$%~>|+-:\r\n\0x"[random() % 23];
                }
            } else {
                for (unsigned n = random() % 40; n > 0; --n) text += "0123456789*$%~>|+-:#_,!=(\r\n"[random() % 27];
            }
            ++fates[fate(text, limits)];
        }
        BOOST_TEST(fates["protocol"] > 1000);
        BOOST_TEST(fates["incomplete"] > 100);
    });
}

BOOST_AUTO_TEST_CASE(no_length_gets_memory_before_its_bytes_are_there) {
    run_checked([] {
        for (char const* huge : {"$9223372036854775807\r\n", "$99999999999\r\n", "*9223372036854775807\r\n", "*2000000000\r\n", "%4611686018427387904\r\n", "%9223372036854775807\r\n",
                                 "=9223372036854775807\r\n", ">1000000000\r\n"})
            BOOST_TEST(fate(huge) == "protocol", huge);
        std::string deep;
        for (int i = 0; i < 100'000; ++i) deep += "*1\r\n";
        BOOST_TEST(fate(deep) == "protocol");
        std::string attributes;
        for (int i = 0; i < 100'000; ++i) attributes += "|0\r\n";
        BOOST_TEST(fate(attributes) == "protocol");
        BOOST_TEST(fate(std::string(1'000'000, '+')) == "protocol");  // a line without an end
        redis::reply_limits small{.bytes = 1000 + 3 * sizeof(value), .depth = 1, .line = 100};
        auto bulk = [](std::size_t n) { return "$" + std::to_string(n) + "\r\n" + std::string(n, 'x') + "\r\n"; };
        BOOST_TEST(fate("*2\r\n" + bulk(500) + bulk(500), small) == "value");
        BOOST_TEST(fate("*2\r\n" + bulk(500) + bulk(501), small) == "protocol");  // of the whole reply, not of each string
        BOOST_TEST(fate("*1\r\n*0\r\n", small) == "value");
        BOOST_TEST(fate("*1\r\n*1\r\n*0\r\n", small) == "protocol");
        BOOST_TEST(fate("$900000\r\nabc") == "incomplete");
    });
}

BOOST_AUTO_TEST_CASE(the_tour_of_the_example_finds_its_own_numbers_right) {
    BOOST_REQUIRE(master_test_suite().argc > 1);
    std::string program = master_test_suite().argv[1];
    run_real([&] {
        for (std::string at : {rs().socket(), std::to_string(rs().port())}) {
            auto r = weft::run_process({program, at}, {.check = false});
            BOOST_TEST(r.status.success(), r.out << r.err);
            BOOST_TEST(has(r.out, "pipelining: 1000 tasks"));
            BOOST_TEST(!has(r.out, "WRONG"));
        }
        auto none = weft::run_process({program, "/nowhere"}, {.check = false});
        BOOST_TEST(none.status.exit_code == 1);
        BOOST_TEST(has(none.err, "no connection to /nowhere"));
        BOOST_TEST(weft::run_process({program, "--help"}, {.check = false}).status.exit_code == 2);
    });
}

BOOST_AUTO_TEST_CASE(many_tasks_share_a_connection_and_each_gets_its_own_reply) {
    for (int protocol : {2, 3}) {
        auto o = local();
        o.protocol = protocol;
        o.database = 3;
        with_client(o, [](weft::nursery&, client& c) {
            int right = 0;
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 500; ++i) n.start_soon([&, i] { right += c.request({"ECHO", std::to_string(i)}).as_text() == std::to_string(i); });
            });
            BOOST_TEST(right == 500);
            BOOST_TEST(c.statistics().connections == 1u);
            BOOST_TEST(c.statistics().writes < 100u);  // in batches
            c.request({"SET", "n", "x"});
            BOOST_CHECK_THROW(c.request({"INCR", "n"}), redis::reply_error);
            try { c.request({"LPUSH", "n", "1"}); } catch (redis::reply_error const& e) { BOOST_TEST(e.code() == "WRONGTYPE"); }
            BOOST_CHECK_THROW(c.request({"GET", "n"}).as_integer(), redis::type_error);
            BOOST_TEST(!c.request({"GET", "nothing"}).as_optional_text().has_value());
            auto replies = c.pipeline({{"SET", "a", "1"}, {"INCR", "n"}, {"INCR", "a"}});
            BOOST_TEST(replies.at(1).is_error());
            BOOST_TEST(replies.at(2).as_integer() == 2);
            BOOST_TEST(c.transaction({{"INCR", "a"}, {"GET", "a"}}).at(1).as_text() == "3");
            BOOST_CHECK_THROW(c.transaction({{"INCR", "a"}, {"NO_SUCH_COMMAND"}}), redis::reply_error);
            BOOST_TEST(c.request({"GET", "a"}).as_text() == "3");
            std::string large(3'000'000, 'z');
            c.request({"SET", "large", large});
            BOOST_TEST((c.request({"GET", "large"}).as_text() == large));
            for (redis::command const& bad : std::vector<redis::command>{{"subscribe", "x"}, {"MULTI"}, {"BLPOP", "x", "0"}, {"SELECT", "1"}, {"XREAD", "BLOCK", "0"}, {"client", "reply", "off"}, {}})
                BOOST_CHECK_THROW(c.request(bad), weft::misuse_error);
            BOOST_TEST(c.request({"HGETALL", "none"}).as_list().empty());
            c.request({"FLUSHDB"});
        });
    }
}

BOOST_AUTO_TEST_CASE(a_caller_that_leaves_mixes_up_nobody) {
    with_client(local(), [](weft::nursery&, client& c) {
        std::minstd_rand random(7);
        int left = 0, right = 0, wrong = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 600; ++i) {
                n.start_soon([&, i, limit = random() % 3000] {
                    std::string mine = std::to_string(i);
                    auto got = weft::move_on_after(std::chrono::microseconds(limit), [&] { return c.pipeline({{"ECHO", mine}, {"ECHO", mine + "!"}}); });
                    if (!got) ++left;
                    else ++(got->size() == 2 && got->at(0).text == mine && got->at(1).text == mine + "!" ? right : wrong);
                });
            }
        });
        BOOST_TEST(wrong == 0);
        BOOST_TEST(left + right == 600);
        // Surely sent, surely not answered yet; and surely not sent.
        c.request({"CLIENT", "PAUSE", "100", "ALL"});
        weft::with_nursery([&](weft::nursery& n) {
            auto sent = n.spawn([&] { c.request({"SET", "weft:left", "sent"}); });
            weft::testing::wait_all_tasks_blocked();
            auto unsent = n.spawn([&] { c.request({"SET", "weft:left", "unsent"}); });
            weft::yield_shielded();
            unsent.cancel();
            sent.cancel();
            unsent.join();
            BOOST_TEST(c.request({"ECHO", "me"}).as_text() == "me");
        });
        BOOST_TEST(c.request({"EXISTS", "weft:left"}).as_integer() == 1);  // the one that was sent has happened
        eventually([&] { return c.statistics().pending == 0; });
        c.request({"DEL", "weft:left"});
    });
}

BOOST_AUTO_TEST_CASE(a_request_waits_for_room_and_the_room_of_the_cancelled_comes_back) {
    auto o = local();
    o.max_pending = 2;
    with_client(o, [](weft::nursery&, client& c) {
        c.request({"CLIENT", "PAUSE", "50", "ALL"});
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.spawn([&] { c.request({"PING"}); }).cancel();
            for (int i = 0; i < 2; ++i) n.start_soon([&] { weft::move_on_after(5ms, [&] { c.request({"PING"}); }); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(c.statistics().pending <= 2u);
            BOOST_TEST(c.request({"PING"}).as_text() == "PONG");
        });
        for (int i = 0; i < 10; ++i) c.request({"PING"});
    });
}

BOOST_AUTO_TEST_CASE(a_lost_connection_fails_what_is_pending_and_is_made_again) {
    with_client(local(), [](weft::nursery& n, client& c) {
        BOOST_TEST(c.request({"PING"}).as_text() == "PONG");
        auto news = redis::subscribe(n, local(), {"news"});
        c.request({"CLIENT", "PAUSE", "60000", "ALL"});
        int lost = 0;
        weft::with_nursery([&](weft::nursery& inner) {
            for (int i = 0; i < 3; ++i) inner.start_soon([&] {
                try { c.request({"PING"}); } catch (redis::connection_lost_error const& e) { lost += e.was_sent(); }
            });
            weft::testing::wait_all_tasks_blocked();
            rs().kill();
        });
        BOOST_TEST(lost == 3);
        BOOST_CHECK_THROW(for (auto& m : news) BOOST_ERROR("a message " << m.payload), redis::connection_lost_error);
        // Nobody there: whoever asks is told of the next attempt's failure.
        BOOST_CHECK_THROW(c.request({"PING"}), redis::connect_error);
        BOOST_CHECK_THROW(redis::subscribe(n, local(), {"news"}), redis::connect_error);
        BOOST_TEST(has(c.statistics().last_error, rs().socket()));
        rs().start();
        eventually([&] { try { return c.request({"PING"}).as_text() == "PONG"; } catch (redis::error const&) { return false; } });
        BOOST_TEST(c.statistics().connections == 2u);
        BOOST_TEST(c.statistics().pending == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_server_that_says_nothing_or_nonsense_is_left) {
    run_real([] {
        namespace ip = boost::asio::ip;
        ip::tcp::acceptor odd(weft::get_executor(), {ip::address_v4::loopback(), 0});
        redis::client_options o;
        o.port = odd.local_endpoint().port();
        o.protocol = 2;  // no greeting
        o.reply_limit = 40ms;
        o.min_backoff = 1ms;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] {
                for (int i = 0;; ++i) {
                    auto s = odd.async_accept(weft::use_fiber);
                    char b[99];
                    if (i == 0) while (weft::read_some(s, boost::asio::buffer(b)) > 0) {}  // mute
                    else weft::write_all(s, std::string("HTTP/1.1 400 Bad Request\r\n"));
                }
            });
            client c(n, o);
            try { c.request({"PING"}); BOOST_ERROR("no exception"); } catch (redis::connection_lost_error const& e) { BOOST_TEST(has(e.what(), "no reply in time")); }
            eventually([&] { return has(c.statistics().last_error, "HTTP/1.1 400"); });
        });
        ip::tcp::acceptor mute(weft::get_executor(), {ip::address_v4::loopback(), 0});
        o.port = mute.local_endpoint().port();
        o.protocol = 3;
        o.connect_limit = 30ms;
        weft::with_nursery([&](weft::nursery& n) {
            client c(n, o);
            BOOST_CHECK_THROW(c.request({"PING"}), redis::connect_error);
        });
    });
}

BOOST_AUTO_TEST_CASE(messages_come_in_order_and_a_cancelled_step_loses_none) {
    with_client(local(), [](weft::nursery& n, client& c) {
        auto news = redis::subscribe(n, local(), {"a", "b"});
        auto next = [&, it = std::optional<weft::generator<redis::message>::iterator>()]() mutable {
            if (it) ++*it; else it = news.begin();
            return (*it)->channel + (*it)->payload;
        };
        BOOST_TEST(!weft::move_on_after(10ms, [&] { for (auto& m : news) BOOST_ERROR(m.payload); }));
        for (int i = 0; i < 20; ++i) c.request({"PUBLISH", i % 2 ? "b" : "a", std::to_string(i)});
        for (int i = 0; i < 20; ++i) BOOST_TEST(next() == (i % 2 ? "b" : "a") + std::to_string(i));
        BOOST_CHECK_THROW(redis::subscribe(n, local(), {}), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_CASE(a_password_is_asked_for_and_given) {
    redis_server locked({"--requirepass", "open sesame"});
    auto o = local();
    o.socket = locked.socket();
    with_client(o, [](weft::nursery&, client& c) { BOOST_CHECK_THROW(c.request({"PING"}), redis::error); });
    for (int protocol : {2, 3}) {
        o.password = "open sesame";
        o.protocol = protocol;
        with_client(o, [](weft::nursery&, client& c) { BOOST_TEST(c.request({"PING"}).as_text() == "PONG"); });
    }
}

BOOST_AUTO_TEST_CASE(after_its_nursery_a_client_is_closed) {
    run_real([] {
        std::optional<client> c;
        weft::with_nursery([&](weft::nursery& n) { c.emplace(n, local()).request({"PING"}); });
        BOOST_CHECK_THROW(c->request({"PING"}), weft::closed_resource_error);
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    rs();
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    o.sample = 40;
    auto r = weft::testing::cancel_everywhere([] {
        weft::with_nursery([](weft::nursery& n) {
            client c(n, local());
            auto news = redis::subscribe(n, local(), {"everywhere"});
            weft::with_nursery([&](weft::nursery& inner) { for (int i = 0; i < 3; ++i) inner.start_soon([&] { c.request({"PING"}); }); });
            c.transaction({{"SET", "e", "1"}, {"DEL", "e"}});
            c.request({"PUBLISH", "everywhere", "x"});
            for (auto& m : news) { BOOST_REQUIRE(m.payload == "x"); break; }
        });
    }, o);
    BOOST_TEST(r.points > 15u);
    BOOST_TEST(r.waits > 10u);
}

BOOST_AUTO_TEST_SUITE_END()
