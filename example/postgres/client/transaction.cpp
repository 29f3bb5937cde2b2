// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/transaction.hpp"

#include <weft/task/cancel_scope.hpp>

namespace postgres::detail {
namespace {

/// Runs one statement whatever is cancelled around; whether it came to an answer in time.
template <class F>
bool shielded(weft::duration limit, F&& f) {
    weft::cancel_scope s("postgres: end a transaction");
    s.set_shield(true);
    s.set_deadline_after(limit);
    return s.run(f);
}

}  // namespace

void begin_transaction(connection& c, transaction_options const& o) {
    static constexpr char const* levels[] = {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
    c.query(std::string("BEGIN ISOLATION LEVEL ") + levels[static_cast<int>(o.isolation)] + (o.read_only ? " READ ONLY" : ""));
}

void commit(connection& c, weft::duration limit) {
    std::string tag, why = "no answer in time";
    bool answered = false;
    try {
        answered = shielded(limit, [&] { tag = c.query("COMMIT").tag(); });
    } catch (connection_error const& e) {
        why = e.what();
    }
    if (!answered) {
        c.close();
        throw commit_unknown_error("COMMIT was sent, and whether it was done is not known: " + why, "", "COMMIT");
    }
    // The server answers an aborted transaction's COMMIT with success, and the tag of what it did.
    if (tag != "COMMIT")
        throw error("the transaction was rolled back, as one of its statements had failed\n  help: let the error leave with_transaction, or use SAVEPOINT", "25P02", "COMMIT");
}

void roll_back(connection& c, weft::duration limit) noexcept {
    if (!c.in_transaction()) return;
    bool done = false;
    try {
        done = shielded(limit, [&] { c.query("ROLLBACK"); });
    } catch (std::exception const&) {  // the first error leaves; a closed connection is rolled back by the server
    }
    if (!done) c.close();
}

}  // namespace postgres::detail
