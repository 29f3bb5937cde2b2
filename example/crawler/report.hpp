// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_REPORT_HPP
#define CRAWLER_REPORT_HPP

#include "crawl.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace crawler {

struct broken_link {
    std::string address;
    std::string problem;
    std::vector<std::string> on;  ///< the pages with the link, sorted; empty for the start itself
};

/// What a crawl has found, in an order that does not depend on which answer came first.
struct report {
    report(crawl const& c, seconds took, bool interrupted);

    crawl const& from;
    seconds took;
    bool interrupted;
    std::size_t answered{}, failed{}, redirected{}, forbidden{}, outside{}, not_asked{};
    std::vector<std::string> truncated;
    std::vector<broken_link> broken;

    void print(std::ostream& os) const;
    void print_json(std::ostream& os) const;
};

/// Why a link to this page is broken; empty if it is not, or if that is not known. Follows redirects.
std::string problem_of(page const& p, unsigned max_redirects);

}  // namespace crawler

#endif
