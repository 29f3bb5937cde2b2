// SPDX-License-Identifier: BSL-1.0
// Waiting for descriptors and for time: poll, select, wait_readable, sleeps, names.
#include "posix/pairs.hpp"

#include <climits>
#include <thread>

using namespace weft_test;
namespace px = weft::posix;

namespace {
char c;
template <class F> weft::duration time_of(F f) {
    auto start = weft::current_time();
    f();
    return weft::current_time() - start;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(waits)

BOOST_AUTO_TEST_CASE(wait_readable_and_wait_writable_wait_until_then_or_until_the_deadline) {
    run_checked([] {
        ends e = ends::sockets();
        BOOST_TEST(weft::wait_writable(e.a));
        BOOST_TEST((time_of([&] { BOOST_TEST(!weft::wait_readable(e.a, weft::current_time() + 2s)); }) == 2s));
        auto room = fill(e.a);
        BOOST_TEST(!weft::wait_writable(e.a, weft::current_time() + 1s));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(weft::wait_readable(e.a)); });
            n.start_soon([&] { BOOST_TEST(weft::wait_writable(e.a, weft::current_time() + 1h)); });
            weft::testing::wait_all_tasks_blocked();
            px::write(e.b, "x", 1);
            std::string all(room, ' ');
            px::recv(e.b, all.data(), room, MSG_WAITALL);
        });
    });
}

BOOST_AUTO_TEST_CASE(readiness_is_a_cancellation_point_and_loses_nothing) {
    run_checked([] {
        ends e = ends::sockets();
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { return weft::wait_writable(e.a); }).has_value());
        BOOST_TEST(!weft::move_on_after(1s, [&] { weft::wait_readable(e.a); }));
        px::write(e.b, "x", 1);
        BOOST_TEST(weft::wait_readable(e.a));
        // From another thread, and by a sibling.
        ends quiet = ends::sockets();
        weft::cancel_scope outer;
        auto token = weft::current_token();
        std::jthread other;
        bool ended = outer.run([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { weft::wait_readable(quiet.a); });
                n.start_soon([&] { other = std::jthread([&, token] { token.post([&] { outer.cancel(); }); }); });
            });
        });
        BOOST_TEST(!ended);
        BOOST_TEST(throws<weft::exception_group>([&] {
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { weft::wait_readable(quiet.a); });
                n.start_soon([] { throw std::runtime_error("sibling"); });
            });
        }));
    });
}

BOOST_AUTO_TEST_CASE(what_is_no_descriptor_is_EBADF_and_a_file_is_always_ready) {
    run_checked([] {
        auto code = [](auto f) { try { f(); } catch (std::system_error const& e) { return e.code().value(); } return 0; };
        BOOST_TEST(code([] { weft::wait_readable(-1); }) == EBADF);
        int gone = [] { ends e = ends::pipe(); return static_cast<int>(e.a); }();
        BOOST_TEST(code([&] { weft::wait_readable(gone); }) == EBADF);
        owned_fd file(::open("/proc/self/exe", O_RDONLY));
        BOOST_TEST(weft::wait_readable(file));
        ends e = ends::sockets();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(code([&] { weft::wait_readable(e.a); }) == EBADF); });
            weft::testing::wait_all_tasks_blocked();
            e.a.close();
        });
    });
}

BOOST_AUTO_TEST_CASE(nobody_can_wake_it_is_no_deadlock_as_a_descriptor_may) {
    // A wait for a descriptor counts as work of the loop; without it the run would be stuck at once.
    run_checked([] {
        ends e = ends::sockets();
        weft::event never;
        bool written = false;
        std::jthread other([&] { std::this_thread::sleep_for(20ms); written = ::write(e.b, "x", 1) == 1; });  // the run does not know of it
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(weft::wait_readable(e.a)); n.cancel(); });
            n.start_soon([&] { never.wait(); });
        });
        other.join();
        BOOST_TEST(written);
    });
    BOOST_CHECK_THROW(run_checked([] {
        ends e = ends::sockets();
        weft::move_on_after(1ms, [&] { weft::wait_readable(e.a); });
        weft::event never;
        never.wait();  // and one that is over does not
    }), weft::deadlock_error);
}

BOOST_AUTO_TEST_CASE(outside_of_a_run_they_block_the_thread) {
    ends e = ends::sockets();
    BOOST_TEST(weft::wait_writable(e.a));
    BOOST_TEST(!weft::wait_readable(e.a, std::chrono::steady_clock::now() + 5ms));
    BOOST_CHECK_THROW(weft::wait_readable(-1), std::system_error);
}

BOOST_AUTO_TEST_CASE(poll_says_what_is_ready_of_several_and_passes_over_negative_ones) {
    run_checked([] {
        ends x = ends::sockets(), y = ends::pipe(), z = ends::sockets();
        std::array<pollfd, 5> p{{{x.a, POLLIN, 0}, {-1, POLLIN, 77}, {y.a, POLLIN, 0}, {z.a, POLLIN | POLLRDHUP, 0}, {y.b, 0, 0}}};
        BOOST_TEST((time_of([&] { BOOST_TEST(px::poll(p.data(), p.size(), 1500) == 0); }) == 1500ms));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                BOOST_TEST(px::poll(p.data(), p.size(), -1) == 1);
                BOOST_TEST(p[2].revents == POLLIN);
                BOOST_TEST(p[1].revents == 0);
            });
            weft::testing::wait_all_tasks_blocked();
            px::write(y.b, "x", 1);
        });
        px::read(y.a, &c, 1);
        z.b.close();
        BOOST_TEST(px::poll(p.data(), p.size(), -1) == 1);
        BOOST_TEST(p[3].revents == (POLLIN | POLLRDHUP | POLLHUP));
        y.a.close();
        BOOST_TEST(px::poll(&p[4], 1, -1) == 1);  // asked for nothing, told of the error
        BOOST_TEST(p[4].revents == POLLERR);
        BOOST_TEST(px::poll(p.data(), p.size(), 0) == 3);
        BOOST_TEST((p[2].revents & POLLNVAL));
    });
}

