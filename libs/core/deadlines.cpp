// SPDX-License-Identifier: BSL-1.0
#include "core/deadlines.hpp"

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

void deadline_heap::insert(timer_node& n, time_point when) {
    WEFT_ASSERT(n.index == timer_node::unarmed, "a deadline was armed twice");
    entries_.push_back({when, &n});
    up(entries_.size() - 1);
}

void deadline_heap::remove(timer_node& n) noexcept {
    std::size_t i = n.index;
    WEFT_ASSERT(i < entries_.size() && entries_[i].node == &n, "a deadline lost its place in the heap");
    n.index = timer_node::unarmed;
    entry last = entries_.back();
    entries_.pop_back();
    if (last.node == &n) return;
    put(i, last);
    up(i);
    down(last.node->index);
}

void deadline_heap::move(timer_node& n, time_point when) noexcept {
    entries_[n.index].when = when;
    up(n.index);
    down(n.index);
}

void deadline_heap::take_due(time_point now, std::vector<timer_node*>& out) {
    while (!entries_.empty() && entries_.front().when <= now) {
        timer_node* n = entries_.front().node;
        out.push_back(n);
        remove(*n);
    }
}

}  // namespace weft::detail
