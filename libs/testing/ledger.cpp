// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/ledger.hpp>

#include "asio/fd_waits.hpp"
#include "core/kernel.hpp"

#include <filesystem>

namespace weft::testing {

std::size_t open_descriptors() {
    std::size_t n = 0;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) { static_cast<void>(entry); ++n; }
    return n - 1;  // the one that reads the directory
}

namespace {
// Not the one that a run makes for its first wait for a descriptor, and keeps.
std::size_t counted_descriptors() { return open_descriptors() - weft::detail::fds_of_fd_waits(); }
}  // namespace

ledger::ledger() : descriptors_(counted_descriptors()) {
    if (weft::detail::kernel* k = weft::detail::this_kernel) {
        in_run_ = true;
        run_statistics s = k->statistics();
        tasks_ = s.living;
        deadlines_ = s.deadlines;
    }
}

std::string ledger::difference(bool with_descriptors) const {
    std::string d;
    auto compare = [&](char const* what, std::size_t before, std::size_t after) {
        if (before != after) d += std::string(d.empty() ? "" : ", ") + what + ": " + std::to_string(before) + " before, " + std::to_string(after) + " after";
    };
    weft::detail::kernel* k = weft::detail::this_kernel;
    if (in_run_ && k) {
        run_statistics s = k->statistics();
        compare("tasks", tasks_, s.living);
        compare("deadlines", deadlines_, s.deadlines);
        if (k->stop_waiters) d += std::string(d.empty() ? "" : ", ") + "waiters for a stop request are left";
        std::size_t busy = s.fibers - s.idle_fibers;
        if (busy > s.living) d += std::string(d.empty() ? "" : ", ") + "fibers: " + std::to_string(busy) + " busy for " + std::to_string(s.living) + " tasks";
    }
    if (with_descriptors) compare("descriptors", descriptors_, counted_descriptors());
    return d;
}

}  // namespace weft::testing
