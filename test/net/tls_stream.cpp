// SPDX-License-Identifier: BSL-1.0
// TLS streams: how they end, what they keep when they are cancelled, and that nothing is left. One executable with tls.cpp.
#include "net/tls_pair.hpp"

#include <weft/net/buffered_reader.hpp>
#include <weft/net/stream.hpp>

#include <openssl/ssl.h>

#include <array>
#include <thread>

using namespace weft_test;

BOOST_AUTO_TEST_SUITE(tls_streams)

BOOST_AUTO_TEST_CASE(an_end_without_a_close_notify_is_told_from_a_clean_one) {
    run_checked([] {
        auto m = meet();
        write_text(*m.server, "x");
        m.server->close();
        BOOST_TEST(read_text(*m.client, 1) == "x");
        for (int i = 0; i < 2; ++i) BOOST_TEST((read_error(*m.client) == asio::error::eof));
        BOOST_TEST(!m.server->is_open());
        m.server->close();  // again: nothing
        m.client->close();
        BOOST_TEST((read_error(*m.server) == tls_errc::closed));
        BOOST_TEST((write_error(*m.server) == tls_errc::closed));

        m = meet();
        write_text(*m.server, "x");
        m.server->lowest_layer().close();  // as somebody would who cuts the connection
        BOOST_TEST(read_text(*m.client, 1) == "x");
        for (int i = 0; i < 2; ++i) BOOST_TEST((read_error(*m.client) == tls_errc::truncated));

        m = meet();
        m.server.reset();  // destroyed without close(): no clean end either
        BOOST_TEST((read_error(*m.client) == tls_errc::truncated));
    });
}

// Of TLS 1.3 a server sends tickets that a client which only writes never reads. A socket that is closed with unread input resets the
// connection, and what it had sent may be lost.
BOOST_AUTO_TEST_CASE(close_does_not_reset_the_connection_for_what_was_left_unread) {
    run_checked([] {
        auto m = meet();
        write_text(*m.server, std::string(1000, 'u'));
        write_text(*m.client, "all of it");
        m.client->close();
        BOOST_TEST(read_text(*m.server, 9) == "all of it");
        BOOST_TEST((read_error(*m.server) == asio::error::eof));
    });
}

BOOST_AUTO_TEST_CASE(after_a_shutdown_nothing_is_written_but_the_peer_is_read_to_its_end) {
    run_checked([] {
        auto m = meet();
        m.client->async_shutdown(use_fiber);
        m.client->async_shutdown(use_fiber);  // once is enough
        BOOST_TEST((write_error(*m.client) == tls_errc::closed));
        BOOST_TEST((read_error(*m.server) == asio::error::eof));
        write_text(*m.server, "rest");
        m.server->close();
        BOOST_TEST(read_text(*m.client, 4) == "rest");
        BOOST_TEST((read_error(*m.client) == asio::error::eof));
        m.client->close();
    });
}

BOOST_AUTO_TEST_CASE(much_data_passes_both_ways_at_once_unchanged) {
    run_checked([] {
        for (auto version : {weft::tls_version::v1_2, weft::tls_version::v1_3}) {
            auto o = trusting();
            o.max_version = version;
            auto m = meet(good_server(), weft::tls_client_context(o));
            std::string up(700'001, ' '), down(500'003, ' ');
            for (std::size_t i = 0; i < up.size(); ++i) up[i] = static_cast<char>(i * 7 + i / 251);
            for (std::size_t i = 0; i < down.size(); ++i) down[i] = static_cast<char>(i * 11 + i / 253);
            weft::with_nursery([&](weft::nursery& n) {
                n.start_soon([&] { write_text(*m.client, up); });
                n.start_soon([&] { write_text(*m.server, down); });
                n.start_soon([&] { BOOST_TEST((read_text(*m.client, down.size()) == down)); });
                BOOST_TEST((read_text(*m.server, up.size()) == up));
            });
            if (version == weft::tls_version::v1_3) {  // new keys in the middle, which the peer answers with its next write
                BOOST_TEST(SSL_key_update(m.client->native_handle(), SSL_KEY_UPDATE_REQUESTED) == 1);
                for (int i = 0; i < 2; ++i) {
                    write_text(*m.client, "new");
                    BOOST_TEST(read_text(*m.server, 3) == "new");
                    write_text(*m.server, "keys");
                    BOOST_TEST(read_text(*m.client, 4) == "keys");
                }
            }
        }
    });
}

