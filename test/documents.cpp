// SPDX-License-Identifier: BSL-1.0
// Reads README.md and doc/: what they link to exists, every header of the middle rooms has its place in them, and examples
// are programs, which the Jamfile compiles and runs.
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

fs::path const top = WEFT_TOP;

std::string text_of(fs::path const& p) {
    std::ostringstream s;
    s << std::ifstream(p).rdbuf();
    return s.str();
}

std::vector<fs::path> pages() {
    std::vector<fs::path> v{top / "README.md"};
    for (auto const& e : fs::recursive_directory_iterator(top / "doc")) if (e.path().extension() == ".md") v.push_back(e.path());
    return v;
}

std::vector<std::string> public_headers() {  // "sync/event.hpp"
    std::vector<std::string> v;
    for (std::string const room : {"sync", "future", "threads"}) {
        for (auto const& e : fs::directory_iterator(top / "include/weft" / room)) if (e.path().extension() == ".hpp") v.push_back(room + "/" + e.path().filename().string());
    }
    return v;
}

bool names(std::string const& text, std::string const& word) {
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) {
        auto part = [&](std::size_t i) { return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_'); };
        if (!part(at - 1) && !part(at + word.size())) return true;
    }
    return false;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_relative_link_leads_to_a_file) {
    std::regex const link(R"(\]\(([^)#:\s]+)(#[^)\s]*)?\))");  // a lambda's parameters are no link
    std::size_t checked = 0;
    for (auto const& p : pages()) {
        std::string text = text_of(p);
        for (std::sregex_iterator i(text.begin(), text.end(), link), end; i != end; ++i, ++checked) {
            BOOST_TEST(fs::exists(p.parent_path() / (*i)[1].str()), p << " links to " << (*i)[1].str());
        }
    }
    BOOST_TEST(checked > 10u);
}

BOOST_AUTO_TEST_CASE(every_header_of_sync_future_and_threads_is_on_a_reference_page) {
    std::string reference;
    for (auto const& p : pages()) if (p.parent_path().filename() == "reference") reference += text_of(p);
    for (auto const& h : public_headers()) BOOST_TEST(names(reference, h.substr(h.find('/') + 1)), h << " is on no page of doc/reference");
    BOOST_TEST(public_headers().size() > 20u);
}

// The rows end with `suite/test`. Its line in the test gives the cancellation types that it expects.
BOOST_AUTO_TEST_CASE(every_row_of_the_operations_page_has_its_test_and_every_test_its_row) {
    std::string page = text_of(top / "doc/reference/operations.md"), tests;
    for (auto const& e : fs::directory_iterator(top / "test/asio")) if (e.path().extension() == ".cpp") tests += text_of(e.path());
    std::regex const row(R"(\n\|[^|\n]+\| ([^|\n]+) \|[^\n]*\| `(\w+)/(\w+)` \|)");
    std::size_t rows = 0;
    for (std::sregex_iterator i(page.begin(), page.end(), row), end; i != end; ++i, ++rows) {
        std::string types = (*i)[1], suite = (*i)[2], name = (*i)[3];
        std::size_t at = tests.find("BOOST_AUTO_TEST_SUITE(" + suite + ")");
        at = at == std::string::npos ? at : tests.find("BOOST_AUTO_TEST_CASE(" + name + ")", at);
        BOOST_TEST_REQUIRE(at != std::string::npos, "doc/reference/operations.md names a test " << suite << "/" << name << " that does not exist");
        std::string test = tests.substr(at, tests.find("\n}\n", at) - at);
        std::size_t open = test.find('{', test.find("check_row<"));
        if (open == std::string::npos) continue;  // its own kind of test
        std::string expected = test.substr(open + 1, test.find_first_of(",}", open) - open - 1);
        if (expected == "all") expected = "\"total partial terminal\"";
        BOOST_TEST("\"" + std::regex_replace(types, std::regex(","), "") + "\"" == expected, name);
    }
    BOOST_TEST(rows > 35u);
    std::regex const test(R"(BOOST_AUTO_TEST_CASE\((\w+)\)[^;]*check_row)");
    for (std::sregex_iterator i(tests.begin(), tests.end(), test), end; i != end; ++i) {
        BOOST_TEST(page.find("/" + (*i)[1].str() + "`") != std::string::npos, (*i)[1].str() << " is in no row of doc/reference/operations.md");
    }
}

BOOST_AUTO_TEST_CASE(the_cookbook_names_every_primitive) {
    // What the user writes, where it is not the header's name. select_alternative is for who writes primitives.
    std::map<std::string, std::string> const written{{"channel", "make_channel"}, {"once", "call_once"}, {"semaphore", "counting_semaphore"}, {"std_future", "weft::await"},
                                                     {"reuse_port", "listen_reuse_port"}, {"select_alternative", "select"}};
    std::string cookbook = text_of(top / "doc/cookbook.md");
    for (auto const& h : public_headers()) {
        std::string stem = fs::path(h).stem().string();
        auto other = written.find(stem);
        std::string const& name = other == written.end() ? stem : other->second;
        BOOST_TEST(names(cookbook, name), "doc/cookbook.md does not say what " << name << " of weft/" << h << " is for");
    }
}

BOOST_AUTO_TEST_CASE(examples_of_the_reference_are_programs) {
    for (auto const& p : pages()) {
        if (p.parent_path().filename() != "reference") continue;
        std::string text = text_of(p);
        std::size_t examples = 0;
        for (std::size_t at = 0; (at = text.find("```cpp\n", at)) != std::string::npos;) {
            std::size_t end = text.find("\n```", at);
            ++examples;
            BOOST_TEST(text.substr(at, end - at).find("\nint main() {\n") != std::string::npos, p << ": example " << examples << " has no main, so nothing compiles it");
            at = end + 4;
        }
        BOOST_TEST(examples > 0u, p << " has no example");
    }
}

BOOST_AUTO_TEST_CASE(the_diff_of_the_migration_page_is_that_of_the_programs) {
    std::string page = text_of(top / "doc/migration.md");
    std::map<char, std::string> const program{{'-', text_of(top / "example/beast_sync/threaded.cpp")}, {'+', text_of(top / "example/beast_sync/main.cpp")}};
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = page.find("```diff\n", at)) != std::string::npos;) {
        std::size_t end = page.find("\n```", at);
        std::istringstream block(page.substr(at + 8, end - at - 8));
        for (std::string line; std::getline(block, line); ++lines) {
            BOOST_TEST_REQUIRE(program.contains(line[0]), line);
            BOOST_TEST(program.at(line[0]).find("\n" + line.substr(1) + "\n") != std::string::npos, "the program has no line" << line);
            BOOST_TEST(program.at(line[0] == '-' ? '+' : '-').find("\n" + line.substr(1) + "\n") == std::string::npos, "both programs have the line" << line);
        }
        at = end + 4;
    }
    BOOST_TEST(lines > 10u);
}
