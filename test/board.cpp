// SPDX-License-Identifier: BSL-1.0
// The parts of example/board, in this process: what is text alone, then the server on loopback sockets and in virtual time.
#include "fixture.hpp"
#include "web_client.hpp"

#include "../example/board/options.hpp"
#include "../example/board/server.hpp"
#include "../example/board/target.hpp"

using namespace weft_test;

namespace {

struct world {
    board::limits limit;
    board::accounts books;
    board::store messages{limit};
    board::site site{limit, messages, books, {}, {}};
    tcp::endpoint at;
    weft::nursery* n{};

    explicit world(board::limits l) : limit(l) {}
    weft::shutdown_report drain(std::chrono::milliseconds grace = 30s) {
        messages.close();
        return n->shutdown(grace);
    }
    std::size_t requests() const { return books.requests; }
};

/// Runs f(world) beside a server, which is drained at the end. Returns its books.
board::accounts serve_and(board::limits l, std::function<void(world&)> const& f) {
    world w(l);
    weft::with_nursery([&](weft::nursery& n) {
        w.n = &n;
        w.site.stop = weft::token_of(n.scope());
        w.at = n.start("serve", [&](weft::task_status<tcp::endpoint>& started) { board::serve_site(w.site, {boost::asio::ip::address_v4::loopback(), 0}, 64, started); });
        f(w);
        if (n.is_open()) w.drain();
    });
    BOOST_TEST(w.books.failed == 0u);
    BOOST_TEST(w.books.open == 0u);
    BOOST_TEST(w.messages.people() == 0u);
    return w.books;
}
board::accounts with_board(board::limits l, std::function<void(world&)> const& f) {
    weft::testing::mock_clock clock;
    clock.set_autojump_threshold(50ms);  // both ends are tasks of this thread: what one has sent, the other sees in the next turn
    weft::run_options o;
    o.clock = &clock;
    return run_checked(o, [&] { return serve_and(l, f); });
}
board::accounts with_board(std::function<void(world&)> const& f) { return with_board({}, f); }

board::draft said(std::string text) { return {"Ada", std::move(text)}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(board_text)

BOOST_AUTO_TEST_CASE(a_target_is_decoded_once_and_a_broken_one_is_none) {
    auto t = board::parse_target("/a%20b%2Fc+d?x=1%262&y=a+b&&z");
    BOOST_REQUIRE(t);
    BOOST_TEST(t->path == "/a b/c+d");
    BOOST_TEST(*t->query.find("x") == "1&2");
    BOOST_TEST(*t->query.find("y") == "a b");
    BOOST_TEST(*t->query.find("z") == "");
    BOOST_TEST(!t->query.find("w"));
    BOOST_TEST(board::parse_target("HTTP://example.org/p?q")->path == "/p");
    BOOST_TEST(board::parse_target("http://example.org")->path == "/");
    for (auto bad : {"", "*", "p", "/%", "/%4", "/%4g", "/?a=%zz", "ftp://h/"}) BOOST_TEST(!board::parse_target(bad), bad);
    BOOST_TEST(!board::parse_number(""));
    BOOST_TEST(!board::parse_number("1x"));
    BOOST_TEST(!board::parse_number("99999999999999999999"));
}

BOOST_AUTO_TEST_CASE(only_a_page_of_the_same_host_and_port_is_of_this_board) {
    BOOST_TEST(board::same_origin("http://Board.example:80", "board.example:80"));
    BOOST_TEST(board::same_origin("https://board.example", "board.example"));
    for (auto other : {"http://board.example:81", "http://board.example.evil.org", "http://evil.org", "null", "", "board.example"}) BOOST_TEST(!board::same_origin(other, "board.example"), other);
}

BOOST_AUTO_TEST_CASE(a_draft_is_trimmed_and_cleaned_and_what_cannot_be_posted_is_refused) {
    auto d = board::checked({" \t ", "\n  a\tb\x01\xc2\x85\n\nc \n"});
    BOOST_TEST(d.name == "Anonymous");
    BOOST_TEST(d.text == "a b\n\nc");
    std::string umlauts;
    for (int i = 0; i < 2000; ++i) umlauts += "\xc3\xb6";
    BOOST_TEST(board::checked(said(umlauts)).text == umlauts);  // characters are counted, not bytes
    BOOST_CHECK_THROW(board::checked(said(umlauts + "x")), board::bad_draft);
    BOOST_CHECK_THROW(board::checked({std::string(41, 'n'), "text"}), board::bad_draft);
    for (auto bad : {"", " \n ", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) BOOST_CHECK_THROW(board::checked(said(bad)), board::bad_draft);
    BOOST_TEST(board::checked(board::draft_from_form("text=1+%3C+2&name=Z%C3%BCrich")).text == "1 < 2");
    BOOST_TEST(board::draft_from_json(R"({"text":"\u00f6","name":"n"})").text == "\xc3\xb6");
    for (auto bad : {"", "[]", "{}", R"({"text":1})", R"({"text":"a","name":null})", R"({"text":"a"} x)", "[[[[[[[[]]]]]]]]", "{\"text\":\"\xff\"}"}) {
        BOOST_CHECK_THROW(board::draft_from_json(bad), board::bad_draft);
    }
}

BOOST_AUTO_TEST_CASE(the_board_keeps_the_last_messages_and_knows_what_is_after_an_id) {
    run_checked([] {
        board::limits l;
        l.history = 3;
        board::store s(l);
        BOOST_TEST(s.after(0) == "[]");
        auto rx = s.subscribe();
        for (int i = 1; i <= 5; ++i) BOOST_TEST(s.post(said(std::to_string(i))).id == static_cast<unsigned>(i));
        auto texts = [&](std::uint64_t id) {
            std::string all = s.after(id), found;
            for (std::size_t at = 0; (at = all.find("\"text\":\"", at)) != all.npos; ++at) found += all[at + 8];
            return found;
        };
        BOOST_TEST(texts(0) == "345");
        BOOST_TEST(texts(1) == "345");
        BOOST_TEST(texts(3) == "45");
        BOOST_TEST(texts(5) == "");
        BOOST_TEST(texts(~std::uint64_t{0}) == "");
        s.close();
        s.post(said("6"));  // nobody hears it, and it is kept
        BOOST_TEST(texts(5) == "6");
        int frames = 0;
        for ([[maybe_unused]] auto const& f : rx) ++frames;
        BOOST_TEST(frames == 5);
    });
}

BOOST_AUTO_TEST_CASE(a_command_line_is_understood_or_refused) {
    std::string wrong;
    char const* good[] = {"board", "--port", "0", "--host", "::1", "--max-connections", "7", "--grace", "3", "--quiet"};
    auto o = board::parse_options(10, good, wrong);
    BOOST_REQUIRE(o);
    BOOST_TEST((o->port == 0 && o->host == "::1" && o->max_connections == 7 && o->grace == 3s && o->quiet));
    for (auto bad : {"--port=1", "--port", "--nonsense", "x"}) {
        char const* line[] = {"board", bad};
        BOOST_TEST(!board::parse_options(2, line, wrong));
        BOOST_TEST(wrong == bad);
    }
    for (auto bad : {"65536", "-1", "", "1 "}) {
        char const* line[] = {"board", "--port", bad};
        BOOST_TEST(!board::parse_options(3, line, wrong));
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(board_http)

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_order_on_one_connection) {
    with_board([](world& w) {
        web_client c(w.at);
        c.send("\r\n" + post("/messages", "application/json", R"({"name":"Ada","text":"<b>"})") + get("/messages?after=0") + get("/health") + get("/"));
        auto first = c.read();
        BOOST_REQUIRE(first);
        BOOST_TEST(first->status == 201);
        BOOST_TEST(!first->closes());
        BOOST_TEST(c.read()->body.find(R"("name":"Ada","text":"<b>")") != std::string::npos);
        BOOST_TEST(c.read()->body.find("\"last\":1") != std::string::npos);
        auto page = c.read();
        BOOST_TEST(page->body.starts_with("<!DOCTYPE html>"));
        BOOST_TEST(page->has("Content-Security-Policy: default-src 'none'; script-src 'self'"));
        auto head = c.ask("HEAD /page.js HTTP/1.1\r\nHost: board\r\n\r\n", true);
        BOOST_TEST(head->status == 200);
        auto old = c.ask("GET /page.js HTTP/1.0\r\n\r\n");  // nothing of a body came before it
        BOOST_TEST(old->status == 200);
        BOOST_TEST(head->has("Content-Length: " + std::to_string(old->body.size()) + "\r\n"));
        BOOST_TEST(c.at_end());
        BOOST_TEST(w.books.connections == 1u);
        BOOST_TEST(w.requests() == 6u);
    });
}

BOOST_AUTO_TEST_CASE(what_cannot_be_served_is_refused_by_the_right_name_and_the_server_lives) {
    struct bad { std::string bytes; int status; bool closes; };
    std::string json = "application/json", line = " HTTP/1.1\r\nHost: board\r\n", big(20000, 'x');
    std::vector<bad> const all{
        {"GARBAGE\r\n\r\n", 400, true},
        {"\x16\x03\x01\x02 GET / HTTP/1.1\r\n\r\n", 400, true},  // somebody speaks TLS
        {"GET / HTTP/1.1\r\n\r\n", 400, false},                   // no Host
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, false},
        {"GET / HTTP/2.0\r\nHost: board\r\n\r\n", 505, true},
        {"GET /" + line + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400, true},
        {"POST /messages" + line + "Transfer-Encoding: gzip\r\n\r\n", 501, true},
        {"POST /messages" + line + "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400, true},
        {"POST /messages" + line + "Content-Length: 5\r\nExpect: a miracle\r\n\r\n", 417, true},
        {"GET /" + line + "Cookie: " + big + "\r\n\r\n", 431, true},
        {"GET /" + big + line + "\r\n", 431, true},
        {post("/messages", json, big), 413, true},
        {"POST /messages" + line + "Transfer-Encoding: chunked\r\n\r\n4e20\r\n" + big + "\r\n0\r\n\r\n", 413, true},
        {get("/nowhere"), 404, false},
        {get("/%zz"), 400, false},
        {get("/messages?after=x"), 400, false},
        {"DELETE /messages" + line + "\r\n", 405, false},
        {"BREW /" + line + "\r\n", 405, false},
        {post("/messages", "text/plain", "text=x"), 415, false},
        {post("/messages", json, "{"), 400, false},
        {post("/messages", "application/x-www-form-urlencoded", "text=%ff"), 400, false},
        {"POST /messages" + line + "Origin: http://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\ntext=x", 403, false},
        {get("/live"), 426, false},
        {live_client::request("/live", "Origin: http://evil.example\r\n"), 403, true},
        {live_client::request("/live") + live_client::masked(1, "early"), 400, true},
    };
    with_board([&](world& w) {
        for (bad const& b : all) {
            web_client c(w.at);
            auto a = c.ask(b.bytes);
            BOOST_REQUIRE_MESSAGE(a, b.bytes.substr(0, 80));
            BOOST_TEST(a->status == b.status, b.bytes.substr(0, 80) << " was answered " << a->head);
            BOOST_TEST(a->closes() == b.closes, b.bytes.substr(0, 80));
            if (b.status == 405) BOOST_TEST(a->has("\r\nAllow: GET"));
            if (b.closes) BOOST_TEST(c.at_end());
            else BOOST_TEST(c.ask(get("/health"))->status == 200);
        }
        BOOST_TEST(w.books.refused == all.size());
        BOOST_TEST(w.messages.last() == 0u);
        BOOST_TEST(web_client(w.at).ask("POST http://board/messages" + line + "Expect: 100-continue\r\nContent-Type: " + json + "\r\nContent-Length: 12\r\n\r\n")->status == 100);
    });
}

BOOST_AUTO_TEST_CASE(whoever_takes_too_long_is_told_so_and_whoever_says_nothing_is_left) {
    with_board([](world& w) {
        auto took = [](auto&& f) {
            auto began = weft::current_time();
            f();
            return (weft::current_time() - began) / 1s;
        };
        web_client header(w.at), body(w.at), idle(w.at), nobody(w.at);
        BOOST_TEST(idle.ask(get("/health"))->status == 200);
        header.send("GET / HT");
        BOOST_TEST(took([&] { BOOST_TEST(header.read()->status == 408); }) == 10);
        body.send("POST /messages HTTP/1.1\r\nHost: board\r\nContent-Length: 100\r\n\r\n{");
        BOOST_TEST(took([&] { BOOST_TEST(body.read()->status == 408); }) == 20);
        BOOST_TEST(took([&] { BOOST_TEST(idle.at_end()); BOOST_TEST(nobody.at_end()); }) == 30);
        BOOST_TEST(w.requests() == 3u);
    });
}

BOOST_AUTO_TEST_CASE(peers_that_go_away_in_the_middle_leave_nothing) {
    with_board([](world& w) {
        for (bool by_reset : {false, true}) {
            for (auto part : {"", "GET", "GET / HTTP/1.1\r\n", "POST /messages HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\n{"}) {
                web_client c(w.at);
                c.send(part);
                if (by_reset) c.reset();
            }
            live_client l(w.at);
            l.send("\x81");
            if (by_reset) l.reset();
        }
        while (w.books.open > 0) weft::this_task::sleep_for(10ms);
        BOOST_TEST(w.books.connections == 10u);
        BOOST_TEST(w.requests() == 2u);  // of the WebSockets
        BOOST_TEST(web_client(w.at).ask(get("/health"))->status == 200);
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(board_live)

BOOST_AUTO_TEST_CASE(everybody_gets_the_history_then_each_message_once_and_how_many_are_there) {
    with_board([](world& w) {
        w.messages.post(said("one"));
        live_client a(w.at), b(w.at, "/live?after=1&board=" + w.messages.name()), c(w.at, "/live?after=1&board=another");
        BOOST_TEST(a.next_with("history").find("\"one\"") != std::string::npos);
        BOOST_TEST(b.next_with("history").find("\"messages\":[]") != std::string::npos);  // it has had that
        BOOST_TEST(c.next_with("history").find("\"one\"") != std::string::npos);          // but not of this life of the server
        a.next_with(R"("people":3})");
        a.send_text(R"({"name":"Ada","text":"two"})");
        web_client(w.at).ask(post("/messages", "application/x-www-form-urlencoded", "text=three"));
        for (auto* x : {&a, &b, &c}) {
            BOOST_TEST(x->next_with("\"message\"").find("\"id\":2,") != std::string::npos);
            BOOST_TEST(x->next_with("\"message\"").find("\"id\":3,") != std::string::npos);
        }
        a.send_text("no JSON");
        BOOST_TEST(a.next_with("error").find("cannot be read") != std::string::npos);
        a.send(live_client::masked(9, "ping"));
        BOOST_TEST(a.next().text == "ping");
        a.send(live_client::masked(8, "\x03\xe8"));
        BOOST_TEST(a.next_close() == 1000);
        BOOST_TEST(a.at_end());
        b.next_with(R"("people":2})");
        BOOST_TEST(w.books.sockets == 3u);
    });
}

BOOST_AUTO_TEST_CASE(a_frame_that_may_not_be_ends_its_socket_by_the_right_code) {
    with_board([](world& w) {
        std::string unmasked = {char(0x81), 1, 'x'}, reserved = live_client::masked(3, "x");
        for (auto const& [bytes, code] : {std::pair(live_client::masked(2, "x"), 1003), std::pair(live_client::masked(1, "\xff"), 1007), std::pair(live_client::masked(1, std::string(20000, 'x')), 1009),
                                          std::pair(unmasked, 1002), std::pair(reserved, 1002)}) {
            live_client c(w.at);
            c.send(bytes);
            BOOST_TEST(c.next_close() == code);
        }
        BOOST_TEST(web_client(w.at).ask(get("/health"))->status == 200);
    });
}

BOOST_AUTO_TEST_CASE(a_socket_that_is_too_far_behind_is_closed_and_may_come_back_for_the_rest) {
    board::limits l;
    l.behind = 16;
    l.send_buffer = 4096;
    with_board(l, [](world& w) {
        live_client slow(w.at, "/live", 4096), quick(w.at);
        slow.next_with("history");
        std::string text(2000, 'x');
        for (int i = 1; i <= 200; ++i) {
            w.messages.post(said(text));
            BOOST_TEST(quick.next_with("\"message\"").find("\"id\":" + std::to_string(i) + ',') != std::string::npos);  // is not held up
        }
        unsigned last = 0;
        int code = 0;
        while (code == 0) {
            auto f = slow.next();
            code = f.close_code();
            if (code == 0 && f.text.find("\"type\":\"message\"") != f.text.npos) ++last;  // without a gap
        }
        BOOST_TEST(code == 1013);
        BOOST_TEST(last < 200u);
        slow.reset();
        live_client again(w.at, "/live?after=" + std::to_string(last) + "&board=" + w.messages.name());
        auto rest = again.next_with("history");
        BOOST_TEST(rest.find("[{\"id\":" + std::to_string(last + 1) + ',') != std::string::npos);
        BOOST_TEST(rest.find("\"last\":200,") != std::string::npos);
        BOOST_TEST(w.books.dropped == 1u);
    });
}

BOOST_AUTO_TEST_CASE(a_socket_that_is_not_read_at_all_is_dropped) {
    board::limits l;
    l.send_buffer = 4096;
    with_board(l, [](world& w) {
        live_client deaf(w.at, "/live", 4096);
        for (int i = 0; i < 100; ++i) w.messages.post(said(std::string(2000, 'x')));
        while (w.books.open > 0) weft::this_task::sleep_for(1s);
        BOOST_TEST(w.books.dropped == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(board_drain)

BOOST_AUTO_TEST_CASE(what_is_under_way_is_answered_and_sockets_are_told_goodbye) {
    with_board([](world& w) {
        web_client half(w.at), kept(w.at), silent(w.at);
        live_client live(w.at);
        half.send("GET /health HTTP/1.1\r\nHo");
        BOOST_TEST(kept.ask(get("/health"))->status == 200);
        w.messages.post(said("the last word"));
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(w.drain().in_time()); });
            n.start_soon([&] {
                live.next_with("the last word");
                BOOST_TEST(live.next_close() == 1001);
            });
            while (!w.site.draining()) weft::checkpoint();
            auto late = kept.ask(get("/messages"));  // it could not know
            BOOST_REQUIRE(late);
            BOOST_TEST(late->status == 200);
            BOOST_TEST(late->closes());
            BOOST_TEST(kept.at_end());
            auto whole = half.ask("st: board\r\n\r\n");
            BOOST_TEST(whole->status == 503);  // of /health, which says so
            BOOST_TEST(whole->closes());
            BOOST_TEST(silent.at_end());
            BOOST_CHECK_THROW(web_client(w.at), boost::system::system_error);
            for (auto* c : {&half, &kept, &silent}) c->socket().close();
        });
        BOOST_TEST(w.books.cut == 0u);
        BOOST_TEST(w.books.unanswered == 0u);
    });
}

BOOST_AUTO_TEST_CASE(what_does_not_end_within_the_grace_time_is_cut) {
    auto books = with_board([](world& w) {
        web_client half(w.at);
        live_client deaf(w.at);
        half.send("GET / HTTP/1.1\r\nHo");
        weft::this_task::sleep_for(1s);
        auto began = weft::current_time();
        BOOST_TEST(!w.drain(2s).in_time());
        BOOST_TEST((weft::current_time() - began) / 1s == 2);
    });
    BOOST_TEST(books.cut == 2u);
}

BOOST_AUTO_TEST_CASE(the_board_leaves_nothing_wherever_it_is_cancelled) {
    weft::testing::cancel_everywhere_options o;
    o.real_time = true;
    o.sample = 24;
    auto scenario = [] {
        board::limits l;
        l.last_call = l.presence = 5ms;
        serve_and(l, [](world& w) {
            live_client live(w.at);
            web_client c(w.at);
            c.ask(get("/"));
            c.ask(post("/messages", "application/json", R"({"text":"x"})"));
            live.next_with("\"message\"");
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { w.drain(); });
                live.next_close();
                c.socket().close();
            });
        });
    };
    auto r = weft::testing::cancel_everywhere(scenario, o);
    BOOST_TEST(r.points > 30u);
    BOOST_TEST(r.runs > 20u);
}

BOOST_AUTO_TEST_SUITE_END()