BOOST_AUTO_TEST_CASE(sequences_of_buffers_are_gathered_and_scattered) {
    run_checked([] {
        auto m = meet();
        std::string big(100'000, 'b'), all;
        std::vector<asio::const_buffer> parts{asio::buffer("ab", 2), {}, asio::buffer("c", 1), asio::buffer(big), asio::buffer("d", 1)};
        for (int i = 0; i < 40; ++i) parts.push_back(asio::buffer("e", 1));
        for (auto const& p : parts) all.append(static_cast<char const*>(p.data()), p.size());
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(asio::async_write(*m.client, parts, use_fiber) == all.size()); });
            std::string got(all.size(), ' ');
            std::array<asio::mutable_buffer, 4> to{asio::buffer(got.data(), 1), asio::mutable_buffer(), asio::buffer(got.data() + 1, 50'000), asio::buffer(got.data() + 50'001, got.size() - 50'001)};
            asio::async_read(*m.server, to, use_fiber);
            BOOST_TEST((got == all));
        });
        BOOST_TEST(m.client->async_write_some(asio::const_buffer(), use_fiber) == 0u);
        BOOST_TEST(m.client->async_read_some(asio::mutable_buffer(), use_fiber) == 0u);
    });
}

// rule 113
BOOST_AUTO_TEST_CASE(a_second_reader_or_writer_is_refused) {
    run_checked([] {
        auto m = meet();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { BOOST_TEST(read_text(*m.client, 1) == "x"); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST((read_error(*m.client) == tls_errc::busy));
            write_text(*m.client, "a writer is not in the way");
            write_text(*m.server, "x");
        });
        error_code first;
        std::string much(4'000'000, 'm');
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] { asio::async_write(*m.client, asio::buffer(much), use_fiber[first]); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST((write_error(*m.client) == tls_errc::busy));
            m.client->close();  // cuts the write
        });
        BOOST_TEST((first == tls_errc::closed));
    });
}

BOOST_AUTO_TEST_CASE(handlers_are_never_called_within_the_initiation) {
    run_checked([] {
        auto m = meet();
        write_text(*m.server, "xyz");
        BOOST_TEST(read_text(*m.client, 1) == "x");  // the rest is inside OpenSSL
        weft::event done;
        bool within = true;
        char c = 0;
        m.client->async_read_some(asio::buffer(&c, 1), [&](error_code e, std::size_t n) { BOOST_TEST((!e && n == 1 && !within)); done.set(); });
        within = false;
        done.wait();
        BOOST_TEST(c == 'y');
    });
}

BOOST_AUTO_TEST_CASE(a_forged_record_ends_the_connection_and_the_peer_is_told) {
    run_checked([] {
        auto m = meet();
        asio::async_write(m.server->next_layer(), asio::buffer("\x17\x03\x03\x00\x20nobody can have encrypted this!!", 37), use_fiber);
        error_code e = read_error(*m.client);
        BOOST_TEST((e.category() == weft::tls_library_category()), e.message());
        BOOST_TEST((read_error(*m.client) == tls_errc::broken));
        BOOST_TEST((write_error(*m.client) == tls_errc::broken));
        error_code s;
        m.client->async_shutdown(use_fiber[s]);
        BOOST_TEST((s == tls_errc::broken));
        m.client->close();
        BOOST_TEST(contains(read_error(*m.server).message(), "bad record mac"));
    });
}

BOOST_AUTO_TEST_CASE(a_stream_may_be_moved_and_destroyed_while_tasks_wait_on_it) {
    run_checked([] {
        auto m = meet();
        error_code e;
        std::string text(1, ' ');
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&, &s = *m.client] { s.async_read_some(asio::buffer(text), use_fiber); });
            weft::testing::wait_all_tasks_blocked();
            stream moved(std::move(*m.client));
            write_text(*m.server, "x");
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(text == "x");
            n.start_soon([&] { moved.async_read_some(asio::buffer(text), use_fiber[e]); });
            weft::testing::wait_all_tasks_blocked();
            { stream last(std::move(moved)); }
        });
        BOOST_TEST((e == tls_errc::closed));
        BOOST_CHECK_THROW(m.client->close(), weft::misuse_error);
        BOOST_CHECK_THROW(read_error(*m.client), weft::misuse_error);
        BOOST_TEST(!m.client->is_open());
    });
}

