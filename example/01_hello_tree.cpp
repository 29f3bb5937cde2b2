// SPDX-License-Identifier: BSL-1.0
// A small tree of tasks: who is whose child, what each waits for, and how an error leaves the tree.
#include <weft/inspect.hpp>
#include <weft/weft.hpp>

#include <iostream>
#include <sstream>
#include <stdexcept>

namespace {

int failures = 0;

void expect(bool condition, char const* what) {
    std::cout << (condition ? "  ok    " : "  WRONG ") << what << '\n';
    failures += !condition;
}

// Tasks run when their parent lets them: at a checkpoint, in a wait, at the end of the nursery.
void a_tree() {
    std::string soup;
    weft::event water_boils;
    weft::with_nursery({.name = "kitchen"}, [&](weft::nursery& kitchen) {
        kitchen.start_soon("cook", [&] {
            weft::with_nursery({.name = "pots"}, [&](weft::nursery& pots) {
                pots.start_soon("carrots", [&] { water_boils.wait(); soup += 'c'; });
                pots.start_soon("onions", [&] { water_boils.wait(); soup += 'o'; });
            });
            soup += '!';  // the pots are done: no child outlives its nursery
        });
        auto price = kitchen.spawn("waiter", [] { return 12; });
        expect(price.get() == 12, "a handle brings a child's result");

        while (water_boils.waiters() < 2) weft::checkpoint();
        std::ostringstream tree;
        weft::inspect::dump(tree);
        std::cout << tree.str();
        expect(tree.str().find("carrots") != std::string::npos, "the dump shows who waits for what");
        water_boils.set();
    });
    expect(soup == "co!" || soup == "oc!", "the nursery waited for all of them; which pot comes first is left open");
}

// The first error cancels the siblings; all errors leave the nursery together.
void an_error() {
    bool sibling_cancelled = false;
    try {
        weft::with_nursery({.name = "kitchen"}, [&](weft::nursery& n) {
            n.start_soon("oven", [] { throw std::runtime_error("the roast is burnt"); });
            n.start_soon("clock", [&] {
                try { weft::this_task::sleep_forever(); }
                catch (weft::cancelled const&) { sibling_cancelled = true; throw; }
            });
        });
        expect(false, "an error is never lost");
    } catch (weft::exception_group const& g) {
        std::cout << g.what() << '\n';
        int handled = 0;
        g.handle<std::runtime_error>([&](std::runtime_error const&) { ++handled; });
        expect(handled == 1, "the error arrived, and handle() took it out of the group");
    }
    expect(sibling_cancelled, "the sibling was cancelled for it");
}

}  // namespace

int main() {
    return weft::run([] {
        a_tree();
        an_error();
        return failures == 0 ? 0 : 1;
    });
}
