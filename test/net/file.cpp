// SPDX-License-Identifier: BSL-1.0
// Files whose operations do not block the other tasks.
#include "fixture.hpp"

#include <weft/net/file.hpp>

#include <cstdlib>
#include <sys/stat.h>

using namespace weft_test;
namespace fs = std::filesystem;
namespace asio = boost::asio;

namespace {
/// A folder of the test's own.
struct folder {
    fs::path path;
    folder() {
        std::string name = (fs::temp_directory_path() / "weft-file-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()));
        path = name;
    }
    ~folder() { fs::remove_all(path); }
    std::size_t entries() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator())); }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(file)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
    folder d;
    run_checked([&] {
        auto path = d.path / "a";
        weft::write_file(path, "one");
        BOOST_TEST(weft::read_file(path) == "one");
        auto f = weft::file::open(path, weft::file_mode::append);
        f.write("+two");
        f.sync();
        f.close();
        f.close();
        auto r = weft::file::open(path);
        BOOST_TEST(r.size() == 7u);
        BOOST_TEST(r.read(3) == "one");
        BOOST_TEST(r.position() == 3u);
        char c[2] = {};
        BOOST_TEST(r.read_some(asio::buffer(c)) == 2u);
        BOOST_TEST(std::string(c, 2) == "+t");
        BOOST_TEST(r.read_some_at(0, asio::buffer(c)) == 2u);
        BOOST_TEST(std::string(c, 2) == "on");
        BOOST_TEST(r.read_all() == "wo");
        BOOST_TEST(r.read(5) == "");
        r.seek(4);
        BOOST_TEST(r.read_all() == "two");
        auto w = weft::file::open(path, weft::file_mode::read_write);
        w.write_at(4, asio::buffer("TWO", 3));
        w.resize(6);
        BOOST_TEST(w.read_all() == "one+TW");
        weft::file moved = std::move(w);
        BOOST_TEST(!w.is_open());
        BOOST_TEST(moved.size() == 6u);
        std::string large(3'000'000, 'x');
        weft::write_file(path, large);
        BOOST_TEST((weft::read_file(path) == large));
        BOOST_TEST(weft::file::open(path, weft::file_mode::write).size() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(errors_name_the_path) {
    folder d;
    run_checked([&] {
        auto absent = d.path / "absent";
        try { weft::file::open(absent); BOOST_ERROR("no exception"); } catch (std::system_error const& e) {
            BOOST_TEST(e.code().value() == ENOENT);
            BOOST_TEST(std::string(e.what()).find(absent.string()) != std::string::npos);
        }
        BOOST_CHECK_THROW(weft::read_file(d.path), std::system_error);
        BOOST_CHECK_THROW(weft::write_file(d.path / "no" / "such", "x"), std::system_error);
        weft::file::open(absent, weft::file_mode::create);
        BOOST_CHECK_THROW(weft::file::open(absent, weft::file_mode::create), std::system_error);
        BOOST_CHECK_THROW(weft::file::open(absent).write("x"), std::system_error);
        BOOST_CHECK_THROW(weft::file().read_all(), weft::misuse_error);
        weft::file closed = weft::file::open(absent);
        closed.close();
        BOOST_CHECK_THROW(closed.size(), weft::misuse_error);
    });
    BOOST_CHECK_THROW(weft::write_file(d.path, "x"), std::exception);  // a folder
    BOOST_TEST(d.entries() == 1u);                                     // and nothing beside it
}

BOOST_AUTO_TEST_CASE(replacing_a_file_keeps_its_permissions_and_leaves_nothing_beside_it) {
    folder d;
    run_checked([&] {
        auto path = d.path / "script";
        weft::write_file(path, "1");
        ::chmod(path.c_str(), 0750);
        weft::write_file(path, "2");
        struct stat s{};
        ::stat(path.c_str(), &s);
        BOOST_TEST((s.st_mode & 07777) == 0750u);
        BOOST_TEST(weft::read_file(path) == "2");
        BOOST_TEST(d.entries() == 1u);
    });
}

BOOST_AUTO_TEST_CASE(operations_are_checkpoints_and_other_tasks_run_meanwhile) {
    folder d;
    run_checked([&] {
        auto path = d.path / "a";
        weft::testing::assert_checkpoints([&] { weft::write_file(path, "x"); });
        weft::testing::assert_checkpoints([&] { weft::read_file(path); });
        auto f = weft::file::open(path, weft::file_mode::read_write);
        weft::testing::assert_checkpoints([&] { f.read_all(); });
        weft::testing::assert_checkpoints([&] { f.write("y"); });
        weft::testing::assert_checkpoints([&] { f.size(); });
    });
}

BOOST_AUTO_TEST_CASE(a_cancelled_operation_has_no_effect_and_a_cancelled_close_closes) {
    folder d;
    run_checked([&] {
        auto path = d.path / "a";
        weft::write_file(path, "former");
        auto f = weft::file::open(path);
        auto cancelled = [](auto&& g) {
            weft::cancel_scope s;
            s.cancel();
            return !s.run(g);
        };
        BOOST_TEST(cancelled([&] { weft::write_file(path, "new"); }));
        BOOST_TEST(cancelled([&] { f.read_all(); }));
        BOOST_TEST(weft::read_file(path) == "former");
        BOOST_TEST(f.read_all() == "former");
        BOOST_TEST(f.is_open());
        BOOST_TEST(cancelled([&] { f.close(); }));  // rule 121
        BOOST_TEST(!f.is_open());
        BOOST_TEST(d.entries() == 1u);
    });
}

BOOST_AUTO_TEST_CASE(wherever_it_is_cancelled_nothing_is_left) {
    folder d;
    weft::testing::cancel_everywhere([&] {
        auto path = d.path / "a";
        weft::write_file(path, "text");
        auto f = weft::file::open(path, weft::file_mode::read_write);
        f.read_all();
        f.write("more");
        f.close();
    });
    BOOST_TEST(d.entries() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