BOOST_AUTO_TEST_CASE(lines_and_messages_are_read_and_written_as_on_a_socket) {
    run_checked([] {
        auto m = meet();
        weft::write_all(*m.server, std::string("a line\nand "));
        weft::buffered_reader reader(*m.client);
        BOOST_TEST(reader.read_line(100).value() == "a line");
        BOOST_TEST(!weft::move_on_after(1s, [&] { reader.read_exactly(8); }));  // nothing is lost
        weft::write_all(*m.server, std::string("more"));
        BOOST_TEST(reader.read_exactly(8) == "and more");
        weft::write_all(*m.client, std::string("bye"));
        m.client->close();
        char data[10];
        BOOST_TEST(weft::read_some(*m.server, asio::buffer(data)) == 3u);
        BOOST_TEST(weft::read_some(*m.server, asio::buffer(data)) == 0u);  // a clean end
        m = meet();
        m.client.reset();
        error_code e;
        weft::read_some(*m.server, asio::buffer(data), e);
        BOOST_TEST((e && e != asio::error::eof));
        BOOST_CHECK_THROW(weft::read_some(*m.server, asio::buffer(data)), boost::system::system_error);
    });
}

BOOST_AUTO_TEST_CASE(tls_runs_in_tls) {
    run_checked([] {
        auto m = meet();
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon([&] {
                auto inner = weft::tls_handshake_server(std::move(*m.server), good_server());
                char c;
                asio::async_read(inner, asio::buffer(&c, 1), use_fiber);
                asio::async_write(inner, asio::buffer(&c, 1), use_fiber);
                inner.close();
            });
            auto inner = weft::tls_handshake_client(std::move(*m.client), good_client());
            char c = 'q', d = 0;
            asio::async_write(inner, asio::buffer(&c, 1), use_fiber);
            asio::async_read(inner, asio::buffer(&d, 1), use_fiber);
            BOOST_TEST(d == 'q');
        });
    });
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

/// No clean end: the kernel says "reset" where something was left unread.
bool is_cut(error_code const& e) { return e == tls_errc::truncated || e == asio::error::connection_reset; }

/// A transport that passes few bytes at a time, and calls on_step before each step.
struct stepping {
    using executor_type = transport::executor_type;
    transport t;
    std::size_t most;
    std::function<void()> on_step;

    executor_type get_executor() { return t.get_executor(); }
    transport::lowest_layer_type& lowest_layer() { return t.lowest_layer(); }
    template <class B, class Token>
    auto async_read_some(B const& b, Token&& token) {
        on_step();
        return t.async_read_some(asio::buffer(asio::mutable_buffer(*asio::buffer_sequence_begin(b)), most), std::forward<Token>(token));
    }
    template <class B, class Token>
    auto async_write_some(B const& b, Token&& token) {
        on_step();
        return t.async_write_some(asio::buffer(asio::const_buffer(*asio::buffer_sequence_begin(b)), most), std::forward<Token>(token));
    }
};

/// Cancels a scope at the k-th step, from the loop, while the task waits.
struct cancel_at_step {
    weft::cancel_scope* scope{};
    int left{-1};
    void operator()() {
        if (left-- != 0) return;
        asio::post(weft::get_executor(), [s = scope] { s->cancel("at a step"); });
    }
};

/// One handshake whose k-th step is cancelled. Returns whether it came to an end before.
bool handshake_cancelled_at(int k, bool as_server) {
    return run_checked([&] {
        auto [a, b] = make_pair();
        bool done = false;
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            n.start_soon("peer", [&] {
                bool ended = false;
                try {
                    auto s = as_server ? weft::tls_handshake_client(std::move(b), good_client()) : weft::tls_handshake_server(std::move(b), good_server());
                    ended = is_cut(read_error(s));
                } catch (weft::tls_error const& e) { ended = e.reason() == tls_failure::connection_lost; }
                BOOST_TEST(ended, "cancelled at step " << k << ": the peer was to see the end of the connection");
            });
            weft::cancel_scope scope;
            auto at = std::make_shared<cancel_at_step>(cancel_at_step{&scope, k});
            done = scope.run([&] {
                stepping t{std::move(a), 60, [at] { (*at)(); }};
                if (as_server) weft::tls_handshake_server(std::move(t), good_server());
                else weft::tls_handshake_client(std::move(t), good_client());
            });
            if (!done) BOOST_TEST(scope.cancelled_caught());
        });
        return done;
    });
}

