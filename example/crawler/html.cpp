// SPDX-License-Identifier: BSL-1.0
#include "html.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace crawler {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
std::string lowered(std::string_view s) {
    std::string r(s);
    std::transform(r.begin(), r.end(), r.begin(), lower);
    return r;
}

/// The entities that a link needs; others stay as they are.
std::string without_entities(std::string_view s) {
    constexpr std::pair<std::string_view, char> known[] = {{"amp", '&'}, {"quot", '"'}, {"lt", '<'}, {"gt", '>'}, {"apos", '\''}};
    std::string out;
    while (!s.empty()) {
        auto end = s[0] == '&' ? s.substr(0, 10).find(';') : s.npos;
        char c = s[0];
        if (end != s.npos) {
            auto name = s.substr(1, end - 1);
            if (name.starts_with('#')) {
                bool hex = name.size() > 1 && lower(name[1]) == 'x';
                unsigned code = 0;
                auto digits = name.substr(hex ? 2 : 1);
                auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
                if (error == std::errc() && stop == digits.data() + digits.size() && code > 0 && code < 128) c = static_cast<char>(code);
                else end = s.npos;
            } else {
                auto found = std::find_if(std::begin(known), std::end(known), [&](auto const& k) { return k.first == name; });
                if (found != std::end(known)) c = found->second;
                else end = s.npos;
            }
        }
        out += c;
        s.remove_prefix(end == s.npos ? 1 : end + 1);
    }
    return out;
}

/// Which attribute of a tag is a link; empty if none is.
std::string_view link_attribute(std::string_view tag) {
    constexpr std::pair<std::string_view, std::string_view> all[] = {
        {"a", "href"}, {"area", "href"}, {"link", "href"}, {"base", "href"}, {"img", "src"}, {"script", "src"}, {"iframe", "src"}, {"frame", "src"},
        {"source", "src"}, {"audio", "src"}, {"video", "src"}, {"track", "src"}, {"embed", "src"}, {"object", "data"}};
    auto found = std::find_if(std::begin(all), std::end(all), [&](auto const& p) { return p.first == tag; });
    return found == std::end(all) ? std::string_view() : found->second;
}

class scanner {
public:
    explicit scanner(std::string_view html) : rest_(html) {}

    references scan() {
        while (skip_to("<")) {
            if (rest_.starts_with("!--")) { rest_.remove_prefix(3); skip_to("-->"); }
            else if (!rest_.empty() && letter(rest_[0])) tag();
            else if (!rest_.empty() && (rest_[0] == '!' || rest_[0] == '/' || rest_[0] == '?')) skip_to(">");
        }
        return std::move(found_);
    }

private:
    /// Behind the next `what`; false at the end.
    bool skip_to(std::string_view what) {
        auto at = rest_.find(what);
        rest_.remove_prefix(at == rest_.npos ? rest_.size() : at + what.size());
        return at != rest_.npos;
    }
    template <class P>
    std::string_view take_while(P p) {
        auto n = static_cast<std::size_t>(std::find_if_not(rest_.begin(), rest_.end(), p) - rest_.begin());
        auto taken = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return taken;
    }

    void tag() {
        std::string name = lowered(take_while([](char c) { return !blank(c) && c != '>' && c != '/'; }));
        auto wanted = link_attribute(name);
        bool taken = false;
        for (;;) {
            take_while([](char c) { return blank(c) || c == '/'; });
            if (rest_.empty()) return;
            if (rest_[0] == '>') break;
            std::string attribute = lowered(take_while([](char c) { return !blank(c) && c != '=' && c != '>' && c != '/'; }));
            take_while(blank);
            if (rest_.empty() || rest_[0] != '=') {
                if (attribute.empty()) return;
                continue;
            }
            rest_.remove_prefix(1);
            auto text = value();
            if (!taken && !wanted.empty() && attribute == wanted) {
                taken = true;
                if (name != "base") found_.links.push_back(without_entities(text));
                else if (found_.base.empty()) found_.base = without_entities(text);
            }
        }
        rest_.remove_prefix(1);
        if (name == "script" || name == "style" || name == "textarea" || name == "title") skip_raw_text(name);
    }

    std::string_view value() {
        take_while(blank);
        if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) return take_while([](char c) { return !blank(c) && c != '>'; });
        char quote = rest_[0];
        rest_.remove_prefix(1);
        auto text = take_while([&](char c) { return c != quote; });
        if (!rest_.empty()) rest_.remove_prefix(1);
        return text;
    }

    void skip_raw_text(std::string_view name) {
        while (skip_to("</")) if (lowered(rest_.substr(0, name.size())) == name) return;
    }

    std::string_view rest_;
    references found_;
};

}  // namespace

references references_of(std::string_view html) { return scanner(html).scan(); }

}  // namespace crawler
