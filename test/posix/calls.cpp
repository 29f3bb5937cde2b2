// SPDX-License-Identifier: BSL-1.0
// Reading, writing, connecting: as libc's calls, in the task.
#include "posix/pairs.hpp"

#include <cstddef>
#include <cstdlib>
#include <sys/un.h>
#include <vector>

using namespace weft_test;
namespace px = weft::posix;

namespace {

/// Each way to read from and write to either kind of descriptor.
struct way {
    char const* name;
    bool sockets_only;
    ssize_t (*in)(int, char*, std::size_t);
    ssize_t (*out)(int, char const*, std::size_t);
};
std::vector<way> const ways{
    {"read, write", false, [](int fd, char* p, std::size_t n) { return px::read(fd, p, n); }, [](int fd, char const* p, std::size_t n) { return px::write(fd, p, n); }},
    {"readv, writev", false,
     [](int fd, char* p, std::size_t n) { iovec v[2]{{p, 1}, {p + 1, n - 1}}; return px::readv(fd, v, 2); },
     [](int fd, char const* p, std::size_t n) { auto* q = const_cast<char*>(p); iovec v[2]{{q, 1}, {q + 1, n - 1}}; return px::writev(fd, v, 2); }},
    {"recv, send", true, [](int fd, char* p, std::size_t n) { return px::recv(fd, p, n, 0); }, [](int fd, char const* p, std::size_t n) { return px::send(fd, p, n, MSG_NOSIGNAL); }},
    {"recvfrom, sendto", true, [](int fd, char* p, std::size_t n) { return px::recvfrom(fd, p, n, 0, nullptr, nullptr); },
     [](int fd, char const* p, std::size_t n) { return px::sendto(fd, p, n, MSG_NOSIGNAL, nullptr, 0); }},
    {"recvmsg, sendmsg", true,
     [](int fd, char* p, std::size_t n) { iovec v{p, n}; msghdr m{}; m.msg_iov = &v; m.msg_iovlen = 1; return px::recvmsg(fd, &m, 0); },
     [](int fd, char const* p, std::size_t n) { iovec v{const_cast<char*>(p), n}; msghdr m{}; m.msg_iov = &v; m.msg_iovlen = 1; return px::sendmsg(fd, &m, MSG_NOSIGNAL); }},
};
template <class F>
void for_each_way(F f) {
    for (way const& w : ways) {
        for (bool pipe : {false, true}) {
            if (pipe && w.sockets_only) continue;
            BOOST_TEST_CONTEXT(w.name << (pipe ? " on a pipe" : " on a socket")) { f(w, pipe ? ends::pipe() : ends::sockets()); }
        }
    }
}

std::string pattern(std::size_t n) {
    std::string s(n, ' ');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    return s;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(transfers)

BOOST_AUTO_TEST_CASE(a_read_waits_in_the_task_and_the_thread_goes_on) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            std::string order;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    char c[8];
                    BOOST_TEST(w.in(e.a, c, sizeof c) == 5);
                    BOOST_TEST(std::string(c, 5) == "hello");
                    order += "read";
                });
                weft::testing::wait_all_tasks_blocked();
                order += "others ";
                BOOST_TEST(w.out(e.b, "hello", 5) == 5);
            });
            BOOST_TEST(order == "others read");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_large_write_is_written_whole_as_room_comes_and_flags_of_the_file_are_left_alone) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            std::string sent = pattern(700'000), got;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    BOOST_TEST(w.out(e.b, sent.data(), sent.size()) == static_cast<ssize_t>(sent.size()));
                    e.b.close();
                });
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST((::fcntl(e.b, F_GETFL) & O_NONBLOCK) == 0);
                char c[5000];
                for (ssize_t r; (r = w.in(e.a, c, sizeof c)) != 0;) { BOOST_TEST_REQUIRE(r > 0); got.append(c, static_cast<std::size_t>(r)); }
            });
            BOOST_TEST((got == sent));
        });
    });
}