/// What keeps a task waiting: cancelled in it, the connection is as `after` says.
struct blocking_operation {
    char const* name;
    std::function<void(meeting&)> before, operation, after;
};

// The peer reads nothing: a write that does not fit, cancelled while it waits.
void fill(stream& s) {
    std::string much(4'000'000, 'm');
    weft::with_nursery([&](weft::nursery& n) {
        n.start_soon("fill", [&] { asio::async_write(s, asio::buffer(much), use_fiber); });
        weft::testing::wait_all_tasks_blocked();
        n.cancel();
    });
}

std::vector<blocking_operation> const& blocking_operations() {
    static std::vector<blocking_operation> const all{
        {"handshake", [](meeting&) {},
         [](meeting&) {
             auto [a, silent] = make_pair();
             weft::tls_handshake_client(std::move(a), good_client());
         },
         [](meeting&) {}},
        {"read", [](meeting&) {}, [](meeting& m) { read_text(*m.client, 1); },
         [](meeting& m) {
             write_text(*m.server, "still");
             BOOST_TEST(read_text(*m.client, 5) == "still");
             m.client->close();
             BOOST_TEST((read_error(*m.server) == asio::error::eof));
         }},
        {"write", [](meeting&) {}, [](meeting& m) { std::string much(4'000'000, 'm'); write_text(*m.client, much); },
         [](meeting& m) {
             weft::with_nursery([&](weft::nursery& n) {
                 n.start_soon([&] { write_text(*m.client, "after it"); m.client->async_shutdown(use_fiber); });
                 std::string all(64 * 1024, ' '), text;
                 error_code e;
                 while (!e) text.append(all.data(), m.server->async_read_some(asio::buffer(all), use_fiber[e]));
                 BOOST_TEST((e == asio::error::eof));
                 BOOST_TEST(text.ends_with("after it"));
                 BOOST_TEST(text.find_first_not_of('m') == text.size() - 8);
             });
         }},
        {"close", [](meeting& m) { fill(*m.client); }, [](meeting& m) { m.client->close(24h); },
         [](meeting& m) {
             BOOST_TEST(!m.client->is_open());
             std::string all(64 * 1024, ' ');
             error_code e;
             while (!e) m.server->async_read_some(asio::buffer(all), use_fiber[e]);
             BOOST_TEST(is_cut(e));
         }},
    };
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tls_cancelled)

BOOST_AUTO_TEST_CASE(a_handshake_cancelled_at_any_step_closes_the_connection) {
    for (bool as_server : {false, true}) {
        int k = 0;
        while (!handshake_cancelled_at(k, as_server)) ++k;
        BOOST_TEST(k > 10);
    }
}

BOOST_AUTO_TEST_CASE(reads_and_writes_cancelled_at_every_step_lose_nothing_and_repeat_nothing) {
    for (int most : {1, 20, 1500}) for (int k : {0, 1, 2, 5}) run_checked([&] {
        auto [a, b] = make_pair();
        auto reading = std::make_shared<cancel_at_step>(), writing = std::make_shared<cancel_at_step>();
        std::optional<weft::tls_stream<stepping>> from, to;
        auto limit = static_cast<std::size_t>(most);
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            n.start_soon([&] { to.emplace(weft::tls_handshake_server(stepping{std::move(a), 5000, [reading] { (*reading)(); }}, good_server())); });
            from.emplace(weft::tls_handshake_client(stepping{std::move(b), 5000, [writing] { (*writing)(); }}, good_client()));
        });
        from->next_layer().most = to->next_layer().most = limit;
        std::string text, got;
        for (int i = 0; i < 60 * most; ++i) text += static_cast<char>('a' + i % 26);
        int cancelled_writes = 0, cancelled_reads = 0;
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("writer", [&] {
                for (std::size_t at = 0; at < text.size();) {
                    weft::cancel_scope s;
                    *writing = {&s, k};
                    error_code e;
                    s.run([&] { at += from->async_write_some(asio::buffer(text) + at, use_fiber[e]); });
                    writing->left = -1;
                    cancelled_writes += e == asio::error::operation_aborted;
                    weft::checkpoint();  // what was posted has come
                }
                from->async_shutdown(use_fiber);
            });
            char part[700];
            for (error_code e; e != asio::error::eof;) {
                weft::cancel_scope s;
                *reading = {&s, k};
                s.run([&] { got.append(part, to->async_read_some(asio::buffer(part), use_fiber[e])); });
                reading->left = -1;
                cancelled_reads += e == asio::error::operation_aborted;
                weft::checkpoint();
                if (e && e != asio::error::operation_aborted && e != asio::error::eof) { BOOST_ERROR(e.message()); break; }
            }
        });
        BOOST_TEST((got == text));
        if (most == 1) BOOST_TEST((cancelled_reads > 0 && cancelled_writes > 0));
    });
}

