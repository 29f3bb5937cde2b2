// SPDX-License-Identifier: BSL-1.0
// The report for people.
#include "report.hpp"

#include <cstdio>
#include <ostream>

namespace crawler {
namespace {

std::string in_words(std::uint64_t bytes) {
    char text[32];
    if (bytes < 1000) std::snprintf(text, sizeof text, "%u B", static_cast<unsigned>(bytes));
    else if (bytes < 1'000'000) std::snprintf(text, sizeof text, "%.1f kB", static_cast<double>(bytes) / 1e3);
    else std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
    return text;
}

}  // namespace

void report::print(std::ostream& os) const {
    char line[160];
    std::snprintf(line, sizeof line, "%zu pages answered, %zu did not, in %.1f s%s\n", answered, failed, took.count(), interrupted ? ", interrupted" : "");
    os << line;
    os << redirected << " redirects, " << forbidden << " forbidden by robots.txt, " << outside << " outside, " << not_asked << " not asked for\n";
    if (from.limited()) os << "The limit of pages was reached; see --max-pages.\n";
    for (auto const& t : truncated) os << "Read in part, as it is larger than the limit: " << t << '\n';
    os << "\nBroken links: " << broken.size() << '\n';
    for (auto const& b : broken) {
        os << "  " << b.address << "  " << b.problem << '\n';
        for (auto const& page : b.on) os << "      on " << page << '\n';
        if (b.on.empty()) os << "      the start\n";
    }
    os << "\nHosts:\n";
    for (auto const& [name, s] : from.sites()) {
        auto answers = s->requests - s->failures;
        std::snprintf(line, sizeof line, "  %-24s %6llu requests, %llu failed, %llu retries, %llu connections, %s, %.1f ms each\n", name.c_str(),
                      static_cast<unsigned long long>(s->requests), static_cast<unsigned long long>(s->failures), static_cast<unsigned long long>(s->retries),
                      static_cast<unsigned long long>(s->pool.connections()), in_words(s->bytes).c_str(), answers > 0 ? s->answering.count() / static_cast<double>(answers) : 0);
        os << line;
    }
}

}  // namespace crawler
