// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_URL_HPP
#define CRAWLER_URL_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crawler {

/// An http address in its normal form and without a fragment: two that mean the same page have the same text.
struct url {
    std::string text;    ///< all of it
    std::string host;    ///< name or number, without brackets
    std::uint16_t port{};
    std::string target;  ///< path and query, as a request has them

    /// "host:port", which is one site.
    std::string site() const;
    /// The same without the port if that is 80, as the Host field has it.
    std::string_view authority() const { return std::string_view(text).substr(7, text.find('/', 7) - 7); }
};

/// What a link means.
enum class link_kind : std::uint8_t {
    page,     ///< an http address
    other,    ///< something else: https, mailto, javascript, …
    malformed ///< no address at all
};

struct link {
    link_kind kind{};
    url to;  ///< of a page
};

/// An address as somebody types it; the scheme may be missing. Empty if it is none of http.
std::optional<url> parse_url(std::string_view text);
/// A reference on the page `base`. What the standard forbids and browsers accept (blanks, other characters than ASCII) is encoded.
link resolve(url const& base, std::string_view reference);

}  // namespace crawler

#endif
