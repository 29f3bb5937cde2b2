// SPDX-License-Identifier: BSL-1.0
// The parts of the crawler that read what strangers write: addresses, HTML, robots.txt.
#include "../example/crawler/html.hpp"
#include "../example/crawler/robots.hpp"
#include "../example/crawler/url.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

using namespace crawler;

BOOST_AUTO_TEST_SUITE(crawler_parts)

BOOST_AUTO_TEST_CASE(references_are_resolved_as_rfc_3986_has_it) {
    url base = parse_url("http://a/b/c/d;p?q").value();
    struct { char const *reference, *text; } const cases[] = {
        {"g", "http://a/b/c/g"}, {"./g", "http://a/b/c/g"}, {"g/", "http://a/b/c/g/"}, {"/g", "http://a/g"}, {"//g", "http://g/"}, {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"}, {"#s", "http://a/b/c/d;p?q"}, {"g#s", "http://a/b/c/g"}, {";x", "http://a/b/c/;x"}, {"", "http://a/b/c/d;p?q"}, {".", "http://a/b/c/"},
        {"..", "http://a/b/"}, {"../g", "http://a/b/g"}, {"../..", "http://a/"}, {"../../../g", "http://a/g"}, {"/./g", "http://a/g"}, {"/../g", "http://a/g"}, {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"}, {"./g/.", "http://a/b/c/g/"}, {"g/../h", "http://a/b/c/h"}, {"g;x=1/../y", "http://a/b/c/y"}, {"g?y/../x", "http://a/b/c/g?y/../x"}, {"1:b", "http://a/b/c/1:b"},
        // beyond the standard's list: one text for one page
        {"HTTP://H:80", "http://h/"}, {"//u:p@h:8080?x", "http://h:8080/?x"}, {"//[::1]:99/x y%7e%2f%zz", "http://[::1]:99/x%20y~%2F%25zz"}, {" /\xc3\xa9\n ", "http://a/%C3%A9"}};
    for (auto const& c : cases) {
        auto l = resolve(base, c.reference);
        BOOST_TEST((l.kind == link_kind::page), c.reference);
        BOOST_TEST(l.to.text == c.text);
        BOOST_TEST(parse_url(l.to.text).value().text == c.text);  // it is in its normal form already
    }
    for (auto other : {"g:h", "mailto:x@y", "https://a/", "javascript:void(0)"}) BOOST_TEST((resolve(base, other).kind == link_kind::other), other);
    for (auto bad : {"http:g", "//", "//h:0", "//h:65536", "//h:x", "//[bad", "//a b/", "//[::1]x/"}) BOOST_TEST((resolve(base, bad).kind == link_kind::malformed), bad);
    BOOST_TEST((resolve(base, std::string(5000, 'x')).kind == link_kind::malformed));
}

BOOST_AUTO_TEST_CASE(an_address_has_its_parts) {
    url u = parse_url("Example.org:8080/a?b#c").value();
    BOOST_TEST(u.host == "example.org");
    BOOST_TEST(u.port == 8080);
    BOOST_TEST(u.target == "/a?b");
    BOOST_TEST(u.site() == "example.org:8080");
    BOOST_TEST(u.authority() == "example.org:8080");
    BOOST_TEST(parse_url("http://[::1]/").value().authority() == "[::1]");
    BOOST_TEST(parse_url("http://[::1]/").value().site() == "[::1]:80");
    for (auto bad : {"", "https://a", "ftp://a/", "http://", "a:b:c"}) BOOST_TEST(!parse_url(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(links_of_html_are_found_and_nothing_else) {
    auto r = references_of(
        "<!DOCTYPE html><!-- <a href=comment> --><title><a href=title></title><BASE HREF='/base/'><base href=second>"
        "<a href=\"one?a=1&amp;b=2\">x</a><a class=x href = 'two' href=again><a name=none>< a href=no><img src=three/><script src=four>'<a href=script>'</script>"
        "<style><a href=style></style><link rel=x href=&#x66;ive><p href=no></p><a href=six&copy;&unknown;&#0;>");
    BOOST_TEST(r.base == "/base/");
    BOOST_TEST((r.links == std::vector<std::string>{"one?a=1&b=2", "two", "three/", "four", "five", "six&copy;&unknown;&#0;"}));
}

BOOST_AUTO_TEST_CASE(any_bytes_are_read_to_their_end) {
    constexpr std::string_view pieces[] = {"<", ">", "a", " href", "=", "\"", "'", "&", "#", ";", "/", "!--", "-->", "<a href=x", "<script", "</", "\0", "\xff", "%", "..", "://", "[", ":"};
    std::minstd_rand random(7);
    url base = parse_url("http://a/").value();
    std::size_t found = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        for (unsigned n = random() % 30; n > 0; --n) text += pieces[random() % std::size(pieces)];
        for (auto const& l : references_of(text).links) found += resolve(base, l).kind == link_kind::page;
        auto l = resolve(base, text);
        if (l.kind == link_kind::page) BOOST_TEST(parse_url(l.to.text).value().text == l.to.text);
        robots("User-agent: *\nDisallow: " + text, "me").allows(text);
    }
    BOOST_TEST(found > 0u);
}

BOOST_AUTO_TEST_CASE(the_longest_rule_of_robots_txt_decides) {
    robots r("# all\nUser-agent: other\nDisallow: /\n\nuser-agent: *\r\nDisallow: /private/ # not here\r\nAllow: /private/open\nDisallow: /*.gif$\nDisallow:\nCrawl-delay: 0.5\n", "weft-crawler");
    for (auto allowed : {"/", "/private", "/private/open/x", "/x.gif?a"}) BOOST_TEST(r.allows(allowed), allowed);
    for (auto forbidden : {"/private/", "/private/x", "/a/x.gif"}) BOOST_TEST(!r.allows(forbidden), forbidden);
    BOOST_TEST(r.delay().count() == 500);
    robots named("User-agent: *\nDisallow: /\nUser-agent: x\nUser-agent: Weft-Crawler\nDisallow: /a\nAllow: /a\n", "weft-crawler");
    BOOST_TEST(named.allows("/b"));
    BOOST_TEST(named.allows("/a"));  // as long: allowed
    BOOST_TEST(robots().allows("/"));
    BOOST_TEST(robots("<html>404</html>", "x").allows("/"));
    BOOST_TEST(!robots::forbid_all().allows("/x"));
    BOOST_TEST(!robots("User-agent: *\nDisallow: /" + std::string(30, '*') + "b", "x").allows("/" + std::string(3000, 'a') + "b"));
    BOOST_TEST(robots("User-agent: *\nDisallow: /" + std::string(30, '*') + "b", "x").allows("/" + std::string(3000, 'a')));
}

BOOST_AUTO_TEST_SUITE_END()
