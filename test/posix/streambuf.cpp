// SPDX-License-Identifier: BSL-1.0
// weft::fd, and standard streams on descriptors.
#include "posix/pairs.hpp"

#include <weft/threads/run_token.hpp>

#include <istream>
#include <thread>

using namespace weft_test;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
void never_wait(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }
template <class F> int code_of(F f) {
    try { f(); } catch (std::system_error const& e) { return e.code().value(); }
    return 0;
}
bool point_raises() {
    try { weft::check_cancelled(); } catch (weft::cancelled const&) { return true; }
    return false;
}
std::string line_of(std::istream& s) {
    std::string line;
    std::getline(s, line);
    return line;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(streambuf)

// --- fd ---

BOOST_AUTO_TEST_CASE(an_fd_closes_what_it_owns_once) {
    ends e = ends::sockets();
    int a = e.a.get(), b = e.b.get();
    weft::fd moved(std::move(e.a));
    BOOST_TEST((!e.a && moved.get() == a));
    moved = std::move(e.b);
    BOOST_TEST(!is_open(a));
    BOOST_TEST(moved.get() == b);
    int kept = moved.release();
    BOOST_TEST(is_open(kept));
    { weft::fd again(kept); }
    BOOST_TEST(!is_open(kept));
    BOOST_TEST(!weft::fd());
}

BOOST_AUTO_TEST_CASE(it_reads_and_writes_with_o_nonblock_and_without) {
    for (bool nonblock : {false, true}) {
        run_checked([&] {
            ends e = ends::sockets();
            if (nonblock) { never_wait(e.a.get()); never_wait(e.b.get()); }
            std::string const much(1 << 20, 'x');
            std::size_t got = 0, end = 1;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    char block[4096];
                    while ((end = e.a.read_some(block, sizeof block)) > 0) got += end;
                });
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(got == 0u);
                e.b.write_all(much.data(), much.size());
                e.b.reset();
            });
            BOOST_TEST(got == much.size());
            BOOST_TEST(end == 0u);
        });
    }
}

BOOST_AUTO_TEST_CASE(its_errors_are_system_errors_and_never_a_signal) {
    run_checked([] {
        ends e = ends::sockets();
        char c = 'x';
        set_timeout(e.a.get(), SO_RCVTIMEO, 50);
        BOOST_TEST(code_of([&] { e.a.read_some(&c, 1); }) == EAGAIN);
        e.b.reset();
        BOOST_TEST(code_of([&] { e.a.write_all(&c, 1); }) == EPIPE);
        BOOST_TEST(code_of([&] { e.b.read_some(&c, 1); }) == EBADF);
        e.b.write_all(&c, 0);  // nothing to do
        ends pipe = ends::pipe();
        weft::fd in(::dup(pipe.b)), out(::dup(pipe.a));
        in.write_all("abc", 3);
        char text[3];
        BOOST_TEST(out.read_some(text, 3) == 3u);
    });
}

BOOST_AUTO_TEST_CASE(cancelled_it_loses_nothing) {
    run_checked([] {
        for (bool nonblock : {false, true}) {
            ends e = ends::sockets();
            if (nonblock) { never_wait(e.a.get()); never_wait(e.b.get()); }
            char c = 0;
            BOOST_TEST(!weft::move_on_after(1s, [&] { e.a.read_some(&c, 1); }));       // during
            e.b.write_all("x", 1);
            weft::cancel_scope before;
            before.cancel();
            BOOST_TEST(!before.run([&] { weft::checkpoint(); e.a.read_some(&c, 1); }));  // before
            BOOST_TEST(e.a.read_some(&c, 1) == 1u);
            BOOST_TEST(c == 'x');
            fill(e.a.get());
            std::size_t wrote = 1;
            BOOST_TEST(!weft::move_on_after(1s, [&] { wrote = e.a.write_some("yy", 2); }));
            BOOST_TEST(wrote == 1u);  // as before: it was raised
        }
    });
    weft::testing::cancel_everywhere([] {
        ends e = ends::sockets();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { char c; while (e.a.read_some(&c, 1) > 0) {} });
            e.b.write_all("abc", 3);
            ::shutdown(e.b.get(), SHUT_WR);
        });
    });
}

// --- streams ---

BOOST_AUTO_TEST_CASE(lines_and_numbers_go_both_ways) {
    for (std::size_t size : {1u, 7u, 4096u}) {
        run_checked([&] {
            ends e = ends::sockets();
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("server", [&, b = std::move(e.b)]() mutable {
                    weft::socket_streambuf buffer(std::move(b), size);
                    std::iostream peer(&buffer);
                    std::string word;
                    for (int x, y; peer >> word >> x >> y;) peer << word << '=' << x + y << '\n';  // the next read sends it
                    BOOST_TEST(peer.eof());
                    BOOST_TEST(!buffer.error());
                });
                weft::socket_streambuf buffer(e.a.get(), size);
                std::iostream peer(&buffer);
                for (int i = 0; i < 100; ++i) {
                    peer << "sum " << i << ' ' << i * i << '\n';
                    BOOST_TEST(line_of(peer) == "sum=" + std::to_string(i + i * i));
                }
                ::shutdown(e.a.get(), SHUT_WR);
            });
            BOOST_TEST(is_open(e.a.get()));  // lent
        });
    }
}

