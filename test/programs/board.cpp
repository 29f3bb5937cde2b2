// SPDX-License-Identifier: BSL-1.0
// The message board as a process: under curl, wrk, signals and a browser.
#include "../fixture.hpp"
#include "../web_client.hpp"

#include <weft/net/process.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>

#include <charconv>
#include <filesystem>

#include <stdlib.h>

using namespace weft_test;
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

std::string program() {
    auto& suite = boost::unit_test::framework::master_test_suite();
    if (suite.argc < 2) throw std::runtime_error("give the program's path behind \"--\"");
    return suite.argv[1];
}

/// The number behind a text; throws if there is none.
long number_after(std::string_view whole, std::string_view text) {
    auto at = whole.find(text);
    long n = 0;
    if (at != whole.npos) {
        auto begin = whole.data() + at + text.size();
        if (std::from_chars(begin, whole.data() + whole.size(), n).ec == std::errc()) return n;
    }
    throw std::runtime_error("no number behind \"" + std::string(text) + "\" in: " + std::string(whole));
}

/// A board in a process of its own.
class server {
public:
    server(weft::process& p, std::string const& first_line) : process_(p), at_(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(number_after(first_line, "http://127.0.0.1:"))) {}
    tcp::endpoint at() const { return at_; }
    std::string url(std::string_view path) const { return "http://127.0.0.1:" + std::to_string(at_.port()) + std::string(path); }
    /// Each time a signal: the second one is not like the first.
    void terminate() {
        told_ = true;
        process_.terminate();
    }
    bool told() const { return told_; }
    std::size_t descriptors() const {
        fs::directory_iterator all("/proc/" + std::to_string(process_.pid()) + "/fd");
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }
    /// Waits until it has no more of them than that: connections are closed when both sides know.
    void wait_for_descriptors(std::size_t at_most) const {
        while (descriptors() > at_most) weft::this_task::sleep_for(10ms);
    }

private:
    weft::process& process_;
    tcp::endpoint at_;
    bool told_{};
};

/// Runs f(server), ends the server if f has not, and returns the last line of what it printed: its accounts.
std::string with_server(std::function<void(server&)> const& f, std::string const& grace = "60") {
    return weft::run([&] {
        return weft::fail_after(100s, [&] {
            return weft::with_process({program(), "--port", "0", "--quiet", "--grace", grace}, {.out = weft::process_stream::pipe}, [&](weft::process& p) {
                std::string out;
                auto n = asio::async_read_until(p.out(), asio::dynamic_buffer(out), '\n', weft::use_fiber);
                server s(p, out.substr(0, n));
                f(s);
                if (!s.told()) s.terminate();
                boost::system::error_code ec;
                asio::async_read(p.out(), asio::dynamic_buffer(out), weft::use_fiber[ec]);  // to its end
                auto status = p.wait();
                BOOST_TEST(status.exit_code == 0);  // also what AddressSanitizer thinks of it
                BOOST_TEST(status.signal == 0);
                BOOST_TEST_MESSAGE(out);
                return out.substr(out.rfind("\nboard: ", out.size() - 2) + 1);
            });
        });
    });
}

