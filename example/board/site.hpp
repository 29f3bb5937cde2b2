// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_SITE_HPP
#define BOARD_SITE_HPP

#include "accounts.hpp"
#include "limits.hpp"
#include "store.hpp"

#include <functional>
#include <stop_token>
#include <string_view>

namespace board {

/// What all connections of the server share.
struct site {
    limits const& limit;
    store& messages;
    accounts& books;
    std::stop_token stop;                       ///< stopped when the server drains
    std::function<void(std::string_view)> log;  ///< a line for whoever runs the server

    bool draining() const noexcept { return stop.stop_requested(); }
    /// Throws bad_draft.
    message const& post(draft d) {
        message const& m = messages.post(std::move(d));
        ++books.messages;
        if (log) log("message " + std::to_string(m.id) + " by " + m.name);
        return m;
    }
};

}  // namespace board

#endif
