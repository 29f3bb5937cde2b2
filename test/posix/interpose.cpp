// SPDX-License-Identifier: BSL-1.0
// Compiled code on fibers: libc's names in a program that is linked with weft_posix, and Debian's libcurl.
#include "posix/pairs.hpp"

#include <weft/net/buffered_reader.hpp>
#include <weft/net/serve.hpp>
#include <weft/net/stream.hpp>

#include <curl/curl.h>
#include <memory>
#include <thread>
#include <unistd.h>

using namespace weft_test;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

std::size_t append(char* p, std::size_t size, std::size_t n, void* to) {
    static_cast<std::string*>(to)->append(p, size * n);
    return size * n;
}

struct answer {
    CURLcode code;
    long status{};
    std::string text{};
};

answer fetch(std::string const& url) {
    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> c(curl_easy_init(), &curl_easy_cleanup);
    answer a{CURLE_OK};
    curl_easy_setopt(c.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(c.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c.get(), CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(c.get(), CURLOPT_WRITEDATA, &a.text);
    a.code = curl_easy_perform(c.get());
    curl_easy_getinfo(c.get(), CURLINFO_RESPONSE_CODE, &a.status);
    return a;
}

/// A server of weft's own in this run, whose handler is called before each answer.
template <class Body>
void with_server(std::function<void()> before_answer, Body body) {
    weft::with_nursery([&](weft::nursery& n) {
        auto at = n.start("server", [&](weft::task_status<tcp::endpoint>& started) {
            weft::serve_tcp({asio::ip::address_v4::loopback(), 0}, [&](tcp::socket s) {
                weft::buffered_reader in(s);
                std::string path = in.read_until(" HTTP/", 1024);
                in.read_until("\r\n\r\n", 8192);
                before_answer();
                path = path.substr(4, path.size() - 10);
                weft::write_all(s, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(path.size()) + "\r\n\r\n" + path);
            }, {.on_error = [](std::exception_ptr) {}}, &started);
        });
        body("http://127.0.0.1:" + std::to_string(at.port()));
        n.cancel();
    });
}

weft::run_options real_time() {
    static struct : weft::clock_source { weft::time_point now() noexcept override { return std::chrono::steady_clock::now(); } } clock;
    weft::run_options o;
    o.clock = &clock;
    return o;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(interposed)

BOOST_AUTO_TEST_CASE(libcs_names_wait_in_the_task) {
    run_checked([] {
        ends e = ends::sockets(), p = ends::pipe();
        std::string order;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { char c; BOOST_TEST(::recv(e.a, &c, 1, 0) == 1); order += "recv "; BOOST_TEST(::write(p.b, "x", 1) == 1); });
            n.start_soon([&] { char c; BOOST_TEST(::read(p.a, &c, 1) == 1); order += "read"; });
            weft::testing::wait_all_tasks_blocked();
            order += "main ";
            BOOST_TEST(::send(e.b, "x", 1, 0) == 1);
        });
        BOOST_TEST(order == "main recv read");
        auto start = weft::current_time();
        BOOST_TEST(::sleep(3600) == 0u);
        std::this_thread::sleep_for(1h);
        BOOST_TEST(::poll(nullptr, 0, 3'600'000) == 0);
        BOOST_TEST((weft::current_time() - start == 3h));
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_is_ECANCELED_and_raised_at_the_next_point_of_weft) {
    run_checked([] {
        ends e = ends::sockets();
        bool told = false, passed = false;
        weft::cancel_scope s;
        s.set_deadline(weft::current_time() + 1s);
        bool done = s.run([&] {
            char c;
            BOOST_TEST(::recv(e.a, &c, 1, 0) == -1);
            BOOST_TEST(errno == ECANCELED);
            pollfd p{e.a, POLLIN, 0};
            BOOST_TEST(::poll(&p, 1, -1) == -1);  // as long as the scope is cancelled
            BOOST_TEST(errno == ECANCELED);
            BOOST_TEST(::sleep(5) == 5u);
            timespec t{1, 5};
            BOOST_TEST(::nanosleep(&t, &t) == -1);
            BOOST_TEST((errno == ECANCELED && t.tv_nsec == 5));
            addrinfo* list;
            BOOST_TEST(::getaddrinfo("127.0.0.1", nullptr, nullptr, &list) == EAI_SYSTEM);
            BOOST_TEST(errno == ECANCELED);
            int ends[2];
            BOOST_TEST_REQUIRE(::pipe(ends) == 0);
            BOOST_TEST((::close(ends[0]) == 0 && ::close(ends[1]) == 0));  // what must be done is done
            told = true;
            weft::check_cancelled();
            passed = true;
        });
        BOOST_TEST((told && !passed && !done));
        BOOST_TEST(s.cancelled_caught());
    });
}

BOOST_AUTO_TEST_CASE(it_does_not_pass_through_the_caller_though_that_is_noexcept) {
    run_checked([] {
        ends e = ends::sockets();
        auto c_code = [&]() noexcept { char c; return ::read(e.a, &c, 1); };
        BOOST_TEST(!weft::move_on_after(1s, [&] { BOOST_TEST(c_code() == -1); weft::checkpoint(); }));
    });
}

BOOST_AUTO_TEST_CASE(code_that_ignores_the_error_lets_others_run) {
    run_checked([] {
        weft::cancel_scope s;
        s.cancel();
        bool stop = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { while (!stop) ::usleep(100); }); });
            n.start_soon([&] { for (int i = 0; i < 20; ++i) weft::checkpoint(); stop = true; });
        });
        BOOST_TEST(stop);
    });
}