BOOST_AUTO_TEST_CASE(cancelled_before_nothing_is_transferred_and_cancelled_while_it_waits_too) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            char c[2]{};
            BOOST_TEST(::write(e.b, "x", 1) == 1);
            weft::cancel_scope before;
            before.cancel();
            BOOST_TEST(!before.run([&] { w.in(e.a, c, 2); }));
            BOOST_TEST(w.in(e.a, c, 2) == 1);  // it was still there
            BOOST_TEST(!weft::move_on_after(1s, [&] { return w.in(e.a, c, 2); }));
            BOOST_TEST(w.out(e.b, "yz", 2) == 2);
            BOOST_TEST(w.in(e.a, c, 2) == 2);
            auto room = fill(e.b);
            BOOST_TEST(!weft::move_on_after(1s, [&] { return w.out(e.b, "yz", 2); }));
            std::string all(room + 1, ' ');
            for (std::size_t got = 0; got < room;) got += static_cast<std::size_t>(w.in(e.a, all.data(), all.size()));
            BOOST_TEST(!weft::move_on_after(1s, [&] { return w.in(e.a, c, 2); }));  // nothing came of the cancelled write
        });
    });
}

BOOST_AUTO_TEST_CASE(cancelled_in_the_middle_of_a_write_it_says_how_much_was_written) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            std::string sent = pattern(700'000);
            ssize_t n = 0;
            bool raised = !weft::move_on_after(1s, [&] { n = w.out(e.b, sent.data(), sent.size()); weft::check_cancelled(); });
            // A wait that is cancelled raises; what was written before is in the stream.
            BOOST_TEST(raised);
            BOOST_TEST(n > 0);
            e.b.close();
            std::string got(800'000, ' ');
            std::size_t all = 0;
            for (ssize_t r; (r = w.in(e.a, got.data() + all, got.size() - all)) > 0;) all += static_cast<std::size_t>(r);
            BOOST_TEST(static_cast<ssize_t>(all) == n);
        });
    });
}

BOOST_AUTO_TEST_CASE(what_arrived_beats_a_cancellation_of_the_same_turn) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            weft::cancel_scope s;
            ssize_t got = 0;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { s.run([&] { char c[4]; got = w.in(e.a, c, 4); weft::check_cancelled(); }); });
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(::write(e.b, "abc", 3) == 3);
                BOOST_TEST(weft::wait_readable(e.a));
                // The reader may have been woken by now, or not: it has the bytes, or they are still there.
                s.cancel();
            });
            char c[4];
            BOOST_TEST((got == 3 || px::read(e.a, c, 4) == 3));
            BOOST_TEST(s.cancelled_caught());
        });
    });
}

BOOST_AUTO_TEST_CASE(a_descriptor_with_O_NONBLOCK_says_EAGAIN_at_once_also_when_cancelled) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            ::fcntl(e.a, F_SETFL, O_NONBLOCK);
            ::fcntl(e.b, F_SETFL, O_NONBLOCK);
            char c[2];
            weft::cancel_scope s;
            s.cancel();
            BOOST_TEST(s.run([&] {
                errno = 0;
                BOOST_TEST(w.in(e.a, c, 2) == -1);
                BOOST_TEST(errno == EAGAIN);
                fill(e.b);
                ::fcntl(e.b, F_SETFL, O_NONBLOCK);
                errno = 0;
                BOOST_TEST(w.out(e.b, "ab", 2) == -1);
                BOOST_TEST(errno == EAGAIN);
            }));
        });
    });
}

