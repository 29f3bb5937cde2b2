// SPDX-License-Identifier: BSL-1.0
// The load generator of the network benches: bare epoll, a process of its own, so that the server's costs are the server's alone.
#ifndef WEFT_TEST_BENCH_LOAD_HPP
#define WEFT_TEST_BENCH_LOAD_HPP

#include <cstddef>
#include <string>

#include <sys/types.h>

/// What is sent, and how long an answer is. answer 0: an HTTP response, whose first one says by its Content-Length.
struct exchange {
    std::string request;
    std::size_t answer{};
};

/// The calling process runs on the n-th processor it may use, if there are two: a server on 0, its load on 1, so that where the system puts them is no part of the result.
void stay_on_processor(int n);

/// Connects to a server on loopback and exchanges messages, one at a time on each connection.
class load {
public:
    /// Forks. Returns when all are connected and each has made some exchanges. Throws runtime_error if that fails.
    load(int port, std::size_t connections, exchange const& what);
    load(load const&) = delete;
    ~load();
    /// Makes so many exchanges, on all connections at once, as fast as they come.
    void run(std::size_t messages);

private:
    void command(std::size_t messages);
    pid_t process_{};
    int to_{-1};
    int from_{-1};
};

#endif
