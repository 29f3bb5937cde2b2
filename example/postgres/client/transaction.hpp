// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_TRANSACTION_HPP
#define EXAMPLE_POSTGRES_CLIENT_TRANSACTION_HPP

#include "postgres/client/connection.hpp"

#include <weft/core/checkpoint.hpp>

#include <type_traits>

namespace postgres {

enum class isolation : unsigned char { read_committed, repeatable_read, serializable };

struct transaction_options {
    postgres::isolation isolation{postgres::isolation::read_committed};
    bool read_only{};
    weft::duration finish_limit{std::chrono::seconds(5)};  ///< for COMMIT, and for ROLLBACK
};

namespace detail {
void begin_transaction(connection& c, transaction_options const& o);
void commit(connection& c, weft::duration limit);
void roll_back(connection& c, weft::duration limit) noexcept;
}  // namespace detail

/// Runs f() in a transaction; returns what it returns.
///
///     postgres::with_transaction(c, [&] {
///         c.query("UPDATE account SET balance = balance - $1 WHERE id = $2", {sum, from});
///         c.query("UPDATE account SET balance = balance + $1 WHERE id = $2", {sum, to});
///     });
///
/// Returned: committed. Thrown: rolled back, or (commit_unknown_error) nobody knows.
/// Cancellation: until f has returned, rolls back. COMMIT and ROLLBACK are shielded, each at most finish_limit; then the connection is
///               closed, and the server rolls back what was not committed.
/// Throws:       what f throws; error with SQLSTATE 25P02 where f has swallowed an error, so that the server would not commit, or with
///               COMMIT's own (a deferred constraint, a serialization failure: may_retry()); commit_unknown_error; misuse_error within
///               another transaction.
template <class F>
auto with_transaction(connection& c, F&& f, transaction_options const& o = {}) -> std::invoke_result_t<F&> {
    if (c.in_transaction()) throw weft::misuse_error("postgres: a transaction in a transaction\n  help: use SAVEPOINT");
    using R = std::invoke_result_t<F&>;
    auto attempt = [&](auto&& body) -> decltype(auto) {
        try {
            detail::begin_transaction(c, o);
            return body();
        } catch (...) {
            detail::roll_back(c, o.finish_limit);
            throw;
        }
    };
    if constexpr (std::is_void_v<R>) {
        attempt([&] { f(); weft::check_cancelled(); });
        detail::commit(c, o.finish_limit);
    } else {
        R r = attempt([&]() -> R { R made = f(); weft::check_cancelled(); return made; });
        detail::commit(c, o.finish_limit);
        return r;
    }
}

}  // namespace postgres

#endif
