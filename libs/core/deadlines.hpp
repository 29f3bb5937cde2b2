// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_DEADLINES_HPP
#define WEFT_LIBS_CORE_DEADLINES_HPP

#include <weft/core/cancel_state.hpp>

#include <vector>

namespace weft::detail {

/// The run's deadlines: a 4-ary heap of times, each with its node. Nodes know their place, so that leaving a scope
/// removes its entry at once and re-arming never leaves stale ones behind.
///
/// Deadlines of scopes are put here only when a task inside really suspends; most scopes never cost more than the
/// clock read.
class deadline_heap {
public:
    bool empty() const noexcept { return entries_.empty(); }
    std::size_t size() const noexcept { return entries_.size(); }
    time_point earliest() const noexcept { return entries_.empty() ? never : entries_.front().when; }

    void insert(timer_node& n, time_point when);
    void remove(timer_node& n) noexcept;
    void move(timer_node& n, time_point when) noexcept;

    /// Appends all nodes due at `now`, earliest first, removing them.
    void take_due(time_point now, std::vector<timer_node*>& out);

private:
    struct entry { time_point when; timer_node* node; };
    void up(std::size_t i) noexcept;
    void down(std::size_t i) noexcept;
    void put(std::size_t i, entry e) noexcept { entries_[i] = e; e.node->index = static_cast<std::uint32_t>(i); }

    std::vector<entry> entries_;
};

}  // namespace weft::detail

#endif
