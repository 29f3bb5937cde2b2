// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_SEQUENCER_HPP
#define WEFT_TESTING_SEQUENCER_HPP

#include <weft/sync/event.hpp>

#include <map>
#include <memory>

namespace weft::testing {

/// Makes blocks of several tasks run in a fixed order: seq.run(0, f), seq.run(1, g), … each waits until the one before
/// has ended. If a waiting one is cancelled, the sequence is broken for all (broken_resource_error).
///
/// Blocks: run waits for its turn. Throws: cancelled; broken_resource_error; misuse_error if a number is used twice.
/// Source: Trio's Sequencer.
class sequencer {
public:
    template <class F>
    void run(int position, F&& f) {
        enter(position);
        struct leave { sequencer& s; int position; ~leave() { s.done(position); } } l{*this, position};
        f();
    }

private:
    void enter(int position);
    void done(int position);
    std::map<int, std::unique_ptr<event>> turns_;
    std::map<int, bool> claimed_;
    bool broken_{};
};

}  // namespace weft::testing

#endif
