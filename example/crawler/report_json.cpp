// SPDX-License-Identifier: BSL-1.0
// The report for programs.
#include "report.hpp"

#include <cstdio>
#include <ostream>

namespace crawler {
namespace {

/// A string of JSON. Bytes that are no ASCII come in malformed links and texts of errors only; as they may be no UTF-8, each is a character of its own.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        auto u = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (u < ' ' || u >= 127) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", u);
            out += code;
        } else {
            out += c;
        }
    }
    return out + '"';
}

template <class Range, class F>
void array(std::ostream& os, Range const& range, F&& element) {
    os << '[';
    char const* between = "";
    for (auto const& x : range) {
        os << std::exchange(between, ",");
        element(x);
    }
    os << ']';
}

}  // namespace

void report::print_json(std::ostream& os) const {
    auto string = [&](std::string const& s) { os << quoted(s); };
    os << "{\"start\":" << quoted(from.start() ? from.start()->address.text : "") << ",\n\"seconds\":" << took.count() << ",\"interrupted\":" << (interrupted ? "true" : "false")
       << ",\"limited\":" << (from.limited() ? "true" : "false") << ",\n\"pages\":{\"answered\":" << answered << ",\"failed\":" << failed << ",\"redirects\":" << redirected
       << ",\"forbidden\":" << forbidden << ",\"outside\":" << outside << ",\"not_asked\":" << not_asked << "},\n\"truncated\":";
    array(os, truncated, string);
    os << ",\n\"broken\":";
    array(os, broken, [&](broken_link const& b) {
        os << "\n{\"address\":" << quoted(b.address) << ",\"problem\":" << quoted(b.problem) << ",\"on\":";
        array(os, b.on, string);
        os << '}';
    });
    os << ",\n\"hosts\":";
    array(os, from.sites(), [&](auto const& entry) {
        site const& s = *entry.second;
        os << "\n{\"name\":" << quoted(s.name) << ",\"requests\":" << s.requests << ",\"failures\":" << s.failures << ",\"retries\":" << s.retries
           << ",\"connections\":" << s.pool.connections() << ",\"bytes\":" << s.bytes << ",\"milliseconds\":" << s.answering.count() << '}';
    });
    os << "}\n";
}

}  // namespace crawler
