// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_STATS_HPP
#define FLEET_STATS_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fleet {

using clock = std::chrono::steady_clock;

/// Latencies in buckets of 6 % width: constant size, whatever is recorded.
class histogram {
public:
    void record(clock::duration d) {
        auto us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(d).count());
        ++buckets_[index(us)];
        ++count_;
    }
    /// The latency in milliseconds that a share `q` of all requests did not exceed; 0 if there were none.
    double quantile(double q) const {
        if (count_ == 0) return 0;
        auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1)) + 1;
        std::size_t i = 0;
        for (std::uint64_t seen = buckets_[0]; seen < wanted; seen += buckets_[i]) ++i;
        return static_cast<double>(upper_end(i)) / 1000.0;
    }

private:
    // Below 16 a bucket a microsecond; above, 16 buckets for each power of two.
    static constexpr std::size_t size = 16 * 28;
    static std::size_t index(std::uint64_t us) {
        if (us < 16) return us;
        auto power = static_cast<std::size_t>(std::bit_width(us)) - 5;
        std::size_t i = 16 * power + (us >> power);
        return i < size ? i : size - 1;
    }
    static std::uint64_t upper_end(std::size_t i) {
        if (i < 16) return i;
        std::size_t power = i / 16 - 1;
        return ((16 + i % 16 + 1) << power) - 1;
    }

    std::array<std::uint32_t, size> buckets_{};
    std::uint64_t count_{};
};

/// What became of the requests that began in one act. Each request is counted once, when it ends.
struct act_stats {
    std::uint64_t ok{};
    std::uint64_t deadline{};     ///< cancelled by the client's deadline
    std::uint64_t errors{};       ///< refused, reset, or answered with anything but 200
    std::uint64_t turned_away{};  ///< met a closed door while the program was draining
    std::size_t max_tasks{};      ///< sampled
    histogram latency;            ///< of the answered ones

    std::uint64_t requests() const { return ok + deadline + errors + turned_away; }
    /// Answered of all; up to `excused` others count as if they had been.
    double ok_share(std::uint64_t excused = 0) const {
        auto all = requests();
        return all ? static_cast<double>((std::min)(all, ok + excused)) / static_cast<double>(all) : 0;
    }
};

}  // namespace fleet

#endif
