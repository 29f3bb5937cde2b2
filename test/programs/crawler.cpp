// SPDX-License-Identifier: BSL-1.0
// The crawler as a process: a site in nginx, and a server with bad habits.
#include "nginx.hpp"
#include "program.hpp"

#include <boost/asio/write.hpp>
#include <boost/property_tree/json_parser.hpp>

#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <sstream>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

std::string address(std::uint16_t port, std::string const& host = "127.0.0.1") { return "http://" + host + ":" + std::to_string(port); }
std::string anchor(std::string const& to) { return "<a href=\"" + to + "\">link</a>\n"; }

/// The request's target; empty if the client has left.
std::string request(tcp::socket& s, std::string& unread) {
    error_code ec;
    std::size_t n = asio::async_read_until(s, asio::dynamic_buffer(unread), "\r\n\r\n", weft::use_fiber[ec]);
    if (ec) return {};
    std::string target = unread.substr(4, unread.find(' ', 4) - 4);
    unread.erase(0, n);
    return target;
}
void answer(tcp::socket& s, std::string const& status, std::string const& body) {
    std::string text = "HTTP/1.1 " + status + "\r\nContent-Type: text/html\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    asio::async_write(s, asio::buffer(text), weft::use_fiber);
}

/// A server of the test's own: pages by their target, each a function of the socket; whether the connection stays open is what it returns.
struct odd_server {
    std::map<std::string, std::function<bool(tcp::socket&)>> pages;
    std::vector<std::string> asked;
    unsigned open = 0, most_open = 0;

    void operator()(tcp::socket s) {
        struct counted { unsigned& n; ~counted() { --n; } } here{open};
        most_open = std::max(most_open, ++open);
        std::string unread;
        for (std::string target = request(s, unread); !target.empty(); target = request(s, unread)) {
            asked.push_back(target);
            auto found = pages.find(target);
            if (found == pages.end()) answer(s, "404 Not Found", "");
            else if (!found->second(s)) return;
        }
    }
    void page(std::string const& target, std::string const& body) {
        pages[target] = [body](tcp::socket& s) { answer(s, "200 OK", body); return true; };
    }
};

template <class F>
void with_odd_server(odd_server& server, F&& body) {
    with_server([&](tcp::socket s) { server(std::move(s)); }, body);
}

weft::completed_process crawl(std::vector<std::string> options) {
    options.insert(options.begin(), program());
    return weft::run_process(options, {.check = false});
}

std::string between(std::string const& text, std::string_view from, std::string_view to) {
    auto a = text.find(from);
    return a == text.npos ? "" : text.substr(a, text.find(to, a) - a);
}

