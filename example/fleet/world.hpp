// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_WORLD_HPP
#define FLEET_WORLD_HPP

#include "stats.hpp"

#include <array>
#include <string>

namespace fleet {

using namespace std::chrono_literals;

inline constexpr unsigned shard_count = 4;
inline constexpr auto client_deadline = 300ms;  ///< for each request, connecting included
inline constexpr auto server_budget = 500ms;    ///< for the shard calls of a request
inline constexpr auto slow_answer = 1s;         ///< of the slow shard

enum act : unsigned { calm, slow_shard, recovery, shutdown_act, act_count };
inline constexpr std::array<char const*, act_count> act_names{"calm", "slow shard", "recovery", "shutdown"};

struct settings {
    unsigned clients{2000};
    bool ci{};
    bool live{};              ///< redraw a view in place, instead of plain lines
    std::array<std::chrono::milliseconds, 3> length{4000ms, 4000ms, 3000ms};  ///< of the acts before the last
    std::chrono::milliseconds think{1000ms};                                  ///< of a client between requests, on average
};

/// When each stage of the drain was over. Zero: it was not reached.
struct drain_times {
    clock::time_point signal, listener, last_connection, clients, shards;
    bool forced{};  ///< somebody had to be cancelled
};

/// All that the tasks of the program share. One thread runs them, so plain fields do.
struct world {
    settings options;
    clock::time_point began = clock::now();
    unsigned now{calm};                    ///< the current act
    std::array<act_stats, act_count> acts;
    histogram recent, last_second;         ///< latencies: being filled, and the full one that the view shows
    unsigned in_flight{};                  ///< requests that clients wait for
    unsigned connections{};                ///< that the front serves
    std::array<unsigned, shard_count> shard_calls{};  ///< that the front waits for
    unsigned slow_shard{shard_count};      ///< which one, shard_count if none
    std::uint64_t clients_left{};          ///< requests whose client went away before the answer
    std::uint64_t over_budget{};           ///< requests that the front's own deadline ended
    std::uint64_t calls_dropped{};         ///< slow answers that a shard gave up because the front went away
    bool draining{};                       ///< no new clients are let in
    drain_times drain;
    int signals{};                         ///< SIGINT and SIGTERM received
    bool self_signal{};                    ///< the program raised the first one itself

    act_stats& current() { return acts[now]; }
    bool interrupted() const { return signals > (self_signal ? 1 : 0); }
};

/// Counts up for as long as it lives: exact also when a cancellation ends the block.
template <class T>
struct counted {
    explicit counted(T& n) : count(n) { ++count; }
    ~counted() { --count; }
    counted(counted const&) = delete;
    T& count;
};
template <class T> counted(T&) -> counted<T>;

}  // namespace fleet

#endif
