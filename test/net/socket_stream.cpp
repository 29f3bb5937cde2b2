// SPDX-License-Identifier: BSL-1.0
// weft's own sockets: closed, moved and destroyed under those who wait; the Unix ones with their files.
#include "fixture.hpp"

#include <weft/net/buffered_reader.hpp>
#include <weft/net/connect.hpp>
#include <weft/net/socket_stream.hpp>
#include <weft/net/unix.hpp>

#include <boost/asio/local/connect_pair.hpp>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace weft_test;
namespace asio = boost::asio;
namespace fs = std::filesystem;
using boost::system::error_code;
using boost::system::system_error;
using local = asio::local::stream_protocol;

namespace {

struct stream_pair {
    weft::unix_stream a, b;
    stream_pair() {
        local::socket x(weft::get_executor()), y(weft::get_executor());
        asio::local::connect_pair(x, y);
        a = weft::unix_stream(std::move(x));
        b = weft::unix_stream(std::move(y));
    }
};

std::string read_all(weft::unix_stream& s) {
    std::string all(100'000, '\0');
    std::size_t n = 0;
    while (std::size_t m = weft::read_some(s, asio::buffer(all) + n)) n += m;
    all.resize(n);
    return all;
}

/// Runs f as a task until it waits, then g, and returns what f threw.
template <class F, class G>
std::exception_ptr while_it_waits(F f, G g) {
    std::exception_ptr e;
    weft::with_nursery([&](weft::nursery& n) {
        n.start_soon("waiter", [&] {
            try { f(); } catch (weft::cancelled const&) { throw; } catch (...) { e = std::current_exception(); }
        });
        weft::testing::wait_all_tasks_blocked();
        g();
    });
    return e;
}
template <class E>
bool is(std::exception_ptr const& e) {
    try { if (e) std::rethrow_exception(e); } catch (E const&) { return true; } catch (...) {}
    return false;
}

void fill(weft::unix_stream& s) { s.write_all(std::string(1'000'000, 'x')); }

struct folder {
    fs::path path;
    folder() {
        char name[] = "/tmp/weft-test-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error("mkdtemp");
        path = name;
    }
    ~folder() { fs::remove_all(path); }
};

/// Starts a server that answers each connection with one line, calls f, and stops it.
template <class F>
void with_server(fs::path const& path, weft::unix_options const& o, F f) {
    weft::with_nursery([&](weft::nursery& n) {
        n.start("server", [&](weft::task_status<void>& started) {
            weft::serve_unix(path, [](weft::unix_stream s) { s.write_all("hello\n"); }, {}, o, &started);
        });
        f();
        n.shutdown(5s);
    });
}
std::string greeting(fs::path const& path) {
    weft::unix_stream s = weft::connect_unix(path);
    return weft::buffered_reader(s).read_line(100).value_or("");
}
error_code code_of(std::function<void()> const& f) {
    try { f(); } catch (system_error const& e) { return e.code(); }
    return {};
}
error_code served(fs::path const& path, weft::unix_options const& o = {}) {
    error_code ec;
    weft::move_on_after(1s, [&] { ec = code_of([&] { weft::serve_unix(path, [](weft::unix_stream) {}, {}, o); }); });
    return ec;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(socket_stream)

BOOST_AUTO_TEST_CASE(reads_writes_and_tells_the_end) {
    run_checked([] {
        stream_pair p;
        p.a.write_all("hello\nworld");
        p.a.shutdown_write();
        weft::buffered_reader r(p.b);
        BOOST_TEST(r.read_line(10).value() == "hello");
        BOOST_TEST(r.read_exactly(5) == "world");
        BOOST_TEST(r.at_end());
        weft::write_all(p.b, "back");
        char c[4];
        BOOST_TEST(weft::read_some(p.a, asio::buffer(c)) == 4u);
        BOOST_CHECK_THROW(p.a.write_all("x"), system_error);
        p.b.close();
        p.a.shutdown_write();  // the other side has gone: no error
        p.a.close();
        p.a.close();
        BOOST_TEST(!p.a.is_open());
    });
}

BOOST_AUTO_TEST_CASE(who_waits_wakes_when_it_is_closed) {  // rule 114
    run_checked([] {
        char c;
        for (int how = 0; how < 3; ++how) {
            stream_pair p;
            auto end = [&] {
                if (how == 0) p.a.close();
                if (how == 1) p.a = weft::unix_stream();                   // assigned over
                if (how == 2) { auto gone = std::move(p.a); }              // destroyed
            };
            std::exception_ptr write;
            auto read = while_it_waits([&] { weft::read_some(p.a, asio::buffer(&c, 1)); }, [&] { write = while_it_waits([&] { fill(p.a); }, end); });
            BOOST_TEST(is<weft::closed_resource_error>(read));
            BOOST_TEST(is<weft::closed_resource_error>(write));
            BOOST_CHECK_THROW(p.a.read_some(asio::buffer(&c, 1)), weft::closed_resource_error);
            BOOST_CHECK_THROW(p.a.write_all("x"), weft::closed_resource_error);
            BOOST_CHECK_THROW(p.a.shutdown_write(), weft::closed_resource_error);
        }
        weft::unix_stream never;
        BOOST_CHECK_THROW(never.socket(), weft::closed_resource_error);
    });
}

BOOST_AUTO_TEST_CASE(a_second_user_of_a_direction_is_an_error_and_the_directions_are_independent) {  // rule 113
    run_checked([] {
        stream_pair p;
        char c;
        auto read = while_it_waits([&] { weft::read_some(p.a, asio::buffer(&c, 1)); }, [&] {
            BOOST_CHECK_THROW(weft::read_some(p.a, asio::buffer(&c, 1)), weft::busy_resource_error);
            auto write = while_it_waits([&] { fill(p.a); }, [&] {
                BOOST_CHECK_THROW(p.a.write_all("x"), weft::busy_resource_error);
                BOOST_CHECK_THROW(p.a.shutdown_write(), weft::busy_resource_error);
                weft::write_all(p.b, "y");  // the reader goes on while the writer waits
                weft::testing::wait_all_tasks_blocked();
                BOOST_TEST(c == 'y');
                p.b.close();
            });
            BOOST_TEST(is<system_error>(write));
        });
        BOOST_TEST(!read);
    });
}

BOOST_AUTO_TEST_CASE(a_descriptor_that_is_closed_without_notice_leaves_a_wait_that_can_be_cancelled) {  // rule 115
    weft::testing::ledger before;
    weft::run([] {
        for (bool plain : {false, true}) {
            stream_pair p;
            char c;
            int fd = p.a.socket().native_handle();
            bool done = true;
            std::exception_ptr e;
            weft::cancel_scope s;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("reader", [&] {
                    done = s.run([&] {
                        try {
                            if (plain) weft::read_some(p.a.socket(), asio::buffer(&c, 1));
                            else weft::read_some(p.a, asio::buffer(&c, 1));
                        } catch (system_error const&) { e = std::current_exception(); }
                    });
                });
                weft::testing::wait_all_tasks_blocked();
                ::close(fd);
                s.cancel();
            });
            BOOST_TEST((!done || e));
            error_code ec;
            p.a.socket().close(ec);  // its number is nobody's: not another's by now
        }
    });
    BOOST_TEST(before.difference() == "");
}

BOOST_AUTO_TEST_CASE(after_a_write_that_was_cut_the_next_is_refused) {
    run_checked([] {
        stream_pair p;
        BOOST_TEST(!weft::move_on_after(1s, [&] { fill(p.a); }));
        BOOST_CHECK_THROW(p.a.write_all("x"), weft::broken_resource_error);
        weft::write_all(p.b, "y");  // reading goes on
        char c;
        BOOST_TEST(weft::read_some(p.a, asio::buffer(&c, 1)) == 1u);
        stream_pair q;
        weft::cancel_scope s;
        s.cancel();
        s.run([&] { q.a.write_all("x"); });  // cancelled before: nothing was written
        q.a.write_all("z");
        q.a.close();
        BOOST_TEST(read_all(q.b) == "z");
    });
}

BOOST_AUTO_TEST_CASE(a_graceful_close_waits_for_the_other_side_and_closes_in_any_case) {  // rule 121
    run_checked([] {
        {  // the other side ends, too
            stream_pair p;
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon("peer", [&] {
                    weft::write_all(p.b, "unread");
                    BOOST_TEST(read_all(p.b) == "answer");
                    weft::this_task::sleep_for(1s);
                    p.b.close();
                });
                p.a.write_all("answer");
                auto start = weft::current_time();
                p.a.close_gracefully();
                BOOST_TEST(((weft::current_time() - start) == 1s));
                BOOST_TEST(!p.a.is_open());
            });
        }
        {  // it does not
            stream_pair p;
            auto start = weft::current_time();
            p.a.close_gracefully(2s);
            BOOST_TEST(((weft::current_time() - start) == 2s));
            BOOST_TEST(!p.a.is_open());
            p.a.close_gracefully(2s);
            p.b.close();
            p.b.close_gracefully();
        }
        for (bool before : {true, false}) {  // cancelled
            stream_pair p;
            weft::cancel_scope s;
            if (before) s.cancel();
            else s.set_deadline(weft::current_time() + 1s);
            s.run([&] { p.a.close_gracefully(); });
            BOOST_TEST(s.cancelled_caught());
            BOOST_TEST(!p.a.is_open());
        }
        {  // in use
            stream_pair p;
            char c;
            BOOST_TEST(is<weft::closed_resource_error>(while_it_waits([&] { weft::read_some(p.a, asio::buffer(&c, 1)); }, [&] { p.a.close_gracefully(); })));
        }
        stream_pair p;
        BOOST_CHECK_THROW(p.a.close_gracefully(-1s), weft::misuse_error);
        BOOST_TEST(p.a.is_open());
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    auto all = weft::testing::cancel_everywhere([] {
        stream_pair p;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("peer", [&] {
                weft::buffered_reader r(p.b);
                while (auto line = r.read_line(10)) p.b.write_all(*line);
                p.b.close();
            });
            char c;
            p.a.write_all("x\n");
            p.a.read_some(asio::buffer(&c, 1));
            p.a.close_gracefully(1s);
        });
    });
    BOOST_TEST(all.points > 10u);
}

