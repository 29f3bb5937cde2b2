// SPDX-License-Identifier: BSL-1.0
// Scenarios that end their process, or need a fresh one: they run in this executable started again. A test file has a
// disabled suite whose test case calls as_child, and tests that call run_child with the suite's name.
#ifndef WEFT_TEST_CORE_CHILD_HPP
#define WEFT_TEST_CORE_CHILD_HPP

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <map>
#include <spawn.h>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace weft_test {

struct outcome { int signal, code; std::string text; };  ///< the signal that ended it, or its exit code, and its stderr

inline outcome run_child(std::string const& suite, std::string const& scenario) {
    int pipe[2];
    BOOST_REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    std::string variable = "WEFT_TEST_SCENARIO=" + scenario;
    std::vector<char*> environment{variable.data()};
    for (char** e = environ; *e; ++e) environment.push_back(*e);
    environment.push_back(nullptr);
    std::string run = "--run_test=" + suite;
    char const* args[] = {"child", run.c_str(), "--catch_system_errors=no", "--log_level=nothing", nullptr};
    pid_t pid;
    int failed = ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, const_cast<char**>(args), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    BOOST_REQUIRE(failed == 0);
    outcome o{};
    char buffer[4096];
    for (ssize_t n; (n = ::read(pipe[0], buffer, sizeof buffer)) > 0;) o.text.append(buffer, static_cast<std::size_t>(n));
    ::close(pipe[0]);
    int status = 0;
    BOOST_REQUIRE(::waitpid(pid, &status, 0) == pid);
    o.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return o;
}

/// Runs the scenario that run_child asked for and ends the process: with 0, or 1 if it threw.
[[noreturn]] inline void as_child(std::map<std::string, std::function<void()>> const& scenarios) {
    rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    try { scenarios.at(std::getenv("WEFT_TEST_SCENARIO"))(); } catch (...) { ::_exit(1); }
    ::_exit(0);
}

inline bool contains(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace weft_test

#endif
