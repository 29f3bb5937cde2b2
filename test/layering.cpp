// SPDX-License-Identifier: BSL-1.0
// Reads every #include under include/ and libs/: a lower room never includes a higher one, Boost.Fiber stays in one
// file, Asio in the rooms that are about it.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<std::string> const order{"core", "task", "sync", "future", "asio", "threads", "net", "std", "posix", "testing", "inspect"};

struct source {
    std::string path;  // below the top
    std::string room;  // "" for the umbrellas and config.hpp
    std::vector<std::string> includes;  // resolved: "../task/x.hpp" and "x.hpp" of the same folder become "task/x.hpp"
    std::string text;                   // without line comments
    std::size_t lines;
};

// What an include means for the rooms: a file beside the includer, or under its tree, by its path below the tree.
std::string resolved(std::string const& include, fs::path const& folder, fs::path const& root) {
    fs::path beside = (folder / include).lexically_normal();
    if (!fs::exists(beside)) return include;
    return (root.filename() == "weft" ? "weft/" : "") + beside.lexically_relative(root.lexically_normal()).string();
}

std::vector<source> const& sources() {
    static std::vector<source> const all = [] {
        std::vector<source> v;
        for (std::string const tree : {"include/weft", "libs"}) {
            fs::path root = fs::path(WEFT_TOP) / tree;
            for (auto const& e : fs::recursive_directory_iterator(root)) {
                auto ext = e.path().extension();
                if (ext != ".hpp" && ext != ".cpp") continue;
                std::string below = fs::relative(e.path(), root).string();
                source s{tree + "/" + below, "", {}, {}, 0};
                if (auto slash = below.find('/'); slash != std::string::npos) s.room = below.substr(0, slash);
                std::ifstream in(e.path());
                static std::regex const include(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
                for (std::string line; std::getline(in, line);) {
                    std::smatch m;
                    ++s.lines;
                    if (std::regex_search(line, m, include)) s.includes.push_back(resolved(m[1], e.path().parent_path(), root));
                    if (auto comment = line.find("//"); comment != std::string::npos) line.resize(comment);
                    s.text += line + "\n";
                }
                v.push_back(std::move(s));
            }
        }
        return v;
    }();
    return all;
}

std::size_t level(std::string const& room) {
    return static_cast<std::size_t>(std::find(order.begin(), order.end(), room) - order.begin());
}

// "weft/core/run.hpp" and "core/kernel.hpp" are core's; umbrellas and config.hpp are nobody's.
std::string room_of_include(std::string path) {
    if (path.starts_with("weft/")) path = path.substr(5);
    auto slash = path.find('/');
    std::string room = slash == std::string::npos ? "" : path.substr(0, slash);
    return level(room) < order.size() ? room : "";
}

}  // namespace

BOOST_AUTO_TEST_CASE(there_are_sources_and_each_lives_in_a_known_room) {
    BOOST_TEST(sources().size() > 40u);
    for (auto const& s : sources()) {
        if (s.path.starts_with("libs/") || !s.room.empty()) BOOST_TEST(level(s.room) < order.size(), s.path << " is in no known room");
    }
}

BOOST_AUTO_TEST_CASE(a_lower_room_never_includes_a_higher_one) {
    std::size_t checked = 0;
    for (auto const& s : sources()) {
        if (s.room.empty()) continue;
        for (auto const& i : s.includes) {
            std::string room = room_of_include(i);
            if (room.empty()) continue;
            ++checked;
            BOOST_TEST(level(room) <= level(s.room), s.path << " includes " << i << ", which is in a higher room");
        }
        for (auto const& i : s.includes) BOOST_TEST((!i.starts_with("weft/") || i.find('/', 5) != std::string::npos || i == "weft/config.hpp"), s.path << " includes an umbrella: " << i);
    }
    BOOST_TEST(checked > 50u);
}

BOOST_AUTO_TEST_CASE(public_headers_include_no_private_ones) {
    for (auto const& s : sources()) {
        if (!s.path.starts_with("include/")) continue;
        for (auto const& i : s.includes) BOOST_TEST((i.starts_with("weft/") || room_of_include(i).empty()), s.path << " includes the private " << i);
    }
}

BOOST_AUTO_TEST_CASE(boost_fiber_stays_in_one_source_file) {
    for (auto const& s : sources()) {
        for (auto const& i : s.includes) {
            bool fiber = i.starts_with("boost/fiber") || i == "core/fiber_algorithm.hpp";
            BOOST_TEST((!fiber || s.path == "libs/core/fiber.cpp" || s.path == "libs/core/fiber_algorithm.hpp"), s.path << " includes " << i);
        }
        if (s.room != "core") BOOST_TEST(s.text.find("boost::fibers") == std::string::npos, s.path << " names boost::fibers");
    }
}

BOOST_AUTO_TEST_CASE(asio_stays_in_its_rooms) {
    std::vector<std::string> const rooms{"asio", "threads", "net", "inspect"};
    for (auto const& s : sources()) {
        if (s.room.empty() || std::find(rooms.begin(), rooms.end(), s.room) != rooms.end()) continue;
        if (fs::path(s.path).stem() == "memory_stream" && s.room == "testing") continue;  // stands for Asio's streams; the umbrella leaves it out
        for (auto const& i : s.includes) BOOST_TEST(!i.starts_with("boost/asio"), s.path << " includes " << i);
        BOOST_TEST(s.text.find("boost::asio") == std::string::npos, s.path << " names boost::asio");
    }
}

// Not a failure: a reminder that a room wants splitting.
BOOST_AUTO_TEST_CASE(long_files_are_reported) {
    for (auto const& s : sources()) {
        if (s.lines > 500) BOOST_TEST_MESSAGE(s.path << " has " << s.lines << " lines");
    }
    BOOST_TEST(!sources().empty());
}
