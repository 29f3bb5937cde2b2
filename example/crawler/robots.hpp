// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_ROBOTS_HPP
#define CRAWLER_ROBOTS_HPP

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace crawler {

/// What a site's robots.txt says to one robot (RFC 9309; Crawl-delay is older custom).
class robots {
public:
    robots() = default;  ///< all is allowed
    /// `robot`: the name in lower case.
    robots(std::string_view text, std::string_view robot);
    static robots forbid_all();

    bool allows(std::string_view target) const;
    std::chrono::milliseconds delay() const noexcept { return delay_; }

private:
    struct rule {
        bool allow;
        std::string pattern;
    };
    std::vector<rule> rules_;
    std::chrono::milliseconds delay_{};
};

}  // namespace crawler

#endif
