// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/error.hpp"

#include <libpq-fe.h>

namespace postgres {
namespace {

constexpr std::size_t shown = 200;  // characters of a query in a message; query() has all

std::string compose(std::string const& message, std::string const& sqlstate, std::string const& query) {
    std::string s = "postgres: " + message;
    while (!s.empty() && s.back() == '\n') s.pop_back();
    if (!sqlstate.empty()) s += " [" + sqlstate + "]";
    if (!query.empty()) s += "\n  query: " + (query.size() > shown ? query.substr(0, shown) + " …" : query);
    return s;
}

std::string field(PGresult const* r, int which) {
    char const* text = r ? PQresultErrorField(r, which) : nullptr;
    return text ? text : "";
}

std::string describe(PGresult const* r) {
    std::string s = field(r, PG_DIAG_MESSAGE_PRIMARY);
    if (s.empty()) s = PQresultErrorMessage(r);
    if (auto detail = field(r, PG_DIAG_MESSAGE_DETAIL); !detail.empty()) s += "; " + detail;
    if (auto hint = field(r, PG_DIAG_MESSAGE_HINT); !hint.empty()) s += "; hint: " + hint;
    return s;
}

}  // namespace

error::error(std::string const& message, std::string sqlstate, std::string query)
    : weft::error(compose(message, sqlstate, query)), sqlstate_(std::move(sqlstate)), query_(std::move(query)) {}

error make_error(pg_result const* r, std::string_view query) {
    return {describe(r), field(r, PG_DIAG_SQLSTATE), std::string(query)};
}

connection_error make_connection_error(pg_conn const* c, pg_result const* r, std::string_view query) {
    std::string said = r ? describe(r) : "";
    if (said.empty() && c) said = PQerrorMessage(c);
    if (said.empty()) said = "closed by the server";
    return {"connection lost: " + said, field(r, PG_DIAG_SQLSTATE), std::string(query)};
}

}  // namespace postgres
