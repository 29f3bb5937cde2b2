// SPDX-License-Identifier: BSL-1.0
// RESP, read in blocking style: what a coroutine or a table of states would be elsewhere is recursion here.
#ifndef EXAMPLE_REDIS_CLIENT_REPLY_HPP
#define EXAMPLE_REDIS_CLIENT_REPLY_HPP

#include "redis/client/value.hpp"

#include <weft/net/buffered_reader.hpp>

#include <charconv>
#include <cmath>

namespace redis {

struct reply_limits {
    std::size_t bytes{64 * 1024 * 1024};  ///< of one reply in memory, with all that is in it
    unsigned depth{16};                   ///< of lists in lists: also the depth of the reader's recursion
    std::size_t line{64 * 1024};          ///< of a status, an error, a number
};

/// Reads one reply at a time. Reader: a weft::buffered_reader.
template <class Reader>
class reply_reader {
public:
    reply_reader(Reader& from, reply_limits const& limits) : from_(from), limits_(limits) {}

    /// Blocks: until the reply is complete. Cancellation, and each error: the stream is in the middle of something; close it.
    /// Throws: protocol_error; incomplete_read_error at the stream's end, and what the stream throws; cancelled.
    value read() {
        left_ = limits_.bytes;
        try {
            return read_value(0);
        } catch (weft::limit_exceeded_error const&) {
            fail("a line of more than " + std::to_string(limits_.line) + " bytes");
        }
    }

private:
    [[noreturn]] static void fail(std::string const& what) { throw protocol_error("redis: the server sent " + what); }

    value read_value(unsigned depth) {
        if (depth > limits_.depth) fail("lists more than " + std::to_string(limits_.depth) + " deep");
        spend(sizeof(value));
        std::string line = from_.read_until("\r\n", limits_.line);
        if (line.empty()) fail("an empty line where a reply begins");
        std::string_view rest = std::string_view(line).substr(1);
        using kind = value::kind;
        switch (line[0]) {
            case '+': case '(': return text(kind::text, rest);
            case '-': return text(kind::error, rest);
            case ':': return {.type = kind::integer, .integer = integer(rest)};
            case '_': if (rest.empty()) return {}; break;
            case '#': if (rest == "t" || rest == "f") return {.type = kind::boolean, .integer = rest == "t"}; break;
            case ',': return {.type = kind::real, .real = real(rest)};
            case '$': return bulk(kind::text, rest, 0);
            case '!': return bulk(kind::error, rest, 0);
            case '=': return bulk(kind::text, rest, 4);  // after "txt:" or the like
            case '*': return list(kind::list, rest, 1, depth);
            case '~': return list(kind::list, rest, 1, depth);
            case '%': return list(kind::map, rest, 2, depth);
            case '>': return list(kind::push, rest, 1, depth);
            case '|': list(kind::map, rest, 2, depth); return read_value(depth + 1);  // attributes of the reply that follows
            default: break;
        }
        fail("what is no reply: \"" + line.substr(0, 40) + "\"");
    }

    value text(value::kind k, std::string_view t) {
        spend(t.size());
        return {.type = k, .text = std::string(t)};
    }
    value bulk(value::kind k, std::string_view digits, std::size_t prefix) {
        std::int64_t n = length(digits);
        if (n < 0) return {};
        spend(static_cast<std::size_t>(n));
        value v{.type = k, .text = from_.read_exactly(static_cast<std::size_t>(n))};
        if (from_.read_exactly(2) != "\r\n") fail("a string that is longer than it says");
        if (v.text.size() < prefix) fail("a verbatim string without its format");
        v.text.erase(0, prefix);
        return v;
    }
    value list(value::kind k, std::string_view digits, std::size_t each, unsigned depth) {
        std::int64_t n = length(digits);
        if (n < 0) return {};
        if (static_cast<std::size_t>(n) > left_ / sizeof(value) / each) fail("a list of " + std::string(digits) + " elements, above the limit");
        value v{.type = k};  // no memory for elements that have not come
        for (std::size_t i = 0; i < static_cast<std::size_t>(n) * each; ++i) v.elements.push_back(read_value(depth + 1));
        return v;
    }

    std::int64_t integer(std::string_view t) const {
        std::int64_t n = 0;
        if (t.starts_with('+')) t.remove_prefix(1);
        auto [end, e] = std::from_chars(t.data(), t.data() + t.size(), n);
        if (e != std::errc() || end != t.data() + t.size()) fail("\"" + std::string(t.substr(0, 40)) + "\" for an integer");
        return n;
    }
    /// -1 stands for null, in RESP2.
    std::int64_t length(std::string_view t) const {
        std::int64_t n = integer(t);
        if (n < -1) fail("a negative length");
        return n;
    }
    double real(std::string_view t) const {
        double d = 0;
        if (t.starts_with('+')) t.remove_prefix(1);
        auto [end, e] = std::from_chars(t.data(), t.data() + t.size(), d);  // inf and nan, too
        if (e != std::errc() || end != t.data() + t.size()) fail("\"" + std::string(t.substr(0, 40)) + "\" for a number");
        return d;
    }
    void spend(std::size_t bytes) {
        if (bytes > left_) fail("a reply of more than " + std::to_string(limits_.bytes) + " bytes");
        left_ -= bytes;
    }

    Reader& from_;
    reply_limits const limits_;
    std::size_t left_{};  // of limits_.bytes, for this reply
};

}  // namespace redis

#endif