/// 200 pages in a tree, and what can be wrong with links.
void write_site(temporary_folder const& folder, std::string const& odd, std::string const& refusing) {
    std::map<int, std::string> extra = {
        {3, anchor("/old")}, {5, anchor("/old-broken")}, {6, anchor("/circle-a")}, {7, anchor("/missing") + anchor("/missing#part")}, {8, anchor("http://[bad")},
        {9, "<img src=pic.png>"}, {10, anchor("/secret/x")}, {11, anchor("/error")}, {12, anchor("/large.html")}, {13, anchor("mailto:x@example.org") + anchor("https://example.org/")},
        {14, anchor("http://192.0.2.1/")}, {15, anchor("/hop/")}, {16, "<!-- " + anchor("/in-a-comment") + "--><script>'" + anchor("/in-a-script") + "'</script>"},
        {100, anchor("../missing")}, {101, anchor(refusing + "/x")}, {102, anchor(odd + "/")}};
    folder.write("www/index.html", anchor("p/1.html"));
    folder.write("www/robots.txt", "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /secret/\n");
    for (int i = 1; i <= 200; ++i) {
        std::string body = anchor("/");
        for (int next : {2 * i, 2 * i + 1}) if (next <= 200) body += anchor(std::to_string(next) + ".html?a=1&amp;b=2");
        folder.write("www/p/" + std::to_string(i) + ".html", body + extra[i]);
    }
    folder.write("www/large.html", anchor("/p/1.html") + std::string(300'000, ' ') + anchor("/beyond-the-limit"));
}

constexpr char rules[] =
    "location = /old { return 301 /p/1.html; }\n"
    "location = /old-broken { return 302 /nowhere; }\n"
    "location = /circle-a { return 302 /circle-b; }\n"
    "location = /circle-b { return 302 /circle-a; }\n"
    "location /hop/ { rewrite ^(.*)$ $1x redirect; }\n"
    "location /secret/ { return 404; }\n"
    "location = /error { return 503; }\n"
    "absolute_redirect off;\n";

odd_server bad_habits() {
    odd_server odd;
    odd.page("/", anchor("/endless") + anchor("/flaky") + anchor("/garbage") + anchor("/reset") + anchor("/closes?1") + anchor("/closes?2") + anchor("/closes?3"));
    odd.pages["/endless"] = [](tcp::socket& s) {
        std::string text = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + anchor("/behind-endless");
        for (;;) {
            asio::async_write(s, asio::buffer(text), weft::use_fiber);  // until the client has had enough
            text.assign(10'000, ' ');
        }
        return false;
    };
    odd.pages["/flaky"] = [n = 0](tcp::socket& s) mutable { answer(s, n++ == 0 ? "503 Busy" : "200 OK", ""); return true; };
    odd.pages["/garbage"] = [](tcp::socket& s) { asio::async_write(s, asio::buffer("220 mail.example.org\r\n\r\n", 24), weft::use_fiber); return false; };
    odd.pages["/reset"] = [](tcp::socket& s) { s.set_option(tcp::socket::linger(true, 0)); s.close(); return false; };
    for (std::string n : {"1", "2", "3"}) odd.pages["/closes?" + n] = [](tcp::socket& s) { answer(s, "200 OK", ""); return false; };  // without saying so
    return odd;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crawler_program)

BOOST_AUTO_TEST_CASE(a_site_is_reported_exactly) {
    run_program_test([] {
        temporary_folder folder;
        auto port = free_port(), refusing_port = free_port();
        auto odd_pages = bad_habits();
        with_odd_server(odd_pages, [&](std::uint16_t odd_port) {
            std::string at = address(port), odd = address(odd_port), refusing = address(refusing_port, "127.0.0.9");
            write_site(folder, odd, refusing);
            with_nginx(folder, port, rules, [&] {
                std::vector<std::string> command{at, "--allow", "127.0.0.1:" + std::to_string(odd_port), "--allow", "127.0.0.9", "--max-body", "100", "--timeout", "60", "--back-off", "0.01"};
                auto text = crawl(command);
                BOOST_TEST(text.status.exit_code == 1);
                std::vector<std::string> broken = {
                    odd + "/behind-endless  404 Not Found\n      on " + odd + "/endless\n",
                    odd + "/garbage  bad version\n      on " + odd + "/\n",
                    odd + "/reset  Connection reset by peer\n      on " + odd + "/\n",
                    at + "/circle-a  redirects in a circle\n      on " + at + "/p/6.html?a=1&b=2\n",
                    at + "/error  503 Service Temporarily Unavailable\n      on " + at + "/p/11.html?a=1&b=2\n",
                    at + "/hop/  more than 10 redirects\n      on " + at + "/p/15.html?a=1&b=2\n",
                    at + "/missing  404 Not Found\n      on " + at + "/p/100.html?a=1&b=2\n      on " + at + "/p/7.html?a=1&b=2\n",
                    at + "/old-broken  redirects to " + at + "/nowhere: 404 Not Found\n      on " + at + "/p/5.html?a=1&b=2\n",
                    at + "/p/pic.png  404 Not Found\n      on " + at + "/p/9.html?a=1&b=2\n",
                    refusing + "/x  Connection refused\n      on " + at + "/p/101.html?a=1&b=2\n",
                    "http://[bad  no address\n      on " + at + "/p/8.html?a=1&b=2\n"};
                std::sort(broken.begin(), broken.end());
                std::string expected = "Broken links: 11\n";
                for (auto const& b : broken) expected += "  " + b;
                BOOST_TEST(between(text.out, "Broken links", "\nHosts:") == expected);
                BOOST_TEST(contains(text.out, " 1 forbidden by robots.txt, 1 outside, 1 not asked for\n"), text.out);
                BOOST_TEST(contains(text.out, "Read in part, as it is larger than the limit: " + at + "/large.html\n"), text.out);
                BOOST_TEST(contains(text.out, "Read in part, as it is larger than the limit: " + odd + "/endless\n"), text.out);

                command.push_back("--json");
                std::istringstream json(crawl(command).out);
                boost::property_tree::ptree tree;
                boost::property_tree::read_json(json, tree);
                std::string from_json = "Broken links: " + std::to_string(tree.get_child("broken").size()) + '\n';
                for (auto const& [none, b] : tree.get_child("broken")) {
                    from_json += "  " + b.get<std::string>("address") + "  " + b.get<std::string>("problem") + '\n';
                    for (auto const& [nothing, page] : b.get_child("on")) from_json += "      on " + page.data() + '\n';
                }
                BOOST_TEST(from_json == expected);
                BOOST_TEST(contains(text.out, tree.get<std::string>("pages.answered") + " pages answered, " + tree.get<std::string>("pages.failed") + " did not"), text.out);
                BOOST_TEST(tree.get<int>("pages.answered") == 228);  // 201 pages, 20 of what is wrong with them, 7 odd ones
                BOOST_TEST(tree.get<int>("pages.redirects") == 15);
                BOOST_TEST(tree.get<int>("pages.failed") == 3);  // garbage, reset, refusing
                BOOST_TEST(tree.get<bool>("interrupted") == false);
                BOOST_TEST(tree.get_child("hosts").size() == 3u);
                for (auto const& [none, host] : tree.get_child("hosts")) {
                    if (host.get<std::string>("name") != at.substr(7)) continue;
                    BOOST_TEST(host.get<int>("requests") == 224);    // each page once, the rules, and twice more what answers 503
                    BOOST_TEST(host.get<int>("connections") <= 5);   // four at once; that of the large page was thrown away
                }
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(limits_of_depth_and_number_are_kept) {
    run_program_test([] {
        odd_server server;
        for (int i = 1; i <= 9; ++i) server.page("/" + std::to_string(i), anchor("/" + std::to_string(i + 1)));
        server.page("/", anchor("/1") + anchor("/9"));
        with_odd_server(server, [&](std::uint16_t port) {
            auto deep = crawl({address(port), "--max-depth", "2"});
            BOOST_TEST(contains(deep.out, "5 pages answered, 0 did not"), deep.out);  // the start, 1, 9, 2, 10
            std::vector<std::string> asked = server.asked;
            std::sort(asked.begin(), asked.end());
            BOOST_TEST((asked == std::vector<std::string>{"/", "/1", "/10", "/2", "/9", "/robots.txt"}));
            auto few = crawl({address(port), "--max-pages", "3"});
            BOOST_TEST(contains(few.out, "3 pages answered, 0 did not"), few.out);
            BOOST_TEST(contains(few.out, "The limit of pages was reached"), few.out);
            BOOST_TEST(few.status.exit_code == 0);
        });
    });
}

BOOST_AUTO_TEST_CASE(no_host_is_asked_more_often_or_by_more_connections_than_allowed) {
    run_program_test([] {
        odd_server server;
        std::string links;
        for (int i = 0; i < 8; ++i) links += anchor("/" + std::to_string(i));
        for (int i = 0; i < 8; ++i) server.page("/" + std::to_string(i), "");
        server.page("/", links);
        server.page("/robots.txt", "User-agent: weft-crawler\nCrawl-delay: 0.05\n");
        with_odd_server(server, [&](std::uint16_t port) {
            auto began = weft::current_time();
            auto r = crawl({address(port), "--per-host", "2"});
            BOOST_TEST(contains(r.out, "9 pages answered, 0 did not"), r.out);
            BOOST_TEST((weft::current_time() - began >= 400ms));  // eight pauses between nine pages
            BOOST_TEST(server.most_open <= 2u);
        });
    });
}

BOOST_AUTO_TEST_CASE(a_page_that_does_not_answer_is_given_up) {
    run_program_test([] {
        odd_server server;
        server.page("/", anchor("/slow"));
        server.pages["/slow"] = [](tcp::socket& s) { char c; error_code ec; s.async_read_some(asio::buffer(&c, 1), weft::use_fiber[ec]); return false; };
        with_odd_server(server, [&](std::uint16_t port) {
            auto r = crawl({address(port), "--timeout", "1.5", "--retries", "1", "--back-off", "0"});
            BOOST_TEST(contains(r.out, address(port) + "/slow  no answer in time\n"), r.out);
            BOOST_TEST(contains(r.out, "Broken links: 1\n"), r.out);
            BOOST_TEST(contains(r.err, "[############............] 1 of 2 pages, 1 under way, 0 failed"), r.err);  // a line a second, as stderr is no terminal
        });
    });
}

BOOST_AUTO_TEST_CASE(ctrl_c_ends_it_with_the_report_so_far) {
    run_program_test([] {
        odd_server server;
        weft::event hangs;
        server.page("/", anchor("http://[bad") + anchor("/hangs"));
        server.pages["/hangs"] = [&](tcp::socket& s) { hangs.set(); char c; error_code ec; s.async_read_some(asio::buffer(&c, 1), weft::use_fiber[ec]); return false; };
        with_odd_server(server, [&](std::uint16_t port) {
            with_program({program(), address(port), "--timeout", "600"}, [&](running& r) {
                weft::fail_after(in_the_end, [&] { hangs.wait(); });
                r.process.signal(SIGINT);
                std::string out = r.rest(130);
                BOOST_TEST(contains(out, "interrupted\n"), out);
                BOOST_TEST(contains(out, "1 pages answered, 0 did not"), out);
                BOOST_TEST(contains(out, "Broken links: 1\n  http://[bad  no address\n"), out);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_wrong_command_line_is_named) {
    run_program_test([] {
        struct { std::vector<std::string> options; std::string message; } const cases[] = {
            {{}, "the address is missing"},
            {{"https://example.org"}, "\"https://example.org\" is no http address"},
            {{"example.org", "example.com"}, "there are two addresses"},
            {{"example.org", "--retries", "-1"}, "--retries: \"-1\" is not a number from 0 to 20"},
            {{"example.org", "--delay"}, "--delay: its value is missing"},
            {{"example.org", "--what", "1"}, "there is no option --what"},
        };
        for (auto const& c : cases) {
            auto r = crawl(c.options);
            BOOST_TEST(r.status.exit_code == 2);
            BOOST_TEST(contains(r.err, c.message), r.err);
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
