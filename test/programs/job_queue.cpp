// SPDX-License-Identifier: BSL-1.0
// Processes of example/job_queue on real servers: every job is done, its effect is there once, whoever is asked to end or is killed.
#include "servers.hpp"
#include "../fixture.hpp"

#include "postgres/client/connection.hpp"

#include <weft/net/process.hpp>

using namespace weft_test;
using boost::unit_test::framework::master_test_suite;

namespace {

postgres_server& pg() {
    static postgres_server s;
    return s;
}
redis_server& rs() {
    static redis_server s;
    return s;
}

std::vector<std::string> command(std::vector<std::string> words, std::vector<std::string> options = {}) {
    // Absolute, as a server works in another folder.
    std::vector<std::string> c{std::filesystem::absolute(master_test_suite().argv[1]).string(), "--postgres", pg().conninfo(), "--redis", rs().socket()};
    c.insert(c.end(), options.begin(), options.end());
    c.insert(c.end(), words.begin(), words.end());
    return c;
}

/// Runs it to its end; what it printed.
std::string do_it(std::vector<std::string> words, std::vector<std::string> options = {}) {
    return weft::run([&] { return weft::run_process(command(std::move(words), std::move(options))).out; });
}

/// A number from the tables of the queue.
long ask(std::string const& sql) {
    return weft::run([&] {
        postgres::connection c(pg().conninfo());
        c.query("SET search_path = jobs");
        return c.query(sql).one().get<long>(0);
    });
}
long in_state(std::string const& state) { return ask("SELECT count(*) FROM job WHERE state = '" + state + "'"); }

template <class F>
void eventually(F&& f) {
    for (auto end = std::chrono::steady_clock::now() + 60s; !f();) {
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("it has not come to that");
        std::this_thread::sleep_for(5ms);
    }
}

/// All jobs are done, and have their effect once.
void check_all_done(long jobs) {
    BOOST_TEST(in_state("done") == jobs);
    BOOST_TEST(ask("SELECT count(*) FROM job") == jobs);
    BOOST_TEST(ask("SELECT count(*) FROM effect") == jobs);
    BOOST_TEST(ask("SELECT count(DISTINCT job) FROM effect") == jobs);
}

/// A process that works, with its own log.
struct worker_process : server {
    explicit worker_process(std::string const& log, std::vector<std::string> options)
        : server(command({"work"}, std::move(options)), {.log = log}) {}
};

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(job_queue)

BOOST_AUTO_TEST_CASE(three_processes_do_every_job_once) {
    BOOST_REQUIRE(master_test_suite().argc > 1);
    temporary_folder logs("jobs");
    do_it({"create"});
    do_it({"add", "80", "sleep 4"});
    do_it({"add", "8", "sleep 4 fail 2"}, {"--attempts", "10"});
    {
        worker_process a(logs / "a", {"--until-empty", "--workers", "8"}), b(logs / "b", {"--until-empty"}), c(logs / "c", {"--until-empty"});
        BOOST_TEST(a.wait() == 0, a.log());
        BOOST_TEST(b.wait() == 0, b.log());
        BOOST_TEST(c.wait() == 0, c.log());
    }
    check_all_done(88);
    BOOST_TEST(ask("SELECT count(*) FROM job WHERE attempt = 3") >= 8);
    std::string s = do_it({"status"});
    BOOST_TEST(has(s, "0 ready, 0 running, 88 done, 0 dead; 88 effects of 88 jobs"), s);
    long done = 0, failed = 0;  // these may be lost where Redis is slow; there are never too many
    BOOST_REQUIRE_MESSAGE(std::sscanf(s.c_str() + std::min(s.size(), s.find("counters")), "counters: %ld done, %ld failed", &done, &failed) == 2, s);
    BOOST_TEST((done > 0 && done <= 88));
    BOOST_TEST((failed > 0 && failed <= 16));
}

BOOST_AUTO_TEST_CASE(a_job_that_always_fails_is_dead_after_its_attempts) {
    do_it({"create"});
    do_it({"add", "2", "sleep 0 fail 99"}, {"--attempts", "2"});
    do_it({"work"}, {"--until-empty"});
    BOOST_TEST(in_state("dead") == 2);
    BOOST_TEST(ask("SELECT count(*) FROM job WHERE attempt = 2 AND error LIKE '%as was asked for%'") == 2);
    BOOST_TEST(ask("SELECT count(*) FROM effect") == 0);
}

BOOST_AUTO_TEST_CASE(a_notification_wakes_a_worker_that_waits) {
    temporary_folder logs("jobs");
    do_it({"create"});
    worker_process a(logs / "a", {});
    eventually([&] { return ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'") == 1; });
    do_it({"add", "3", "sleep 0"});
    eventually([&] { return in_state("done") == 3; });
    a.signal(SIGTERM);
    BOOST_TEST(a.wait() == 0, a.log());
    check_all_done(3);
}

BOOST_AUTO_TEST_CASE(a_process_that_is_asked_to_end_finishes_what_it_can_and_gives_back_the_rest) {
    temporary_folder logs("jobs");
    do_it({"create"});
    do_it({"add", "2", "sleep 300"});
    do_it({"add", "2", "sleep 600000"});
    do_it({"add", "5", "sleep 0"});
    worker_process a(logs / "a", {"--workers", "4", "--grace", "3000"});
    eventually([&] { return in_state("running") == 4; });
    a.signal(SIGTERM);
    BOOST_TEST(a.wait() == 0, a.log());
    BOOST_TEST(has(a.log(), "2 done, 0 failed, 2 given back, 0 lost; the grace time was over"), a.log());
    BOOST_TEST(in_state("done") == 2);
    BOOST_TEST(in_state("ready") == 7);  // nothing was claimed after the signal
    BOOST_TEST(ask("SELECT count(*) FROM job WHERE state = 'ready' AND attempt = 0 AND lease IS NULL") == 7);
    BOOST_TEST(ask("SELECT count(*) FROM effect") == 2);
}

BOOST_AUTO_TEST_CASE(a_second_signal_ends_the_grace_time) {
    temporary_folder logs("jobs");
    do_it({"create"});
    do_it({"add", "1", "sleep 600000"});
    worker_process a(logs / "a", {"--grace", "600000"});
    eventually([&] { return in_state("running") == 1; });
    a.signal(SIGTERM);
    eventually([&] { return has(a.log(), "no further jobs"); });
    a.signal(SIGINT);
    BOOST_TEST(a.wait() == 0, a.log());
    BOOST_TEST(in_state("ready") == 1);
}

BOOST_AUTO_TEST_CASE(a_process_that_is_killed_loses_no_job) {
    temporary_folder logs("jobs");
    do_it({"create"});
    do_it({"add", "150", "sleep 40"}, {"--attempts", "50"});
    for (int i = 0; i < 2; ++i) {
        worker_process a(logs / "a", {"--lease", "1500"});
        long before = ask("SELECT count(*) FROM effect");
        eventually([&] { return in_state("running") >= 1 && ask("SELECT count(*) FROM effect") > before; });
        a.signal(SIGKILL);
        BOOST_TEST(a.wait() == 128 + SIGKILL);
    }
    do_it({"work"}, {"--until-empty", "--lease", "5000", "--workers", "16"});
    check_all_done(150);
}

BOOST_AUTO_TEST_CASE(without_redis_the_jobs_are_done_all_the_same) {
    do_it({"create"});
    do_it({"add", "4", "sleep 0"});
    rs().kill();
    do_it({"work"}, {"--until-empty", "--rate", "1000"});
    check_all_done(4);
    BOOST_TEST(has(do_it({"status"}), "Redis does not answer"));
    rs().start();
}

BOOST_AUTO_TEST_CASE(a_server_that_restarts_ends_connections_and_no_process) {
    temporary_folder logs("jobs");
    do_it({"create"});
    do_it({"add", "100", "sleep 40"}, {"--attempts", "50"});
    worker_process a(logs / "a", {"--until-empty", "--lease", "2000", "--workers", "8"});
    eventually([&] { return ask("SELECT count(*) FROM effect") > 5; });
    ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
    BOOST_TEST(a.wait() == 0, a.log());
    check_all_done(100);
}

BOOST_AUTO_TEST_CASE(the_rate_is_a_limit_for_all) {
    do_it({"create"});
    do_it({"add", "5", "sleep 0"});
    auto began = std::chrono::steady_clock::now();
    do_it({"work"}, {"--until-empty", "--rate", "2"});
    BOOST_TEST((std::chrono::steady_clock::now() - began > 1s));  // two in the first second, two in the next, …
    check_all_done(5);
    BOOST_TEST(weft::run([] { return weft::run_process({master_test_suite().argv[1], "--workers", "0", "work"}, {.check = false}).status.exit_code; }) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
