// SPDX-License-Identifier: BSL-1.0
// The addresses of a connection string, and one attempt after the other.
#include "postgres/client/session.hpp"

#include <weft/asio.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/net/connect.hpp>
#include <weft/task/timeouts.hpp>

#include <libpq-fe.h>

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <map>
#include <vector>

namespace postgres {
namespace {

using settings = std::map<std::string, std::string>;

struct free_options { void operator()(PQconninfoOption* o) const noexcept { PQconninfoFree(o); } };
using options_ptr = std::unique_ptr<PQconninfoOption, free_options>;

void take(settings& to, PQconninfoOption const* from) {
    for (; from && from->keyword; ++from) if (from->val && *from->val) to[from->keyword] = from->val;
}

/// The defaults (environment, service file) and, over them, the string's.
settings parse(std::string const& conninfo) {
    settings s;
    options_ptr defaults(PQconndefaults());
    take(s, defaults.get());
    char* why = nullptr;
    options_ptr given(PQconninfoParse(conninfo.c_str(), &why));
    std::unique_ptr<char, void (*)(char*)> message(why, [](char* p) { PQfreemem(p); });
    if (!given) throw connection_error(std::string("the connection string is wrong: ") + (why ? why : "out of memory"), "", "");
    take(s, given.get());
    return s;
}

std::vector<std::string> split(std::string const& list) {
    std::vector<std::string> items{""};
    for (char c : list) {
        if (c == ',') items.emplace_back();
        else items.back() += c;
    }
    return items;
}

struct target { std::string host, address, port; };

std::uint16_t number(std::string const& port) {
    std::uint16_t n = 0;
    auto [end, e] = std::from_chars(port.data(), port.data() + port.size(), n);
    if (e != std::errc() || end != port.data() + port.size()) throw connection_error("\"" + port + "\" is no port", "", "");
    return n;
}

/// One of the string's hosts as addresses. libpq would look the name up on this thread, and all other tasks would wait.
void resolve(target t, std::vector<target>& to, std::string& failures) {
    bool local = t.host.empty() || t.host[0] == '/' || t.host[0] == '@';
    if (local || !t.address.empty()) { to.push_back(std::move(t)); return; }
    try {
        for (auto& a : weft::resolve_tcp(t.host, number(t.port))) to.push_back({t.host, a.address().to_string(), t.port});
    } catch (boost::system::system_error const& e) {
        failures += "\n  " + t.host + ": " + e.what();
    }
}

std::vector<target> targets(settings const& s, std::string& failures) {
    auto list = [&](char const* key) { auto i = s.find(key); return i == s.end() ? std::vector<std::string>{""} : split(i->second); };
    auto hosts = list("host"), addresses = list("hostaddr"), ports = list("port");
    std::vector<target> all;
    std::size_t n = std::max(hosts.size(), addresses.size());
    auto nth = [n](std::vector<std::string> const& v, std::size_t i, char const* key) {
        if (v.size() != 1 && v.size() != n) throw connection_error(std::string("the connection string has another number of ") + key + " than of hosts", "", "");
        return v.size() == 1 ? v[0] : v[i];
    };
    for (std::size_t i = 0; i < n; ++i) {
        std::string port = nth(ports, i, "ports");
        resolve({nth(hosts, i, "hosts"), nth(addresses, i, "addresses"), port.empty() ? "5432" : port}, all, failures);
    }
    return all;
}

/// Waits for the socket as it is now: libpq may have another one after each step, perhaps with the same number.
void wait_for(PGconn* c, PostgresPollingStatusType what) {
    int copy = ::fcntl(PQsocket(c), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw boost::system::system_error(errno, boost::system::system_category(), "postgres: duplicating the descriptor");
    boost::asio::posix::stream_descriptor ready(weft::get_executor(), copy);
    ready.async_wait(what == PGRES_POLLING_READING ? ready.wait_read : ready.wait_write, weft::use_fiber);
}

connection_ptr attempt(settings s, target const& t) {
    auto put = [&](char const* key, std::string const& value) { if (value.empty()) s.erase(key); else s[key] = value; };
    put("host", t.host);
    put("hostaddr", t.address);
    put("port", t.port);
    std::vector<char const*> keys, values;
    for (auto const& [k, v] : s) {
        keys.push_back(k.c_str());
        values.push_back(v.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    connection_ptr c(PQconnectStartParams(keys.data(), values.data(), 0));
    if (!c) throw std::bad_alloc();
    auto step = PQstatus(c.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        wait_for(c.get(), step);
        step = PQconnectPoll(c.get());
    }
    if (step != PGRES_POLLING_OK) throw connection_error(PQerrorMessage(c.get()), "", "");
    return c;
}

}  // namespace

connection_ptr connect(std::string const& conninfo, connect_options const& options) {
    weft::check_cancelled();
    settings s = parse(conninfo);
    std::string failures;
    for (target const& t : targets(s, failures)) {
        std::string name = (t.address.empty() ? t.host : t.address) + " port " + t.port;
        try {
            return weft::fail_after(options.attempt_limit, [&] { return attempt(s, t); });
        } catch (weft::too_slow_error const&) {
            failures += "\n  " + name + ": no connection within " +
                        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(options.attempt_limit).count()) + " ms";
        } catch (weft::error const& e) {
            failures += "\n  " + name + ": " + e.what();
        }
    }
    throw connection_error("no connection could be made" + failures, "", "");
}

}  // namespace postgres
