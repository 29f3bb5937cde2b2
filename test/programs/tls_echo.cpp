// SPDX-License-Identifier: BSL-1.0
// example/tls_echo as a process, with OpenSSL's client and curl against it.
#include "fixture.hpp"

#include <weft/net/buffered_reader.hpp>
#include <weft/net/process.hpp>
#include <weft/net/stream.hpp>

#include <filesystem>
#include <unistd.h>

using namespace weft_test;

namespace {

std::string program() {
    auto& suite = boost::unit_test::framework::master_test_suite();
    return suite.argv[suite.argc - 1];
}

struct folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("weft-tls-echo-" + std::to_string(::getpid()));
    folder() { std::filesystem::create_directory(path); }
    ~folder() { std::filesystem::remove_all(path); }
};

/// The next line that has the word; "" at the end.
template <class Reader>
std::string line_with(Reader& r, std::string const& word) {
    for (;;) {
        auto line = r.read_line(64 * 1024);
        if (!line) return "";
        if (line->find(word) != std::string::npos) return *line;
    }
}

/// The program while body(port, authority's file, process) runs; ended at its end in any case.
template <class F>
void with_program(F body) {
    folder f;
    std::string ca = (f.path / "ca.pem").string();
    weft::run([&] {
        weft::with_process({program(), "--port", "0", "--authority-to", ca}, {.out = weft::process_stream::pipe}, [&](weft::process& p) {
            weft::buffered_reader out(p.out());
            std::string line = line_with(out, "listening on 127.0.0.1:");
            BOOST_REQUIRE(line != "");
            body(line.substr(line.rfind(':') + 1), ca);
            p.terminate();
            BOOST_TEST(line_with(out, "all connections have ended") != "");
            BOOST_TEST(p.wait().success());
        });
    });
}

}  // namespace

BOOST_AUTO_TEST_CASE(curl_gets_an_answer_and_trusts_nobody_else) {
    with_program([](std::string const& port, std::string const& ca) {
        std::string url = "https://localhost:" + port + "/a/path";
        auto r = weft::run_process({"curl", "-sS", "--noproxy", "*", "-4", "--http1.1", "--cacert", ca, url}, {.check = false});
        BOOST_TEST(r.status.success(), r.err);
        BOOST_TEST(r.out.find("asked: GET /a/path HTTP/1.1") != std::string::npos, r.out);
        auto untrusting = weft::run_process({"curl", "-sS", "--noproxy", "*", "-4", url}, {.check = false});
        BOOST_TEST(untrusting.status.exit_code == 60);  // curl's "peer certificate cannot be authenticated"
    });
}

BOOST_AUTO_TEST_CASE(s_client_gets_its_lines_back) {
    with_program([](std::string const& port, std::string const& ca) {
        weft::with_process({"openssl", "s_client", "-connect", "127.0.0.1:" + port, "-CAfile", ca, "-verify_return_error", "-verify_ip", "127.0.0.1", "-alpn", "lines"},
                           {.in = weft::process_stream::pipe, .out = weft::process_stream::pipe, .err = weft::process_stream::null}, [&](weft::process& p) {
            weft::buffered_reader out(p.out());
            BOOST_TEST(line_with(out, "ALPN protocol: lines") != "");
            BOOST_TEST(line_with(out, "Verify return code: 0") != "");
            weft::write_all(p.in(), "there and back\n");
            BOOST_TEST(line_with(out, "there and back") != "");
            weft::write_all(p.in(), "Q\n");
            BOOST_TEST(p.wait().success());
        });
    });
}
