// SPDX-License-Identifier: BSL-1.0
// The script libs/std/migration_lint, on sources and on what was compiled of them.
#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace {

namespace fs = std::filesystem;

/// A folder that goes with the test.
struct folder {
    fs::path path;
    folder() {
        std::string name = (fs::temp_directory_path() / "migration_lint-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~folder() { fs::remove_all(path); }
    std::string write(std::string const& name, std::string const& text) const {
        std::ofstream(path / name) << text;
        return (path / name).string();
    }
};

struct report {
    int status;
    std::vector<std::string> lines;
    /// Of the findings "PLACE: KIND: NAME", without the remedy, whether this is one.
    bool has(std::string const& finding) const {
        for (auto const& l : lines) if (l.ends_with(finding) || l.find(finding + " -> ") != std::string::npos) return true;
        return false;
    }
};

report run(std::string const& command) {
    report r{};
    FILE* p = ::popen((command + " 2>&1").c_str(), "r");
    BOOST_REQUIRE(p != nullptr);
    char line[4096];
    while (std::fgets(line, sizeof line, p)) {
        r.lines.emplace_back(line);
        if (r.lines.back().ends_with('\n')) r.lines.back().pop_back();
    }
    int status = ::pclose(p);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return r;
}

report lint(std::string const& arguments) { return run(WEFT_TOP "/libs/std/migration_lint " + arguments); }

/// One line of source, and how many findings it has.
std::size_t findings(folder const& f, std::string const& text) {
    report r = lint(f.write("line.cpp", text + "\n"));
    BOOST_TEST((r.status == 0 || r.status == 1));
    return r.lines.size() - 1;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(migration_lint)

BOOST_AUTO_TEST_CASE(each_kind_is_found_at_its_line_with_a_remedy) {
    folder f;
    std::string file = f.write("a.cpp",
        "#include <thread>\n"
        "std::thread worker; ::std::mutex m;\n"
        "thread_local int calls;\n"
        "void serve(int fd) {\n"
        "    if (poll(nullptr, 0, 5) && ::recv(fd, nullptr, 0, 0)) return;\n"
        "    while (!ready.load()) ;\n"
        "    try { step(); } catch (...) { log(); }\n"
        "    try { step(); }\n"
        "    catch (\n"
        "        ...) { if (x) { y(); } }\n"
        "    pthread_mutex_lock(&os); sched_yield();\n"
        "    if (fork() == 0) system(\"true\");\n"
        "}\n");
    report r = lint(file);
    BOOST_TEST(r.status == 1);
    for (std::string const s : {":2: std: std::thread", ":2: std: std::mutex", ":3: local: thread_local", ":5: blocks: poll", ":5: blocks: recv", ":6: yield: a loop that spins",
                                ":7: swallows: catch (...)", ":9: swallows: catch (...)", ":11: lock: pthread_mutex_lock", ":11: yield: sched_yield", ":12: fork: fork",
                                ":12: blocks: system"}) {
        BOOST_TEST(r.has(file + s), s);
    }
    BOOST_TEST(r.lines.size() == 13u);
    for (auto l = r.lines.begin(); l != r.lines.end() - 1; ++l) BOOST_TEST(l->find(" -> ") != std::string::npos, *l);
    BOOST_TEST(r.has(":5: blocks: recv -> blocks the thread with all of its tasks: weft::posix::recv (weft/posix.hpp), or the streams of weft/net"));  // the call's own name
    BOOST_TEST(r.lines.back() == "3 blocks, 2 std, 2 swallows, 2 yield, 1 fork, 1 local, 1 lock");
}

BOOST_AUTO_TEST_CASE(what_only_looks_like_it_is_no_finding) {
    folder f;
    for (std::string const line : {
             "// std::thread, sleep(1);", "/* thread_local */ int n;", "auto s = \"catch (...) {} std::mutex sleep(1)\";", "auto r = R\"(poll( std::thread \" )\";", "char c = '\"'; // sleep(1)",
             "int n = 1'000'000; // '", "object.poll(1); object->send(2);", "weft::select(a); boost::asio::connect(s, e);", "void poll(int);", "my::std::thread t;", "std::lock_guard lock(m);",
             "int thread_local_storage;", "try { f(); } catch (...) { cleanup(); throw; }", "try { f(); } catch (...) { error = std::current_exception(); }",
             "try { f(); } catch (weft::cancelled const&) { throw; } catch (...) { log(); }", "while (!flag.load()) { weft::checkpoint(); }"}) {
        BOOST_TEST(findings(f, line) == 0u, line);
    }
    BOOST_TEST(findings(f, "/* over\n several std::thread\n lines */ std::mutex m; sleep(1);") == 2u);
    BOOST_TEST(findings(f, "auto a = \"x\\\" std::thread\"; std::thread t;") == 1u);
    BOOST_TEST(findings(f, "int n = f() ? ::sleep(1) : (usleep)(1);") == 1u);   // a name in parentheses is not seen
    BOOST_TEST(findings(f, "std::mutex a, b; std::lock_guard<std::mutex> lock(a);") == 1u);  // once a line
}

BOOST_AUTO_TEST_CASE(compiled_code_is_told_by_its_symbols) {
    folder f;
    std::string source = f.write("b.cpp",
        "#include <future>\n#include <thread>\n#include <poll.h>\n"
        "namespace n { thread_local int calls; }\n"
        "int f() { std::thread([] {}).join(); poll(nullptr, 0, 0); return std::async([] { return 1; }).get() + ++n::calls; }\n");
    fs::create_directory(f.path / "out");
    std::string object = (f.path / "out/b.o").string(), library = (f.path / "out/libb.so").string();
    BOOST_REQUIRE(run("c++ -std=c++20 -fPIC -c " + source + " -o " + object).status == 0);
    BOOST_REQUIRE(run("c++ -shared " + object + " -o " + library).status == 0);
    for (std::string const& file : {object, library}) {
        report r = lint(file);
        BOOST_TEST(r.status == 1);
        for (std::string const s : {": std: std::thread", ": blocks: poll", ": local: n::calls (thread_local)"}) BOOST_TEST(r.has(file + s), file << s);
        BOOST_TEST(r.has(": std: std::future, promise, async"), file);
    }
    report both = lint(f.path.string());   // a folder: sources and what was compiled
    for (std::string const& file : {source, object, library}) {
        bool named = false;
        for (auto const& l : both.lines) named = named || l.starts_with(file + ":");
        BOOST_TEST(named, file);
    }
}

BOOST_AUTO_TEST_CASE(nothing_found_and_nothing_to_read_are_told_apart) {
    folder f;
    report r = lint(f.write("clean.cpp", "int main() {}\n"));
    BOOST_TEST(r.status == 0);
    BOOST_TEST(r.lines.size() == 1u);
    BOOST_TEST(r.has("nothing found"));
    r = lint((f.path / "missing.cpp").string() + " " + f.write("b.cpp", "std::mutex m;\n"));
    BOOST_TEST(r.status == 2);
    BOOST_TEST(r.has("migration_lint: cannot read " + (f.path / "missing.cpp").string()));
    BOOST_TEST(lint("").status == 2);
}

BOOST_AUTO_TEST_SUITE_END()
