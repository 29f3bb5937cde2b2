// SPDX-License-Identifier: BSL-1.0
// Deadlines and cancellation: around a block, nested, shielded, and the reason they carry.
#include <weft/weft.hpp>

#include <iostream>

namespace {

using namespace std::chrono_literals;
int failures = 0;

void expect(bool condition, char const* what) {
    std::cout << (condition ? "ok    " : "WRONG ") << what << '\n';
    failures += !condition;
}

// The inner block never ends by itself; a deadline far away never fires.
void around_a_block() {
    expect(weft::move_on_after(1h, [] { weft::checkpoint(); }), "a block that ends in time: true");
    expect(!weft::move_on_after(5ms, [] { weft::this_task::sleep_forever(); }), "one that does not: false, after 5 ms");
    expect(weft::move_on_after(1h, [] { return 42; }) == 42, "a result comes as an optional");
    bool too_slow = false;
    try { weft::fail_after(5ms, [] { weft::this_task::sleep_forever(); }); }
    catch (weft::too_slow_error const&) { too_slow = true; }
    expect(too_slow, "fail_after throws too_slow_error instead");
}

// Each scope catches its own cancellation only: the outer deadline passes through the inner block.
void nested() {
    bool after_inner = false;
    bool outer_done = weft::move_on_after(5ms, [&] {
        weft::move_on_after(1h, [] { weft::this_task::sleep_forever(); });
        after_inner = true;
    });
    expect(!outer_done && !after_inner, "the outer deadline ends the inner block and what follows it");
    bool inner_done = true;
    outer_done = weft::move_on_after(1h, [&] { inner_done = weft::move_on_after(5ms, [] { weft::this_task::sleep_forever(); }); });
    expect(outer_done && !inner_done, "the inner deadline ends the inner block only");
}

// A shield holds off all outer cancellations: for the last words to a peer, with a deadline of its own.
void shielded() {
    bool said_goodbye = false;
    weft::cancel_scope work;
    bool finished = work.run([&] {
        work.cancel("enough");
        weft::cancel_scope last_words;
        last_words.set_shield(true);
        last_words.set_deadline_after(1h);
        last_words.run([&] { weft::this_task::sleep_for(1ms); said_goodbye = true; });
        weft::checkpoint();
        expect(false, "not reached: the shield is gone, the cancellation is not");
    });
    expect(!finished && said_goodbye, "a shielded block runs to its end; the next point outside it raises");
}

// `cancelled` says who asked and why. Catching it without rethrowing helps nobody: the next point raises again.
void the_reason() {
    weft::cancel_scope s("download");
    bool again = false;
    s.run([&] {
        s.cancel("the user closed the window");
        try { weft::checkpoint(); }
        catch (weft::cancelled const& c) { std::cout << "      " << c.message() << '\n'; }
        try { weft::checkpoint(); }
        catch (weft::cancelled const&) { again = true; throw; }
    });
    expect(s.cancelled_caught() && s.reason() == "the user closed the window", "the scope keeps its reason");
    expect(again, "cancellation is a level, not an event: it is raised until control leaves the scope");
}

}  // namespace

int main() {
    weft::run([] { around_a_block(); nested(); shielded(); the_reason(); });
    return failures == 0 ? 0 : 1;
}
