// SPDX-License-Identifier: BSL-1.0
// What a program says when a task overflows its stack. Each scenario ends its process, so it runs in one of its
// own.
#include "core/child.hpp"
#include "core/recursion.hpp"
#include "fixture.hpp"

#include "core/kernel.hpp"

#include <weft/asio.hpp>

#include <boost/asio/post.hpp>
#include <boost/test/data/test_case.hpp>

#include <csignal>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace weft_test;
namespace utf = boost::unit_test;
namespace data = boost::unit_test::data;

namespace {

constexpr int former_handler_ran = 42;  // exit code of a child whose own handler was called

// --- in the child ---

/// Writes what a large frame without stack probes would: one byte, far below all that was touched.
void jump(std::size_t below) {
    bool in_guard;
    weft::detail::worker* w = weft::detail::this_kernel->worker_at(__builtin_frame_address(0), in_guard);
    *const_cast<std::byte volatile*>(w->stack.low - below) = std::byte{1};
}

void bad_pointer() {
    std::uintptr_t volatile address = 64;  // a member of an object at null
    *reinterpret_cast<int volatile*>(address) = 1;
}

void say_and_exit(char const* what) {
    static_cast<void>(!::write(STDERR_FILENO, what, std::char_traits<char>::length(what)));
    ::_exit(former_handler_ran);
}
void plain_handler(int) { say_and_exit("plain handler\n"); }
void info_handler(int, siginfo_t* info, void*) { say_and_exit(info->si_addr == reinterpret_cast<void*>(64) ? "info handler, 64\n" : "info handler\n"); }

void install(void (*f)(int)) {
    struct sigaction a{};
    a.sa_handler = f;
    ::sigaction(SIGSEGV, &a, nullptr);
}
void install(void (*f)(int, siginfo_t*, void*)) {
    struct sigaction a{};
    a.sa_sigaction = f;
    a.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSEGV, &a, nullptr);
}

constexpr std::size_t child_guard = 64 * 1024;

template <class F>
void in_task(weft::stack_guard guard, F f) {
    weft::run_options o;
    o.stack_size = 96 * 1024;
    o.guard_size = child_guard;
    o.guard = guard;
    weft::run(o, [&] {
        weft::with_nursery([&](weft::nursery& n) {
            auto bystander = [] { weft::this_task::sleep_forever(); };
            n.start_soon("bystander", bystander);
            n.start_soon("culprit", [&] { weft::checkpoint(); f(); n.cancel(); });
            n.start_soon("bystander", bystander);
        });
    });
}

std::map<std::string, std::function<void()>> const& scenarios() {
    using enum weft::stack_guard;
    auto recurse = [] { for_ever(0); };
    static std::map<std::string, std::function<void()>> const all{
        {"recursion, mprotect", [=] { in_task(protect, recurse); }},
        {"recursion, madvise", [=] { in_task(advise, recurse); }},
        {"recursion, another thread", [=] { std::thread([=] { in_task(automatic, recurse); }).join(); }},
        {"recursion, second run", [=] { weft::run([] {}); in_task(automatic, recurse); }},
        {"recursion, main task", [=] { weft::run([=] { recurse(); }); }},
        {"recursion, former handler", [=] { install(info_handler); in_task(automatic, recurse); }},
        {"jump of a byte, mprotect", [] { in_task(protect, [] { jump(1); }); }},
        {"jump of a byte, madvise", [] { in_task(advise, [] { jump(1); }); }},
        {"jump over the guard, mprotect", [] { in_task(protect, [] { jump(child_guard); }); }},
        {"jump over the guard, madvise", [] { in_task(advise, [] { jump(child_guard); }); }},
        {"bad pointer", [] { in_task(automatic, bad_pointer); }},
        {"bad pointer, plain handler", [] { install(plain_handler); in_task(automatic, bad_pointer); }},
        {"bad pointer, info handler", [] { install(info_handler); in_task(automatic, bad_pointer); }},
        {"bad pointer, callback", [] {
            install(info_handler);
            weft::run([] { boost::asio::post(weft::get_executor(), bad_pointer); weft::this_task::sleep_for(1h); });
        }},
        {"bad pointer, thread without a run", [] { install(info_handler); weft::run([] {}); std::thread(bad_pointer).join(); }},
        {"signal sent", [] { in_task(automatic, [] { ::raise(SIGSEGV); }); }},
        {"signal sent, plain handler", [] { install(plain_handler); in_task(automatic, [] { ::raise(SIGSEGV); }); }},
        {"signal sent, ignored", [] { install(SIG_IGN); in_task(automatic, [] { ::raise(SIGSEGV); }); }},
        {"no fault", [] { in_task(automatic, [] {}); }},
    };
    return all;
}

