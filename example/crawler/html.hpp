// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_HTML_HPP
#define CRAWLER_HTML_HPP

#include <string>
#include <string_view>
#include <vector>

namespace crawler {

struct references {
    std::string base;                ///< of <base href>, empty if there is none
    std::vector<std::string> links;  ///< in their order, as they are written but for entities
};

/// What a page of HTML refers to: links, pictures, scripts, frames. Takes any bytes: what is no tag is text.
references references_of(std::string_view html);

}  // namespace crawler

#endif
