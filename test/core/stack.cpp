// SPDX-License-Identifier: BSL-1.0
// The stacks that tasks run on: their size, guards, reuse, and that they are given back.
#include "core/child.hpp"
#include "fixture.hpp"

#include "core/kernel.hpp"

#include <weft/testing/virtual_driver.hpp>

#include <boost/test/data/test_case.hpp>

#include <fstream>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <set>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace weft_test;
using weft::detail::stack_span;
namespace data = boost::unit_test::data;

namespace weft {
static std::ostream& operator<<(std::ostream& os, stack_guard g) {
    return os << (g == stack_guard::automatic ? "automatic" : g == stack_guard::advise ? "advise" : "protect");
}
}  // namespace weft

namespace {

using weft::stack_guard;

bool kernel_guards() {
    std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* p = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has = ::madvise(p, page, 102) == 0;  // MADV_GUARD_INSTALL
    ::munmap(p, page);
    return has;
}

/// The kinds of guard that this kernel can make.
std::vector<stack_guard> guards() {
    std::vector<stack_guard> kinds{stack_guard::protect};
    if (kernel_guards()) kinds.push_back(stack_guard::advise);
    return kinds;
}

/// Whether the byte can be read, asked of the kernel, so that a guard answers no instead of ending the process.
bool readable(std::byte const* p) {
    std::byte copy;
    iovec to{&copy, 1}, from{const_cast<std::byte*>(p), 1};
    return ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0) == 1;
}

/// The stack of the calling task.
stack_span my_stack() {
    bool in_guard;
    weft::detail::worker* w = weft::detail::this_kernel->worker_at(__builtin_frame_address(0), in_guard);
    BOOST_REQUIRE(w);
    return w->stack;
}

/// The mappings of this process, by their end: their start.
std::map<std::uintptr_t, std::uintptr_t> mappings() {
    std::map<std::uintptr_t, std::uintptr_t> all;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::size_t dash;
        std::uintptr_t from = std::stoull(line, &dash, 16);
        all[std::stoull(line.substr(dash + 1), nullptr, 16)] = from;
    }
    return all;
}

/// The number of mappings that the addresses lie in. Not all there are: ThreadSanitizer makes some for each fiber.
std::size_t mappings_of(std::vector<std::byte*> const& addresses) {
    auto all = mappings();
    std::set<std::uintptr_t> found;
    for (std::byte* p : addresses) {
        auto m = all.upper_bound(reinterpret_cast<std::uintptr_t>(p));
        if (m != all.end() && m->second <= reinterpret_cast<std::uintptr_t>(p)) found.insert(m->first);
    }
    return found.size();
}

