// SPDX-License-Identifier: BSL-1.0
// A cancellation that would meet a noexcept frame waits, and never ends the program (rule 147). What the exception tables of a function
// look like depends on the compiler and its options: each variant of the tests sees its own.
#include "core/code_walk.hpp"
#include "fixture.hpp"
#include "stderr_of.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {

#define OUT_OF_LINE __attribute__((noinline))

/// What a shape of frames does around its wait.
struct probe {
    weft::event opened;
    bool waited{};   ///< the wait ended by itself
    bool handled{};  ///< a handler of the shape saw the cancellation
};

struct quiet { probe& p; OUT_OF_LINE ~quiet() { ++count; } static inline int count{}; };
OUT_OF_LINE void other(int i) { if (i == 12345) throw std::runtime_error("never"); }

OUT_OF_LINE void wait(probe& p) {
    quiet q{p};
    p.opened.wait();
    p.waited = true;
}

// Frames that stop an exception.
OUT_OF_LINE void plain_noexcept(probe& p) noexcept { wait(p); other(1); }
OUT_OF_LINE void noexcept_with_locals(probe& p) noexcept { quiet a{p}; wait(p); quiet b{p}; other(2); }
struct waits_at_its_end {
    probe& p;
    quiet member{p};
    OUT_OF_LINE ~waits_at_its_end() { wait(p); other(3); }
};
OUT_OF_LINE void destructor_on_a_normal_path(probe& p) { quiet a{p}; { waits_at_its_end w{p}; other(4); } other(5); }
OUT_OF_LINE void lambda_inside_a_try(probe& p) {
    try { [&]() noexcept { quiet a{p}; wait(p); }(); other(6); } catch (std::exception const&) { other(7); }
}
OUT_OF_LINE void lambda_among_cleanups(probe& p) { quiet a{p}; { quiet b{p}; [&]() noexcept { wait(p); }(); } other(8); }
OUT_OF_LINE void handler_of_other_types(probe& p) noexcept { try { wait(p); } catch (std::exception const&) { other(9); } }
OUT_OF_LINE void behind_a_rethrow(probe& p) noexcept {
    [&] { try { wait(p); } catch (...) { p.handled = true; throw; } }();
}
OUT_OF_LINE void rethrown_by_type(probe& p) noexcept {
    [&] { try { wait(p); } catch (weft::cancelled const&) { p.handled = true; throw; } }();
}
OUT_OF_LINE void through_a_pointer(probe& p) { void (*volatile f)(probe&) noexcept = plain_noexcept; f(p); other(10); }
OUT_OF_LINE void deep(probe& p, int n) { quiet a{p}; if (n == 0) plain_noexcept(p); else deep(p, n - 1); other(n); }
OUT_OF_LINE void below_many_frames(probe& p) { deep(p, 100); }
OUT_OF_LINE void nursery_in_a_noexcept_function(probe& p) noexcept {
    weft::with_nursery([&](weft::nursery&) { wait(p); });
}
OUT_OF_LINE void time_limit_in_a_noexcept_function(probe& p) noexcept { weft::move_on_after(1h, [&] { wait(p); }); }
OUT_OF_LINE void in_a_callback_of_c(probe& p) {
    static probe* current;
    current = &p;
    int items[2] = {2, 1};
    std::qsort(items, 2, sizeof(int), [](void const*, void const*) noexcept { if (!current->waited) wait(*current); return 0; });
}

// Frames that let it pass.
OUT_OF_LINE void nothing_special(probe& p) { wait(p); other(11); }
OUT_OF_LINE void cleanups(probe& p) { quiet a{p}; { quiet b{p}; wait(p); } other(12); }
OUT_OF_LINE void cleanups_and_other_handlers(probe& p) { quiet a{p}; try { quiet b{p}; wait(p); } catch (std::exception const&) { other(13); } }
OUT_OF_LINE void rethrows(probe& p) { try { wait(p); } catch (...) { p.handled = true; throw; } }
OUT_OF_LINE void rethrows_by_type(probe& p) { quiet a{p}; try { wait(p); } catch (weft::cancelled const&) { p.handled = true; throw; } }
OUT_OF_LINE void explicit_noexcept_false(probe& p) noexcept(false) { wait(p); }
struct may_throw_at_its_end { probe& p; OUT_OF_LINE ~may_throw_at_its_end() noexcept(false) { wait(p); } };
OUT_OF_LINE void throwing_destructor(probe& p) { may_throw_at_its_end w{p}; other(14); }
OUT_OF_LINE void thread_among_the_locals(probe& p) {  // its destructor calls std::terminate, on a way that is not taken
    std::thread t;
    wait(p);
    other(t.joinable());
}
OUT_OF_LINE void realigned(probe& p) {
    alignas(128) char block[256];
    block[p.waited] = 1;
    asm volatile("" : : "r"(block) : "memory");
    quiet a{p};
    wait(p);
}
OUT_OF_LINE void variable_frame(probe& p) {
    volatile std::size_t n = 100;
    auto* block = static_cast<char*>(__builtin_alloca(n));
    block[0] = 1;
    asm volatile("" : : "r"(block) : "memory");
    quiet a{p};
    wait(p);
}
OUT_OF_LINE void swallows_all(probe& p) noexcept { try { quiet a{p}; wait(p); } catch (...) { p.handled = true; } }
OUT_OF_LINE void swallows_by_type(probe& p) noexcept { try { wait(p); } catch (weft::cancelled const&) { p.handled = true; } }
OUT_OF_LINE void passing_callback_of_c(probe& p) {
    static probe* current;
    current = &p;
    int items[2] = {2, 1};
    std::qsort(items, 2, sizeof(int), [](void const*, void const*) { wait(*current); return 0; });
}
OUT_OF_LINE void scope_inside_a_noexcept_function(probe& p) noexcept {
    weft::cancel_scope inner;
    weft::with_nursery([&](weft::nursery& n) {
        n.start_soon([&] { inner.cancel(); });
        BOOST_TEST(!inner.run([&] { quiet a{p}; wait(p); }));
    });
    weft::check_cancelled();  // shielded: cannot pass this function
}

