// SPDX-License-Identifier: BSL-1.0
// RFC 3986. Boost.URL of 1.81 would do, but for its bookkeeping of decoded lengths, which is wrong after normalising (an assertion fails).
#include "url.hpp"

#include <charconv>

namespace crawler {
namespace {

constexpr std::size_t longest = 4096;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool unreserved(char c) { return letter(c) || digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n\f";
    auto from = text.find_first_not_of(blanks);
    if (from == text.npos) return {};
    return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

/// The byte of "%41…"; -1 if it is none.
int encoded_byte(std::string_view s) {
    unsigned byte = 0;
    if (s.size() < 3 || s[0] != '%') return -1;
    auto [stop, error] = std::from_chars(s.data() + 1, s.data() + 3, byte, 16);
    return error == std::errc() && stop == s.data() + 3 ? static_cast<int>(byte) : -1;
}

/// One form for what may be written in several: encoded is what must be, and nothing else.
std::string normal_encoding(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        int byte = encoded_byte(text.substr(i));
        char c = byte < 0 ? text[i] : static_cast<char>(byte);
        auto u = static_cast<unsigned char>(c);
        if (byte >= 0) i += 2;
        if (byte < 0 && (c == '\n' || c == '\r' || c == '\t')) continue;  // browsers drop them
        bool plain = byte >= 0 ? unreserved(c) : u > ' ' && u < 127 && std::string_view("\"<>\\^`{|}%").find(c) == std::string_view::npos;
        if (plain) out += c;
        else out += {'%', digits[u >> 4], digits[u & 15]};
    }
    return out;
}

/// The parts of a reference, as RFC 3986 splits it.
struct parts {
    std::optional<std::string_view> scheme, authority, query;
    std::string_view path;

    explicit parts(std::string_view s) {
        s = s.substr(0, s.find('#'));
        auto colon = s.find(':');
        if (colon != s.npos && colon > 0 && letter(s[0]) && s.find_first_of("/?") > colon) {
            bool named = true;
            for (char c : s.substr(0, colon)) named = named && (letter(c) || digit(c) || c == '+' || c == '-' || c == '.');
            if (named) { scheme = s.substr(0, colon); s.remove_prefix(colon + 1); }
        }
        if (auto mark = s.find('?'); mark != s.npos) { query = s.substr(mark + 1); s = s.substr(0, mark); }
        if (s.starts_with("//")) {
            auto end = s.find('/', 2);
            authority = s.substr(2, end == s.npos ? end : end - 2);
            s = end == s.npos ? std::string_view() : s.substr(end);
        }
        path = s;
    }
    bool http() const {
        if (scheme->size() != 4) return false;
        for (std::size_t i = 0; i < 4; ++i) if (lower((*scheme)[i]) != "http"[i]) return false;
        return true;
    }
};

/// Section 5.2.4; the path begins with a slash.
std::string without_dots(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        auto end = path.find('/', 1);
        auto segment = path.substr(0, end);
        path = end == path.npos ? std::string_view() : path.substr(end);
        if (segment == "/." || segment == "/..") {
            if (segment == "/..") out.resize(out.empty() ? 0 : out.rfind('/'));
            if (path.empty()) out += '/';
        } else {
            out += segment;
        }
    }
    return out.empty() ? "/" : out;
}

/// Reads host and port; false if it is no authority.
bool read_authority(std::string_view s, url& u) {
    if (auto at = s.rfind('@'); at != s.npos) s.remove_prefix(at + 1);  // a name and password are nobody's business here
    auto bracket = s.starts_with('[') ? s.find(']') : 0;
    if (bracket == s.npos) return false;
    auto colon = s.find(':', bracket);
    auto host = s.substr(0, colon);
    unsigned port = 80;
    if (colon != s.npos && colon + 1 < s.size()) {
        auto [stop, error] = std::from_chars(s.data() + colon + 1, s.data() + s.size(), port);
        if (error != std::errc() || stop != s.data() + s.size() || port == 0 || port > 65535) return false;
    }
    u.port = static_cast<std::uint16_t>(port);
    bool number = host.starts_with('[');
    if (number) {
        if (!host.ends_with(']')) return false;
        host = host.substr(1, host.size() - 2);
    }
    if (host.empty()) return false;
    for (char c : host) {
        if (number ? !(digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.') : !unreserved(c)) return false;
        u.host += lower(c);
    }
    return true;
}

std::optional<url> make(std::string_view authority, std::string_view path, std::optional<std::string_view> query) {
    url u;
    if (!read_authority(authority, u)) return std::nullopt;
    u.target = without_dots(normal_encoding(path.empty() ? "/" : path));
    if (query) u.target += '?' + normal_encoding(*query);
    std::string site = u.site();
    if (u.port == 80) site.resize(site.size() - 3);
    u.text = "http://" + site + u.target;
    return u;
}

}  // namespace

std::string url::site() const { return (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + std::to_string(port); }

std::optional<url> parse_url(std::string_view text) {
    std::string s(trim(text));
    if (s.size() > longest) return std::nullopt;
    if (s.find("://") == s.npos) s = "http://" + s;
    parts p(s);
    if (!p.scheme || !p.http() || !p.authority) return std::nullopt;
    return make(*p.authority, p.path, p.query);
}

link resolve(url const& base, std::string_view reference) {
    reference = trim(reference);
    if (reference.size() > longest) return {link_kind::malformed, {}};
    parts p(reference), b(base.text);
    if (p.scheme && !p.http()) return {link_kind::other, {}};
    if (p.scheme && !p.authority) return {link_kind::malformed, {}};
    std::optional<url> to;
    if (p.authority) to = make(*p.authority, p.path, p.query);
    else if (p.path.empty()) to = make(*b.authority, b.path, p.query ? p.query : b.query);
    else if (p.path[0] == '/') to = make(*b.authority, p.path, p.query);
    else to = make(*b.authority, std::string(b.path.substr(0, b.path.rfind('/') + 1)) + std::string(p.path), p.query);
    if (!to) return {link_kind::malformed, {}};
    return {link_kind::page, *std::move(to)};
}

}  // namespace crawler
