// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_MAIN_HPP
#define WEFT_STD_MAIN_HPP

#include <weft/core/run.hpp>

#include <type_traits>

namespace weft {

/// Options for a program that was written for threads: its frames expect more than a task's 256 KiB. Virtual until touched.
inline run_options adopted_main_options() {
    run_options o;
    o.stack_size = std::size_t{1} << 20;
    return o;
}

/// Makes a program's main the main task of a run, so that its weft::threads are tasks: calls f(), or f(argc, argv), and returns its
/// result. What leaves f leaves adopt_main, and so terminates the program, as std has it.
///
///     int main(int argc, char** argv) { return weft::adopt_main(real_main, argc, argv); }
///
/// The same in one word: WEFT_MAIN in place of `int main`.
/// Blocks: until the run has ended; detached threads are cancelled and awaited. Throws: as run().
template <class F>
int adopt_main(F&& f, int argc = 0, char** argv = nullptr, run_options const& options = adopted_main_options()) {
    return weft::run(options, [&]() -> int {
        if constexpr (std::is_invocable_r_v<int, F&, int, char**>) return f(argc, argv);
        else return f();
    });
}

}  // namespace weft

/// `WEFT_MAIN(int argc, char** argv) { … return 0; }` or `WEFT_MAIN() { … return 0; }` in place of `int main(…) { … }`. Unlike in a
/// main, the return statement is needed.
#define WEFT_MAIN(...)                                                                      \
    static int weft_adopted_main(__VA_ARGS__);                                              \
    int main(int argc, char** argv) { return ::weft::adopt_main(weft_adopted_main, argc, argv); } \
    static int weft_adopted_main(__VA_ARGS__)

#endif