std::string curl(std::vector<std::string> arguments, std::string input = {}) {
    std::vector<std::string> command{"curl", "--silent", "--show-error", "--max-time", "60", "--noproxy", "*"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return weft::run_process(command, {.input = std::move(input)}).out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(board_program)

BOOST_AUTO_TEST_CASE(curl_reads_posts_keeps_its_connection_and_is_told_what_is_wrong) {
    auto accounts = with_server([](server& s) {
        BOOST_TEST(curl({"-d", "name=Ada&text=1+%3C+2", "-w", "%{http_code}", s.url("/messages")}).ends_with("\"name\":\"Ada\",\"text\":\"1 < 2\"}201"));
        BOOST_TEST(curl({"-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "-d", R"({"text":"two"})", s.url("/messages")}).find("\"id\":2,") != std::string::npos);
        BOOST_TEST(curl({s.url("/messages?after=1")}).find("\"messages\":[{\"id\":2,") != std::string::npos);
        auto kept = curl({"-w", "%{num_connects}", s.url("/health"), s.url("/health"), "-o", "/dev/null", "-o", "/dev/null"});
        BOOST_TEST(kept == "10");  // one connection for the first, none for the second
        auto code = [&](std::vector<std::string> arguments, std::string input = {}) {
            arguments.insert(arguments.end(), {"-o", "/dev/null", "-w", "%{http_code}"});
            return curl(arguments, std::move(input));
        };
        std::string big(3'000'000, 'x');  // curl asks before it sends so much
        BOOST_TEST(code({"--data-binary", "@-", s.url("/messages")}, big) == "413");
        BOOST_TEST(code({"-H", "Expect:", "--data-binary", "@-", s.url("/messages")}, big.substr(0, 100'000)) == "413");  // and here it does not
        BOOST_TEST(code({"-T", "-", "-X", "POST", s.url("/messages")}, big.substr(0, 100'000)) == "413");                 // chunked
        BOOST_TEST(code({"-d", "text=", s.url("/messages")}) == "400");
        BOOST_TEST(code({"-X", "DELETE", s.url("/messages")}) == "405");
        BOOST_TEST(code({"-I", s.url("/")}) == "200");
        BOOST_TEST(code({s.url("/%2")}) == "400");
        BOOST_TEST(code({"--http1.0", s.url("/")}) == "200");
    });
    BOOST_TEST(number_after(accounts, "board: ") == 13);
    BOOST_TEST(number_after(accounts, "requests (") == 6);
    BOOST_TEST(accounts.find("0 failed") != std::string::npos);
    BOOST_TEST(accounts.find("2 messages") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(wrk_with_200_connections_meets_no_error_and_leaves_no_descriptor) {
    auto accounts = with_server([](server& s) {
        curl({"-d", "text=hello", s.url("/messages")});
        s.wait_for_descriptors(100);
        auto before = s.descriptors();
        auto out = weft::run_process({"wrk", "-t1", "-c200", "-d3s", "--timeout", "60s", s.url("/messages")}).out;
        BOOST_TEST_MESSAGE(out);
        BOOST_TEST(number_after(out.substr(0, out.find(" requests in ")), "\n  ") > 0);
        BOOST_TEST(out.find("Socket errors") == std::string::npos);
        BOOST_TEST(out.find("Non-2xx") == std::string::npos);
        s.wait_for_descriptors(before);
    });
    BOOST_TEST(number_after(accounts, " refused, ") >= 0);
    BOOST_TEST(number_after(accounts, "requests (") == 0);
}

BOOST_AUTO_TEST_CASE(a_signal_under_load_loses_no_request) {
    long sent = 0, answered = 0, closed = 0;
    int goodbyes = 0;
    auto accounts = with_server([&](server& s) {
        constexpr int clients = 40;
        weft::event enough("enough");
        std::vector<std::unique_ptr<live_client>> live;
        for (int i = 0; i < 3; ++i) live.push_back(std::make_unique<live_client>(s.at()));
        weft::with_nursery([&](weft::nursery& n) {
            for (int i = 0; i < clients; ++i) n.start_soon("client", [&] {
                web_client c(s.at());
                for (bool more = true; more;) {
                    ++sent;
                    auto a = c.ask(sent % 8 == 0 ? post("/messages", "application/json", R"({"text":"x"})") : get("/messages"));
                    if (!a) throw std::runtime_error("a request was not answered");
                    BOOST_TEST(a->status / 100 == 2);
                    if (++answered == 20 * clients) enough.set();
                    more = !a->closes();
                }
                ++closed;
                BOOST_TEST(c.at_end());
            });
            for (auto& l : live) n.start_soon("live client", [&goodbyes, l = l.get()] { goodbyes += l->next_close() == 1001; });
            enough.wait();
            s.terminate();
        });
        BOOST_CHECK_THROW(web_client(s.at()), boost::system::system_error);  // nobody is let in any more
    });
    BOOST_TEST(sent == answered);
    BOOST_TEST(closed == 40);
    BOOST_TEST(goodbyes == 3);
    BOOST_TEST(number_after(accounts, "board: ") == answered + 3);  // the server's books and ours
    BOOST_TEST(accounts.find("0 unanswered") != std::string::npos);
    BOOST_TEST(accounts.find("(0 cut, 0 failed)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_second_signal_ends_it_at_once) {
    auto accounts = with_server([](server& s) {
        web_client half(s.at());
        half.ask(get("/health"));
        half.send("GET / HTTP/1.1\r\nHo");
        s.terminate();
        for (bool open = true; open;) {  // until the first one was received: it lets nobody in
            try { web_client{s.at()}; weft::this_task::sleep_for(5ms); }
            catch (boost::system::system_error const&) { open = false; }
        }
        s.terminate();  // long before the header's 10 s are over, or the 3,600 of grace
        BOOST_TEST(half.at_end());
    }, "3600");
    BOOST_TEST(number_after(accounts, "connections (") >= 1);  // cut
}

// The browser is for one variant: what the page does is the same in all.
#ifndef __SANITIZE_ADDRESS__

namespace {

/// A headless Chromium, driven over the WebDriver protocol.
class browser {
public:
    browser(long port, std::string const& profile) : driver_("http://127.0.0.1:" + std::to_string(port)) {
        std::string arguments;
        for (auto a : {"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                       "--disable-dev-shm-usage", "--remote-debugging-pipe"}) arguments += '"' + std::string(a) + "\",";
        auto a = call("POST", "/session", R"({"capabilities":{"alwaysMatch":{"goog:loggingPrefs":{"browser":"ALL"},"goog:chromeOptions":{"args":[)" + arguments + "\"--user-data-dir=" + profile + "\"]}}}}");
        session_ = "/session/" + string_after(a, "\"sessionId\":");
    }
    void open(std::string const& url) { call("POST", session_ + "/url", "{\"url\":\"" + url + "\"}"); }
    /// What the script returns, as JSON. It may have no double quotes.
    std::string run(std::string const& script) { return call("POST", session_ + "/execute/sync", "{\"script\":\"" + script + "\",\"args\":[]}"); }
    void wait_until(std::string const& condition) {
        while (run("return !!(" + condition + ")").find("true") == std::string::npos) weft::this_task::sleep_for(50ms);
    }
    /// As if by hand.
    void type(std::string const& selector, std::string const& keys) {
        auto e = string_after(call("POST", session_ + "/element", R"({"using":"css selector","value":")" + selector + "\"}"), "\"element-6066-11e4-a52e-4f735466cecf\":");
        call("POST", session_ + "/element/" + e + "/value", "{\"text\":\"" + keys + "\"}");
    }
    std::string console() { return call("POST", session_ + "/se/log", R"({"type":"browser"})"); }
    void quit() { call("DELETE", session_); }

private:
    std::string call(std::string const& method, std::string const& path, std::string const& body = {}) {
        std::vector<std::string> c{"-X", method, driver_ + path};
        if (!body.empty()) c.insert(c.end(), {"-H", "Content-Type: application/json", "--data-binary", "@-"});
        auto answer = curl(c, body);
        if (answer.find("\"error\":\"") != answer.npos && answer.find("\"stacktrace\":") != answer.npos) throw std::runtime_error(path + ": " + answer.substr(0, 400));
        return answer;
    }
    static std::string string_after(std::string const& whole, std::string const& key) {
        auto at = whole.find(key + '"');
        if (at == whole.npos) throw std::runtime_error("no " + key + " in " + whole.substr(0, 400));
        at += key.size() + 1;
        return whole.substr(at, whole.find('"', at) - at);
    }
    std::string driver_, session_;
};

/// A folder that goes at the end.
struct temporary_folder {
    std::string path = (fs::temp_directory_path() / "board-browser-XXXXXX").string();
    temporary_folder() { if (!::mkdtemp(path.data())) throw std::runtime_error("no temporary folder"); }
    ~temporary_folder() { std::error_code ignored; fs::remove_all(path, ignored); }
};

void with_browser(std::function<void(browser&)> const& f) {
    temporary_folder profile;
    weft::with_process({"chromedriver", "--port=0"}, {.out = weft::process_stream::pipe}, [&](weft::process& p) {
        std::string out, line;
        do {
            auto n = asio::async_read_until(p.out(), asio::dynamic_buffer(out), '\n', weft::use_fiber);
            line = out.substr(0, n);
            out.erase(0, n);
        } while (line.find("successfully") == line.npos);
        browser b(number_after(line, "on port "), profile.path);
        f(b);
        b.quit();
        p.terminate();
    });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_browser_shows_what_others_post_and_others_get_what_is_typed_there) {
    with_server([](server& s) {
        with_browser([&](browser& b) {
            std::string last = "document.querySelector('.message:last-child .said')", status = "document.getElementById('status').dataset.state";
            b.open(s.url("/"));
            b.wait_until(status + " == 'live'");
            b.wait_until("!document.getElementById('empty').hidden");
            curl({"--data-urlencode", "text=from <b id=bold>curl</b>", "-d", "name=Ada", s.url("/messages")});
            b.wait_until(last);
            BOOST_TEST(b.run("return " + last + ".textContent").find("from \\u003Cb id=bold>curl\\u003C/b>") != std::string::npos);
            BOOST_TEST(b.run("return document.getElementById('bold')").find("null") != std::string::npos);  // text, not a tag
            b.wait_until("document.getElementById('empty').hidden");

            live_client second(s.at());
            b.wait_until("document.getElementById('people').textContent == '2 people here'");
            b.type("#name", "Grace");
            b.type("#text", "typed in the page\\uE007");  // Enter
            BOOST_TEST(second.next_with("typed in the page").find("\"name\":\"Grace\"") != std::string::npos);
            b.wait_until("document.querySelector('.message.mine .said')?.textContent == 'typed in the page'");
            b.wait_until("document.getElementById('text').value == ''");
            BOOST_TEST(b.run("return document.querySelectorAll('.message').length").find(":2}") != std::string::npos);  // each once
            BOOST_TEST(b.console() == "{\"value\":[]}");  // no error, nothing that the policy forbids

            s.terminate();
            BOOST_TEST(second.next_close() == 1001);
            b.wait_until(status + " == 'lost' && !document.getElementById('trouble').hidden");
        });
    }, "10");
}

#endif

BOOST_AUTO_TEST_SUITE_END()