BOOST_AUTO_TEST_CASE(a_failure_makes_the_stream_bad_and_error_says_why) {
    run_checked([] {
        ends e = ends::sockets();
        weft::socket_streambuf buffer(e.a.get());
        std::iostream peer(&buffer);
        e.b.reset();
        peer << "x" << std::flush;
        BOOST_TEST(peer.bad());
        BOOST_TEST(buffer.error().value() == EPIPE);
        peer.clear();
        BOOST_TEST(line_of(peer) == "");
        BOOST_TEST(peer.bad());  // what was written goes first
        ends other = ends::sockets();
        weft::socket_streambuf strict(other.a.get());
        std::iostream s(&strict);
        s.exceptions(std::ios::badbit);
        set_timeout(other.a.get(), SO_RCVTIMEO, 50);
        BOOST_TEST(code_of([&] { line_of(s); }) == EAGAIN);
    });
}

// Standard streams keep exceptions to themselves: a cancellation is an error of theirs, and the next point raises.
BOOST_AUTO_TEST_CASE(a_cancellation_is_an_error_of_the_stream_and_the_next_point_raises) {
    run_checked([] {
        auto check = [](auto cancelled_in) {
            ends e = ends::sockets();
            weft::socket_streambuf buffer(e.a.get());
            std::iostream peer(&buffer);
            e.b.write_all("half", 4);
            bool bad = false, raised = false;
            std::string word;
            bool ended = cancelled_in([&] {
                peer >> word;  // waits for the rest
                bad = peer.bad();
                raised = point_raises();
                weft::check_cancelled();
            });
            BOOST_TEST(!ended);
            BOOST_TEST((bad && raised));
            BOOST_TEST(buffer.error().value() == ECANCELED);
            peer.clear();
            e.b.write_all(" next\n", 6);
            BOOST_TEST(line_of(peer) == " next");  // the word had been taken; nothing else is lost
            BOOST_TEST(word == "half");
        };
        check([](auto f) { return weft::move_on_after(1s, f); });                     // by a deadline
        check([](auto f) {                                                            // by a sibling
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { s.run(f); });
                n.start_soon([&] { weft::testing::wait_all_tasks_blocked(); s.cancel(); });
            });
            return !s.cancelled_caught();
        });
        check([](auto f) {                                                            // from another thread
            weft::cancel_scope s;
            std::jthread other([&s, token = weft::current_token()] { token.post([&s] { s.cancel(); }); });
            return s.run(f);
        });
    });
}

BOOST_AUTO_TEST_CASE(cancelled_before_it_waits_and_while_it_sends) {
    run_checked([] {
        ends e = ends::sockets();
        weft::socket_streambuf buffer(e.a.get(), 64);
        std::iostream peer(&buffer);
        weft::cancel_scope before;
        before.cancel();
        BOOST_TEST(!before.run([&] { peer << "abc" << std::flush; BOOST_TEST(peer.bad()); weft::check_cancelled(); }));
        peer.clear();
        peer << std::flush;  // not lost, and not twice
        char text[8];
        BOOST_TEST(e.b.read_some(text, 8) == 3u);
        auto filled = fill(e.a.get());
        BOOST_TEST(!weft::move_on_after(1s, [&] { peer << "def" << std::flush; BOOST_TEST(peer.bad()); weft::check_cancelled(); }));
        peer.clear();
        std::string rest;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { peer << std::flush; ::shutdown(e.a.get(), SHUT_WR); });
            char block[4096];
            while (std::size_t got = e.b.read_some(block, sizeof block)) rest.append(block, got);
        });
        BOOST_TEST(rest.size() == filled + 3);
        BOOST_TEST(rest.substr(filled) == "def");
    });
}

BOOST_AUTO_TEST_CASE(cancelled_at_every_point_the_conversation_ends_and_leaves_nothing) {
    auto r = weft::testing::cancel_everywhere([] {
        ends e = ends::sockets();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&, b = std::move(e.b)]() mutable {
                weft::socket_streambuf buffer(std::move(b));
                std::iostream peer(&buffer);
                for (std::string line; std::getline(peer, line);) peer << line << std::endl;
                weft::check_cancelled();
            });
            weft::socket_streambuf buffer(e.a.get());
            std::iostream peer(&buffer);
            for (int i = 0; i < 3 && peer; ++i) {
                peer << i << '\n';
                line_of(peer);
            }
            ::shutdown(e.a.get(), SHUT_WR);
            weft::check_cancelled();
        });
    });
    BOOST_TEST(r.waits >= 6u);
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_it_blocks_the_thread_and_destroyed_it_sends_what_it_can) {
    ends e = ends::sockets();
    {
        weft::socket_streambuf buffer(std::move(e.a));
        std::ostream peer(&buffer);
        peer << "unflushed";
    }
    weft::socket_streambuf buffer(std::move(e.b));
    std::istream peer(&buffer);
    BOOST_TEST(line_of(peer) == "unflushed");
    BOOST_TEST(peer.eof());
}

BOOST_AUTO_TEST_SUITE_END()
