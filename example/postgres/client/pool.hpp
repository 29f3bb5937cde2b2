// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_POOL_HPP
#define EXAMPLE_POSTGRES_CLIENT_POOL_HPP

#include "postgres/client/connection.hpp"

#include <weft/sync/semaphore.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace postgres {

struct pool_options {
    std::size_t capacity{8};                                ///< connections at once; who wants one more waits, first come first served
    weft::duration check_after{std::chrono::seconds(30)};   ///< a connection idle for longer answers a query before it is lent
    weft::duration check_limit{std::chrono::seconds(2)};    ///< for that answer
    connect_options connect{};
    std::function<void(connection&)> on_connect{};          ///< for each new connection: its settings
};

struct pool_statistics {
    std::size_t idle{}, lent{};
    std::size_t connected{};    ///< so far
    std::size_t thrown_away{};  ///< so far: broken, closed by the server, or given back in the middle of something
};

/// Connections that are used again.
///
///     postgres::pool p("dbname=shop", {.capacity = 4});
///     auto n = p.use([](postgres::connection& c) { return c.query("SELECT count(*) FROM item").one().get<long>(0); });
///
/// What comes back closed, in a transaction, or with anything under way is thrown away. Settings (SET, LISTEN) stay with a
/// connection: who changes them resets them, or calls lease::discard. Must outlive its leases.
class pool {
    struct idle_connection { connection c; weft::time_point since; };

public:
    class lease;
    explicit pool(std::string conninfo, pool_options options = {});
    pool(pool const&) = delete;
    ~pool();

    /// Blocks: always a checkpoint. Cancellation: takes nothing. Throws: connection_error; cancelled.
    lease acquire();
    /// Runs f(connection&) with one; returns what it returns.
    template <class F>
    decltype(auto) use(F&& f);

    pool_statistics statistics() const noexcept;

private:
    connection take();
    bool healthy(idle_connection& i);
    void give_back(connection c, bool keep) noexcept;

    std::string const conninfo_;
    pool_options const options_;
    weft::local::counting_semaphore<> free_;
    std::vector<idle_connection> idle_;  // the last used at the end: what is not needed grows old at the front
    pool_statistics counts_;
};

/// A connection of a pool, given back by the destructor. Movable.
class pool::lease {
public:
    lease(lease&& o) noexcept : pool_(std::exchange(o.pool_, nullptr)), connection_(std::move(o.connection_)), keep_(o.keep_) {}
    ~lease() { if (pool_) pool_->give_back(std::move(connection_), keep_); }
    connection& operator*() noexcept { return connection_; }
    connection* operator->() noexcept { return &connection_; }
    void discard() noexcept { keep_ = false; }  ///< it is closed when the lease ends

private:
    friend class pool;
    lease(pool& p, connection c) noexcept : pool_(&p), connection_(std::move(c)) {}
    pool* pool_;
    connection connection_;
    bool keep_{true};
};

template <class F>
decltype(auto) pool::use(F&& f) {
    lease l = acquire();
    return std::forward<F>(f)(*l);
}

}  // namespace postgres

#endif
