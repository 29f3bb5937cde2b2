// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/session.hpp"

#include <weft/asio.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/task/timeouts.hpp>
#include <weft/threads/to_thread.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

namespace postgres {

using namespace std::chrono_literals;

void finish_connection::operator()(pg_conn* c) const noexcept { PQfinish(c); }

session::session(connection_ptr c, connect_options options)
    : connection_(std::move(c)), ready_(weft::get_executor()), options_(std::move(options)) {
    int copy = ::fcntl(PQsocket(raw()), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw boost::system::system_error(errno, boost::system::system_category(), "postgres: duplicating the descriptor");
    ready_.assign(copy);
    PQsetnonblocking(raw(), 1);
    PQsetNoticeProcessor(raw(), [](void* self, char const* text) {
        auto& f = static_cast<session*>(self)->options_.on_notice;
        if (f) f(text);
    }, this);
}

session::~session() { close(); }

void session::close() noexcept {
    connection_.reset();
    boost::system::error_code ignored;
    ready_.close(ignored);
}

bool session::alive() noexcept {
    if (!is_open() || busy_ || under_way()) return false;
    // Twice: the first call takes the server's last words, the second sees the end behind them.
    return PQconsumeInput(raw()) && PQconsumeInput(raw()) && PQstatus(raw()) == CONNECTION_OK;
}

void session::begin(std::string_view what) {
    if (!is_open()) throw weft::closed_resource_error("postgres: the connection is closed\n  query: " + std::string(what));
    if (busy_) throw weft::busy_resource_error("postgres: the connection is in use, for: " + query_ +
                                               "\n  help: one operation at a time; take another connection of a pool");
    weft::check_cancelled();
    query_ = what;
    failed_.reset();
    busy_ = true;
}

void session::end() noexcept {
    if (is_open() && under_way()) {
        bool stopped = false;
        try {
            weft::cancel_scope cleanup("postgres: stop a query");
            cleanup.set_shield(true);
            cleanup.set_deadline_after(options_.cleanup_limit);
            stopped = cleanup.run([&] { stop_query(); });
        } catch (std::exception const&) {  // the connection is lost, or there is no run to wait in
        }
        if (!stopped) close();
    }
    if (is_open() && PQstatus(raw()) != CONNECTION_OK) close();
    busy_ = false;
}

void session::check_sent(int sent) {
    if (sent) return;
    if (PQstatus(raw()) != CONNECTION_OK) fail_lost();
    throw error(PQerrorMessage(raw()), "", query_);
}

void session::take_input() {
    if (!PQconsumeInput(raw())) fail_lost();
}

void session::wait_readable() {
    ready_.async_wait(ready_.wait_read, weft::use_fiber);
    take_input();
}

void session::wait_either() {
    bool input = weft::select(weft::on_readable(ready_, [] { return true; }), weft::on_writable(ready_, [] { return false; }));
    if (input) take_input();
}

void session::flush() {
    for (;;) {
        int more = PQflush(raw());
        if (more < 0) fail_lost();
        if (more == 0) return;
        wait_either();
    }
}

result_ptr session::next() {
    while (PQisBusy(raw())) wait_readable();
    return result_ptr(PQgetResult(raw()));
}

result session::collect() {
    result_ptr last;
    while (result_ptr r = next()) {
        auto status = PQresultStatus(r.get());
        // libpq would return it for ever; end() stops the COPY.
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            throw weft::misuse_error("postgres: a COPY with the client in a query\n  query: " + query_ + "\n  help: copy_in, copy_out");
        bool good = status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE;
        if (!good && !failed_) failed_ = std::move(r);
        else if (good) last = std::move(r);
    }
    if (PQstatus(raw()) != CONNECTION_OK) throw make_connection_error(raw(), failed_.get(), query_);
    if (failed_) throw make_error(failed_.get(), query_);
    return result(std::move(last));
}

/// The connection is bad: libpq has dropped its side, so nothing waits here. Prefers what the server said to what the socket did.
void session::fail_lost() {
    result_ptr said = std::move(failed_);
    while (result_ptr r{PQgetResult(raw())}) {
        ExecStatusType status = PQresultStatus(r.get());
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH || status == PGRES_PIPELINE_SYNC) break;
        if (!said && status == PGRES_FATAL_ERROR) said = std::move(r);
    }
    auto e = make_connection_error(raw(), said.get(), query_);
    close();
    throw e;
}

bool session::under_way() const noexcept {
    return PQtransactionStatus(raw()) == PQTRANS_ACTIVE || PQpipelineStatus(raw()) != PQ_PIPELINE_OFF;
}

/// A cancel request that arrives before the query has begun, or between two of a pipeline, has no effect: hence again and again. One
/// that arrives too late has none either. PQcancel returns after the server has signalled the backend, so that none is
/// left that could hit a later query.
void session::stop_query() {
    if (drain(false)) return;
    for (weft::duration patience = 50ms;; patience = std::min<weft::duration>(2 * patience, 1s)) {
        request_cancel();
        if (weft::move_on_after(patience, [&] { drain(true); }) && !under_way()) return;
    }
}

void session::request_cancel() {
    std::shared_ptr<PGcancel> c(PQgetCancel(raw()), PQfreeCancel);
    if (!c) fail_lost();
    // It connects, and waits for an answer, without any limit: the thread may be left behind, and owns what it uses.
    std::string failure = weft::to_thread([c] {
        char text[256] = "";
        return PQcancel(c.get(), text, sizeof text) ? std::string() : std::string(text);
    }, {.abandon_on_cancel = true, .name = "pg-cancel"});
    if (!failure.empty()) throw connection_error("the query could not be cancelled: " + failure, "", query_);
}

/// Throws away what is under way; whether all of it is over. Without waiting, only what has arrived.
bool session::drain(bool may_wait) {
    if (!may_wait) take_input();  // once: a fast server would have us here for ever
    for (;;) {
        if (may_wait) flush();
        else if (PQflush(raw()) < 0) fail_lost();
        while (PQisBusy(raw())) {
            if (!may_wait) return false;
            wait_readable();
        }
        result_ptr r(PQgetResult(raw()));
        if (!r) {
            if (PQpipelineStatus(raw()) == PQ_PIPELINE_OFF) return true;
            continue;  // the next query of the pipeline
        }
        int status = PQresultStatus(r.get());
        if (status == PGRES_PIPELINE_SYNC) return PQexitPipelineMode(raw()) == 1;
        if (!drain_copy(status, may_wait)) return false;
    }
}

bool session::drain_copy(int status, bool may_wait) {
    if (status == PGRES_COPY_BOTH) fail_lost();
    if (status == PGRES_COPY_IN) {
        int sent = 0;
        while ((sent = PQputCopyEnd(raw(), "the client left the COPY")) == 0) {
            if (!may_wait) return false;
            flush();
        }
        if (sent < 0) fail_lost();
    }
    if (status == PGRES_COPY_OUT) {
        for (;;) {
            char* data = nullptr;
            int n = PQgetCopyData(raw(), &data, 1);
            PQfreemem(data);
            if (n < 0) break;
            if (n > 0) continue;
            if (!may_wait) return false;
            wait_readable();
        }
    }
    return true;
}

}  // namespace postgres
