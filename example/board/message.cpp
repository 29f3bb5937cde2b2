// SPDX-License-Identifier: BSL-1.0
#include "message.hpp"

#include "target.hpp"

namespace board {
namespace {

/// The length of the character of UTF-8 at the beginning; 0 if there is none.
std::size_t character(std::string_view s) noexcept {
    auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
    unsigned first = byte(0);
    if (first < 0x80) return 1;
    std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) return 0;  // inside of a character, a needlessly long form, or beyond U+10FFFF
    for (std::size_t i = 1; i < length; ++i) if ((byte(i) & 0xc0) != 0x80) return 0;
    unsigned second = byte(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90)) return 0;  // needlessly long
    if ((first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f)) return 0;  // half of a UTF-16 pair; beyond the end
    return length;
}

/// Control characters, but for the end of a line where that is allowed. C1 controls are two bytes.
bool control(std::string_view c, bool lines) noexcept {
    auto first = static_cast<unsigned char>(c[0]);
    if (c.size() == 2) return first == 0xc2 && static_cast<unsigned char>(c[1]) < 0xa0;
    return c.size() == 1 && (first == 0x7f || (first < 0x20 && !(lines && first == '\n')));
}

std::string clean(std::string_view raw, char const* what, std::size_t longest, bool lines) {
    std::string out;
    std::size_t count = 0, end = 0;  // up to and including the last character that is no white space
    while (!raw.empty()) {
        auto length = character(raw);
        if (length == 0) throw bad_draft(std::string("the ") + what + " is not UTF-8");
        auto c = raw.substr(0, length);
        raw.remove_prefix(length);
        if (c == "\t") c = " ";
        if (control(c, lines)) continue;
        bool blank = c == " " || c == "\n";
        if (blank && out.empty()) continue;
        ++count;
        out += c;
        if (blank) continue;
        end = out.size();
        if (count > longest) throw bad_draft(std::string("the ") + what + " is longer than " + std::to_string(longest) + " characters");
    }
    out.resize(end);
    return out;
}

}  // namespace

draft checked(draft d) {
    draft out{clean(d.name, "name", longest_name, false), clean(d.text, "text", longest_text, true)};
    if (out.text.empty()) throw bad_draft("the text is empty");
    if (out.name.empty()) out.name = "Anonymous";
    return out;
}

draft draft_from_form(std::string_view text) {
    auto f = fields::parse(text);
    if (!f) throw bad_draft("the form has a broken % escape");
    auto body = f->find("text");
    if (!body) throw bad_draft("the form has no field \"text\"");
    auto name = f->find("name");
    return {name ? *name : "", *body};
}

}  // namespace board