// --- Unix sockets ---

BOOST_AUTO_TEST_CASE(a_unix_server_has_its_file_with_its_permissions_while_it_listens) {
    folder f;
    auto path = f.path / "s";
    run_checked([&] {
        with_server(path, {.permissions = 0640}, [&] {
            BOOST_TEST(greeting(path) == "hello");
            struct stat s;
            BOOST_TEST(::stat(path.c_str(), &s) == 0);
            BOOST_TEST((s.st_mode & 07777) == 0640u);
        });
        BOOST_TEST(!fs::exists(path));
        BOOST_TEST((code_of([&] { weft::connect_unix(path); }) == boost::system::errc::no_such_file_or_directory));
        BOOST_TEST(!weft::move_on_after(1s, [&] { weft::serve_unix(path, [](weft::unix_stream) {}); }));
        BOOST_TEST(!fs::exists(path));  // cancelled: it goes, too
    });
}

BOOST_AUTO_TEST_CASE(a_stale_file_is_replaced_and_nothing_else) {
    folder f;
    auto path = f.path / "s";
    run_checked([&] {
        {  // what a server that died leaves behind
            local::acceptor dead(weft::get_executor(), local::endpoint(path.native()));
        }
        BOOST_TEST(fs::is_socket(path));
        BOOST_TEST((code_of([&] { weft::connect_unix(path); }) == asio::error::connection_refused));
        BOOST_TEST((served(path, {.permissions = {}, .replace_stale = false}) == asio::error::address_in_use));
        with_server(path, {}, [&] {
            BOOST_TEST(greeting(path) == "hello");
            BOOST_TEST((served(path) == asio::error::address_in_use));  // somebody listens, and is not disturbed
            BOOST_TEST(greeting(path) == "hello");
        });
        std::ofstream(path) << "precious";
        BOOST_TEST((served(path) == asio::error::address_in_use));
        BOOST_TEST(fs::file_size(path) == 8u);
        fs::remove(path);
        BOOST_TEST((served(f.path / "none" / "s") == boost::system::errc::no_such_file_or_directory));
        BOOST_TEST((served(f.path / std::string(200, 'x')) == boost::system::errc::filename_too_long));
        BOOST_TEST((code_of([&] { weft::connect_unix(std::string(200, 'x')); }) == boost::system::errc::filename_too_long));
        BOOST_CHECK(code_of([&] { weft::connect_unix(""); }));
    });
}