BOOST_AUTO_TEST_CASE(poll_without_descriptors_sleeps_and_with_0_it_never_waits) {
    run_checked([] {
        BOOST_TEST((time_of([] { BOOST_TEST(px::poll(nullptr, 0, 40) == 0); }) == 40ms));
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(s.run([] { BOOST_TEST(px::poll(nullptr, 0, 0) == 0); }));
        BOOST_TEST(!weft::move_on_after(1s, [] { return px::poll(nullptr, 0, -1); }));
    });
}

BOOST_AUTO_TEST_CASE(select_is_the_kernels_select) {
    run_checked([] {
        ends e = ends::sockets();
        int top = std::max<int>(e.a, e.b) + 1;
        fd_set in, out;
        auto both = [&] { FD_ZERO(&in); FD_ZERO(&out); FD_SET(e.a, &in); FD_SET(e.b, &in); FD_SET(e.a, &out); };
        both();
        timeval t{3, 250'000};
        BOOST_TEST(px::select(top, &in, &out, nullptr, &t) == 1);
        BOOST_TEST((FD_ISSET(e.a, &out) && !FD_ISSET(e.a, &in) && !FD_ISSET(e.b, &in)));
        BOOST_TEST(t.tv_sec == 3);
        both();
        BOOST_TEST((time_of([&] { BOOST_TEST(px::select(top, &in, nullptr, nullptr, &t) == 0); }) == 3250ms));
        BOOST_TEST((t.tv_sec == 0 && t.tv_usec == 0));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                both();
                BOOST_TEST(px::select(top, &in, nullptr, nullptr, nullptr) == 1);
                BOOST_TEST((FD_ISSET(e.a, &in) && !FD_ISSET(e.b, &in)));
            });
            weft::testing::wait_all_tasks_blocked();
            px::write(e.b, "x", 1);
        });
        int gone = [] { ends p = ends::pipe(); return static_cast<int>(p.a); }();
        FD_ZERO(&in);
        FD_SET(gone, &in);
        BOOST_TEST(px::select(gone + 1, &in, nullptr, nullptr, nullptr) == -1);
        BOOST_TEST(errno == EBADF);
        BOOST_TEST(px::select(-1, nullptr, nullptr, nullptr, nullptr) == -1);
        BOOST_TEST(errno == EINVAL);
    });
}

BOOST_AUTO_TEST_CASE(sleeps_follow_the_runs_clock_and_are_cancelled) {
    run_checked([] {
        BOOST_TEST((time_of([] { BOOST_TEST(px::sleep(3) == 0u); }) == 3s));
        BOOST_TEST((time_of([] { BOOST_TEST(px::usleep(1500) == 0); }) == 1500us));
        timespec t{1, 500};
        BOOST_TEST((time_of([&] { BOOST_TEST(px::nanosleep(&t, nullptr) == 0); }) == 1s + 500ns));
        t = {0, 1'000'000'000};
        BOOST_TEST(px::nanosleep(&t, nullptr) == -1);
        BOOST_TEST(errno == EINVAL);
        t = {std::numeric_limits<time_t>::max(), 0};
        BOOST_TEST(!weft::move_on_after(1s, [&] { return px::nanosleep(&t, nullptr); }));
        BOOST_TEST(!weft::move_on_after(1s, [] { px::sleep(UINT_MAX); }));
    });
}

BOOST_AUTO_TEST_CASE(getaddrinfo_asks_on_a_thread) {
    run_checked([] {
        addrinfo hints{}, *list = nullptr;
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
        hints.ai_socktype = SOCK_STREAM;
        BOOST_TEST_REQUIRE(px::getaddrinfo("127.0.0.1", "80", &hints, &list) == 0);
        BOOST_TEST(list->ai_family == AF_INET);
        BOOST_TEST(reinterpret_cast<sockaddr_in*>(list->ai_addr)->sin_port == htons(80));
        ::freeaddrinfo(list);
        BOOST_TEST(px::getaddrinfo("no number", nullptr, &hints, &list) == EAI_NONAME);
        weft::cancel_scope s;
        s.cancel();
        BOOST_TEST(!s.run([&] { return px::getaddrinfo("127.0.0.1", "80", &hints, &list); }).has_value());
    });
}

BOOST_AUTO_TEST_CASE(cancelled_at_every_point_nothing_is_lost_or_left) {
    weft::testing::cancel_everywhere([] {
        ends e = ends::sockets();
        std::string large(300'000, 'x');
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { px::write(e.b, large.data(), large.size()); px::sleep(1); });
            n.start_soon([&] {
                std::string got(large.size(), ' ');
                px::recv(e.a, got.data(), got.size(), MSG_WAITALL);
                px::usleep(10);
            });
            pollfd p{e.a, POLLRDHUP, 0};
            px::poll(&p, 1, 50);
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
