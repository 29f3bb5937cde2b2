// SPDX-License-Identifier: BSL-1.0
// A contest of servers, each a process of its own: what a message costs each.
#ifndef WEFT_TEST_BENCH_CONTEST_HPP
#define WEFT_TEST_BENCH_CONTEST_HPP

#include "load.hpp"

#include <string>
#include <vector>

/// A server: a command that prints its port and serves until it is killed.
struct contender {
    std::string name;
    std::vector<std::string> command;
    bool ours{};  ///< made of this program: its allocations can be counted, and valgrind understands it
};

struct contest_options {
    int rounds = 5;
    double seconds = 1;           ///< how long a round's exchanges take, roughly, in turns of 50 ms
    bool count = true;            ///< system calls (strace) and instructions (valgrind), where those programs are
    std::string only{};           ///< a part of the names, "callbacks" always stays
    std::vector<std::size_t> connections{1, 64, 1000};
};

/// [rounds] [--seconds S] [--no-counts] [--only NAME] [--connections N] [NAME=COMMAND …]: the last are further contenders.
contest_options parse(int argc, char** argv, std::vector<contender>& all);

/// A server of this program: prints its port through `announce` and never returns.
struct server {
    char const* name;
    void (*serve)();
};
/// main() of such a program: "serve NAME" is one server, anything else the contest.
int contest_main(int argc, char** argv, std::vector<server> const& servers, exchange const& what);

/// Of a server: tells the contest.
void announce(int port);

#endif
