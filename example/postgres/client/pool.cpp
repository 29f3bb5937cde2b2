// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/pool.hpp"

#include <weft/core/clock.hpp>
#include <weft/task/timeouts.hpp>

namespace postgres {

pool::pool(std::string conninfo, pool_options options)
    : conninfo_(std::move(conninfo)), options_(std::move(options)), free_(static_cast<std::ptrdiff_t>(options_.capacity), "postgres::pool") {
    idle_.reserve(options_.capacity);  // giving one back allocates nothing
}

pool::~pool() { WEFT_ASSERT(counts_.lent == 0, "a postgres::pool was destroyed while a connection was lent"); }

pool::lease pool::acquire() {
    free_.acquire();
    ++counts_.lent;
    try {
        return lease(*this, take());
    } catch (...) {
        --counts_.lent;
        free_.release();
        throw;
    }
}

connection pool::take() {
    while (!idle_.empty()) {
        idle_connection i = std::move(idle_.back());
        idle_.pop_back();
        if (healthy(i)) return std::move(i.c);
        ++counts_.thrown_away;
    }
    connection c(conninfo_, options_.connect);
    if (options_.on_connect) options_.on_connect(c);
    ++counts_.connected;
    return c;
}

bool pool::healthy(idle_connection& i) {
    if (!i.c.alive()) return false;
    if (weft::current_time() - i.since < options_.check_after) return true;
    try {
        return weft::move_on_after(options_.check_limit, [&] { i.c.query("SELECT 1"); });
    } catch (error const&) {
        return false;
    }
}

void pool::give_back(connection c, bool keep) noexcept {
    --counts_.lent;
    if (keep && c.alive() && !c.in_transaction()) idle_.push_back({std::move(c), weft::current_time()});
    else ++counts_.thrown_away;
    free_.release();
}

pool_statistics pool::statistics() const noexcept {
    pool_statistics s = counts_;
    s.idle = idle_.size();
    return s;
}

}  // namespace postgres