BOOST_AUTO_TEST_CASE(a_file_that_another_server_has_put_in_place_stays) {
    folder f;
    auto path = f.path / "s";
    run_checked([&] {
        with_server(path, {}, [&] {
            fs::remove(path);
            local::acceptor other(weft::get_executor(), local::endpoint(path.native()));
        });
        BOOST_TEST(fs::is_socket(path));
    });
}

BOOST_AUTO_TEST_CASE(an_abstract_name_has_no_file) {
    run_checked([&] {
        fs::path name = std::string(1, '\0') + "weft-test-" + std::to_string(::getpid());
        with_server(name, {}, [&] { BOOST_TEST(greeting(name) == "hello"); });
        BOOST_TEST((code_of([&] { weft::connect_unix(name); }) == asio::error::connection_refused));
    });
}

BOOST_AUTO_TEST_CASE(connecting_waits_while_the_queue_is_full_and_can_be_cancelled) {
    folder f;
    auto path = f.path / "s";
    run_checked([&] {
        local::acceptor a(weft::get_executor());
        a.open();
        a.bind(local::endpoint(path.native()));
        a.listen(0);
        std::vector<local::socket> connected;
        while (weft::move_on_after(1s, [&] { connected.push_back(weft::connect_unix(path)); })) BOOST_REQUIRE(connected.size() < 100u);
        BOOST_TEST(connected.size() >= 1u);
        bool through = false;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("client", [&] { connected.push_back(weft::connect_unix(path)); through = true; });
            weft::this_task::sleep_for(1s);
            BOOST_TEST(!through);
            a.accept();
        });
        BOOST_TEST(through);
    });
}

BOOST_AUTO_TEST_CASE(a_unix_server_cancelled_anywhere_leaves_no_file) {
    folder f;
    auto path = f.path / "s";
    weft::testing::cancel_everywhere([&] {
        BOOST_TEST(!fs::exists(path));
        with_server(path, {.permissions = 0600}, [&] { greeting(path); });
    });
    BOOST_TEST(!fs::exists(path));
}

BOOST_AUTO_TEST_SUITE_END()