BOOST_AUTO_TEST_CASE(MSG_DONTWAIT_and_time_outs_of_the_socket_are_kept) {
    run_checked([] {
        ends e = ends::sockets();
        char c[2];
        BOOST_TEST(px::recv(e.a, c, 2, MSG_DONTWAIT) == -1);
        BOOST_TEST(errno == EAGAIN);
        set_timeout(e.a, SO_RCVTIMEO, 2500);
        auto start = weft::current_time();
        BOOST_TEST(px::recv(e.a, c, 2, 0) == -1);
        BOOST_TEST(errno == EAGAIN);
        BOOST_TEST((weft::current_time() - start == 2500ms));
        set_timeout(e.b, SO_SNDTIMEO, 700);
        std::string large = pattern(900'000);
        start = weft::current_time();
        ssize_t n = px::send(e.b, large.data(), large.size(), MSG_NOSIGNAL);
        BOOST_TEST((n > 0 && n < static_cast<ssize_t>(large.size())));
        BOOST_TEST((weft::current_time() - start == 700ms));
        BOOST_TEST(px::send(e.b, "x", 1, MSG_NOSIGNAL) == -1);
        BOOST_TEST(errno == EAGAIN);
    });
}

BOOST_AUTO_TEST_CASE(MSG_WAITALL_waits_for_all_and_returns_less_at_the_end) {
    run_checked([] {
        ends e = ends::sockets();
        char c[10];
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_TEST(px::recv(e.a, c, 6, MSG_WAITALL) == 6);
                BOOST_TEST(std::string(c, 6) == "abcdef");
                BOOST_TEST(px::recv(e.a, c, 6, MSG_WAITALL) == 2);
            });
            for (char const* part : {"ab", "cd", "ef", "gh"}) {
                weft::testing::wait_all_tasks_blocked();
                px::send(e.b, part, 2, 0);
            }
            e.b.close();
        });
        ends d = ends::sockets(SOCK_DGRAM);
        px::send(d.b, "abc", 3, 0);
        BOOST_TEST(px::recv(d.a, c, 6, MSG_WAITALL) == 3);  // no stream
    });
}

BOOST_AUTO_TEST_CASE(datagrams_say_from_whom_and_an_empty_one_is_one) {
    run_checked([] {
        owned_fd a(::socket(AF_INET, SOCK_DGRAM, 0)), b(::socket(AF_INET, SOCK_DGRAM, 0));
        sockaddr_in any = loopback();
        BOOST_TEST_REQUIRE(::bind(a, raw(any), sizeof any) == 0);
        BOOST_TEST_REQUIRE(::bind(b, raw(any), sizeof any) == 0);
        sockaddr_in to = address_of(a), from{};
        socklen_t length = sizeof from;
        char c[8];
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_TEST(px::recvfrom(a, c, sizeof c, 0, raw(from), &length) == 2);
                BOOST_TEST(px::recv(a, c, sizeof c, 0) == 0);
            });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(px::sendto(b, "hi", 2, 0, raw(to), sizeof to) == 2);
            BOOST_TEST(px::sendto(b, "", 0, 0, raw(to), sizeof to) == 0);
        });
        BOOST_TEST(length == sizeof from);
        BOOST_TEST(from.sin_port == address_of(b).sin_port);
    });
}

BOOST_AUTO_TEST_CASE(errors_are_errno_as_from_the_kernel) {
    run_checked([] {
        char c[2];
        BOOST_TEST(px::read(-1, c, 2) == -1);
        BOOST_TEST(errno == EBADF);
        BOOST_TEST(px::write(-1, c, 2) == -1);
        BOOST_TEST(errno == EBADF);
        ends p = ends::pipe(), s = ends::sockets();
        BOOST_TEST(px::recv(p.a, c, 2, 0) == -1);
        BOOST_TEST(errno == ENOTSOCK);
        BOOST_TEST(px::write(p.a, c, 2) == -1);  // the reading end
        BOOST_TEST(errno == EBADF);
        BOOST_TEST(px::read(s.a, c, 0) == 0);
        s.a.close();
        BOOST_TEST(px::send(s.b, c, 2, MSG_NOSIGNAL) == -1);
        BOOST_TEST(errno == EPIPE);
    });
}

BOOST_AUTO_TEST_CASE(regular_files_are_the_kernels_also_when_cancelled) {
    run_checked([] {
        char name[] = "/tmp/weft-posix-XXXXXX";
        owned_fd fd(::mkstemp(name));
        ::unlink(name);
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(s.run([&] {
            std::string text = pattern(100'000), back(text.size(), ' ');
            BOOST_TEST(px::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
            ::lseek(fd, 0, SEEK_SET);
            BOOST_TEST(px::read(fd, back.data(), back.size()) == static_cast<ssize_t>(back.size()));
            BOOST_TEST((back == text));
        }));
    });
}

BOOST_AUTO_TEST_CASE(a_connection_that_never_waits_lets_others_run) {
    run_checked([] {
        ends e = ends::sockets();
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            char c;
            for (int i = 0; i < 200; ++i) { px::send(e.b, "x", 1, 0); px::recv(e.a, &c, 1, 0); }
        });
        BOOST_TEST(turns >= 10);
    });
}

