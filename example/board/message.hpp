// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_MESSAGE_HPP
#define BOARD_MESSAGE_HPP

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace board {

/// What somebody wants to post.
struct draft {
    std::string name, text;
};

/// What was posted.
struct message {
    std::uint64_t id{};          ///< 1, 2, 3, … in the order of posting
    std::int64_t at{};           ///< milliseconds since 1970
    std::string name, text;
};

/// A draft that cannot be posted. what() is for whoever wrote it.
struct bad_draft : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline constexpr std::size_t longest_name = 40, longest_text = 2000;  ///< characters, not bytes

/// The draft as it will be posted: without white space at its ends, and without control characters. An empty name becomes
/// "Anonymous". Throws bad_draft for a text that is empty, for what is too long, and for what is not UTF-8.
draft checked(draft d);

/// {"name": "…", "text": "…"}; the name may be missing. Not checked yet. Throws bad_draft for anything else.
draft draft_from_json(std::string_view text);
/// name=…&text=…, as forms are sent. Throws bad_draft.
draft draft_from_form(std::string_view text);

std::string to_json(message const& m);
/// A string of JSON, with its quotes.
std::string quoted(std::string_view text);

}  // namespace board

#endif