/// Starts `n` tasks that block at once, each after telling f of itself, and lets body run while they do.
template <class F, class B>
void with_blocked(std::size_t n, F&& f, B&& body) {
    weft::with_nursery([&](weft::nursery& nursery) {
        for (std::size_t i = 0; i < n; ++i) nursery.start_soon([&] { f(); weft::this_task::sleep_forever(); });
        weft::testing::wait_all_tasks_blocked();
        body();
        nursery.cancel();
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(stack)

BOOST_AUTO_TEST_CASE(tasks_one_after_another_share_one_stack) {
    run_checked([] {
        for (int i = 0; i < 1000; ++i) weft::with_nursery([](weft::nursery& n) { n.start_soon([] { weft::checkpoint(); }); });
        BOOST_TEST(weft::lowlevel::current_statistics().fibers == 2u);  // main's and theirs
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_never_blocks_needs_no_stack_of_its_own) {
    run_checked([] {
        weft::with_nursery([](weft::nursery& n) { for (int i = 0; i < 1000; ++i) n.start_soon([] {}); });
        BOOST_TEST(weft::lowlevel::current_statistics().fibers == 2u);
    });
}

BOOST_AUTO_TEST_CASE(stacks_of_tasks_that_ended_are_used_again_before_new_ones_are_made) {
    run_checked([] {
        for (int round = 0; round < 5; ++round) {
            with_blocked(100, [] {}, [] {});
            BOOST_TEST(weft::lowlevel::current_statistics().fibers <= 101u);
        }
        BOOST_TEST(weft::lowlevel::current_statistics().idle_fibers == weft::lowlevel::current_statistics().fibers - 1);
    });
}

// Frames of equal alignment would all compete for the same cache sets.
BOOST_AUTO_TEST_CASE(the_tops_of_stacks_differ_by_some_cache_lines) {
    run_checked([] {
        std::set<std::uintptr_t> offsets;
        with_blocked(60, [&] { offsets.insert(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 4096); }, [] {});
        BOOST_TEST(offsets.size() == 6u);
        auto [low, high] = std::minmax_element(offsets.begin(), offsets.end());
        BOOST_TEST((*high - *low) % 256 == 0u);
    });
}

namespace {
/// Goes down until less than `rest` bytes of the stack are left; returns how far it came.
#if WEFT_ASAN
__attribute__((no_sanitize("address")))
#endif
WEFT_NOINLINE std::size_t descend(std::byte const* low, std::size_t rest) {
    std::byte volatile frame[256];
    frame[0] = std::byte{1};
    auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    std::size_t left = here - reinterpret_cast<std::uintptr_t>(low);
    std::size_t deepest = left < rest ? left : descend(low, rest);
    return deepest + static_cast<std::size_t>(frame[0]) - 1;
}
}  // namespace

// All of stack_size but what the worker and Boost.Fiber keep at its top: less than 4 KiB, and the colour.
BOOST_DATA_TEST_CASE(a_task_may_use_nearly_all_of_its_stack, data::make({16, 64, 256, 1024}) * data::make(guards()), kib, kind) {
    weft::run_options o;
    o.stack_size = static_cast<std::size_t>(kib) * 1024;
    o.guard = kind;
    run_checked(o, [&] {
        std::size_t top = 0, bottom = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                stack_span s = my_stack();
                top = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) - reinterpret_cast<std::uintptr_t>(s.low);
                bottom = descend(s.low, 4096);
            });
        });
        BOOST_TEST(top > o.stack_size - 4096);
        BOOST_TEST(bottom < 4096u);
        BOOST_TEST(weft::lowlevel::current_statistics().stack_size == o.stack_size);
    });
}

BOOST_DATA_TEST_CASE(the_guard_lies_right_below_the_stack_and_has_its_size, data::make({4, 64, 1024}) * data::make(guards()), kib, kind) {
    weft::run_options o;
    o.guard = kind;
    o.guard_size = static_cast<std::size_t>(kib) * 1024;
    run_checked(o, [&] {
        std::set<std::byte*> lows;
        with_blocked(40, [&] { lows.insert(my_stack().low); }, [&] {
            std::size_t neighbours = 0;
            for (std::byte* low : lows) {
                BOOST_TEST(readable(low));
                BOOST_TEST(!readable(low - 1));
                BOOST_TEST(!readable(low - o.guard_size / 2));
                BOOST_TEST(!readable(low - o.guard_size));
                neighbours += lows.count(low - o.guard_size - o.stack_size);
                if (lows.count(low - o.guard_size - o.stack_size)) BOOST_TEST(readable(low - o.guard_size - 1));
            }
            BOOST_TEST(lows.size() == 40u);
            BOOST_TEST(neighbours > 20u);  // so the last check was made
        });
    });
}

BOOST_AUTO_TEST_CASE(the_default_guard_is_the_kernels_own_where_there_is_one) {
    std::vector<std::byte*> lows;
    run_checked([&] {
        with_blocked(500, [&] { lows.push_back(my_stack().low); }, [&] {
            if (kernel_guards()) BOOST_TEST(mappings_of(lows) < 50u);  // it does not split the slabs
            else BOOST_TEST(mappings_of(lows) == 500u);
        });
    });
}

BOOST_DATA_TEST_CASE(all_stacks_are_unmapped_when_the_run_ends, data::make(guards()), kind) {
    weft::run_options o;
    o.guard = kind;
    std::vector<std::byte*> lows;
    std::size_t during = 0;
    run_checked(o, [&] { with_blocked(500, [&] { lows.push_back(my_stack().low); }, [&] { during = mappings_of(lows); }); });
    if (kind == stack_guard::protect) BOOST_TEST(during == 500u);
    else BOOST_TEST(during > 0u);
    BOOST_TEST(mappings_of(lows) == 0u);
}