BOOST_AUTO_TEST_CASE(who_accepts_takes_those_who_wait_before_it_lets_others_run) {
    // Else one connection a turn would be accepted, and turns are long where thousands are busy.
    run_checked([] {
        owned_fd l = listener();
        sockaddr_in at = address_of(l);
        std::vector<owned_fd> clients, accepted;
        for (int i = 0; i < 60; ++i) {
            clients.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
            BOOST_TEST_REQUIRE(px::connect(clients.back(), raw(at), sizeof at) == 0);
        }
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            weft::checkpoint();
            turns = 0;
            for (int i = 0; i < 60; ++i) {
                BOOST_TEST(weft::wait_readable(l));
                accepted.emplace_back(px::accept(l, nullptr, nullptr));
            }
            BOOST_TEST(turns <= 1);
        });
    });
}

BOOST_AUTO_TEST_CASE(looking_again_and_again_at_what_is_ready_lets_others_run) {
    run_checked([] {
        ends e = ends::sockets();
        px::send(e.b, "x", 1, 0);
        int turns = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_service([&] { for (;; ++turns) weft::checkpoint(); });
            for (int i = 0; i < 5'000; ++i) BOOST_TEST(weft::wait_readable(e.a));
        });
        BOOST_TEST(turns >= 10);  // of 19, but for those that the first and the last turn may take
    });
}

BOOST_AUTO_TEST_CASE(closed_by_another_task_it_ends_with_EBADF) {
    run_checked([] {
        for_each_way([](way const& w, ends e) {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&, fd = static_cast<int>(e.a)] {
                    char c[2];
                    BOOST_TEST(w.in(fd, c, 2) == -1);
                    BOOST_TEST(errno == EBADF);
                });
                weft::testing::wait_all_tasks_blocked();
                e.a.close();
                owned_fd same(::dup(e.b));  // the number is in use again
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_number_that_was_closed_behind_wefts_back_and_is_used_again_works) {
    run_checked([] {
        for (int i = 0; i < 3; ++i) {
            int fd[2];
            BOOST_TEST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
            owned_fd kept(::dup(fd[0]));  // its registration stays
            BOOST_TEST(!weft::move_on_after(1s, [&] { char c; return px::recv(fd[0], &c, 1, 0); }));
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { char c; BOOST_TEST(px::recv(fd[0], &c, 1, 0) == 1); });
                weft::testing::wait_all_tasks_blocked();
                px::send(fd[1], "x", 1, 0);
            });
            ::close(fd[0]);
            ::close(fd[1]);
        }
    });
}

BOOST_AUTO_TEST_CASE(two_tasks_read_and_one_writes_the_same_socket) {
    run_checked([] {
        ends e = ends::sockets();
        int read = 0;
        auto room = fill(e.a);
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < 2; ++i) n.start_soon([&] { char c; BOOST_TEST(px::recv(e.a, &c, 1, 0) == 1); ++read; });
            n.start_soon([&] { BOOST_TEST(px::send(e.a, "w", 1, 0) == 1); });
            weft::testing::wait_all_tasks_blocked();
            px::send(e.b, "1", 1, 0);
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(read == 1);
            std::string all(room, ' ');
            BOOST_TEST(px::recv(e.b, all.data(), all.size(), MSG_WAITALL) == static_cast<ssize_t>(room));
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(px::recv(e.b, all.data(), 1, 0) == 1);
            px::send(e.b, "2", 1, 0);
        });
        BOOST_TEST(read == 2);
    });
}

