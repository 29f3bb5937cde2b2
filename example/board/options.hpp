// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_OPTIONS_HPP
#define BOARD_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace board {

struct options {
    std::string host{"127.0.0.1"};
    std::uint16_t port{8080};
    std::size_t max_connections{4096};
    std::chrono::seconds grace{10};
    bool quiet{};
    bool help{};
};

extern char const usage[];

/// Empty for a command line that cannot be understood; `wrong` is what it stumbled over.
std::optional<options> parse_options(int argc, char const* const* argv, std::string& wrong);

/// Raises the soft limit of open descriptors to the hard one. Returns how many connections fit below it, up to `wanted`.
std::size_t make_room_for(std::size_t wanted);

}  // namespace board

#endif
