// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/sequencer.hpp>

#include <weft/core/cancelled.hpp>

namespace weft::testing {

namespace {
[[noreturn]] void throw_broken() {
    throw broken_resource_error(weft::detail::message("W060", "a testing::sequencer is broken" + weft::detail::in_task(),
        "a task was cancelled while it waited for its turn, so the later ones can never come.", "look for the cancellation first."));
}
}  // namespace

void sequencer::enter(int position) {
    if (claimed_[position]) weft::detail::throw_misuse("a position of a testing::sequencer was used twice", "give each block its own number.");
    claimed_[position] = true;
    if (broken_) throw_broken();
    auto& turn = turns_[position];
    if (!turn) turn = std::make_unique<event>();
    if (position == 0) turn->set();
    try {
        turn->wait();
    } catch (cancelled const&) {
        broken_ = true;
        for (auto& [p, e] : turns_) e->set();
        throw;
    }
    if (broken_) throw_broken();
}

void sequencer::done(int position) {
    auto& next = turns_[position + 1];
    if (!next) next = std::make_unique<event>();
    next->set();
}

}  // namespace weft::testing
