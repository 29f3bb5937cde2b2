// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_ERROR_HPP
#define EXAMPLE_POSTGRES_CLIENT_ERROR_HPP

#include <weft/core/errors.hpp>

#include <string>
#include <string_view>

struct pg_result;
struct pg_conn;

namespace postgres {

/// What the server refused, with its SQLSTATE and the query. The connection is usable.
class error : public weft::error {
public:
    error(std::string const& message, std::string sqlstate, std::string query);

    /// Five characters, such as "23505" for a unique violation; empty if the error is not the server's.
    std::string const& sqlstate() const noexcept { return sqlstate_; }
    std::string const& query() const noexcept { return query_; }
    /// Whether the same transaction may succeed when it is tried again: a serialization failure or a deadlock.
    bool may_retry() const noexcept { return sqlstate_ == "40001" || sqlstate_ == "40P01"; }

private:
    std::string sqlstate_, query_;
};

/// The connection could not be made, or was lost: it is closed. What was under way may or may not have happened.
struct connection_error : error { using error::error; };
/// COMMIT was sent and no answer came: the transaction was committed or rolled back. The connection is closed.
struct commit_unknown_error : connection_error { using connection_error::connection_error; };
/// A value is NULL, or is no text of the type that was asked for; the column does not exist.
struct conversion_error : error { using error::error; };

/// The error in a failed result.
error make_error(pg_result const* r, std::string_view query);
/// A lost connection's error, with what libpq or the server said last.
connection_error make_connection_error(pg_conn const* c, pg_result const* r, std::string_view query);

}  // namespace postgres

#endif
