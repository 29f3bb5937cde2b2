// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_PARAMETER_HPP
#define EXAMPLE_POSTGRES_CLIENT_PARAMETER_HPP

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postgres {

/// A bytea, as a parameter and as a value.
struct bytes {
    std::string data;
    bool operator==(bytes const&) const = default;
};

/// A value for $1, $2, … of a query: sent as text, apart from the query, so nothing needs quoting.
class parameter {
public:
    parameter(std::nullptr_t) {}  ///< NULL
    parameter(std::nullopt_t) {}
    parameter(bool v) : text_(v ? "t" : "f") {}
    template <std::integral I>
    parameter(I v) : text_(std::to_string(v)) {}
    parameter(double v);
    /// Throws: misuse_error for text with a zero byte, which no text of PostgreSQL can have; bytes can.
    parameter(std::string_view v);
    parameter(std::string const& v) : parameter(std::string_view(v)) {}
    parameter(char const* v) : parameter(std::string_view(v)) {}
    parameter(bytes const& v);
    template <class T>
    parameter(std::optional<T> const& v) : parameter(v ? parameter(*v) : parameter(nullptr)) {}

    char const* text() const noexcept { return text_ ? text_->c_str() : nullptr; }

private:
    std::optional<std::string> text_;
};

using parameters = std::vector<parameter>;

}  // namespace postgres

#endif
