// SPDX-License-Identifier: BSL-1.0
// libpq's non-blocking interface as blocking calls of a task: what connection and its kin are made of.
#ifndef EXAMPLE_POSTGRES_CLIENT_SESSION_HPP
#define EXAMPLE_POSTGRES_CLIENT_SESSION_HPP

#include "postgres/client/result.hpp"

#include <weft/core/time.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace postgres {

struct connect_options {
    weft::duration attempt_limit{std::chrono::seconds(10)};  ///< for each address
    weft::duration cleanup_limit{std::chrono::seconds(5)};   ///< for the end of a query that was left; then the connection is closed
    std::function<void(std::string_view)> on_notice{};       ///< for NOTICE and WARNING of the server; empty: they are dropped
};

struct finish_connection { void operator()(pg_conn* c) const noexcept; };
using connection_ptr = std::unique_ptr<pg_conn, finish_connection>;

/// Tries the addresses of a connection string one after the other, each with its limit. Throws: connection_error with every attempt.
connection_ptr connect(std::string const& conninfo, connect_options const& options);

/// One PGconn, and a descriptor of Asio's for its readiness.
///
/// The descriptor is a duplicate of libpq's: libpq closes its own whenever it likes, also in the middle of a call, and Asio closes the
/// duplicate. So nothing is ever closed twice, and no number in Asio's epoll set can become somebody else's file.
///
/// Invariant: between two operations nothing is under way in libpq, or the session is closed.
class session {
public:
    session(connection_ptr c, connect_options options);
    session(session const&) = delete;
    ~session();

    pg_conn* raw() const noexcept { return connection_.get(); }
    bool is_open() const noexcept { return connection_ != nullptr; }
    bool busy() const noexcept { return busy_; }
    bool alive() noexcept;  ///< open, idle, and the server has not closed it as far as this side knows. Never blocks.

    /// Begins an operation. Throws: closed_resource_error, busy_resource_error; cancelled, before there was any effect.
    void begin(std::string_view what);
    /// Ends it; one that is still under way on the server is stopped there first: PQcancel on a thread, then its results are drained, under
    /// a shield and within cleanup_limit. If that does not work out the session is closed.
    void end() noexcept;

    void check_sent(int sent);    ///< of a PQsend… function
    void flush();                 ///< until all output is with the kernel; takes input meanwhile, so that neither side waits for the other
    void wait_readable();         ///< and takes the input
    result_ptr next();            ///< the next result of the operation, null where libpq ends the query's results
    result collect();             ///< all results of a query: the last one, or the first error
    [[noreturn]] void fail_lost();
    void close() noexcept;

    std::string_view query() const noexcept { return query_; }

private:
    void wait_either();
    void take_input();
    bool under_way() const noexcept;
    void stop_query();
    void request_cancel();
    bool drain(bool may_wait);
    bool drain_copy(int status, bool may_wait);

    connection_ptr connection_;
    boost::asio::posix::stream_descriptor ready_;
    connect_options const options_;
    std::string query_;   ///< of the operation under way, for errors
    result_ptr failed_;   ///< its first error, kept until all its results have come
    bool busy_{};
};

/// Begins an operation and ends it on every way out.
class operation {
public:
    operation(std::shared_ptr<session> s, std::string_view what) : session_(std::move(s)) { session_->begin(what); }
    operation(operation&& o) noexcept = default;
    ~operation() { if (session_) session_->end(); }
    session* operator->() const noexcept { return session_.get(); }
    pg_conn* raw() const noexcept { return session_->raw(); }

private:
    std::shared_ptr<session> session_;
};

}  // namespace postgres

#endif
