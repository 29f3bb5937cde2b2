// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include <charconv>
#include <string_view>

namespace crawler {

char const usage[] =
    "usage: crawler [OPTION …] URL\n"
    "Follows the links of a site and reports the broken ones. http only.\n"
    "  --allow HOST[:PORT]  follows links to this host, too; may be repeated\n"
    "  --max-pages N        pages at most (1000)\n"
    "  --max-depth N        links from the start (20)\n"
    "  --per-host N         requests at once to one host (4)\n"
    "  --parallel N         requests at once to all (32)\n"
    "  --delay SECONDS      between two requests to one host (0, or what its robots.txt says)\n"
    "  --timeout SECONDS    for one request (10)\n"
    "  --retries N          of a request that failed in a way that may pass (2)\n"
    "  --back-off SECONDS   before the first retry (0.5)\n"
    "  --max-body KIB       of a page that are read (1024)\n"
    "  --json               the report as JSON\n"
    "Ctrl-C ends it with the report so far. Status: 0 no link is broken, 1 some are, 2 it could not crawl, 130 Ctrl-C.\n";

namespace {

template <class N>
N number(std::string_view option, std::string_view text, N least, N most) {
    N n{};
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error == std::errc() && stop == text.data() + text.size() && n >= least && n <= most) return n;
    throw usage_error(std::string(option) + ": \"" + std::string(text) + "\" is not a number from " + std::to_string(least) + " to " + std::to_string(most));
}

}  // namespace

options parse(int argc, char** argv) {
    options o;
    for (int i = 1; i < argc; ++i) {
        std::string_view option = argv[i];
        if (!option.starts_with("--")) {
            auto start = parse_url(option);
            if (!start) throw usage_error("\"" + std::string(option) + "\" is no http address");
            if (!o.start.text.empty()) throw usage_error("there are two addresses; further hosts are named with --allow");
            o.start = *std::move(start);
            continue;
        }
        if (option == "--json") { o.json = true; continue; }
        if (i + 1 == argc) throw usage_error(std::string(option) + ": its value is missing");
        std::string_view text = argv[++i];
        auto count = [&](unsigned least) { return number<unsigned>(option, text, least, 1'000'000); };
        auto time = [&] { return seconds(number<double>(option, text, 0, 86400)); };
        if (option == "--allow") o.allowed.emplace_back(text);
        else if (option == "--max-pages") o.max_pages = count(1);
        else if (option == "--max-depth") o.max_depth = count(0);
        else if (option == "--per-host") o.per_host = count(1);
        else if (option == "--parallel") o.parallel = count(1);
        else if (option == "--delay") o.delay = time();
        else if (option == "--timeout") o.timeout = time();
        else if (option == "--retries") o.retries = number<unsigned>(option, text, 0, 20);
        else if (option == "--back-off") o.back_off = time();
        else if (option == "--max-body") o.max_body = std::size_t(count(1)) * 1024;
        else throw usage_error("there is no option " + std::string(option));
    }
    if (o.start.text.empty()) throw usage_error("the address is missing");
    return o;
}

}  // namespace crawler
