// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_SITE_HPP
#define CRAWLER_SITE_HPP

#include "options.hpp"
#include "pool.hpp"
#include "robots.hpp"

#include <weft/weft.hpp>

#include <cstdint>
#include <string>

namespace crawler {

/// One host and port: its connections, its manners, its numbers.
struct site {
    site(url const& any, options const& o) : name(any.site()), pool(any.host, any.port, o.per_host), pause_(std::chrono::duration_cast<weft::duration>(o.delay)) {}

    std::string name;
    connection_pool pool;
    robots rules;
    weft::local::once_flag rules_read;

    std::uint64_t requests{}, failures{}, retries{}, bytes{};
    std::chrono::duration<double, std::milli> answering{};  ///< the time of all requests that were answered

    void be_as_slow_as(weft::duration pause) { pause_ = std::max(pause_, pause); }
    /// Waits until the site may be asked again: the turns are handed out in the order of the calls.
    void wait_for_turn() {
        auto now = weft::current_time();
        auto mine = std::max(now, next_turn_);
        next_turn_ = mine + pause_;
        if (mine > now) weft::this_task::sleep_until(mine);
    }

private:
    weft::duration pause_;
    weft::time_point next_turn_{};
};

}  // namespace crawler

#endif
