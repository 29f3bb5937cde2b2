// SPDX-License-Identifier: BSL-1.0
#include "process.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace fleet {

namespace fs = std::filesystem;

std::size_t open_sockets() {
    std::size_t n = 0;
    for (auto const& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // the iterator's own descriptor is no socket; others do not change under us
        n += fs::read_symlink(entry.path(), gone).string().starts_with("socket:");
    }
    return n;
}

std::size_t open_descriptors() {
    struct stat s{};
    if (::stat("/proc/self/fd", &s) == 0 && s.st_size > 0) return static_cast<std::size_t>(s.st_size);  // Linux 6.2
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator())) - 1;
}

double seconds_without_cpu() {
    double running = 0, waiting = 0;  // nanoseconds
    std::ifstream("/proc/self/schedstat") >> running >> waiting;
    return waiting / 1e9;
}

unsigned make_room_for(unsigned clients) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    // Both ends of each client's connection are ours, and so are those of the two shard calls it can have under way.
    constexpr rlim_t each = 6, others = 64;
    rlim_t fit = limit.rlim_cur > others ? (limit.rlim_cur - others) / each : 1;
    return static_cast<unsigned>(std::min<rlim_t>(clients, std::max<rlim_t>(fit, 1)));
}

void hold_signals(bool on) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(on ? SIG_BLOCK : SIG_UNBLOCK, &set, nullptr);
}

}  // namespace fleet
