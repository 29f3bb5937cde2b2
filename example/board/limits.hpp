// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_LIMITS_HPP
#define BOARD_LIMITS_HPP

#include <chrono>
#include <cstddef>

namespace board {

using namespace std::chrono_literals;

/// What a peer may cost, in bytes and in time. Each time is the deadline of a cancel scope.
struct limits {
    std::size_t header = 8 * 1024;
    std::size_t body = 16 * 1024;    ///< of a request, and of a WebSocket message
    std::size_t history = 500;       ///< messages that are kept
    std::size_t behind = 256;        ///< messages that a live socket may be behind
    std::size_t send_buffer = 64 * 1024;  ///< of a live socket, in the kernel
    std::chrono::milliseconds idle = 60s;         ///< between two requests
    std::chrono::milliseconds header_time = 10s;  ///< from a request's first byte to the end of its header
    std::chrono::milliseconds body_time = 20s;
    std::chrono::milliseconds write_time = 20s;   ///< for one answer, or one message to a live socket
    std::chrono::milliseconds last_call = 1s;     ///< for one more request on a kept connection, when the server drains
    std::chrono::milliseconds linger = 2s;        ///< for the peer to close, after the last answer
    std::chrono::milliseconds goodbye = 3s;       ///< for the peer's close frame
    std::chrono::milliseconds silence = 60s;      ///< of a live socket; after half of it it is sent a ping
    std::chrono::milliseconds presence = 100ms;   ///< between two reports of how many people are there
};

}  // namespace board

#endif