BOOST_AUTO_TEST_CASE(plain_threads_and_code_outside_of_a_run_get_libcs_call) {
    ends e = ends::sockets();
    char c[2];
    set_timeout(e.a, SO_RCVTIMEO, 10);
    BOOST_TEST(px::recv(e.a, c, 2, 0) == -1);
    BOOST_TEST(errno == EAGAIN);
    BOOST_TEST(px::write(e.b, "ab", 2) == 2);
    BOOST_TEST(px::read(e.a, c, 2) == 2);
    run_checked([&] {
        BOOST_TEST(weft::to_thread([&] { return px::write(e.b, "ab", 2) == 2 && px::read(e.a, c, 2) == 2; }));
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(connections)

BOOST_AUTO_TEST_CASE(accept_and_connect_wait_in_the_task) {
    run_checked([] {
        owned_fd l = listener();
        sockaddr_in to = address_of(l);
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                sockaddr_in from{};
                socklen_t length = sizeof from;
                owned_fd c(px::accept4(l, raw(from), &length, SOCK_CLOEXEC));
                BOOST_TEST(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
                BOOST_TEST((::fcntl(c, F_GETFD) & FD_CLOEXEC) != 0);
                char x;
                BOOST_TEST(px::read(c, &x, 1) == 0);
            });
            weft::testing::wait_all_tasks_blocked();
            owned_fd s(::socket(AF_INET, SOCK_STREAM, 0));
            BOOST_TEST(px::connect(s, raw(to), sizeof to) == 0);
            BOOST_TEST((::fcntl(s, F_GETFL) & O_NONBLOCK) == 0);
            BOOST_TEST(px::connect(s, raw(to), sizeof to) == -1);
            BOOST_TEST(errno == EISCONN);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_refused_connection_is_ECONNREFUSED) {
    run_checked([] {
        sockaddr_in nobody = [] { owned_fd l = listener(); return address_of(l); }();
        owned_fd s(::socket(AF_INET, SOCK_STREAM, 0));
        BOOST_TEST(px::connect(s, raw(nobody), sizeof nobody) == -1);
        BOOST_TEST(errno == ECONNREFUSED);
    });
}

BOOST_AUTO_TEST_CASE(accept_is_cancelled_times_out_and_obeys_O_NONBLOCK) {
    run_checked([] {
        owned_fd l = listener();
        BOOST_TEST(!weft::move_on_after(1s, [&] { return px::accept(l, nullptr, nullptr); }));
        set_timeout(l, SO_RCVTIMEO, 300);
        auto start = weft::current_time();
        BOOST_TEST(px::accept(l, nullptr, nullptr) == -1);
        BOOST_TEST(errno == EAGAIN);
        BOOST_TEST((weft::current_time() - start == 300ms));
        ::fcntl(l, F_SETFL, O_NONBLOCK);
        BOOST_TEST(px::accept(l, nullptr, nullptr) == -1);
        BOOST_TEST(errno == EAGAIN);
    });
}

BOOST_AUTO_TEST_CASE(a_full_unix_listener_is_waited_for_and_may_be_cancelled) {
    run_checked([] {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::string name = "weft-posix-" + std::to_string(::getpid());
        name.copy(at.sun_path + 1, name.size());  // abstract: no file
        auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        owned_fd l(::socket(AF_UNIX, SOCK_STREAM, 0));
        BOOST_TEST_REQUIRE(::bind(l, raw(at), size) == 0);
        BOOST_TEST_REQUIRE(::listen(l, 0) == 0);
        owned_fd first(::socket(AF_UNIX, SOCK_STREAM, 0)), second(::socket(AF_UNIX, SOCK_STREAM, 0)), third(::socket(AF_UNIX, SOCK_STREAM, 0));
        BOOST_TEST(px::connect(first, raw(at), size) == 0);
        BOOST_TEST(!weft::move_on_after(1s, [&] { return px::connect(second, raw(at), size); }));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(px::connect(third, raw(at), size) == 0); });
            n.start_soon([&] {
                weft::this_task::sleep_for(100ms);
                owned_fd a(px::accept(l, nullptr, nullptr)), b(px::accept(l, nullptr, nullptr));
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(in_a_callback_a_call_is_the_wrong_domain) {
    run_checked([] {
        ends e = ends::sockets();
        weft::event done;
        auto token = weft::current_token();
        token.post([&] {
            char c;
            BOOST_TEST(throws<weft::wrong_domain_error>([&] { px::recv(e.a, &c, 1, 0); }));
            done.set();
        });
        done.wait();
    });
}

BOOST_AUTO_TEST_SUITE_END()