BOOST_AUTO_TEST_CASE(every_way_to_cancel_ends_every_wait) {
    using way = void (*)(std::function<void()> const&);
    struct { char const* name; way cancel; bool real_time; } const ways[]{
        {"deadline", [](auto const& f) { BOOST_CHECK_THROW(weft::fail_after(1s, f), weft::too_slow_error); }, false},
        {"sibling", [](auto const& f) {
             try {
                 weft::with_nursery([&](weft::nursery& n) {
                     n.start_soon("operation", f);
                     weft::testing::wait_all_tasks_blocked();
                     throw std::runtime_error("sibling");
                 });
                 BOOST_ERROR("no exception");
             } catch (weft::exception_group const& g) { BOOST_TEST(g.exceptions().size() == 1u); }
         }, false},
        {"before it starts", [](auto const& f) {
             weft::cancel_scope s;
             s.cancel();
             BOOST_TEST(!s.run(f));
         }, false},
        {"another thread", [](auto const& f) {
             weft::cancel_scope s;
             std::thread t;
             weft::with_nursery([&](weft::nursery& n) {
                 n.start_soon([&] {
                     weft::testing::wait_all_tasks_blocked();
                     t = std::thread([&s, token = weft::current_token()] { token.post([&s] { s.cancel("from another thread"); }); });
                 });
                 BOOST_TEST(!s.run(f));
             });
             t.join();
         }, true},
    };
    for (auto const& o : blocking_operations()) for (auto const& w : ways) {
        BOOST_TEST_CONTEXT(o.name << " cancelled by " << w.name) {
            auto test = [&] {
                auto m = meet();
                o.before(m);
                w.cancel([&] { o.operation(m); });
                o.after(m);
            };
            if (!w.real_time) { run_checked(test); continue; }
            weft::testing::ledger outside;
            weft::run(test);
            BOOST_TEST(outside.difference() == "");
        }
    }
}

// rule 121
BOOST_AUTO_TEST_CASE(close_ends_in_time_and_lets_the_transport_go_when_it_is_cancelled) {
    run_checked([] {
        auto m = meet();
        fill(*m.client);
        auto start = weft::current_time();
        m.client->close(2s);  // the peer takes nothing: no room for a close_notify
        BOOST_TEST((weft::current_time() - start == 2s));
        BOOST_TEST(!m.client->is_open());

        m = meet();
        weft::cancel_scope s;
        s.cancel();
        bool raised = false;
        s.run([&] { try { m.client->close(); } catch (weft::cancelled const&) { raised = true; throw; } });
        BOOST_TEST(raised);
        BOOST_TEST(!m.client->is_open());
        BOOST_TEST(is_cut(read_error(*m.server)));

        m = meet();
        m.server.reset();
        write_error(*m.client);
        m.client->close();  // a peer that has gone is no error
    });
}

BOOST_AUTO_TEST_CASE(wherever_a_conversation_is_cancelled_nothing_is_left) {
    good_server();
    good_client();
    auto r = weft::testing::cancel_everywhere([] {
        auto [a, b] = make_pair();
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            n.start_soon("server", [&] {
                auto s = weft::tls_handshake_server(std::move(a), good_server());
                write_text(s, read_text(s, 4));
                s.close();
            });
            auto c = weft::tls_handshake_client(std::move(b), good_client());
            write_text(c, "ping");
            BOOST_TEST(read_text(c, 4) == "ping");
            BOOST_TEST((read_error(c) == asio::error::eof));
            c.close();
        });
    });
    BOOST_TEST(r.points > 15u);
}

BOOST_AUTO_TEST_SUITE_END()
