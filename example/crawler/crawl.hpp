// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_CRAWL_HPP
#define CRAWLER_CRAWL_HPP

#include "fetch.hpp"
#include "options.hpp"
#include "page.hpp"
#include "site.hpp"

#include <weft/weft.hpp>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>

namespace crawler {

/// A walk over the pages that can be reached. Each page that is asked for is a task in one nursery; a task waits for a place among the
/// connections to its site, then for one among all requests. The walk is over when the nursery is.
///
/// What is asked for depends on the links and not on which answer came first: where a shorter way to a page is found later, what lies behind
/// it is looked at again.
class crawl {
public:
    explicit crawl(options const& o) : options_(o), places_(o.parallel) {}

    /// Blocks: until every page is done. Cancellation: what was found until then stays.
    void run();

    std::unordered_map<std::string, std::unique_ptr<page>> const& pages() const noexcept { return pages_; }
    std::map<std::string, std::unique_ptr<site>> const& sites() const noexcept { return sites_; }
    page const* start() const noexcept { return start_; }
    std::size_t asked() const noexcept { return asked_; }          ///< pages that were or are to be asked for
    std::size_t done() const noexcept { return done_; }            ///< of them
    std::size_t failed() const noexcept { return failed_; }        ///< of the done ones: no answer, or an error
    std::size_t in_flight() const noexcept { return places_.borrowed_tokens(); }
    std::uint64_t bytes() const noexcept { return bytes_; }
    bool limited() const noexcept { return limited_; }             ///< max_pages was in the way

private:
    page& page_of(url const& address);
    void reach(page& p, unsigned depth, unsigned redirects);
    void visit(page& p);
    void read_rules(site& s, url const& any);
    response fetch(site& s, url const& what);
    response fetch_once(site& s, url const& what);
    void take(page& p, response const& r);
    void note_links(page& p, std::string_view html);

    options const& options_;
    std::unordered_map<std::string, std::unique_ptr<page>> pages_;
    std::map<std::string, std::unique_ptr<site>> sites_;
    weft::capacity_limiter places_;
    weft::nursery* nursery_{};
    page* start_{};
    std::minstd_rand random_{std::random_device()()};
    std::size_t asked_{}, done_{}, failed_{};
    std::uint64_t bytes_{};
    bool limited_{};
};

}  // namespace crawler

#endif