BOOST_DATA_TEST_CASE(run_after_run_gives_its_address_space_back, data::make(guards()), kind) {
    auto megabytes = [] {
        std::size_t sum = 0;
        for (auto [to, from] : mappings()) sum += (to - from) >> 10;
        return sum >> 10;
    };
    weft::run_options o;
    o.guard = kind;
    o.make_driver = weft::testing::make_virtual_driver;
    auto once = [&] { run_checked(o, [&] { with_blocked(100, [] {}, [] {}); }); };
    once();  // the heap grows to what it needs
    std::size_t before = megabytes();
    for (int i = 0; i < 5; ++i) once();
    BOOST_TEST(megabytes() < before + 32);  // each of them had stacks of 35 MB
}

BOOST_AUTO_TEST_CASE(sizes_out_of_range_are_misuse) {
    auto with = [](std::size_t size, std::size_t guard) {
        weft::run_options o;
        o.stack_size = size;
        o.guard_size = guard;
        return [o] { weft::run(o, [] {}); };
    };
    std::size_t const kib = 1024, gib = kib * kib * kib;
    BOOST_CHECK_THROW(with(16 * kib - 1, 4 * kib)(), weft::misuse_error);
    BOOST_CHECK_THROW(with(16 * gib + 1, 4 * kib)(), weft::misuse_error);
    BOOST_CHECK_THROW(with(64 * kib, 4 * kib - 1)(), weft::misuse_error);
    BOOST_CHECK_THROW(with(64 * kib, gib + 1)(), weft::misuse_error);
    BOOST_CHECK_NO_THROW(with(16 * kib, 4 * kib)());
    BOOST_CHECK_NO_THROW(with(16 * kib + 1, 4 * kib + 1)());  // rounded up to pages
}

// --- an older kernel ---

