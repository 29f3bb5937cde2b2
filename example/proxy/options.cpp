// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace proxy {

char const usage[] =
    "usage: proxy --listen [HOST:]PORT --to HOST:PORT [--to HOST:PORT …]\n"
    "             [--max-connections N] [--idle 60s] [--connect 5s] [--grace 10s]\n"
    "  --listen           where clients come in; port 0: a free one; without a host: all interfaces\n"
    "  --to               a backend; several are taken in turn, one that fails is left alone for a while\n"
    "  --max-connections  at once; more wait in the kernel's queue (default: what the limit of descriptors allows)\n"
    "  --idle             a connection without a byte in either direction is reset after this time\n"
    "  --connect          how long one backend may take to answer\n"
    "  --grace            after SIGTERM or SIGINT: for connections that are under way; a second signal cuts them at once\n"
    "times are like 500ms, 60s, 2m. SIGHUP prints the accounts, SIGUSR1 the accounts and the tree of tasks.\n";

namespace {

template <class N>
std::optional<N> number(std::string_view text) {
    N n{};
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
    return n;
}

std::optional<address> to_address(std::string_view text, bool host_needed) {
    auto colon = text.rfind(':');
    std::string_view host = colon == text.npos ? std::string_view() : text.substr(0, colon);
    auto port = number<std::uint16_t>(colon == text.npos ? text : text.substr(colon + 1));
    if (host.starts_with('[')) {
        if (!host.ends_with(']')) return std::nullopt;
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != host.npos) {
        return std::nullopt;  // an IPv6 address without brackets: where does it end?
    }
    if (!port || (host.empty() && (host_needed || colon != text.npos)) || (host_needed && *port == 0)) return std::nullopt;
    return address{std::string(host), *port};
}

std::optional<std::chrono::milliseconds> to_time(std::string_view text) {
    std::int64_t unit = 1000;
    if (text.ends_with("ms")) { unit = 1; text.remove_suffix(2); }
    else if (text.ends_with('s')) text.remove_suffix(1);
    else if (text.ends_with('m')) { unit = 60'000; text.remove_suffix(1); }
    auto n = number<std::int64_t>(text);
    constexpr std::int64_t year = 365LL * 24 * 3600 * 1000;
    if (!n || *n < 0 || *n > year / unit) return std::nullopt;
    return std::chrono::milliseconds(*n * unit);
}

template <class T>
T checked(std::optional<T> value, std::string_view option, std::string_view text, std::string_view wanted) {
    if (!value) throw usage_error(std::string(option) + ": \"" + std::string(text) + "\" is not " + std::string(wanted));
    return *std::move(value);
}

}  // namespace

std::string address::text() const {
    if (host.empty()) return std::to_string(port);
    return (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

options parse(int argc, char** argv) {
    options o;
    bool listens = false;
    for (int i = 1; i < argc; i += 2) {
        std::string_view option = argv[i];
        if (i + 1 == argc) throw usage_error(std::string(option) + ": its value is missing");
        std::string_view text = argv[i + 1];
        auto time = [&] { return checked(to_time(text), option, text, "a time such as 500ms, 60s or 2m"); };
        if (option == "--listen") { o.listen = checked(to_address(text, false), option, text, "[host:]port"); listens = true; }
        else if (option == "--to") o.to.push_back(checked(to_address(text, true), option, text, "host:port"));
        else if (option == "--max-connections") o.max_connections = checked(number<std::uint32_t>(text), option, text, "a number");
        else if (option == "--idle") o.idle = time();
        else if (option == "--connect") o.connect = time();
        else if (option == "--grace") o.grace = time();
        else throw usage_error("there is no option " + std::string(option));
    }
    if (!listens) throw usage_error("--listen is missing");
    if (o.to.empty()) throw usage_error("--to is missing");
    return o;
}

}  // namespace proxy
