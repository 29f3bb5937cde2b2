// SPDX-License-Identifier: BSL-1.0
// The client of example/postgres against a real server, and the example's program as a process.
#include "servers.hpp"
#include "../fixture.hpp"

#include "postgres/client/pool.hpp"
#include "postgres/client/transaction.hpp"

#include <weft/asio/executor.hpp>
#include <weft/net/process.hpp>
#include <weft/threads/to_thread.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <thread>

using namespace weft_test;
using postgres::connection;
using boost::unit_test::framework::master_test_suite;
using steady = std::chrono::steady_clock;

namespace {

postgres_server& pg() {
    static postgres_server s;
    return s;
}

/// In real time, as the server lives by it; nothing is left behind.
template <class F>
void run_real(F&& f) {
    pg();  // is started outside of a run
    weft::testing::ledger before;
    weft::run([&] {
        f();
        auto s = weft::lowlevel::current_statistics();
        BOOST_TEST(s.living == 1u);
    });
    BOOST_TEST(before.difference() == "");
}

/// For whatever takes an unknown time on a busy machine.
template <class F>
void eventually(F&& f) {
    weft::fail_after(30s, [&] { while (!f()) weft::this_task::sleep_for(2ms); });
}

/// Runs f within a shield, for tests' own looks after a cancellation.
template <class F>
void shielded(F&& f) {
    weft::cancel_scope s;
    s.set_shield(true);
    s.run(f);
}

std::string state_of(connection& observer, int backend) {
    auto r = observer.query("SELECT state, query FROM pg_stat_activity WHERE pid = $1", {backend});
    return r.empty() ? "gone" : r.one().get<std::string>("state");
}

std::string sqlstate_of(auto&& f) {
    try { f(); } catch (postgres::error const& e) { return e.sqlstate(); }
    return "no error";
}

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(postgres_client)

BOOST_AUTO_TEST_CASE(the_tour_of_the_example_finds_its_own_numbers_right) {
    BOOST_REQUIRE(master_test_suite().argc > 1);
    std::string program = master_test_suite().argv[1];
    run_real([&] {
        auto r = weft::run_process({program, pg().conninfo()}, {.check = false});
        BOOST_TEST(r.status.success(), r.out << r.err);
        BOOST_TEST(has(r.out, "deadline: a query of 60 s was stopped"));
        BOOST_TEST(!has(r.out, "WRONG"));
        auto none = weft::run_process({program, "host=/nowhere"}, {.check = false});
        BOOST_TEST(none.status.exit_code == 1);
        BOOST_TEST(has(none.err, "/nowhere port 5432"));
        BOOST_TEST(weft::run_process({program, "--help"}, {.check = false}).status.exit_code == 2);
    });
}

BOOST_AUTO_TEST_CASE(values_come_back_as_they_were_sent) {
    run_real([] {
        connection c(pg().tcp_conninfo());
        std::string odd = "tab\t quote ' \\ grüße\n";
        postgres::bytes raw{std::string("\0\1\xff", 3)};
        auto row = c.query("SELECT $1::int, $2::text, $3::float8, $4::bool, $5::bytea, $6::text AS \"No\", $7::bigint",
                           {-7, odd, 0.1, true, raw, std::nullopt, std::optional<long>(1L << 60)});
        auto r = row.one();
        BOOST_TEST(r.get<int>(0) == -7);
        BOOST_TEST(r.get<std::string>(1) == odd);
        BOOST_TEST(r.get<double>(2) == 0.1);
        BOOST_TEST(r.get<bool>(3));
        BOOST_TEST((r.get<postgres::bytes>(4) == raw));
        BOOST_TEST(r.is_null("No"));
        BOOST_TEST(!r.get<std::optional<int>>("No").has_value());
        BOOST_TEST(*r.get<std::optional<long>>(6) == 1L << 60);
        BOOST_CHECK_THROW(r.get<int>("No"), postgres::conversion_error);
        BOOST_CHECK_THROW(r.get<int>("no"), postgres::conversion_error);
        BOOST_CHECK_THROW(r.get<int>(7), postgres::conversion_error);
        BOOST_CHECK_THROW(r.get<int>(6), postgres::conversion_error);  // too large
        BOOST_CHECK_THROW(r.get<bool>(1), postgres::conversion_error);
        BOOST_CHECK_THROW(c.query("SELECT 1 WHERE false").one(), postgres::conversion_error);
        BOOST_CHECK_THROW(postgres::parameter(std::string_view("a\0b", 3)), weft::misuse_error);
        int sum = 0;
        for (auto each : c.query("SELECT generate_series(1, 4) AS n")) sum += each.get<int>("n");
        BOOST_TEST(sum == 10);
        auto s = c.prepare("SELECT $1::int * 2");
        BOOST_TEST(c.query(s, {21}).one().get<int>(0) == 42);
        BOOST_TEST(c.execute("CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1), (2)").affected() == 2u);
    });
}

BOOST_AUTO_TEST_CASE(an_error_has_its_sqlstate_and_query_and_the_connection_goes_on) {
    run_real([] {
        connection c(pg().conninfo());
        try {
            c.query("SELECT 1 / $1::int", {0});
            BOOST_ERROR("no exception");
        } catch (postgres::error const& e) {
            BOOST_TEST(e.sqlstate() == "22012");
            BOOST_TEST(e.query() == "SELECT 1 / $1::int");
            BOOST_TEST(has(e.what(), "division by zero"));
            BOOST_TEST(has(e.what(), "SELECT 1 /"));
        }
        BOOST_TEST(sqlstate_of([&] { c.query("SELEC"); }) == "42601");
        BOOST_TEST(sqlstate_of([&] { c.prepare("SELECT nothing_of_this"); }) == "42703");
        BOOST_TEST(sqlstate_of([&] { c.execute("SELECT 1; SELECT 1/0; SELECT 2"); }) == "22012");
        BOOST_CHECK_THROW(c.query("COPY pg_class TO STDOUT"), weft::misuse_error);
        BOOST_CHECK_THROW(c.copy_in("SELECT 1", [](auto&) {}), weft::misuse_error);
        BOOST_TEST(c.query("SELECT 5").one().get<int>(0) == 5);
        weft::with_nursery([&](weft::nursery& n) {
            auto h = n.spawn([&] { c.query("SELECT pg_sleep(300)"); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_CHECK_THROW(c.query("SELECT 1"), weft::busy_resource_error);
            h.cancel();
        });
        c.close();
        BOOST_CHECK_THROW(c.query("SELECT 1"), weft::closed_resource_error);
        connection gone = std::move(c);
        BOOST_CHECK_THROW(c.query("SELECT 1"), weft::closed_resource_error);
    });
}

BOOST_AUTO_TEST_CASE(a_stream_gives_row_by_row_and_may_be_left) {
    run_real([] {
        connection c(pg().conninfo());
        int n = 0;
        for (auto r : c.stream("SELECT generate_series(1, 5000)")) BOOST_REQUIRE(r.get<int>(0) == ++n);
        BOOST_TEST(n == 5000);
        for (auto r : c.stream("SELECT generate_series(1, 2000000000)")) if (r.get<int>(0) == 3) break;  // ended on the server
        BOOST_TEST(c.query("SELECT 1").one().get<int>(0) == 1);
        n = 0;
        BOOST_TEST(sqlstate_of([&] { for (auto r : c.stream("SELECT 1 / (3 - g) FROM generate_series(1, 9) g")) { (void)r; ++n; } }) == "22012");
        BOOST_TEST(n == 2);
        auto s = c.stream("SELECT g, pg_sleep(CASE WHEN g = 3 THEN 0.1 ELSE 0 END) FROM generate_series(1, 5) g");
        BOOST_CHECK_THROW(c.query("SELECT 1"), weft::busy_resource_error);
        n = 0;
        for (int turn = 0; turn < 2; ++turn) {  // a cancelled step loses no row
            weft::move_on_after(turn ? 30s : 50ms, [&] { for (auto r : s) BOOST_TEST(r.get<int>(0) == ++n); });
        }
        BOOST_TEST(n == 5);
        for (auto r : s) BOOST_ERROR("a row after the end " << r.size());
        BOOST_TEST(c.alive());
    });
}

BOOST_AUTO_TEST_CASE(large_queries_and_large_answers_do_not_wait_for_each_other) {
    run_real([] {
        connection c(pg().conninfo());
        std::string large(8'000'000, 'x');
        BOOST_TEST(c.query("SELECT length($1::text)", {large}).one().get<int>(0) == 8'000'000);
        // More than the sockets hold, both ways: the server stops reading until its answers are read.
        std::string some(20'000, 'y');
        std::vector<postgres::command> all(400, {"SELECT $1::text || $1::text", {some}});
        auto results = c.pipeline(all);
        BOOST_TEST(results.size() == 400u);
        for (auto const& r : results) BOOST_REQUIRE(r.one().get<std::string_view>(0).size() == 40'000u);
        BOOST_TEST(c.pipeline({}).empty());
        all[3].sql = "SELECT $1::int";
        BOOST_TEST(sqlstate_of([&] { c.pipeline(all); }) == "22P02");
        BOOST_TEST(c.query("SELECT 1").one().get<int>(0) == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_transaction_is_committed_or_rolled_back) {
    run_real([] {
        connection c(pg().conninfo()), other(pg().conninfo());
        c.execute("DROP TABLE IF EXISTS account; CREATE TABLE account (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)");
        auto rows = [&] { return other.query("SELECT count(*) FROM account").one().get<int>(0); };
        BOOST_TEST(postgres::with_transaction(c, [&] { c.query("INSERT INTO account VALUES (1)"); BOOST_TEST(rows() == 0); return 7; }) == 7);
        BOOST_TEST(rows() == 1);
        BOOST_CHECK_THROW(postgres::with_transaction(c, [&] { c.query("DELETE FROM account"); throw std::logic_error("no"); }), std::logic_error);
        BOOST_TEST(!weft::move_on_after(50ms, [&] { postgres::with_transaction(c, [&] { c.query("DELETE FROM account"); c.query("SELECT pg_sleep(100)"); }); }));
        BOOST_TEST(!weft::move_on_after(10ms, [&] { postgres::with_transaction(c, [&] { c.query("DELETE FROM account"); weft::this_task::sleep_forever(); }); }));
        // Cancelled while f computed: not committed.
        weft::cancel_scope s;
        s.run([&] { postgres::with_transaction(c, [&] { c.query("DELETE FROM account"); s.cancel(); }); });
        BOOST_TEST(s.cancelled_caught());
        BOOST_TEST(rows() == 1);
        BOOST_TEST(sqlstate_of([&] { postgres::with_transaction(c, [&] { try { c.query("SELECT 1/0"); } catch (postgres::error const&) {} }); }) == "25P02");
        BOOST_TEST(sqlstate_of([&] { postgres::with_transaction(c, [&] { c.query("INSERT INTO account VALUES (1)"); }); }) == "23505");  // by COMMIT
        BOOST_CHECK_THROW(postgres::with_transaction(c, [&] { postgres::with_transaction(c, [] {}); }), weft::misuse_error);
        BOOST_TEST(sqlstate_of([&] { postgres::with_transaction(c, [&] { c.query("DELETE FROM account"); }, {.read_only = true}); }) == "25006");
        BOOST_TEST(!c.in_transaction());
        BOOST_TEST(c.is_open());
        BOOST_TEST(rows() == 1);
        c.execute("DROP TABLE account");
    });
}

BOOST_AUTO_TEST_CASE(a_commit_without_an_answer_is_an_error_of_its_own) {
    run_real([] {
        connection c(pg().conninfo()), other(pg().conninfo());
        c.execute("DROP TABLE IF EXISTS slow; CREATE TABLE slow (id int);"
                  "CREATE OR REPLACE FUNCTION wait() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END' LANGUAGE plpgsql;"
                  "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()");
        auto insert = [&] { c.query("INSERT INTO slow VALUES (1)"); };
        BOOST_CHECK_THROW(postgres::with_transaction(c, insert, {.finish_limit = 100ms}), postgres::commit_unknown_error);
        BOOST_TEST(!c.is_open());
        c = connection(pg().conninfo());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                eventually([&] { return !other.query("SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active' AND pid = $1", {c.backend()}).empty(); });
                other.query("SELECT pg_terminate_backend($1)", {c.backend()});
            });
            BOOST_CHECK_THROW(postgres::with_transaction(c, insert, {.finish_limit = 30s}), postgres::commit_unknown_error);
        });
        BOOST_TEST(other.query("SELECT count(*) FROM slow").one().get<int>(0) == 0);
        other.execute("DROP TABLE slow");
    });
}

BOOST_AUTO_TEST_CASE(notifications_come_in_order_and_none_is_lost) {
    run_real([] {
        connection c(pg().conninfo()), other(pg().conninfo());
        c.listen("odd \"name");
        auto notify = [](connection& from, char const* text) { from.query("SELECT pg_notify('odd \"name', $1)", {text}); };
        BOOST_TEST(!weft::move_on_after(20ms, [&] { c.wait_notification(); }));
        BOOST_TEST(c.alive());
        notify(other, "1");
        notify(c, "2");  // comes with the answer of another operation
        auto first = c.wait_notification();
        BOOST_TEST(first.payload == "1");
        BOOST_TEST(first.channel == "odd \"name");
        BOOST_TEST(first.backend == other.backend());
        BOOST_TEST(c.try_notification()->payload == "2");
        BOOST_TEST(!c.try_notification().has_value());
        weft::with_nursery([&](weft::nursery& n) {
            auto got = n.spawn([&] { return c.wait_notification().payload; });
            notify(other, "3");
            BOOST_TEST(got.get() == "3");
        });
        c.unlisten("odd \"name");
        notify(other, "4");
        c.query("SELECT 1");
        BOOST_TEST(!c.try_notification().has_value());
    });
}

BOOST_AUTO_TEST_CASE(copy_goes_both_ways_and_ends_cleanly_in_the_middle) {
    run_real([] {
        connection c(pg().conninfo());
        c.query("CREATE TEMP TABLE t (id int, name text)");
        char const* in = "COPY t FROM STDIN";
        BOOST_TEST(c.copy_in(in, [](postgres::copy_writer& w) {
            for (int i = 0; i < 20'000; ++i) w.row({i, "a\tb\\c\nd\r" + std::to_string(i)});
            w.row({nullptr, ""});
        }) == 20'001u);
        BOOST_TEST(c.query("SELECT count(*) FROM t WHERE name = E'a\\tb\\\\c\\nd\\r' || id").one().get<int>(0) == 20'000);
        BOOST_TEST(c.query("SELECT count(*) FROM t WHERE id IS NULL AND name = ''").one().get<int>(0) == 1);
        std::size_t lines = 0, size = 0;
        c.copy_out("COPY t TO STDOUT", [&](std::string_view line) { ++lines; size += line.size(); });
        BOOST_TEST(lines == 20'001u);
        BOOST_TEST(size > 200'000u);
        BOOST_CHECK_THROW(c.copy_out("COPY t TO STDOUT", [](std::string_view) { throw std::logic_error("enough"); }), std::logic_error);
        BOOST_TEST(!weft::move_on_after(50ms, [&] { c.copy_out("COPY (SELECT pg_sleep(100)) TO STDOUT", [](std::string_view) {}); }));
        BOOST_TEST(sqlstate_of([&] { c.copy_out("COPY nothing_of_this TO STDOUT", [](std::string_view) {}); }) == "42P01");
        c.query("TRUNCATE t");
        BOOST_CHECK_THROW(c.copy_in(in, [](postgres::copy_writer& w) { w.row({1, "x"}); throw std::logic_error("no"); }), std::logic_error);
        BOOST_TEST(!weft::move_on_after(20ms, [&] { c.copy_in(in, [](postgres::copy_writer& w) { w.row({1, "x"}); weft::this_task::sleep_forever(); }); }));
        BOOST_TEST(sqlstate_of([&] { c.copy_in(in, [](postgres::copy_writer& w) { w.row({1, "x"}); w.write("bad\trow\n"); }); }) == "22P02");
        // The server refuses it while much is still to be written.
        BOOST_TEST(sqlstate_of([&] { c.copy_in(in, [](postgres::copy_writer& w) { w.write("bad\trow\n"); for (int i = 0; i < 200'000; ++i) w.write("1\ta row of some length\n"); }); }) == "22P02");
        BOOST_TEST(c.query("SELECT count(*) FROM t").one().get<int>(0) == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_query_ends_on_the_server) {
    run_real([] {
        connection c(pg().conninfo()), observer(pg().conninfo());
        auto check = [&] {
            BOOST_TEST(state_of(observer, c.backend()) == "idle");  // now, not some time later
            BOOST_TEST(c.query("SELECT 3").one().get<int>(0) == 3);
        };
        auto until_active = [&] { eventually([&] { return state_of(observer, c.backend()) == "active"; }); };
        auto began = steady::now();
        BOOST_TEST(!weft::move_on_after(100ms, [&] { c.query("SELECT pg_sleep(300)"); }));
        check();
        BOOST_CHECK_THROW(weft::fail_after(50ms, [&] { c.query("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b"); }), weft::too_slow_error);
        check();
        weft::with_nursery([&](weft::nursery& n) {  // by the handle
            auto h = n.spawn([&] { c.query("SELECT pg_sleep(300)"); });
            until_active();
            h.cancel();
            h.join();
        });
        check();
        BOOST_CHECK_THROW(weft::with_nursery([&](weft::nursery& n) {  // by a sibling that fails
            n.start_soon([&] { c.query("SELECT pg_sleep(300)"); });
            until_active();
            throw std::logic_error("sibling");
        }), weft::exception_group);
        check();
        weft::cancel_scope s;  // from another thread
        std::thread helper;
        auto token = weft::current_token();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { until_active(); helper = std::thread([&] { token.post([&] { s.cancel(); }); }); });
            s.run([&] { c.query("SELECT pg_sleep(300)"); });
        });
        helper.join();
        BOOST_TEST(s.cancelled_caught());
        check();
        // One that waits for a lock.
        observer.query("CREATE TABLE locked (id int)");
        observer.execute("BEGIN; LOCK TABLE locked");
        BOOST_TEST(!weft::move_on_after(100ms, [&] { c.query("SELECT * FROM locked"); }));
        check();
        observer.execute("COMMIT; DROP TABLE locked");
        // A pipeline, between whose queries a request has no effect.
        std::vector<postgres::command> many(2000, {"SELECT pg_sleep(0.05)"});
        BOOST_TEST(!weft::move_on_after(100ms, [&] { c.pipeline(many); }));
        check();
        // Before it has begun: no effect at all.
        weft::cancel_scope early;
        early.cancel();
        early.run([&] { c.query("CREATE TABLE never_made (id int)"); });
        BOOST_TEST(c.query("SELECT to_regclass('never_made')").one().is_null(0));
        BOOST_TEST((steady::now() - began < 100s));
    });
}

BOOST_AUTO_TEST_CASE(a_server_that_does_not_answer_costs_the_connection_and_not_the_task) {
    run_real([] {
        connection c(pg().conninfo(), {.cleanup_limit = 200ms}), observer(pg().conninfo());
        int backend = c.backend();
        auto descriptors = weft::testing::open_descriptors();
        ::kill(backend, SIGSTOP);  // of our own server
        BOOST_TEST(!weft::move_on_after(50ms, [&] { c.query("SELECT 1"); }));
        BOOST_TEST(!c.is_open());
        BOOST_CHECK_THROW(c.query("SELECT 1"), weft::closed_resource_error);
        ::kill(backend, SIGCONT);
        eventually([&] { return state_of(observer, backend) == "gone"; });
        // The thread of the cancel request may be left behind for a moment, with its socket. The connection had two.
        eventually([&] { return weft::testing::open_descriptors() == descriptors - 2; });
    });
}

BOOST_AUTO_TEST_CASE(a_lost_connection_is_named_and_closed) {
    run_real([] {
        connection c(pg().conninfo()), other(pg().conninfo());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                eventually([&] { return state_of(other, c.backend()) == "active"; });
                other.query("SELECT pg_terminate_backend($1)", {c.backend()});
            });
            try {
                c.query("SELECT pg_sleep(300)");
                BOOST_ERROR("no exception");
            } catch (postgres::connection_error const& e) {
                BOOST_TEST(e.sqlstate() == "57P01");
                BOOST_TEST(e.query() == "SELECT pg_sleep(300)");
            }
        });
        BOOST_TEST(!c.is_open());
        c = connection(pg().conninfo());
        c.query("SELECT 1");
        other.query("SELECT pg_terminate_backend($1)", {c.backend()});
        eventually([&] { return !c.alive(); });
        BOOST_CHECK_THROW(c.query("SELECT 1"), postgres::connection_error);
        BOOST_TEST(!c.is_open());
    });
}

BOOST_AUTO_TEST_CASE(connecting_tries_every_address_each_with_its_limit) {
    run_real([] {
        namespace ip = boost::asio::ip;
        ip::tcp::acceptor mute(weft::get_executor(), {ip::address_v4::loopback(), 0});  // connects, and says nothing
        std::string quiet = std::to_string(mute.local_endpoint().port()), port = std::to_string(pg().port());
        auto at = [&](std::string ports) { return "host=127.0.0.1,127.0.0.1 user=postgres dbname=postgres port=" + ports; };
        connection c(at(quiet + "," + port), {.attempt_limit = 200ms});
        BOOST_TEST(c.query("SELECT 1").one().get<int>(0) == 1);
        connection named("host=localhost user=postgres dbname=postgres port=" + port);
        BOOST_TEST(named.alive());
        try {
            connection none(at("1," + quiet), {.attempt_limit = 100ms});
            BOOST_ERROR("no exception");
        } catch (postgres::connection_error const& e) {
            BOOST_TEST(has(e.what(), "127.0.0.1 port 1: "), e.what());
            BOOST_TEST(has(e.what(), "port " + quiet + ": no connection within 100 ms"), e.what());
        }
        BOOST_TEST(!weft::move_on_after(50ms, [&] { connection slow("host=127.0.0.1 user=x port=" + quiet); }));
        BOOST_CHECK_THROW(connection("nonsense=1"), postgres::connection_error);
        BOOST_CHECK_THROW(connection("host=127.0.0.1 port=x"), postgres::connection_error);
        BOOST_CHECK_THROW(connection("host=a,b,c port=1,2"), postgres::connection_error);
        BOOST_CHECK_THROW(connection(pg().conninfo() + " dbname=nothing_of_this"), postgres::connection_error);
    });
}

BOOST_AUTO_TEST_CASE(a_pool_lends_what_is_sound_and_throws_away_the_rest) {
    run_real([] {
        postgres::pool p(pg().conninfo(), {.capacity = 2, .check_after = 0ms});
        int at_once = 0, most = 0;
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 12; ++i) n.start_soon([&] {
                p.use([&](connection& c) { most = std::max(most, ++at_once); c.query("SELECT pg_sleep(0.002)"); --at_once; });
            });
        });
        BOOST_TEST(most == 2);
        BOOST_TEST(p.statistics().connected == 2u);
        BOOST_TEST(p.statistics().idle == 2u);
        {
            auto a = p.acquire();
            auto b = p.acquire();
            BOOST_TEST(!weft::move_on_after(10ms, [&] { p.acquire(); }));
            b->query("BEGIN");
            a.discard();
        }
        BOOST_TEST(p.statistics().thrown_away == 2u);
        int backend = p.use([](connection& c) { return c.backend(); });
        connection other(pg().conninfo());
        other.query("SELECT pg_terminate_backend($1)", {backend});
        eventually([&] { return state_of(other, backend) == "gone"; });
        BOOST_TEST(p.use([](connection& c) { return c.query("SELECT 2").one().get<int>(0); }) == 2);
        BOOST_TEST(p.statistics().thrown_away == 3u);
        // A cancelled query gives back a connection that is used again.
        auto connected = p.statistics().connected;
        BOOST_TEST(!weft::move_on_after(30ms, [&] { p.use([](connection& c) { c.query("SELECT pg_sleep(300)"); }); }));
        p.use([](connection& c) { c.query("SELECT 1"); });
        BOOST_TEST(p.statistics().connected == connected);
        postgres::pool nobody("host=/nowhere", {.capacity = 1});
        for (int i = 0; i < 3; ++i) BOOST_CHECK_THROW(nobody.acquire(), postgres::connection_error);  // the permit comes back
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_the_connection_is_usable_or_closed) {
    pg();
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    auto scenario = [] {
        connection c(pg().conninfo());
        auto check = [&] {  // what connection's head says of a cancellation
            shielded([&] { if (c.is_open() && c.query("SELECT 6").one().get<int>(0) != 6) throw std::logic_error("not usable"); });
        };
        try {
            c.query("SELECT pg_sleep(0.01), $1::int", {1});
            int n = 0;
            for (auto r : c.stream("SELECT generate_series(1, 3)")) n += r.get<int>(0);
            postgres::with_transaction(c, [&] { c.query("CREATE TEMP TABLE t (id int)"); });
            c.copy_in("COPY t FROM STDIN", [](postgres::copy_writer& w) { w.row({1}); });
            c.pipeline({{"SELECT 1"}, {"SELECT 2"}});
        } catch (weft::cancelled const&) {
            check();
            throw;
        }
        check();
    };
    auto r = weft::testing::cancel_everywhere(scenario, o);
    BOOST_TEST(r.points > 10u);
    BOOST_TEST(r.waits > 8u);
}

BOOST_AUTO_TEST_SUITE_END()
