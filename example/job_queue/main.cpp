// SPDX-License-Identifier: BSL-1.0
// job_queue: jobs in PostgreSQL, progress and counters in Redis, and processes with many workers each, on the clients of the examples
// postgres and redis.
//
//     example/run job_queue [OPTION …] create              makes the tables, anew
//     example/run job_queue [OPTION …] add COUNT [PAYLOAD] such as "sleep 20", or "sleep 20 fail 2": the first two attempts fail
//     example/run job_queue [OPTION …] work                works until SIGTERM; as many processes as you like
//     example/run job_queue [OPTION …] status
//
// What to look at:
//
// - A job's effect and its end are one transaction (store::finish), which needs the job's lease. So each effect is there once, however
//   often the job was begun, and whatever process was killed in whatever moment.
// - A job under way is a nursery: what it does, and a service that extends its lease. If the lease is lost, the job is cancelled.
// - SIGTERM: nothing more is claimed; jobs under way have the grace time; then they are cancelled, and each is given back, in a shielded scope.
// - Redis holds only what may be lost; each call to it has a limit.
#include "worker.hpp"

#include <weft/weft.hpp>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <sstream>

#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using job_queue::milliseconds;

constexpr char usage[] =
    "usage: job_queue [OPTION …] create | add COUNT [PAYLOAD] | work | status\n"
    "  --postgres CONNINFO   such as \"host=/run/postgresql dbname=test\" (the environment's)\n"
    "  --redis PORT|PATH     of the server (6379)\n"
    "  --queue NAME          a schema of the database, and a prefix of the keys (jobs)\n"
    "  --attempts N          of each job that is added (5)\n"
    "  --workers N           jobs at once in this process (4)\n"
    "  --rate N              jobs a second of all processes (0: no limit)\n"
    "  --lease MS            for which a job is invisible; extended while it is worked on (30000)\n"
    "  --grace MS            for jobs under way after SIGTERM or SIGINT (10000)\n"
    "  --until-empty         work ends when all jobs are done\n";

struct settings {
    std::map<std::string, std::string> text{{"postgres", ""}, {"redis", "6379"}, {"queue", "jobs"}};
    std::map<std::string, long> number{{"attempts", 5}, {"workers", 4}, {"rate", 0}, {"lease", 30'000}, {"grace", 10'000}};
    bool until_empty{};
    std::vector<std::string> command;
};

std::optional<long> to_number(std::string_view t) {
    long n = 0;
    auto [end, e] = std::from_chars(t.data(), t.data() + t.size(), n);
    if (e != std::errc() || end != t.data() + t.size() || n < 0) return std::nullopt;
    return n;
}

std::optional<settings> parse(int argc, char** argv) {
    settings s;
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i], name = word.substr(0, 2) == "--" ? word.substr(2) : "";
        if (name.empty()) { s.command.push_back(word); continue; }
        if (name == "until-empty") { s.until_empty = true; continue; }
        if (++i == argc) return std::nullopt;
        if (auto t = s.text.find(name); t != s.text.end()) { t->second = argv[i]; continue; }
        auto n = s.number.find(name);
        auto value = to_number(argv[i]);
        if (n == s.number.end() || !value) return std::nullopt;
        n->second = *value;
    }
    if (s.number["workers"] < 1 || s.number["workers"] > 1000 || s.number["lease"] < 10 || s.number["attempts"] < 1) return std::nullopt;
    return s;
}

redis::client_options redis_options(std::string const& where) {
    redis::client_options o;
    if (where.starts_with('/')) o.socket = where;
    else o.port = static_cast<std::uint16_t>(to_number(where).value_or(0));
    return o;
}

/// "sleep MS", and "fail N" for the first N attempts.
void play(job_queue::job const& j, std::function<void(int)> const& progress) {
    std::istringstream in(j.payload);
    std::string word;
    long n = 0, sleep = 0, fail = 0;
    while (in >> word >> n) (word == "sleep" ? sleep : fail) = n;
    for (int percent = 0; percent < 100; percent += 25) {
        progress(percent);
        weft::this_task::sleep_for(milliseconds(sleep) / 4);
    }
    if (j.attempt <= fail) throw std::runtime_error("attempt " + std::to_string(j.attempt) + " fails, as was asked for");
}

int work(settings& s, job_queue::store& st, job_queue::board& b) {
    char host[64] = "";
    ::gethostname(host, sizeof host - 1);
    job_queue::worker w(st, b, {
        .conninfo = s.text["postgres"], .name = std::string(host) + ":" + std::to_string(::getpid()),
        .workers = static_cast<std::size_t>(s.number["workers"]), .lease = milliseconds(s.number["lease"]),
        .grace = milliseconds(s.number["grace"]), .until_empty = s.until_empty}, play);
    auto r = w.run();
    std::printf("%ld done, %ld failed, %ld given back, %ld lost%s\n", r.done, r.failed, r.returned, r.lost, r.in_time ? "" : "; the grace time was over");
    return 0;
}

void status(job_queue::store& st, job_queue::board& b) {
    auto c = st.counts();
    std::printf("%ld ready, %ld running, %ld done, %ld dead; %ld effects of %ld jobs\n", c.ready, c.running, c.done, c.dead, c.effects, c.jobs_with_effect);
    if (auto done = b.counter("done")) std::printf("counters: %ld done, %ld failed, %ld given back\n", *done, b.counter("failed").value_or(-1), b.counter("returned").value_or(-1));
    else std::puts("counters: Redis does not answer");
}

/// 2: the command is none.
int run(settings& s) {
    std::string const& name = s.text["queue"];
    postgres::pool p(s.text["postgres"], {
        .capacity = static_cast<std::size_t>(2 * s.number["workers"] + 1),  // a job and its lease
        .on_connect = [&](postgres::connection& c) { c.query("SET search_path = " + c.quote_name(name)); }});
    job_queue::store st(p, name);
    return weft::with_nursery([&](weft::nursery& n) {
        job_queue::board b(n, redis_options(s.text["redis"]), name, s.number["rate"]);
        auto const& c = s.command;
        if (c.size() == 1 && c[0] == "create") { st.create(); b.clear(); return 0; }
        if ((c.size() == 2 || c.size() == 3) && c[0] == "add" && to_number(c[1])) {
            st.add(c.size() == 3 ? c[2] : "sleep 20", *to_number(c[1]), static_cast<int>(s.number["attempts"]));
            return 0;
        }
        if (c.size() == 1 && c[0] == "work") return work(s, st, b);
        if (c.size() == 1 && c[0] == "status") { status(st, b); return 0; }
        return 2;
    });
}

}  // namespace

int main(int argc, char** argv) {
    auto s = parse(argc, argv);
    int code = 2;
    try {
        if (s) code = weft::run([&] { return run(*s); });
    } catch (std::exception const& e) {
        std::fprintf(stderr, "job_queue: %s\n", e.what());
        return 1;
    }
    if (code == 2) std::fputs(usage, stderr);
    return code;
}