struct shape { char const* name; void (*run)(probe&); };
constexpr std::array stopping{
    shape{"plain_noexcept", plain_noexcept}, shape{"noexcept_with_locals", noexcept_with_locals}, shape{"destructor_on_a_normal_path", destructor_on_a_normal_path},
    shape{"lambda_inside_a_try", lambda_inside_a_try}, shape{"lambda_among_cleanups", lambda_among_cleanups}, shape{"handler_of_other_types", handler_of_other_types},
    shape{"behind_a_rethrow", behind_a_rethrow}, shape{"rethrown_by_type", rethrown_by_type}, shape{"through_a_pointer", through_a_pointer}, shape{"below_many_frames", below_many_frames}, shape{"nursery_in_a_noexcept_function", nursery_in_a_noexcept_function},
    shape{"time_limit_in_a_noexcept_function", time_limit_in_a_noexcept_function}, shape{"in_a_callback_of_c", in_a_callback_of_c}};
constexpr std::array passing{
    shape{"nothing_special", nothing_special}, shape{"cleanups", cleanups}, shape{"cleanups_and_other_handlers", cleanups_and_other_handlers}, shape{"rethrows", rethrows}, shape{"rethrows_by_type", rethrows_by_type},
    shape{"explicit_noexcept_false", explicit_noexcept_false}, shape{"throwing_destructor", throwing_destructor}, shape{"thread_among_the_locals", thread_among_the_locals},
    shape{"realigned", realigned}, shape{"variable_frame", variable_frame}, shape{"swallows_all", swallows_all}, shape{"swallows_by_type", swallows_by_type}, shape{"passing_callback_of_c", passing_callback_of_c}};

/// How the cancellation comes.
enum class when { before, while_it_waits, by_deadline };

