// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include "target.hpp"

#include <algorithm>
#include <string_view>

#include <sys/resource.h>

namespace board {

char const usage[] =
    "usage: board [--host ADDRESS] [--port N] [--max-connections N] [--grace SECONDS] [--quiet]\n"
    "  --host ADDRESS       the address to listen on, as a number (127.0.0.1)\n"
    "  --port N             0: a free one (8080)\n"
    "  --max-connections N  at once; more wait until one has ended (4096)\n"
    "  --grace SECONDS      for connections that are under way, when the server ends (10)\n"
    "  --quiet              no lines but the address and the accounts at the end\n"
    "SIGINT and SIGTERM end it in order; a second one ends it at once.\n";

std::optional<options> parse_options(int argc, char const* const* argv, std::string& wrong) {
    options o;
    for (int i = 1; i < argc; ++i) {
        std::string_view name = argv[i];
        wrong = name;
        if (name == "--quiet") { o.quiet = true; continue; }
        if (name == "--help") { o.help = true; continue; }
        bool known = name == "--host" || name == "--port" || name == "--max-connections" || name == "--grace";
        if (!known || i + 1 == argc) return std::nullopt;
        std::string_view value = argv[++i];
        wrong += ' ';
        wrong += value;
        if (name == "--host") { o.host = value; continue; }
        auto n = parse_number(value);
        if (!n) return std::nullopt;
        if (name == "--port" && *n <= 65535) o.port = static_cast<std::uint16_t>(*n);
        else if (name == "--max-connections" && *n >= 1 && *n <= 1'000'000) o.max_connections = *n;
        else if (name == "--grace" && *n <= 3600) o.grace = std::chrono::seconds(*n);
        else return std::nullopt;
    }
    return o;
}

std::size_t make_room_for(std::size_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    constexpr rlim_t others = 64;  // the loop's, the listener, the standard streams
    rlim_t fit = limit.rlim_cur > others ? limit.rlim_cur - others : 1;
    return static_cast<std::size_t>(std::min<rlim_t>(wanted, fit));
}

}  // namespace board
