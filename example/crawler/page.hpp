// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_PAGE_HPP
#define CRAWLER_PAGE_HPP

#include "url.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace crawler {

struct site;

enum class page_state : std::uint8_t {
    found,      ///< a link to it was seen; it is not asked for: outside, too deep, beyond the number of pages, or forbidden
    under_way,  ///< its task runs
    done,       ///< there is an answer
    failed      ///< there is none; see error
};

/// An address that was seen, and what came of it. Never moves: others point to it.
struct page {
    url address;
    site* at{};                ///< null for one that is not to be asked for
    page_state state{page_state::found};
    bool forbidden{};          ///< by robots.txt
    unsigned depth{std::numeric_limits<unsigned>::max()};      ///< the fewest links from the start
    unsigned redirects{std::numeric_limits<unsigned>::max()};  ///< the fewest redirects behind each other that led here
    unsigned status{};
    std::string reason;        ///< of the status
    std::string error;         ///< why there is no answer
    bool truncated{};          ///< it is larger than what was read
    page* redirect{};          ///< where it sends to
    std::vector<page*> links;  ///< each once
    std::vector<std::string> malformed;  ///< links that are none
};

}  // namespace crawler

#endif
