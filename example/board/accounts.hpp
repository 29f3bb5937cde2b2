// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_ACCOUNTS_HPP
#define BOARD_ACCOUNTS_HPP

#include <cstdint>
#include <string>

namespace board {

/// What the server did. Each request is counted once, when its answer was sent in full.
struct accounts {
    std::uint64_t connections{};
    std::uint64_t open{};       ///< connections now, live sockets included
    std::uint64_t requests{};   ///< answered
    std::uint64_t refused{};    ///< of these, with a 4xx or 5xx
    std::uint64_t messages{};   ///< posted
    std::uint64_t sockets{};    ///< live sockets, ever
    std::uint64_t dropped{};    ///< live sockets that were too slow, or silent
    std::uint64_t unanswered{}; ///< requests whose answer could not be sent: the peer had gone, or was too slow
    std::uint64_t cut{};        ///< connections that the end of the grace time, or a second signal, cut off
    std::uint64_t failed{};     ///< connections that ended with an error of the program
};

inline std::string to_string(accounts const& a) {
    auto n = [](std::uint64_t v) { return std::to_string(v); };
    return n(a.requests) + " requests (" + n(a.refused) + " refused, " + n(a.unanswered) + " unanswered), " + n(a.connections) + " connections (" + n(a.cut) + " cut, " +
           n(a.failed) + " failed), " + n(a.sockets) + " sockets (" + n(a.dropped) + " dropped), " + n(a.messages) + " messages";
}

/// Counts up for as long as it lives: exact also when a cancellation ends the block.
struct counted {
    explicit counted(std::uint64_t& n) : count(n) { ++count; }
    ~counted() { --count; }
    counted(counted const&) = delete;
    std::uint64_t& count;
};

}  // namespace board

#endif
