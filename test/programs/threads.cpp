// SPDX-License-Identifier: BSL-1.0
// example/threads as a process. Which figures each program prints of itself is what they were asked for; times are not looked at.
#include "program.hpp"

#include <regex>
#include <sstream>

using namespace weft_test;

namespace {

constexpr long wanted = 1000;

/// The two figures of the row that begins so.
std::pair<double, double> row(std::string const& text, std::string const& name) {
    auto at = text.find("\n  " + name);
    BOOST_TEST_REQUIRE(at != text.npos, "no row \"" << name << "\" in\n" << text);
    std::string figures = std::regex_replace(text.substr(at + 3 + name.size(), text.find('\n', at + 1) - at - 3 - name.size()), std::regex("MB|s"), "");
    std::pair<double, double> p{-1, -1};
    std::istringstream(figures) >> p.first >> p.second;
    return p;
}

std::string const& output() {
    static std::string const text = [] {
        std::string out;
        run_program_test([&] { out = weft::fail_after(in_the_end, [] { return weft::run_process({program(), "--threads", std::to_string(wanted), "--patience", "300"}).out; }); });
        return out;
    }();
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_tasks_are_inside_at_once_on_one_thread_of_the_kernel) {
    auto [threads, tasks] = row(output(), "inside at once");
    BOOST_TEST(tasks == wanted);
    BOOST_TEST((threads > 0 && threads <= wanted));  // a machine may allow fewer
    auto [answers_of_threads, answers] = row(output(), "answers");
    BOOST_TEST(answers == 3 * wanted);
    BOOST_TEST(answers_of_threads == 3 * threads);
    auto kernel = row(output(), "threads of the kernel");
    BOOST_TEST(kernel.first >= threads + 2);  // main and the collector; a sanitizer has one of its own
    BOOST_TEST(kernel.second <= 2);
    auto resident = row(output(), "resident at most");
    BOOST_TEST((resident.first > 0 && resident.second > 0));
}

BOOST_AUTO_TEST_CASE(threads_that_are_stuck_say_nothing_and_tasks_name_each_other) {
    std::string const& text = output();
    BOOST_TEST(contains(text, "std::thread: has said nothing after 300 ms; it waits on, and is killed here"));
    auto at = text.find("weft::thread: ends by itself");
    BOOST_TEST_REQUIRE(at != text.npos, text);
    std::string said = text.substr(at);
    BOOST_TEST(contains(said, "deadlock: 3 tasks wait"));
    std::smatch a;
    std::regex const held(R"(#(\d+) thread\s+waiting\s+mutex held by #(\d+)[^]*#(\d+) thread\s+waiting\s+mutex held by #(\d+))");
    BOOST_TEST_REQUIRE(std::regex_search(said, a, held), said);
    BOOST_TEST((a[1] == a[4] && a[2] == a[3]), said);
    BOOST_TEST(contains(said, "main  waiting  end of a thread"));
}
