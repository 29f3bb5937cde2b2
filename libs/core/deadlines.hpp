// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_DEADLINES_HPP
#define WEFT_LIBS_CORE_DEADLINES_HPP

#include <weft/core/cancel_state.hpp>

#include <vector>

namespace weft::detail {

/// The run's deadlines: a 4-ary heap of times. A node knows its slot, and the slot its place in the heap, so that leaving a scope
/// removes its entry at once and re-arming never leaves stale ones behind. Places lie side by side: an entry that moves does not touch
/// its node, which is mostly on a stack that has been cold for long.
///
/// Deadlines of scopes are put here only when a task inside really suspends; most scopes never cost more than the
/// clock read.
class deadline_heap {
public:
    bool empty() const noexcept { return entries_.empty(); }
    std::size_t size() const noexcept { return entries_.size(); }
    time_point earliest() const noexcept { return entries_.empty() ? never : entries_.front().when; }
    /// The one after the earliest; `never` if there are not two.
    time_point second() const noexcept;

    void insert(timer_node& n, time_point when);
    void remove(timer_node& n) noexcept;
    void move(timer_node& n, time_point when) noexcept;

    /// Appends all nodes due at `now`, earliest first, removing them.
    void take_due(time_point now, std::vector<timer_node*>& out);

private:
    struct entry { time_point when; std::uint32_t slot; };
    void up(std::size_t i) noexcept;
    void down(std::size_t i) noexcept;
    void put(std::size_t i, entry e) noexcept { entries_[i] = e; places_[e.slot] = static_cast<std::uint32_t>(i); }
    void more_slots();

    std::vector<entry> entries_;
    std::vector<timer_node*> nodes_;      ///< of each slot
    std::vector<std::uint32_t> places_;   ///< of each slot; of a free one, the next free one
    std::uint32_t free_{timer_node::unarmed};
};

}  // namespace weft::detail

#endif
