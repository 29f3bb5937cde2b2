// SPDX-License-Identifier: BSL-1.0
#include "redis/client/client.hpp"

#include "redis/client/pump.hpp"

#include <algorithm>
#include <array>

namespace redis {
namespace {

/// Commands that make the shared connection another one, whose replies do not come one for one, or that make all others wait.
void check_shareable(command const& c, bool in_transaction) {
    static constexpr std::string_view refused[] = {
        "AUTH", "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "DISCARD", "EXEC", "HELLO", "MONITOR", "MULTI",
        "PSUBSCRIBE", "PSYNC", "PUNSUBSCRIBE", "QUIT", "RESET", "SELECT", "SSUBSCRIBE", "SUBSCRIBE", "SUNSUBSCRIBE", "SYNC", "UNSUBSCRIBE",
        "UNWATCH", "WAIT", "WATCH"};
    auto upper = [](std::string s) {
        for (char& x : s) if (x >= 'a' && x <= 'z') x = static_cast<char>(x - 'a' + 'A');
        return s;
    };
    std::string name = c.empty() ? "" : upper(c[0]);
    bool blocks = (name == "XREAD" || name == "XREADGROUP") && std::any_of(c.begin(), c.end(), [&](auto const& w) { return upper(w) == "BLOCK"; });
    bool quiet = name == "CLIENT" && c.size() > 1 && upper(c[1]) == "REPLY";
    if (!blocks && !quiet && std::find(std::begin(refused), std::end(refused), name) == std::end(refused)) return;
    throw weft::misuse_error("redis: " + name + (in_transaction ? " in a transaction" : "") + " on a connection that tasks share\n"
                             "  help: subscribe(), transaction(), client_options; or a redis::link of one's own");
}

std::string encoded(std::vector<command> const& commands, bool in_transaction) {
    std::string bytes;
    for (auto const& c : commands) {
        check_shareable(c, in_transaction);
        encode(c, bytes);
    }
    return bytes;
}

}  // namespace

client::client(weft::nursery& n, client_options options) : pump_(std::make_shared<pump>(std::move(options))) {
    n.start_service("redis client", [p = pump_] { p->run(); });
}

value client::request(command c) {
    std::string bytes;
    check_shareable(c, false);
    encode(c, bytes);
    value v = std::move(pump_->call(std::move(bytes), 1).front());
    v.throw_if_error();
    return v;
}

std::vector<value> client::pipeline(std::vector<command> const& commands) {
    if (commands.empty()) return {};
    return pump_->call(encoded(commands, false), commands.size());
}

std::vector<value> client::transaction(std::vector<command> const& commands) {
    std::string bytes;
    encode({"MULTI"}, bytes);
    bytes += encoded(commands, true);
    encode({"EXEC"}, bytes);
    auto replies = pump_->call(std::move(bytes), commands.size() + 2);
    for (auto& r : replies) if (&r != &replies.back()) r.throw_if_error();  // what was wrong with the one that made EXEC fail
    return replies.back().as_list();
}

client_statistics client::statistics() const { return pump_->statistics(); }

weft::generator<message> subscribe(weft::nursery& n, client_options const& options, std::vector<std::string> channels) {
    if (channels.empty()) throw weft::misuse_error("redis: subscribe without a channel");
    auto l = std::make_shared<link>(options);
    command c{"SUBSCRIBE"};
    c.insert(c.end(), channels.begin(), channels.end());
    std::string bytes;
    encode(c, bytes);
    l->write(bytes);
    auto take = [](value& v) -> std::optional<message> {
        if (v.elements.size() != 3 || v.elements[0].text != "message") return std::nullopt;
        return message{std::move(v.elements[1].text), std::move(v.elements[2].text)};
    };
    std::vector<message> early;  // of the first channels, before the last one was confirmed
    for (std::size_t confirmed = 0; confirmed < channels.size();) {
        value v = l->read();
        v.throw_if_error();
        if (auto m = take(v)) early.push_back(std::move(*m));
        else ++confirmed;
    }
    return weft::make_generator<message>(n, "redis subscription", [l, take, early = std::move(early)](weft::generator_sink<message>& out) mutable {
        for (auto& m : early) out.send(std::move(m));
        for (;;) {
            value v;
            try {
                v = l->read();
            } catch (std::exception const& e) {
                throw connection_lost_error(e.what(), true);
            }
            if (auto m = take(v)) out.send(std::move(*m));
        }
    });
}

}  // namespace redis
