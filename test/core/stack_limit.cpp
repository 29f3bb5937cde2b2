// SPDX-License-Identifier: BSL-1.0
// The end of stacks: the kernel's map limit, the address space. Whoever gets none fails with an error that names the
// limit; all others go on.
#include "fixture.hpp"

#include <boost/test/data/test_case.hpp>

#include <fstream>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace weft_test;
namespace data = boost::unit_test::data;

namespace {

std::size_t number_in(char const* path, std::string_view key = "") {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(key)) return std::stoull(line.substr(key.size()));
    }
    return 0;
}

std::size_t mappings() {
    std::ifstream in("/proc/self/maps");
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
}

std::size_t const map_limit = number_in("/proc/sys/vm/max_map_count");
constexpr std::size_t most_to_use_up = 300'000;  // some systems allow a million; that would take seconds

/// While it lives, only about `left` more mappings can be made.
class few_mappings {
public:
    explicit few_mappings(std::size_t left) : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
        std::size_t use_up = map_limit - mappings() - left;
        bytes_ = use_up * page_;
        base_ = static_cast<std::byte*>(::mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        for (std::size_t i = 1; i + 1 < use_up; i += 2) ::mprotect(base_ + i * page_, page_, PROT_READ);
    }
    ~few_mappings() { ::munmap(base_, bytes_); }
    few_mappings(few_mappings const&) = delete;

private:
    std::size_t page_, bytes_;
    std::byte* base_;
};

/// While it lives, only `bytes` more address space can be had.
class little_space {
public:
    explicit little_space(std::size_t bytes) {
        ::getrlimit(RLIMIT_AS, &before_);
        rlimit now = before_;
        now.rlim_cur = number_in("/proc/self/status", "VmSize:") * 1024 + bytes;
        ::setrlimit(RLIMIT_AS, &now);
    }
    ~little_space() { ::setrlimit(RLIMIT_AS, &before_); }
    little_space(little_space const&) = delete;

private:
    rlimit before_;
};

constexpr std::size_t mib = 1024 * 1024;

/// Stacks so large that only few fit.
weft::run_options large_stacks() {
    weft::run_options o;
    o.stack_size = 100 * mib;
    return o;
}
constexpr std::size_t room_for_four = 470 * mib;  // and some for the heap and a sanitizer

std::size_t stacks() { return weft::lowlevel::current_statistics().fibers; }

/// A child that waits, and is found as it was left when it goes on.
struct sleeper {
    std::size_t& blocked;
    std::size_t& intact;
    std::shared_ptr<int> kept;
    void operator()() const {
        std::byte volatile pattern[64];
        auto mine = static_cast<unsigned char>(++blocked);
        for (auto& b : pattern) b = std::byte{mine};
        struct check {
            decltype(pattern)& p;
            unsigned char mine;
            std::size_t& intact;
            ~check() { bool same = true; for (auto& b : p) same = same && b == std::byte{mine}; intact += same; }
        } at_end{pattern, mine, intact};
        weft::this_task::sleep_forever();
    }
};

/// Counts what must come in pairs.
struct pairs : weft::instrument {
    long spawned{}, steps{};
    void task_spawned(weft::task_info const&) override { ++spawned; }
    void task_exited(weft::task_info const&) override { --spawned; }
    void before_task_step(weft::task_info const&) override { ++steps; }
    void after_task_step(weft::task_info const&) override { --steps; }
};

struct limit_reached { std::size_t blocked{}, intact{}, failed{}, other{}, stacks{}; std::string text; };

/// Starts up to n tasks that block, in one nursery; returns what became of them.
limit_reached start_sleepers(std::size_t n) {
    limit_reached r;
    auto kept = std::make_shared<int>(1);
    try {
        weft::with_nursery([&](weft::nursery& nursery) {
            for (std::size_t i = 0; i < n; ++i) nursery.start_soon(sleeper{r.blocked, r.intact, kept});
            weft::testing::wait_all_tasks_blocked();
            nursery.cancel();
        });
    } catch (weft::exception_group const& g) {
        g.for_each_leaf([&](std::exception_ptr const& e) {
            try { std::rethrow_exception(e); }
            catch (weft::stack_limit_error const& x) { ++r.failed; r.text = x.what(); }
            catch (...) { ++r.other; }
        });
    }
    r.stacks = stacks();
    BOOST_TEST(kept.use_count() == 1);  // the callables of those that never ran are gone too
    return r;
}