BOOST_AUTO_TEST_CASE(a_run_that_is_stuck_is_told_to_C_code_as_EDEADLK) {
    BOOST_CHECK_THROW(run_checked([] {
        BOOST_TEST(::poll(nullptr, 0, -1) == -1);
        BOOST_TEST(errno == EDEADLK);
        weft::this_task::sleep_forever();
    }), weft::deadlock_error);
}

BOOST_AUTO_TEST_CASE(plain_threads_callbacks_and_nonblocking_descriptors_get_the_real_call) {
    run_checked([] {
        ends e = ends::sockets();
        bool real = false;
        std::jthread([&] { char c; real = ::write(e.b, "x", 1) == 1 && ::read(e.a, &c, 1) == 1; }).join();
        BOOST_TEST(real);
        weft::event done;
        weft::current_token().post([&] { char c; BOOST_TEST(::write(e.b, "x", 1) == 1); BOOST_TEST(::read(e.a, &c, 1) == 1); done.set(); });
        done.wait();
        ::fcntl(e.a, F_SETFL, O_NONBLOCK);
        char c;
        BOOST_TEST(::read(e.a, &c, 1) == -1);
        BOOST_TEST(errno == EAGAIN);
    });
    ends e = ends::sockets();
    set_timeout(e.a, SO_RCVTIMEO, 5);
    char c;
    BOOST_TEST(::recv(e.a, &c, 1, 0) == -1);  // outside of a run
    BOOST_TEST(errno == EAGAIN);
}

BOOST_AUTO_TEST_CASE(asios_blocking_calls_wait_in_the_task) {
    run_checked(real_time(), [] {
        with_server([] {}, [](std::string const& url) {
            auto port = static_cast<unsigned short>(std::stoi(url.substr(url.rfind(':') + 1)));
            tcp::socket s(weft::get_executor());
            s.connect({asio::ip::address_v4::loopback(), port});
            std::string request = "GET /asio HTTP/1.1\r\n\r\n", text(1000, ' ');
            BOOST_TEST(s.send(asio::buffer(request)) == request.size());
            text.resize(s.receive(asio::buffer(text)));  // a server on the same thread answers
            BOOST_TEST(text.ends_with("/asio"));
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(libcurl)

BOOST_AUTO_TEST_CASE(all_requests_are_under_way_at_once_on_one_thread) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    run_checked(real_time(), [] {
        constexpr int calls = 150;
        weft::latch all_there(calls);  // nobody is answered before the last has asked
        with_server([&] { all_there.arrive_and_wait(); }, [&](std::string const& url) {
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < calls; ++i) n.start_soon([&, i] {
                    std::string path = "/" + std::to_string(i);
                    answer a = fetch(url + path);
                    BOOST_TEST(a.code == CURLE_OK);
                    BOOST_TEST(a.status == 200);
                    BOOST_TEST(a.text == path);
                });
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_fan_out_of_150_calls_of_100_ms_takes_little_longer_than_one) {
    run_checked(real_time(), [] {
        with_server([] { weft::this_task::sleep_for(100ms); }, [](std::string const& url) {
            auto start = std::chrono::steady_clock::now();
            weft::with_nursery([&](weft::nursery& n) {
                for (int i = 0; i < 150; ++i) n.start_soon([&] { BOOST_TEST(fetch(url + "/").status == 200); });
            });
            auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
            BOOST_TEST_MESSAGE("150 calls of 100 ms: " << took.count() << " ms");
            BOOST_TEST(took.count() < 5000);  // one after the other: 15,000; on a quiet machine below 500
        });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_transfer_ends_with_an_error_of_curl_and_then_raises) {
    run_checked(real_time(), [] {
        weft::event asked;
        with_server([&] { asked.set(); weft::this_task::sleep_forever(); }, [&](std::string const& url) {
            weft::cancel_scope s;
            bool returned = false;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] {
                    s.run([&] {
                        BOOST_TEST(fetch(url + "/").code != CURLE_OK);
                        returned = true;
                        weft::check_cancelled();
                    });
                });
                asked.wait();
                s.cancel();
            });
            BOOST_TEST(returned);
            BOOST_TEST(s.cancelled_caught());
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()
