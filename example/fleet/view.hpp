// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_VIEW_HPP
#define FLEET_VIEW_HPP

#include "world.hpp"

#include <string>
#include <string_view>

namespace fleet {

/// Shows the world while it turns: ten lines redrawn in place, or a plain line a second where there is no terminal.
/// Announcements scroll by above.
class view {
public:
    explicit view(world& w) : world_(w) {}
    /// Samples and draws until cancelled; the last state stays on the screen.
    void run();
    void announce(std::string_view text);

private:
    void sample();
    void draw();
    void print_line();
    void erase();

    world& world_;
    bool drawn_{};                    ///< ten lines of ours are above the cursor
    std::uint64_t ok_before_{};       ///< a second ago
    std::uint64_t rate_{};            ///< answers in the last full second
};

/// The table of the acts and the order of the drain.
void print_summary(world const& w);
/// For --ci: whether the numbers are as they should be. Says which are not.
bool check(world const& w, std::size_t leaked_tasks, long leaked_sockets);

}  // namespace fleet

#endif
