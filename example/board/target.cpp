// SPDX-License-Identifier: BSL-1.0
#include "target.hpp"

#include <algorithm>
#include <charconv>

namespace board {
namespace {

int hex(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool same(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

/// The scheme's end, for "http://" and "https://"; 0 for others.
std::size_t scheme_length(std::string_view text) noexcept {
    for (std::string_view s : {"http://", "https://"}) if (same(text.substr(0, s.size()), s)) return s.size();
    return 0;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text, bool plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (text.size() - i < 3) return std::nullopt;
            int high = hex(text[i + 1]), low = hex(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += plus && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

std::optional<fields> fields::parse(std::string_view text) {
    fields f;
    while (!text.empty()) {
        auto field = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(field.size() + 1, text.size()));
        if (field.empty()) continue;
        auto equals = std::min(field.find('='), field.size());
        auto name = percent_decoded(field.substr(0, equals), true);
        auto value = percent_decoded(field.substr(std::min(equals + 1, field.size())), true);
        if (!name || !value) return std::nullopt;
        f.all_.emplace_back(std::move(*name), std::move(*value));
    }
    return f;
}

std::string const* fields::find(std::string_view name) const noexcept {
    auto at = std::ranges::find(all_, name, [](auto const& f) { return std::string_view(f.first); });
    return at == all_.end() ? nullptr : &at->second;
}

std::optional<target> parse_target(std::string_view text) {
    if (auto scheme = scheme_length(text)) {
        auto slash = text.find_first_of("/?", scheme);
        text = slash == text.npos ? "/" : text.substr(slash);
    }
    if (text.empty() || text[0] != '/') return std::nullopt;
    auto question = std::min(text.find('?'), text.size());
    auto path = percent_decoded(text.substr(0, question));
    auto query = fields::parse(text.substr(std::min(question + 1, text.size())));
    if (!path || !query) return std::nullopt;
    return target{std::move(*path), std::move(*query)};
}

std::optional<unsigned long long> parse_number(std::string_view text) noexcept {
    unsigned long long n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}

bool same_origin(std::string_view origin, std::string_view host) noexcept {
    auto scheme = scheme_length(origin);
    if (scheme == 0) return false;  // "null", of a sandboxed page or a file
    // A browser leaves out the scheme's own port in both.
    return same(origin.substr(scheme), host);
}

}  // namespace board
