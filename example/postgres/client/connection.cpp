// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/connection.hpp"

#include <libpq-fe.h>

namespace postgres {
namespace {

std::vector<char const*> texts(parameters const& values) {
    std::vector<char const*> t;
    t.reserve(values.size());
    for (auto const& v : values) t.push_back(v.text());
    return t;
}

int count(parameters const& values) {
    if (values.size() > 65535) throw weft::misuse_error("postgres: a query has at most 65535 parameters; pass an array, or use COPY");
    return static_cast<int>(values.size());
}

int send(PGconn* c, std::string_view sql, parameters const& values) {
    return PQsendQueryParams(c, std::string(sql).c_str(), count(values), nullptr, texts(values).data(), nullptr, nullptr, 0);
}

}  // namespace

connection::connection(std::string const& conninfo, connect_options const& options)
    : session_(std::make_shared<session>(connect(conninfo, options), options)) {}

operation connection::begin(std::string_view what) const {
    if (!session_) throw weft::closed_resource_error("postgres: the connection was moved from");
    return {session_, what};
}

result connection::query(std::string_view sql, parameters const& values) {
    operation o = begin(sql);
    o->check_sent(send(o.raw(), sql, values));
    o->flush();
    return o->collect();
}

result connection::query(statement const& s, parameters const& values) {
    operation o = begin(s.sql_);
    o->check_sent(PQsendQueryPrepared(o.raw(), s.name_.c_str(), count(values), texts(values).data(), nullptr, nullptr, 0));
    o->flush();
    return o->collect();
}

result connection::execute(std::string_view script) {
    operation o = begin(script);
    o->check_sent(PQsendQuery(o.raw(), std::string(script).c_str()));
    o->flush();
    return o->collect();
}

row_stream connection::stream(std::string_view sql, parameters const& values) {
    operation o = begin(sql);
    o->check_sent(send(o.raw(), sql, values));
    PQsetSingleRowMode(o.raw());
    o->flush();
    return row_stream(std::move(o));
}

statement connection::prepare(std::string_view sql) {
    statement s("weft_" + std::to_string(++prepared_), std::string(sql));  // a number is not used again, also after an error
    operation o = begin(sql);
    o->check_sent(PQsendPrepare(o.raw(), s.name_.c_str(), s.sql_.c_str(), 0, nullptr));
    o->flush();
    o->collect();
    return s;
}

std::vector<result> connection::pipeline(std::vector<command> const& commands) {
    std::vector<result> results;
    if (commands.empty()) return results;
    operation o = begin(commands.front().sql);
    // Nothing waits before the sync is in the output buffer: whoever drains can rely on it.
    bool sent = PQenterPipelineMode(o.raw()) == 1;
    try {
        for (auto const& c : commands) sent = sent && send(o.raw(), c.sql, c.values);
        sent = sent && PQpipelineSync(o.raw());
        o->check_sent(sent);
    } catch (...) {
        o->close();
        throw;
    }
    o->flush();
    result_ptr failed;
    std::string_view failed_sql;
    for (auto const& c : commands) {
        results.emplace_back();
        while (result_ptr r = o->next()) {
            auto status = PQresultStatus(r.get());
            if (status == PGRES_FATAL_ERROR && !failed) { failed = std::move(r); failed_sql = c.sql; }
            else if (status != PGRES_PIPELINE_ABORTED) results.back() = result(std::move(r));
        }
    }
    o->next();  // the sync
    PQexitPipelineMode(o.raw());
    if (failed) throw make_error(failed.get(), failed_sql);
    return results;
}

void connection::listen(std::string_view channel) { query("LISTEN " + quote_name(channel)); }
void connection::unlisten(std::string_view channel) { query("UNLISTEN " + quote_name(channel)); }

std::optional<notification> connection::try_notification() {
    if (!is_open()) throw weft::closed_resource_error("postgres: the connection is closed");
    if (!session_->busy()) PQconsumeInput(session_->raw());  // a lost connection is the next operation's error
    std::unique_ptr<PGnotify, void (*)(PGnotify*)> n(PQnotifies(session_->raw()), [](PGnotify* p) { PQfreemem(p); });
    if (!n) return std::nullopt;
    return notification{n->relname, n->extra, n->be_pid};
}

notification connection::wait_notification() {
    operation o = begin("waiting for a notification");
    for (;;) {
        if (auto n = try_notification()) return *n;
        o->wait_readable();
    }
}

operation connection::start_copy(std::string_view sql, bool in) {
    operation o = begin(sql);
    o->check_sent(PQsendQuery(o.raw(), std::string(sql).c_str()));
    o->flush();
    result_ptr r = o->next();
    auto status = PQresultStatus(r.get());
    if (status == (in ? PGRES_COPY_IN : PGRES_COPY_OUT)) return o;
    if (status == PGRES_FATAL_ERROR) {
        error e = make_error(r.get(), sql);
        o->collect();
        throw e;
    }
    throw weft::misuse_error("postgres: this is no COPY … " + std::string(in ? "FROM STDIN" : "TO STDOUT") + ": " + std::string(sql));
}

std::string connection::quote_name(std::string_view name) const {
    if (!is_open()) throw weft::closed_resource_error("postgres: the connection is closed");
    std::unique_ptr<char, void (*)(char*)> quoted(PQescapeIdentifier(session_->raw(), name.data(), name.size()), [](char* p) { PQfreemem(p); });
    if (!quoted) throw error(PQerrorMessage(session_->raw()), "", std::string(name));
    return quoted.get();
}

bool connection::in_transaction() const noexcept {
    if (!is_open()) return false;
    auto s = PQtransactionStatus(session_->raw());
    return s == PQTRANS_INTRANS || s == PQTRANS_INERROR || s == PQTRANS_ACTIVE;
}

int connection::backend() const noexcept { return is_open() ? PQbackendPID(session_->raw()) : 0; }

}  // namespace postgres