// --- in the parent ---

/// Whether it died of the fault. A sanitizer has a handler of its own, which is the former one here, and ends the process
/// with an exit code.
bool died(outcome const& o) {
    bool own_handler = WEFT_ASAN || WEFT_TSAN;
    return own_handler ? o.signal == 0 && o.code != 0 && o.code != former_handler_ran && contains(o.text, "DEADLYSIGNAL") : o.signal == SIGSEGV;
}

bool kernel_guards() {
    void* p = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has = ::madvise(p, 4096, 102) == 0;  // MADV_GUARD_INSTALL
    ::munmap(p, 4096);
    return has;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(overflow_child, *utf::disabled())
BOOST_AUTO_TEST_CASE(scenario) { as_child(scenarios()); }
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(overflow)

BOOST_AUTO_TEST_CASE(a_child_without_a_fault_ends_by_itself) {
    outcome o = run_child("overflow_child", "no fault");
    BOOST_TEST(o.signal == 0);
    BOOST_TEST(o.code == 0);
    BOOST_TEST(o.text == "");
}

BOOST_DATA_TEST_CASE(an_overflow_names_the_task_its_stack_and_a_remedy_and_the_process_dies, data::make({
        "recursion, mprotect", "recursion, madvise", "recursion, another thread", "recursion, second run",
        "jump of a byte, mprotect", "jump of a byte, madvise", "jump over the guard, mprotect", "jump over the guard, madvise"}), name) {
    if (contains(name, "madvise") && !kernel_guards()) { BOOST_TEST_MESSAGE("NOT PROVED: this kernel has no MADV_GUARD_INSTALL"); return; }
    outcome o = run_child("overflow_child", name);
    BOOST_TEST(died(o), o.text);
    BOOST_TEST(contains(o.text, "stack overflow in task #3 \"culprit\": its stack of 96 KiB is used up."), o.text);
    BOOST_TEST(contains(o.text, "help: make run_options::stack_size larger"), o.text);
}

BOOST_AUTO_TEST_CASE(an_overflow_of_the_main_task_names_it_and_the_default_size) {
    outcome o = run_child("overflow_child", "recursion, main task");
    BOOST_TEST(died(o), o.text);
    BOOST_TEST(contains(o.text, "task #1 \"main\": its stack of 256 KiB"), o.text);
}

BOOST_AUTO_TEST_CASE(a_handler_that_was_there_before_runs_after_the_report) {
    outcome o = run_child("overflow_child", "recursion, former handler");
    BOOST_TEST(o.code == former_handler_ran, o.text);
    auto report = o.text.find("stack overflow in task"), handler = o.text.find("info handler");
    BOOST_TEST(report < handler, o.text);
    BOOST_TEST(handler != std::string::npos, o.text);
}

BOOST_AUTO_TEST_CASE(a_fault_that_is_no_overflow_ends_the_process_without_a_report) {
    outcome o = run_child("overflow_child", "bad pointer");
    BOOST_TEST(died(o), o.text);
    BOOST_TEST(!contains(o.text, "stack overflow in task"), o.text);
}

BOOST_DATA_TEST_CASE(a_fault_that_is_no_overflow_goes_to_the_handler_that_was_there_before,
        data::make({"bad pointer, info handler", "bad pointer, plain handler", "bad pointer, callback", "bad pointer, thread without a run"}), name) {
    outcome o = run_child("overflow_child", name);
    BOOST_TEST(o.code == former_handler_ran, o.text);
    BOOST_TEST(o.text == (contains(name, "plain") ? "plain handler\n" : "info handler, 64\n"));
}

// There is no access that would be repeated, so it must be raised again.
BOOST_AUTO_TEST_CASE(a_signal_that_was_sent_ends_the_process_too) {
    outcome o = run_child("overflow_child", "signal sent");
    BOOST_TEST(died(o), o.text);
    BOOST_TEST(!contains(o.text, "stack overflow in task"), o.text);
}

BOOST_AUTO_TEST_CASE(a_signal_that_was_sent_goes_to_the_handler_that_was_there_before_or_is_ignored_as_before) {
    outcome o = run_child("overflow_child", "signal sent, plain handler");
    BOOST_TEST(o.code == former_handler_ran, o.text);
    o = run_child("overflow_child", "signal sent, ignored");
    BOOST_TEST(o.code == 0, o.text);
    BOOST_TEST(o.signal == 0, o.text);
}

BOOST_AUTO_TEST_SUITE_END()
