// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_CHANNEL_OUTCOME_HPP
#define WEFT_SYNC_DETAIL_CHANNEL_OUTCOME_HPP

#include <weft/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace weft::detail {

/// How an operation on a channel ended.
enum class channel_outcome : std::uint8_t {
    done,         ///< the item has changed sides
    would_block,  ///< no effect; it would have to wait
    timed_out,    ///< no effect
    cancelled,    ///< no effect; the caller raises
    closed,       ///< no effect: this handle was closed, before or meanwhile
    broken,       ///< no effect: no receiver is left
    ended         ///< no effect: no sender is left, and nothing is buffered
};

/// What a handle is to its channel. Guarded by the channel's lock, and looked at only before a wait: the handle may be gone after it.
struct channel_end {
    std::size_t id{};  ///< never reused within a channel; 0: none
    bool closed{};
};

/// Throws what an outcome without effect means to the caller of `call`, on the channel of that name.
[[noreturn]] WEFT_COLD void raise_outcome(channel_outcome r, char const* call, std::string const& name);

}  // namespace weft::detail

#endif