bool contains(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(stack_limit)

// Not under ThreadSanitizer: it needs mappings of its own for each fiber, and ends the process if it gets none.
#if !WEFT_TSAN

BOOST_AUTO_TEST_CASE(at_the_map_limit_those_without_a_stack_fail_by_name_and_all_others_go_on) {
    if (map_limit > most_to_use_up) { BOOST_TEST_MESSAGE("NOT PROVED: vm.max_map_count is too large to reach"); return; }
    weft::run_options o;
    o.guard = weft::stack_guard::protect;
    auto watch = std::make_shared<pairs>();
    o.instruments.push_back(watch);
    run_checked(o, [&] {
        std::size_t at_limit;
        {
            few_mappings few(1000);
            limit_reached r = start_sleepers(1000);
            BOOST_TEST(r.blocked > 100u);
            BOOST_TEST(r.intact == r.blocked);
            BOOST_TEST(r.blocked + r.failed == 1000u);
            BOOST_TEST(r.failed > 0u);  // few: the first one cancels the nursery, and then stacks come free
            BOOST_TEST(r.other == 0u);
            BOOST_TEST(contains(r.text, "mprotect failed with \"Cannot allocate memory\" after " + std::to_string(r.stacks) + " stacks"), r.text);
            BOOST_TEST(contains(r.text, "vm.max_map_count = " + std::to_string(map_limit)), r.text);
            BOOST_TEST(contains(r.text, "help: raise vm.max_map_count (sysctl), run on Linux 6.13 or newer, or limit the number of tasks"), r.text);
            at_limit = r.stacks;
            limit_reached again = start_sleepers(at_limit - 1);  // as many as there are stacks
            BOOST_TEST(again.intact == at_limit - 1);
            BOOST_TEST(again.failed == 0u);
        }
        limit_reached later = start_sleepers(at_limit + 50);
        BOOST_TEST(later.intact == at_limit + 50);
        BOOST_TEST(later.failed == 0u);
    });
    BOOST_TEST(watch->spawned == 0);
    BOOST_TEST(watch->steps == 0);
}

// The same without help, as a program meets it: half of the limit is the number of stacks.
BOOST_AUTO_TEST_CASE(mprotected_stacks_end_near_half_of_the_map_limit) {
    if (map_limit > 70'000) { BOOST_TEST_MESSAGE("NOT PROVED: vm.max_map_count is too large to reach in a second"); return; }
    weft::run_options o;
    o.guard = weft::stack_guard::protect;
    run_checked(o, [&] {
        limit_reached r = start_sleepers(map_limit / 2 + 100);
        BOOST_TEST(r.stacks < map_limit / 2);
        BOOST_TEST(r.stacks > map_limit / 2 - 500);
        BOOST_TEST(r.intact == r.blocked);
        BOOST_TEST(r.blocked + r.failed == map_limit / 2 + 100);
        BOOST_TEST(contains(r.text, "vm.max_map_count"), r.text);
    });
}

#endif

BOOST_AUTO_TEST_CASE(at_the_end_of_the_address_space_those_without_a_stack_fail_by_name_and_all_others_go_on) {
    auto o = large_stacks();
    auto watch = std::make_shared<pairs>();
    o.instruments.push_back(watch);
    run_checked(o, [&] {
        {
            little_space little(room_for_four - 100 * mib);  // main has its own already, and the rest of its slab
            limit_reached r = start_sleepers(25);
            BOOST_TEST(r.stacks >= 16u);
            BOOST_TEST(r.stacks < 25u);
            BOOST_TEST(r.intact == r.stacks - 1);
            BOOST_TEST(r.blocked + r.failed == 25u);
            BOOST_TEST(contains(r.text, "mmap failed with \"Cannot allocate memory\" after " + std::to_string(r.stacks) + " stacks"), r.text);
            BOOST_TEST(contains(r.text, "raise the address-space limit (ulimit -v) or vm.overcommit_memory, make run_options::stack_size smaller"), r.text);
            limit_reached again = start_sleepers(r.stacks - 1);
            BOOST_TEST(again.failed == 0u);
        }
        limit_reached later = start_sleepers(25);
        BOOST_TEST(later.intact == 25u);
    });
    BOOST_TEST(watch->spawned == 0);
    BOOST_TEST(watch->steps == 0);
}

BOOST_AUTO_TEST_CASE(when_no_slab_fits_single_stacks_are_still_made) {
    auto o = large_stacks();
    limit_reached r;
    {
        little_space little(room_for_four);
        run_checked(o, [&] { r = start_sleepers(10); });
    }
    BOOST_TEST(r.stacks == 4u);
    BOOST_TEST(r.intact == 3u);
    BOOST_TEST(r.failed == 7u);
    BOOST_TEST(contains(r.text, "after 4 stacks"), r.text);
}

BOOST_AUTO_TEST_CASE(a_run_that_gets_no_stack_at_all_throws_the_error_itself) {
    bool ran = false;
    {
        little_space little(50 * mib);
        BOOST_CHECK_EXCEPTION(run_checked(large_stacks(), [&] { ran = true; }), weft::stack_limit_error,
                              [](auto const& e) { return contains(e.what(), "after 0 stacks"); });
    }
    BOOST_TEST(!ran);
    run_checked(large_stacks(), [&] { ran = true; });
    BOOST_TEST(ran);
}

// Each way to start a task hears of it where its caller listens.
BOOST_AUTO_TEST_CASE(handle_start_and_service_report_that_there_was_no_stack) {
    auto is_limit = [](weft::exception_group const& g) { return g.leaf_count() == 1 && g.contains<weft::stack_limit_error>(); };
    little_space little(room_for_four - 300 * mib);  // main's only
    run_checked(large_stacks(), [&] {
        auto with_handle = [] {
            weft::with_nursery([](weft::nursery& n) {
                auto h = n.spawn([] { return 1; });
                weft::cancel_scope aside;  // the nursery is cancelled by then
                aside.set_shield(true);
                aside.run([&] { BOOST_CHECK_THROW(h.get(), weft::stack_limit_error); });
            });
        };
        auto with_start = [] {
            weft::with_nursery([](weft::nursery& n) {
                BOOST_CHECK_THROW(n.start([](weft::task_status<int>& s) { s.started(1); }), weft::stack_limit_error);
            });
        };
        auto with_service = [] {
            weft::with_nursery([](weft::nursery& n) { n.start_service([] { weft::this_task::sleep_forever(); }); weft::checkpoint(); });
        };
        BOOST_TEST(stacks() == 1u);
        BOOST_CHECK_EXCEPTION(with_handle(), weft::exception_group, is_limit);
        BOOST_CHECK_NO_THROW(with_start());
        BOOST_CHECK_EXCEPTION(with_service(), weft::exception_group, is_limit);
        BOOST_TEST(stacks() == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
