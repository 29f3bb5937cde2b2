// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_CONNECTION_HPP
#define EXAMPLE_POSTGRES_CLIENT_CONNECTION_HPP

#include "postgres/client/copy.hpp"
#include "postgres/client/row_stream.hpp"
#include "postgres/client/session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace postgres {

/// A prepared statement: valid on the connection that made it, as long as that lives.
class statement {
public:
    std::string const& name() const noexcept { return name_; }

private:
    friend class connection;
    statement(std::string name, std::string sql) : name_(std::move(name)), sql_(std::move(sql)) {}
    std::string name_, sql_;
};

/// One query of a pipeline.
struct command {
    std::string sql;
    parameters values{};
};

struct notification {
    std::string channel, payload;
    int backend{};  ///< process id of the server's process that sent it
};

/// A connection to PostgreSQL, for one task at a time.
///
///     postgres::connection c("host=/run/postgresql dbname=shop");
///     for (auto row : c.query("SELECT id, name FROM item WHERE price < $1", {limit})) use(row.get<int>("id"), row.get<std::string>(1));
///
/// Blocks:       every call that talks to the server is a checkpoint; the thread's other tasks go on.
/// Cancellation: also by a deadline, stops the query on the server (PQcancel), takes what it has sent still, and then raises: the
///               connection is usable again. Where that takes longer than cleanup_limit it is closed. What a cancelled statement outside
///               of a transaction has done is not known; see with_transaction.
/// Throws:       error with SQLSTATE, and the connection is usable; connection_error, and it is closed; closed_resource_error;
///               busy_resource_error if another task, or a row_stream, uses it; cancelled.
/// Threads:      the run's own; it must be destroyed before the run ends.
class connection {
public:
    /// Connects. Tries every address of the string, each at most attempt_limit. Throws: connection_error, with all attempts.
    explicit connection(std::string const& conninfo, connect_options const& options = {});
    connection(connection&&) noexcept = default;
    connection& operator=(connection&&) noexcept = default;

    /// Runs one query and returns all rows. The values are sent apart from the text: $1, $2, …
    result query(std::string_view sql, parameters const& values = {});
    result query(statement const& s, parameters const& values = {});
    /// Runs several statements, separated by semicolons, in one transaction unless the text says otherwise; returns the last result.
    result execute(std::string_view script);
    /// The rows one by one, as the server makes them. The connection is in use until the stream has ended or is destroyed.
    row_stream stream(std::string_view sql, parameters const& values = {});
    statement prepare(std::string_view sql);
    /// Sends all queries at once and waits for all results, in one transaction unless the queries say otherwise. Throws the first error;
    /// the queries behind it were not executed.
    std::vector<result> pipeline(std::vector<command> const& commands);

    void listen(std::string_view channel);
    void unlisten(std::string_view channel);
    /// The next notification. Cancellation: none is lost.
    notification wait_notification();
    /// One that has come already, perhaps with the answer to another query. Never blocks.
    std::optional<notification> try_notification();

    /// `COPY … FROM STDIN`: f(copy_writer&) writes the rows. Returns how many the server has taken. An exception of f ends the COPY as an
    /// error, without any row.
    template <class F>
    std::uint64_t copy_in(std::string_view sql, F&& f) {
        copy_writer w(start_copy(sql, true));
        f(w);
        return w.finish();
    }
    /// `COPY … TO STDOUT`: f(std::string_view) is called for each row, as the server sends it. An exception of f ends the query.
    template <class F>
    void copy_out(std::string_view sql, F&& f) {
        copy_reader r(start_copy(sql, false));
        while (auto line = r.next()) f(*line);
    }

    std::string quote_name(std::string_view name) const;  ///< an identifier for a query's text

    bool is_open() const noexcept { return session_ && session_->is_open(); }
    /// Open, idle, and not closed by the server as far as is known on this side. Never blocks.
    bool alive() noexcept { return session_ && session_->alive(); }
    bool in_transaction() const noexcept;
    int backend() const noexcept;  ///< process id of the server's process, as in pg_stat_activity
    void close() noexcept { if (session_) session_->close(); }

private:
    operation begin(std::string_view what) const;
    operation start_copy(std::string_view sql, bool in);

    std::shared_ptr<session> session_;  // row_stream and the copies keep it, too
    unsigned prepared_{};
};

}  // namespace postgres

#endif
