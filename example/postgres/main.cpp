// SPDX-License-Identifier: BSL-1.0
// postgres: a client of PostgreSQL in blocking style, over libpq's non-blocking interface (folder client), and a tour of it.
//
//     example/run postgres ["CONNINFO"]        such as "host=/run/postgresql dbname=test"; PGHOST and its kin count, too
//
// The tour works in a schema of its own, weft_tour_N, and drops it at the end. What to look at:
//
// - Nothing waits but tasks. session.cpp turns libpq's non-blocking calls into blocking ones: it waits for the socket with use_fiber,
//   and for both directions while output is left, as the server may not read before its answers are read.
// - A query that is cancelled, or runs out of time, ends on the server. session::end is on every way out of an operation. If libpq has
//   something under way then, it sends a cancel request from a thread (PQcancel blocks), throws away what comes still, and leaves a
//   connection that is usable; within a limit, else it closes it. All under a shield, as the scope around is cancelled already.
// - A transaction is committed or rolled back, whatever leaves the block: transaction.hpp. COMMIT is never cancelled half way.
// - A lost connection is an error of its own kind, and a pool throws such connections away.
#include "postgres/client/pool.hpp"
#include "postgres/client/transaction.hpp"

#include <weft/weft.hpp>

#include <cstdio>

#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

int failures = 0;

template <class... A>
void expect(bool good, char const* format, A... values) {
    std::printf(format, values...);
    std::puts(good ? "" : "   <- WRONG");
    failures += !good;
}

void copy_and_stream(postgres::connection& c) {
    auto copied = c.copy_in("COPY item (id, name) FROM STDIN", [](postgres::copy_writer& w) {
        for (int i = 1; i <= 10'000; ++i) w.row({i, "item " + std::to_string(i)});
    });
    long sum = 0;
    for (postgres::row r : c.stream("SELECT id, name FROM item ORDER BY id")) {
        sum += r.get<long>("id");
        if (r.get<int>("id") == 100) break;  // the query ends on the server here
    }
    expect(copied == 10'000 && sum == 5050, "copy: %lu rows in; stream: the first 100 ids add up to %ld", static_cast<unsigned long>(copied), sum);
}

void many_tasks(postgres::pool& p) {
    long total = 0;
    weft::with_nursery([&](weft::nursery& n) {
        for (int t = 0; t < 20; ++t) {
            n.start_soon("reader", [&, t] {
                total += p.use([&](postgres::connection& c) { return c.query("SELECT count(*) FROM item WHERE id % 20 = $1", {t}).one().get<long>(0); });
            });
        }
    });
    expect(total == 10'000, "pool: 20 tasks have counted %ld rows over %zu connections", total, p.statistics().connected);
}

void transactions(postgres::connection& c) {
    try {
        postgres::with_transaction(c, [&] {
            c.query("DELETE FROM item");
            c.query("INSERT INTO item VALUES ($1, $2), ($1, $2)", {1, "twice"});
        });
    } catch (postgres::error const& e) {
        long left = c.query("SELECT count(*) FROM item").one().get<long>(0);
        expect(e.sqlstate() == "23505" && left == 10'000, "transaction: rolled back with SQLSTATE %s, %ld rows are still there", e.sqlstate().c_str(), left);
    }
    std::vector<postgres::command> batch;
    for (int i = 0; i < 100; ++i) batch.push_back({"UPDATE item SET name = $1 WHERE id = $2", {"changed", i + 1}});
    auto results = c.pipeline(batch);
    expect(results.size() == 100 && results.back().affected() == 1, "pipeline: %zu updates in one round trip", results.size());
}

void notifications(postgres::pool& p) {
    weft::with_nursery([&](weft::nursery& n) {
        auto listener = n.spawn("listener", [&] {
            auto c = p.acquire();
            c->listen("weft tour");
            p.use([](postgres::connection& other) { other.query("SELECT pg_notify('weft tour', 'hello')"); });
            auto got = c->wait_notification();
            c->unlisten("weft tour");
            return got.payload;
        });
        expect(listener.get() == "hello", "notify: %s", listener.get().c_str());
    });
}

void deadline(postgres::pool& p) {
    auto c = p.acquire();
    auto began = steady::now();
    bool done = weft::move_on_after(200ms, [&] { c->query("SELECT pg_sleep(60) /* weft tour */"); });
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - began).count();
    long left = c->query("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%weft tour */' AND state = 'active'").one().get<long>(0);
    expect(!done && left == 0, "deadline: a query of 60 s was stopped after %ld ms; %ld left on the server", static_cast<long>(took), left);
}

int tour(std::string const& conninfo) {
    std::string schema = "weft_tour_" + std::to_string(::getpid());
    postgres::pool p(conninfo, {.capacity = 4, .on_connect = [&](postgres::connection& c) { c.query("SET search_path = " + schema); }});
    auto c = p.acquire();
    c->query("CREATE SCHEMA " + schema);
    struct drop {
        postgres::connection& c;
        std::string const& schema;
        ~drop() {  // whatever has happened; the waits of a destructor during unwinding are shielded
            weft::cancel_scope s("clean up");
            s.set_shield(true);
            s.set_deadline_after(5s);
            try {
                s.run([&] { c.query("DROP SCHEMA " + schema + " CASCADE"); });
            } catch (std::exception const& e) {
                std::fprintf(stderr, "postgres: the schema %s is left: %s\n", schema.c_str(), e.what());
            }
        }
    } at_end{*c, schema};
    c->query("CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL)");
    copy_and_stream(*c);
    many_tasks(p);
    transactions(*c);
    notifications(p);
    deadline(p);
    return failures;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        std::fputs("usage: postgres [CONNINFO]\n  such as \"host=/run/postgresql dbname=test\"; by default the environment's (PGHOST, PGDATABASE, …)\n", stderr);
        return 2;
    }
    try {
        return weft::run([&] { return tour(argc > 1 ? argv[1] : ""); }) ? 1 : 0;
    } catch (std::exception const& e) {
        std::fprintf(stderr, "postgres: %s\n", e.what());
        return 1;
    }
}