// Runs the shape in a scope that is cancelled; somebody ends the wait later. Returns whether the scope caught its cancellation.
bool cancelled_in(shape const& s, when w, probe& p, bool own_scope) {
    bool caught = false;
    weft::with_nursery([&](weft::nursery& n) {
        weft::cancel_scope scope;
        n.start_soon([&] {
            if (w == when::while_it_waits) { weft::this_task::sleep_for(1s); scope.cancel(); }
            weft::this_task::sleep_for(2s);
            p.opened.set();
        });
        if (w == when::before) scope.cancel();
        if (w == when::by_deadline) scope.set_deadline_after(1s);
        auto body = [&] { s.run(p); weft::check_cancelled(); };
        if (own_scope) caught = !scope.run(body);
        else caught = !scope.run([&] { weft::with_nursery([&](weft::nursery& inner) { inner.start_soon(body); }); });
        n.cancel();
    });
    return caught;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(noexcept_ahead)

BOOST_AUTO_TEST_CASE(a_cancellation_waits_where_a_noexcept_frame_is_ahead_and_is_raised_behind_it) {
    std::string text = stderr_of([] {
        for (auto const& s : stopping) {
            for (when w : {when::before, when::while_it_waits, when::by_deadline}) {
                for (bool own_scope : {true, false}) {
                    run_checked([&] {
                        probe p;
                        BOOST_TEST(cancelled_in(s, w, p, own_scope), s.name);  // by the point behind the frame
                        BOOST_TEST(p.waited, s.name << " did not wait to its end");
                        BOOST_TEST(!p.handled, s.name);
                    });
                }
            }
        }
    });
    BOOST_TEST(text.find("W105") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(frames_that_let_exceptions_pass_hinder_no_cancellation) {
    std::string text = stderr_of([] {
        for (auto const& s : passing) {
            for (when w : {when::before, when::while_it_waits, when::by_deadline}) {
                for (bool own_scope : {true, false}) {
                    run_checked([&] {
                        probe p;
                        BOOST_TEST(cancelled_in(s, w, p, own_scope), s.name);
                        BOOST_TEST(!p.waited, s.name << " waited to its end");
                    });
                }
            }
        }
    });
    BOOST_TEST(text == "");
}

BOOST_AUTO_TEST_CASE(a_scope_inside_the_noexcept_function_catches_its_own_cancellation) {
    std::string text = stderr_of([] {
        run_checked([] {
            probe p;
            scope_inside_a_noexcept_function(p);
            BOOST_TEST(!p.waited);
        });
    });
    BOOST_TEST(text == "");
}

BOOST_AUTO_TEST_CASE(each_frame_is_named_once_with_the_task_and_a_remedy) {
    struct closer { weft::event& e; OUT_OF_LINE ~closer() { e.wait(); } };
    auto again = [] {
        run_checked([] {
            weft::event e;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("closing", [&] { closer c{e}; });
                n.start_soon([&] { weft::this_task::sleep_for(1s); n.cancel(); weft::move_on_after(1s, [] { weft::yield_shielded(); }); e.set(); });
            });
        });
    };
    std::string text = stderr_of([&] { again(); again(); });
    BOOST_TEST(text.find("W105") != std::string::npos);
    BOOST_TEST(text.find("W105") == text.rfind("W105"), text);
    BOOST_TEST(text.find("\"closing\"") != std::string::npos, text);
    BOOST_TEST(text.find("deadline of its own") != std::string::npos, text);
}

// The program of destructors that wait and handlers that catch everything, cancelled at each of its points.
BOOST_AUTO_TEST_CASE(a_program_full_of_noexcept_destructors_and_catch_alls_survives_a_cancellation_at_every_point) {
    struct connection {
        weft::event& gate;
        OUT_OF_LINE ~connection() {
            quiet q{p};
            weft::this_task::sleep_for(1ms);
            try { weft::checkpoint(); } catch (...) { other(1); }
            gate.set();
        }
        probe p;
    };
    struct session {
        weft::event gate;
        connection c{gate, {}};
        OUT_OF_LINE ~session() { weft::checkpoint(); }
        OUT_OF_LINE void talk(int depth) {
            weft::checkpoint();
            if (depth == 0) { weft::this_task::sleep_for(1ms); return; }
            try { connection inner{gate, {}}; talk(depth - 1); } catch (...) { weft::yield_shielded(); throw; }
        }
    };
    std::size_t cancelled = 0;
    std::string text = stderr_of([&] {
        for (std::uint64_t seed = 1; seed <= 8; ++seed) {
            weft::testing::cancel_everywhere_options o;
            o.run.seed = seed;
            o.may_swallow = true;  // that is what the catch (...) of ~connection does
            cancelled += weft::testing::cancel_everywhere([] {
                weft::with_nursery([](weft::nursery& n) {
                    for (int i = 0; i < 4; ++i) n.start_soon([i] { session s; s.talk(i * 4); weft::checkpoint(); });
                });
            }, o).runs;
        }
    });
    BOOST_TEST(cancelled >= 1000u);
    std::size_t named = 0;
    for (std::size_t at = 0; (at = text.find("W105", at)) != std::string::npos; ++at) ++named;
    BOOST_TEST(named >= 1u, text);
    BOOST_TEST(named <= 4u, text);
}

BOOST_AUTO_TEST_CASE(lengths_of_instructions) {
    struct sample { std::size_t length; std::vector<std::uint8_t> code; };
    for (auto const& s : std::vector<sample>{
             {1, {0xc3}}, {1, {0x50}}, {2, {0x41, 0x57}}, {3, {0x48, 0x89, 0xc7}}, {5, {0xe8, 1, 2, 3, 4}}, {6, {0xff, 0x25, 1, 2, 3, 4}}, {2, {0xeb, 5}}, {2, {0x74, 5}},
             {6, {0x0f, 0x84, 1, 2, 3, 4}}, {2, {0x0f, 0x0b}}, {4, {0xf3, 0x0f, 0x1e, 0xfa}}, {5, {0x48, 0x8b, 0x44, 0x24, 8}}, {8, {0x48, 0x8d, 0x84, 0x24, 0, 1, 0, 0}},
             {7, {0x48, 0x8d, 0x3d, 0, 1, 2, 3}}, {10, {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}}, {5, {0xb8, 1, 2, 3, 4}}, {7, {0x48, 0xc7, 0xc0, 1, 0, 0, 0}}, {3, {0xf6, 0xc1, 1}}, {3, {0x48, 0xf7, 0xd8}},
             {4, {0x48, 0x83, 0xec, 8}}, {7, {0x48, 0x81, 0xec, 0, 1, 0, 0}}, {5, {0x66, 0x81, 0xc1, 0, 1}}, {3, {0x0f, 0xb6, 0xc0}}, {3, {0x0f, 0x29, 0x07}}, {4, {0xc5, 0xf8, 0x29, 0x07}}, {3, {0xc5, 0xf8, 0x77}},
             {6, {0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1}}, {6, {0x62, 0xf1, 0x7c, 0x48, 0x10, 0x07}}, {6, {0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8}}, {5, {0x66, 0x0f, 0x38, 0x00, 0xc1}}, {11, {0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}}}) {
        auto padded = s.code;
        padded.resize(24, 0);
        BOOST_TEST(weft::detail::instruction_length(padded.data()) == s.length, "opcode " << int(s.code[0]) << " " << int(s.code[1 % s.code.size()]));
    }
}

BOOST_AUTO_TEST_SUITE_END()
