// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_OPTIONS_HPP
#define PROXY_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace proxy {

struct address {
    std::string host;  ///< a name or a number; empty: all interfaces
    std::uint16_t port{};
    /// As it is written: "host:port", "[::1]:port", "port".
    std::string text() const;
};

struct options {
    address listen;
    std::vector<address> to;
    std::size_t max_connections{};       ///< 0: as many as the process has descriptors for
    std::chrono::milliseconds idle{60'000};   ///< without a byte in either direction
    std::chrono::milliseconds connect{5'000};  ///< for one backend to answer
    std::chrono::milliseconds grace{10'000};   ///< from the request to end until what is under way is cut
};

extern char const usage[];

struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throws usage_error, which names the argument.
options parse(int argc, char** argv);

}  // namespace proxy

#endif
