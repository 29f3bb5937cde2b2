// SPDX-License-Identifier: BSL-1.0
#include "store.hpp"

#include "postgres/client/transaction.hpp"

#include <algorithm>

namespace job_queue {
namespace {

/// One row of one statement that needs the lease.
void need_lease(postgres::result const& r, job const& j) {
    if (r.affected() != 1) throw lease_lost_error("job " + std::to_string(j.id) + ": the lease was lost, and the job is somebody else's");
}

long count_ms(milliseconds d) { return static_cast<long>(d.count()); }

}  // namespace

store::store(postgres::pool& p, std::string schema) : pool_(p), schema_(std::move(schema)) {}

void store::create() {
    pool_.use([&](postgres::connection& c) {
        std::string s = c.quote_name(schema_);
        c.execute("DROP SCHEMA IF EXISTS " + s + " CASCADE; CREATE SCHEMA " + s + ";"
                  "CREATE TABLE " + s + ".job (id bigserial PRIMARY KEY, payload text NOT NULL, state text NOT NULL DEFAULT 'ready',"
                  " due timestamptz NOT NULL DEFAULT clock_timestamp(), lease uuid, attempt int NOT NULL DEFAULT 0, max_attempts int NOT NULL, error text,"
                  " CHECK (state IN ('ready', 'running', 'done', 'dead')), CHECK ((lease IS NOT NULL) = (state = 'running')));"
                  // due is when a ready job may start, and when a running one's lease ends: one index finds both.
                  "CREATE INDEX ON " + s + ".job (due) WHERE state IN ('ready', 'running');"
                  "CREATE TABLE " + s + ".effect (job bigint NOT NULL, worker text NOT NULL)");  // not unique: a job done twice must show
    });
}

void store::add(std::string_view payload, long count, int max_attempts) {
    pool_.use([&](postgres::connection& c) {
        postgres::with_transaction(c, [&] {
            c.query("INSERT INTO job (payload, max_attempts) SELECT $1, $2::int FROM generate_series(1, $3::bigint)", {payload, max_attempts, count});
            c.query("SELECT pg_notify($1, $2)", {schema_, std::to_string(count)});
        });
    });
}

std::optional<job> store::claim(milliseconds lease) {
    return pool_.use([&](postgres::connection& c) -> std::optional<job> {
        auto r = c.query("UPDATE job SET state = 'running', lease = gen_random_uuid(), attempt = attempt + 1,"
                         " due = clock_timestamp() + $1::bigint * interval '1 ms'"
                         " WHERE id = (SELECT id FROM job WHERE state IN ('ready', 'running') AND due <= clock_timestamp()"
                         " ORDER BY due, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, payload, attempt, lease", {count_ms(lease)});
        if (r.empty()) return std::nullopt;
        auto row = r.one();
        return job{row.get<long>("id"), row.get<std::string>("payload"), row.get<int>("attempt"), row.get<std::string>("lease")};
    });
}

void store::extend(job const& j, milliseconds lease) {
    pool_.use([&](postgres::connection& c) {
        need_lease(c.query("UPDATE job SET due = clock_timestamp() + $3::bigint * interval '1 ms' WHERE id = $1::bigint AND lease = $2::uuid", {j.id, j.lease, count_ms(lease)}), j);
    });
}

void store::finish(job const& j, std::string_view worker) {
    pool_.use([&](postgres::connection& c) {
        postgres::with_transaction(c, [&] {
            need_lease(c.query("UPDATE job SET state = 'done', lease = NULL, error = NULL WHERE id = $1::bigint AND lease = $2::uuid", {j.id, j.lease}), j);
            c.query("INSERT INTO effect VALUES ($1::bigint, $2)", {j.id, worker});
        });
    });
}

void store::fail(job const& j, std::string_view error) {
    pool_.use([&](postgres::connection& c) {
        need_lease(c.query("UPDATE job SET state = CASE WHEN attempt >= max_attempts THEN 'dead' ELSE 'ready' END, lease = NULL, error = $3,"
                           " due = clock_timestamp() + least(50 * 2 ^ attempt, 60000) * (0.5 + random() / 2) * interval '1 ms'"
                           " WHERE id = $1::bigint AND lease = $2::uuid", {j.id, j.lease, error}), j);
    });
}

bool store::give_back(job const& j) {
    return pool_.use([&](postgres::connection& c) {
        auto r = c.query("UPDATE job SET state = 'ready', lease = NULL, attempt = attempt - 1, due = clock_timestamp() WHERE id = $1::bigint AND lease = $2::uuid", {j.id, j.lease});
        if (r.affected() == 1) c.query("SELECT pg_notify($1, '1')", {schema_});
        return r.affected() == 1;
    });
}

std::optional<milliseconds> store::next_due() {
    auto ms = pool_.use([](postgres::connection& c) {
        return c.query("SELECT ceil(extract(epoch FROM min(due) - clock_timestamp()) * 1000)::bigint FROM job WHERE state IN ('ready', 'running')")
            .one().get<std::optional<long>>(0);
    });
    return ms ? std::optional(milliseconds(std::max(*ms, 0L))) : std::nullopt;
}

job_counts store::counts() {
    return pool_.use([](postgres::connection& c) {
        auto r = c.query("SELECT count(*) FILTER (WHERE state = 'ready'), count(*) FILTER (WHERE state = 'running'), count(*) FILTER (WHERE state = 'done'),"
                         " count(*) FILTER (WHERE state = 'dead'), (SELECT count(*) FROM effect), (SELECT count(DISTINCT job) FROM effect) FROM job").one();
        return job_counts{r.get<long>(0), r.get<long>(1), r.get<long>(2), r.get<long>(3), r.get<long>(4), r.get<long>(5)};
    });
}

}  // namespace job_queue