namespace {

/// From here on the kernel answers madvise(MADV_GUARD_INSTALL) as one before Linux 6.13 does.
bool forget_kernel_guards() {
    auto argument = static_cast<unsigned>(offsetof(seccomp_data, args[2]));  // its low half: little endian
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 102, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 && !kernel_guards();
}

void on_an_older_kernel(stack_guard kind) {
    if (!forget_kernel_guards()) { std::fputs("no filter", stderr); return; }
    weft::run_options o;
    o.guard = kind;
    std::vector<std::byte*> lows;
    std::size_t unguarded = 0;
    try {
        weft::run(o, [&] {
            with_blocked(50, [&] { lows.push_back(my_stack().low); }, [&] {
                for (std::byte* low : lows) unguarded += readable(low - 1);
                std::fprintf(stderr, "%zu stacks, %zu mappings, %zu unguarded", lows.size(), mappings_of(lows), unguarded);
            });
        });
    } catch (weft::stack_limit_error const& e) { std::fputs(e.what(), stderr); }
}

}  // namespace

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(stack_child, *boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(scenario) {
    as_child({{"automatic", [] { stack::on_an_older_kernel(stack_guard::automatic); }}, {"advise", [] { stack::on_an_older_kernel(stack_guard::advise); }}});
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(stack)

BOOST_AUTO_TEST_CASE(on_a_kernel_without_guards_of_its_own_the_automatic_ones_are_made_with_mprotect) {
    outcome o = run_child("stack_child", "automatic");
    if (o.text == "no filter") { BOOST_TEST_MESSAGE("NOT PROVED: system calls cannot be filtered here"); return; }
    BOOST_TEST(o.text == "50 stacks, 50 mappings, 0 unguarded");
}

BOOST_AUTO_TEST_CASE(kernel_guards_that_were_asked_for_on_a_kernel_without_them_are_an_error_that_says_so) {
    outcome o = run_child("stack_child", "advise");
    if (o.text == "no filter") { BOOST_TEST_MESSAGE("NOT PROVED: system calls cannot be filtered here"); return; }
    BOOST_TEST(contains(o.text, "madvise failed with \"Invalid argument\" after 0 stacks"), o.text);
    BOOST_TEST(contains(o.text, "help: MADV_GUARD_INSTALL needs Linux 6.13: leave run_options::guard at stack_guard::automatic"), o.text);
}

// --- many ---

namespace {

/// Runs f on a thread whose stack is too small for any recursion through the tree of tasks.
template <class F>
void on_small_thread(F f) {
    pthread_attr_t attr;
    ::pthread_attr_init(&attr);
    ::pthread_attr_setstacksize(&attr, (WEFT_ASAN || WEFT_TSAN ? 512 : 128) * 1024);
    pthread_t thread;
    int failed = ::pthread_create(&thread, &attr, [](void* p) -> void* { (*static_cast<F*>(p))(); return nullptr; }, &f);
    if (!failed) ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attr);
    BOOST_REQUIRE(!failed);  // not before: Boost.Test knows one thread at a time
}

// ThreadSanitizer knows at most 8,128 fibers.
constexpr std::size_t many = WEFT_TSAN ? 2'000 : WEFT_ASAN ? 20'000 : 100'000;

}  // namespace

// rule 150: with kernel guards, whose number has no limit
BOOST_AUTO_TEST_CASE(a_hundred_thousand_blocked_tasks_have_guarded_stacks_and_are_cancelled_without_recursion) {
    if (!kernel_guards()) { BOOST_TEST_MESSAGE("NOT PROVED: this kernel has no MADV_GUARD_INSTALL"); return; }
    std::vector<std::byte*> lows;
    std::size_t unguarded = 0, unusable = 0, unwound = 0, maps = 0;
    std::string left;
    on_small_thread([&] {
        weft::run_options o;
        o.guard = stack_guard::advise;
        run_checked(o, [&] {
            weft::testing::ledger l;
            weft::with_nursery([&](weft::nursery& n) {
                for (std::size_t i = 0; i < many; ++i) n.start_soon([&] {
                    lows.push_back(my_stack().low);
                    struct count { std::size_t& n; ~count() { ++n; } } c{unwound};
                    weft::this_task::sleep_forever();
                });
                weft::testing::wait_all_tasks_blocked();
                maps = mappings_of(lows);
                for (std::byte* low : lows) {
                    unguarded += readable(low - 1) || readable(low - o.guard_size);
                    unusable += !readable(low);
                }
                n.cancel();
            });
            left = l.difference();
        });
    });
    BOOST_TEST(lows.size() == many);
    BOOST_TEST(unguarded == 0u);
    BOOST_TEST(unusable == 0u);
    BOOST_TEST(maps < 1000u);
    BOOST_TEST(unwound == many);
    BOOST_TEST(left == "");
}

// rules 30, 150: each task waits in its nursery for the next one
BOOST_AUTO_TEST_CASE(a_chain_of_thousands_of_nurseries_is_cancelled_from_its_top_without_recursion) {
    std::size_t const depth = WEFT_TSAN ? 1'000 : 10'000;
    std::size_t unwound = 0;
    bool caught = false;
    on_small_thread([&] {
        weft::run_options o;
        o.stack_size = (WEFT_ASAN || WEFT_TSAN ? 64 : 16) * 1024;
        run_checked(o, [&] {
            std::function<void(std::size_t)> level = [&](std::size_t left) {
                struct count { std::size_t& n; ~count() { ++n; } } c{unwound};
                if (left == 0) weft::this_task::sleep_forever();
                weft::with_nursery([&](weft::nursery& n) { n.start_soon([&level, left] { level(left - 1); }); });
            };
            weft::cancel_scope top;
            top.run([&] {
                weft::with_nursery([&](weft::nursery& n) {
                    n.start_soon([&] { level(depth - 1); });
                    weft::testing::wait_all_tasks_blocked();
                    top.cancel();
                });
            });
            caught = top.cancelled_caught();
        });
    });
    BOOST_TEST(unwound == depth);
    BOOST_TEST(caught);
}

BOOST_AUTO_TEST_SUITE_END()
