// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_REDIS_CLIENT_VALUE_HPP
#define EXAMPLE_REDIS_CLIENT_VALUE_HPP

#include "redis/client/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace redis {

/// A reply of RESP2 or RESP3.
struct value {
    enum class kind : std::uint8_t {
        null,
        text,     ///< a string of any sort; a status such as OK; a number too large for 64 bits, in digits
        error,    ///< text holds it
        integer,
        real,     ///< RESP3's double
        boolean,  ///< integer is 0 or 1
        list,     ///< an array or set; elements
        map,      ///< elements: key, value, key, value, …
        push      ///< out of band, of RESP3; elements
    };
    kind type{kind::null};
    std::string text{};
    std::int64_t integer{};
    double real{};
    std::vector<value> elements{};

    bool is_null() const noexcept { return type == kind::null; }
    bool is_error() const noexcept { return type == kind::error; }
    /// Throws: reply_error if it is an error; type_error if it is something else than asked for.
    std::string const& as_text() const { return expect(kind::text, "a text").text; }
    std::int64_t as_integer() const { return type == kind::boolean ? integer : expect(kind::integer, "an integer").integer; }
    std::optional<std::string> as_optional_text() const { return is_null() ? std::nullopt : std::optional(as_text()); }
    std::vector<value> const& as_list() const {
        return type == kind::map || type == kind::push ? elements : expect(kind::list, "a list").elements;
    }
    void throw_if_error() const { if (is_error()) throw reply_error(text); }

private:
    value const& expect(kind k, char const* what) const {
        throw_if_error();
        if (type != k) throw type_error(std::string("redis: the reply is not ") + what);
        return *this;
    }
};

}  // namespace redis

#endif
