// SPDX-License-Identifier: BSL-1.0
#include "core/deadlines.hpp"

#include <algorithm>

namespace weft::detail {

void deadline_heap::up(std::size_t i) noexcept {
    entry e = entries_[i];
    while (i > 0) {
        std::size_t parent = (i - 1) / 4;
        if (!(e.when < entries_[parent].when)) break;
        put(i, entries_[parent]);
        i = parent;
    }
    put(i, e);
}

void deadline_heap::down(std::size_t i) noexcept {
    entry e = entries_[i];
    std::size_t const n = entries_.size();
    for (;;) {
        std::size_t first = 4 * i + 1;
        if (first >= n) break;
        std::size_t best = first;
        for (std::size_t c = first + 1; c < first + 4 && c < n; ++c) {
            if (entries_[c].when < entries_[best].when) best = c;
        }
        if (!(entries_[best].when < e.when)) break;
        put(i, entries_[best]);
        i = best;
    }
    put(i, e);
}

time_point deadline_heap::second() const noexcept {
    time_point t = never;
    for (std::size_t i = 1; i < 5 && i < entries_.size(); ++i) t = std::min(t, entries_[i].when);
    return t;
}

void deadline_heap::more_slots() {
    std::size_t const before = places_.size(), n = std::max<std::size_t>(64, 2 * before);
    nodes_.resize(n);
    entries_.reserve(n);  // so that only this function allocates
    places_.resize(n);
    for (std::size_t i = n; i-- > before;) {
        places_[i] = free_;
        free_ = static_cast<std::uint32_t>(i);
    }
}

void deadline_heap::insert(timer_node& n, time_point when) {
    WEFT_ASSERT(n.index == timer_node::unarmed, "a deadline was armed twice");
    if (free_ == timer_node::unarmed) more_slots();
    n.index = free_;
    free_ = places_[n.index];
    nodes_[n.index] = &n;
    entries_.push_back({when, n.index});
    up(entries_.size() - 1);
}

void deadline_heap::remove(timer_node& n) noexcept {
    std::uint32_t const slot = n.index;
    WEFT_ASSERT(slot < nodes_.size() && nodes_[slot] == &n, "a deadline lost its place in the heap");
    std::size_t i = places_[slot];
    n.index = timer_node::unarmed;
    nodes_[slot] = nullptr;
    places_[slot] = free_;
    free_ = slot;
    entry last = entries_.back();
    entries_.pop_back();
    if (last.slot == slot) return;
    put(i, last);
    up(i);
    down(places_[last.slot]);
}

void deadline_heap::move(timer_node& n, time_point when) noexcept {
    std::size_t i = places_[n.index];
    entries_[i].when = when;
    up(i);
    down(places_[n.index]);
}

void deadline_heap::take_due(time_point now, std::vector<timer_node*>& out) {
    while (!entries_.empty() && entries_.front().when <= now) {
        timer_node* n = nodes_[entries_.front().slot];
        out.push_back(n);
        remove(*n);
    }
}

}  // namespace weft::detail
