// SPDX-License-Identifier: BSL-1.0
#include "robots.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace crawler {
namespace {

std::string_view trim(std::string_view s) {
    auto from = s.find_first_not_of(" \t\r");
    return from == s.npos ? std::string_view() : s.substr(from, s.find_last_not_of(" \t\r") - from + 1);
}
std::string lowered(std::string_view s) {
    std::string r(s);
    for (char& c : r) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return r;
}

/// `*` is any text, `$` at the end the end; otherwise a prefix is enough. O(pattern · text): the pattern is a stranger's.
bool matches(std::string_view pattern, std::string_view text) {
    bool whole = pattern.ends_with('$');
    if (whole) pattern.remove_suffix(1);
    std::size_t p = 0, t = 0, star = pattern.npos, from = 0;
    for (;;) {
        if (p == pattern.size() && (!whole || t == text.size())) return true;
        if (p < pattern.size() && pattern[p] == '*') { star = p++; from = t; }
        else if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) { ++p; ++t; }
        else if (star != pattern.npos && from < text.size()) { p = star + 1; t = ++from; }
        else return false;
    }
}

}  // namespace

robots::robots(std::string_view text, std::string_view robot) {
    std::vector<rule> of_all, of_this;
    std::chrono::milliseconds delay_of_all{}, delay_of_this{};
    bool named = false, any = false, for_all = false, for_this = false, in_rules = true;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        line = line.substr(0, line.find('#'));
        auto colon = line.find(':');
        if (colon == line.npos) continue;
        auto key = lowered(trim(line.substr(0, colon)));
        auto value = trim(line.substr(colon + 1));
        if (key == "user-agent") {
            if (in_rules) for_all = for_this = in_rules = false;  // a new group
            if (value == "*") for_all = any = true;
            else if (lowered(value) == robot) for_this = named = true;
        } else if (key == "allow" || key == "disallow") {
            in_rules = true;
            if (value.empty()) continue;  // "Disallow:" forbids nothing
            if (for_all) of_all.push_back({key == "allow", std::string(value)});
            if (for_this) of_this.push_back({key == "allow", std::string(value)});
        } else if (key == "crawl-delay") {
            in_rules = true;
            double seconds = 0;
            auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
            if (error != std::errc() || !(seconds >= 0)) continue;
            auto delay = std::chrono::milliseconds(static_cast<long>(std::min(seconds, 60.0) * 1000));
            if (for_all) delay_of_all = delay;
            if (for_this) delay_of_this = delay;
        }
    }
    if (!named && !any) return;
    rules_ = std::move(named ? of_this : of_all);
    delay_ = named ? delay_of_this : delay_of_all;
}

robots robots::forbid_all() {
    robots r;
    r.rules_.push_back({false, "/"});
    return r;
}

bool robots::allows(std::string_view target) const {
    rule const* best = nullptr;  // the longest pattern; of two as long, the one that allows
    for (auto const& r : rules_) {
        if (!matches(r.pattern, target)) continue;
        if (!best || r.pattern.size() > best->pattern.size() || (r.pattern.size() == best->pattern.size() && r.allow)) best = &r;
    }
    return !best || best->allow;
}

}  // namespace crawler
