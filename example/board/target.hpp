// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_TARGET_HPP
#define BOARD_TARGET_HPP

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace board {

/// Fields of a query or of a form, decoded, in their order.
class fields {
public:
    /// Of `a=1&b=two%20words+here`. Empty if an escape is broken.
    static std::optional<fields> parse(std::string_view text);
    /// The first of that name; null if there is none.
    std::string const* find(std::string_view name) const noexcept;

private:
    std::vector<std::pair<std::string, std::string>> all_;
};

/// The target of a request, decoded.
struct target {
    std::string path;  ///< of the escapes that were in it none is left
    fields query;
};

/// `%41` is A, and with `plus` a + is a space. Empty if an escape is broken.
std::optional<std::string> percent_decoded(std::string_view text, bool plus = false);
/// Of "/path?query", or the absolute form that is for proxies. Empty if it is neither, or an escape is broken.
std::optional<target> parse_target(std::string_view text);
/// A number of decimal digits alone.
std::optional<unsigned long long> parse_number(std::string_view text) noexcept;

/// Whether a page of `origin` ("http://example.org:8080") is one of ours, who are called `host` by the same browser.
bool same_origin(std::string_view origin, std::string_view host) noexcept;

}  // namespace board

#endif
