// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_PROGRESS_HPP
#define CRAWLER_PROGRESS_HPP

#include "crawl.hpp"

namespace crawler {

/// Shows on stderr how far a crawl is, until cancelled: on a terminal as one line that is drawn again and again and erased at the end,
/// otherwise as a line a second.
void show_progress(crawl const& c);

/// That line, no longer than `width`.
std::string progress_line(crawl const& c, std::size_t width);

}  // namespace crawler

#endif
