// SPDX-License-Identifier: BSL-1.0
// fleet: an HTTP server, four shards behind it and 2,000 clients before it, all in one program on real loopback sockets,
// in blocking style. It plays calm, a slow shard, recovery and an orderly shutdown, and ends with its own accounts.
#include "play.hpp"
#include "process.hpp"
#include "view.hpp"

#include <weft/weft.hpp>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>

#include <unistd.h>

namespace {

using namespace fleet;

constexpr char usage[] =
    "usage: fleet [--ci] [--clients N]\n"
    "  --ci         a short show of about 3 s without the view, which checks its own numbers\n"
    "  --clients N  N client connections, 1 to 50000 (2000; with --ci 300)\n"
    "SIGINT and SIGTERM end it in order; a second one ends it at once.\n";

std::optional<settings> parse(int argc, char** argv) {
    settings s;
    bool chosen = false;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--ci") == 0) {
            s.ci = true;
        } else if (std::strcmp(argv[i], "--clients") == 0 && i + 1 < argc) {
            char const* text = argv[++i];
            char const* end = text + std::strlen(text);
            auto [stop, error] = std::from_chars(text, end, s.clients);
            if (error != std::errc() || stop != end || s.clients < 1 || s.clients > 50000) return std::nullopt;
            chosen = true;
        } else {
            return std::nullopt;
        }
    }
    if (s.ci) {
        if (!chosen) s.clients = 300;
        s.length = {1200ms, 1000ms, 600ms};
        s.think = 600ms;
    }
    s.live = !s.ci && ::isatty(STDOUT_FILENO);
    return s;
}

int show(settings const& s) {
    world w;
    w.options = s;
    w.options.clients = make_room_for(s.clients);
    if (w.options.clients < s.clients) {
        std::printf("fleet: the hard limit of open descriptors (ulimit -Hn) has room for %u clients only, not %u\n", w.options.clients, s.clients);
    }
    std::size_t sockets_before = open_sockets();
    std::size_t leaked_tasks = weft::run([&] {
        play(w);
        return weft::lowlevel::current_statistics().living - 1;  // all but this one
    });
    long leaked_sockets = static_cast<long>(open_sockets()) - static_cast<long>(sockets_before);
    print_summary(w);
    std::printf("%zu leaked tasks, %ld open sockets\n", leaked_tasks, leaked_sockets);
    return s.ci && !check(w, leaked_tasks, leaked_sockets) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    auto s = parse(argc, argv);
    if (!s) {
        std::fputs(usage, stderr);
        return 2;
    }
    hold_signals(true);  // until there is a task to handle them; one that comes earlier waits
    try {
        return show(*s);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "fleet: %s\n", e.what());
        return 1;
    }
}
