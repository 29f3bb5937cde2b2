// SPDX-License-Identifier: BSL-1.0
// Lines and messages: however the bytes come, whatever is cancelled, nothing is lost.
#include "fixture.hpp"

#include <weft/net/buffered_reader.hpp>
#include <weft/testing/memory_stream.hpp>

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <ranges>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using weft::testing::memory_stream;
using weft::testing::memory_stream_pair;
using reader_type = weft::buffered_reader<memory_stream&>;

namespace {

/// A reader of a stream that gives these parts, each to a read of its own, and then ends.
struct scripted_stream {
    std::vector<std::string> parts;
    std::size_t at = 0;
    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>([this](auto handler, auto const& b) {
            std::size_t n = 0;
            error_code ec = asio::error::eof;
            if (at < parts.size()) {
                n = asio::buffer_copy(b, asio::buffer(parts[at]));
                ec.clear();
                if (n < parts[at].size()) parts[at].erase(0, n);
                else ++at;
            }
            asio::post(weft::get_executor(), [h = std::move(handler), ec, n]() mutable { std::move(h)(ec, n); });
        }, token, buffers);
    }
};

/// Calls f with every way to cut the text into up to three parts.
template <class F>
void each_split(std::string const& text, F f) {
    for (std::size_t i = 0; i <= text.size(); ++i) {
        for (std::size_t j = i; j <= text.size(); ++j) {
            scripted_stream s;
            for (auto const& part : {text.substr(0, i), text.substr(i, j - i), text.substr(j)}) if (!part.empty()) s.parts.push_back(part);
            weft::buffered_reader reader(s);
            f(reader);
        }
    }
}

template <class E, class F>
E caught(F f) {
    try { f(); } catch (E const& e) { return e; }
    throw std::runtime_error("it did not throw");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(buffered_reader)

BOOST_AUTO_TEST_CASE(messages_are_the_same_however_the_bytes_come) {
    run_checked([] {
        each_split("12345GET /\r\n\r\none\ntwo\r\n\nlast", [](auto& r) {
            BOOST_TEST(!r.at_end());
            BOOST_TEST(r.read_exactly(3) == "123");
            char two[2];
            r.read_exactly(asio::buffer(two));
            BOOST_TEST(std::string(two, 2) == "45");
            BOOST_TEST(r.read_until("\r\n\r\n", 5) == "GET /");
            BOOST_TEST(r.read_line(3).value() == "one");
            BOOST_TEST(r.read_line(3).value() == "two");
            BOOST_TEST(r.read_line(3).value() == "");
            BOOST_TEST(r.read_line(4).value() == "last");
            BOOST_TEST(!r.read_line(3));
            BOOST_TEST(!r.read_line(3));
            BOOST_TEST(r.at_end());
        });
    });
}

BOOST_AUTO_TEST_CASE(lines_are_a_range) {
    using range = weft::buffered_reader<scripted_stream&>::line_range;
    static_assert(std::ranges::input_range<range>);
    run_checked([] {
        each_split("a\r\n\r\rb\n\nc\r", [](auto& r) {
            std::vector<std::string> all;
            for (std::string& line : r.lines(10)) all.push_back(std::move(line));
            BOOST_TEST((all == std::vector<std::string>{"a", "\r\rb", "", "c\r"}));
        });
        each_split("ab\ncde\nf\n", [](auto& r) {
            std::string got;
            BOOST_CHECK_THROW(for (std::string& line : r.lines(2)) got += line + "|";, weft::limit_exceeded_error);
            BOOST_TEST(got == "ab|");
            for (std::string& line : r.lines(3)) got += line + "|";  // and it goes on where it was
            BOOST_TEST(got == "ab|cde|f|");
        });
    });
}

BOOST_AUTO_TEST_CASE(a_limit_is_of_the_text_alone_and_nothing_is_lost_where_it_is_exceeded) {
    run_checked([] {
        each_split("abcde--f", [](auto& r) {
            auto e = caught<weft::limit_exceeded_error>([&] { r.read_until("--", 4); });
            BOOST_TEST(e.limit() == 4u);
            BOOST_TEST(std::string(e.what()).find("within the limit of 4 bytes, in task") != std::string::npos);
            BOOST_TEST(r.buffered().substr(0, 5) == "abcde");
            BOOST_TEST(r.read_until("--", 5) == "abcde");
            BOOST_CHECK_THROW(r.read_until("--", 0), weft::incomplete_read_error);
            BOOST_CHECK_THROW(r.read_line(0), weft::limit_exceeded_error);
            BOOST_TEST(r.read_exactly(1) == "f");
        });
        each_split("abc\r\nabcd\r\nab\rc\n", [](auto& r) {
            BOOST_TEST(r.read_line(3).value() == "abc");
            BOOST_CHECK_THROW(r.read_line(3), weft::limit_exceeded_error);
            BOOST_TEST(r.read_line(4).value() == "abcd");
            BOOST_CHECK_THROW(r.read_line(3), weft::limit_exceeded_error);  // its \r ends no line
            BOOST_TEST(r.read_line(std::numeric_limits<std::size_t>::max()).value() == "ab\rc");
        });
        scripted_stream s{{"--x"}};
        weft::buffered_reader r(s);
        BOOST_TEST(r.read_until("--", 0) == "");
        BOOST_CHECK_THROW(r.read_until("", 10), weft::misuse_error);
        BOOST_TEST(r.read_until("x", std::numeric_limits<std::size_t>::max()) == "");
    });
}

BOOST_AUTO_TEST_CASE(an_end_inside_a_message_is_told_from_one_between_messages) {
    run_checked([] {
        each_split("abc", [](auto& r) {
            auto e = caught<weft::incomplete_read_error>([&] { r.read_exactly(4); });
            BOOST_TEST(e.received() == "abc");
            BOOST_TEST(e.expected().value() == 4u);
            BOOST_TEST(std::string(e.what()).find("ended after 3 of 4 bytes") != std::string::npos);
            auto u = caught<weft::incomplete_read_error>([&] { r.read_until("\n", 10); });
            BOOST_TEST(u.received() == "abc");
            BOOST_TEST(!u.expected());
            BOOST_TEST(!r.at_end());
            BOOST_TEST(r.read_exactly(3) == "abc");
            BOOST_TEST(r.at_end());
            BOOST_TEST(caught<weft::incomplete_read_error>([&] { r.read_exactly(4); }).received() == "");
            BOOST_TEST(r.read_exactly(0) == "");
        });
    });
}

BOOST_AUTO_TEST_CASE(an_error_of_the_stream_loses_nothing) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        weft::write_all(a, "abcdef\n");
        b.fail_reads(asio::error::connection_reset, 4);
        weft::buffered_reader r(b);
        BOOST_CHECK_EXCEPTION(r.read_line(10), boost::system::system_error, [](auto const& e) { return e.code() == asio::error::connection_reset; });
        BOOST_TEST(r.buffered() == "abcd");
        BOOST_TEST(r.read_exactly(2) == "ab");
        b.fail_reads({});
        BOOST_TEST(r.read_line(10).value() == "cdef");
    });
}

BOOST_AUTO_TEST_CASE(what_is_buffered_can_be_handed_to_another_protocol) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        weft::write_all(a, "upgrade\nbinary");
        weft::buffered_reader r(std::move(b));
        BOOST_TEST(r.read_line(10).value() == "upgrade");
        BOOST_TEST(r.buffered() == "binary");
        r.consume(3);
        BOOST_TEST(r.buffered() == "ary");
        BOOST_CHECK_THROW(r.consume(4), weft::misuse_error);
        char c[2];
        BOOST_TEST(weft::read_some(r, asio::buffer(c)) == 2u);  // a reader is a stream
        BOOST_TEST(std::string(c, 2) == "ar");
        weft::buffered_reader<decltype(r)&> outer(r);  // named, as the copy would be deduced
        BOOST_TEST(outer.read_exactly(1) == "y");
        memory_stream s = std::move(r.stream());
        weft::write_all(s, "answer");
        BOOST_TEST(a.incoming() == "answer");
    });
}

BOOST_AUTO_TEST_CASE(a_large_read_goes_past_an_empty_buffer_and_reads_grow_with_what_comes) {
    run_checked([] {
        auto [a, b] = memory_stream_pair({.capacity = 1'000'000});
        weft::write_all(a, std::string(500'000, 'x'));
        weft::buffered_reader r(b);
        std::string block(100'000, '\0');
        BOOST_TEST(r.read_some(asio::buffer(block)) == 100'000u);
        BOOST_TEST(r.buffered().empty());
        BOOST_TEST(r.read_some(asio::buffer(block.data(), 10)) == 10u);
        BOOST_TEST(r.buffered().size() == 4086u);
        BOOST_TEST(r.read_exactly(4086).size() == 4086u);
        BOOST_TEST(r.read_exactly(1).size() == 1u);
        BOOST_TEST(r.buffered().size() == 8191u);  // the last read filled its room: more is there
        BOOST_TEST(r.read_exactly(300'000).size() == 300'000u);
        BOOST_TEST(r.read_some(asio::mutable_buffer()) == 0u);
        a.close();
        BOOST_CHECK_THROW(r.read_exactly(std::size_t{1} << 60), weft::incomplete_read_error);  // a length that the other side made up
        BOOST_TEST(caught<weft::incomplete_read_error>([&] { r.read_until("y", std::size_t{1} << 60); }).received().size() == r.buffered().size());
    });
}

BOOST_AUTO_TEST_CASE(one_task_reads_at_a_time) {  // rule 113
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        weft::buffered_reader r(b);
        std::string got;
        weft::with_nursery([&, &a = a](weft::nursery& n) {
            n.start_soon("first", [&] { got = r.read_exactly(3); });
            weft::testing::wait_all_tasks_blocked();
            BOOST_CHECK_THROW(r.read_line(3), weft::busy_resource_error);
            weft::write_all(a, "abc");  // writing is not reading
        });
        BOOST_TEST(got == "abc");
    });
}

// Cancelled at every point and in every wait, with the text in single bytes: a second attempt has it all.
BOOST_AUTO_TEST_CASE(a_read_that_is_cancelled_loses_no_byte) {
    std::string const text = "head\r\n12345tail--rest";
    auto r = weft::testing::cancel_everywhere([&] {
        weft::cancel_scope outer;  // what is checked after the cancellation is shielded from it
        outer.set_shield(true);
        auto [a, b] = memory_stream_pair({.max_read = 1});
        weft::buffered_reader reader(b);
        std::vector<std::string> got;
        auto next = [&] {
            switch (got.size()) {
                case 0: got.push_back(reader.read_line(10).value()); break;
                case 1: got.push_back(reader.read_exactly(5)); break;
                case 2: got.push_back(reader.read_until("--", 10)); break;
                case 3: { char c[4]; reader.read_exactly(asio::buffer(c)); got.emplace_back(c, 4); break; }
            }
        };
        auto check = [&] {
            outer.run([&] {
                while (got.size() < 4) next();
                if (got != std::vector<std::string>{"head", "12345", "tail", "rest"} || !reader.at_end()) throw std::runtime_error("something was lost");
            });
        };
        // The other side writes on, whatever happens to the reader.
        weft::cancel_scope writing;
        writing.set_shield(true);
        writing.run([&, &a = a] { weft::write_all(a, text); });
        a.shutdown_write();
        try {
            while (got.size() < 4) next();
        } catch (weft::cancelled const&) {
            check();
            throw;
        }
        check();
    });
    BOOST_TEST(r.points > 20u);
    BOOST_TEST(r.waits >= text.size());
}

// And cancelled after every number of bytes, before the rest has been written.
BOOST_AUTO_TEST_CASE(a_read_that_is_cancelled_between_two_parts_goes_on_with_the_second) {
    std::string const text = "head\r\n12345tail--";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        run_checked([&] {
            asio::local::stream_protocol::socket a(weft::get_executor()), b(weft::get_executor());
            asio::local::connect_pair(a, b);
            weft::buffered_reader r(b);
            std::vector<std::string> got;
            auto read = [&] {
                if (got.empty()) got.push_back(r.read_line(10).value());
                if (got.size() == 1) got.push_back(r.read_exactly(5));
                if (got.size() == 2) got.push_back(r.read_until("--", 10));
            };
            weft::write_all(a, text.substr(0, cut));
            bool all = weft::move_on_after(1s, read);
            BOOST_TEST(all == (cut == text.size()));
            weft::write_all(a, text.substr(cut));
            read();
            BOOST_TEST((got == std::vector<std::string>{"head", "12345", "tail"}));
            BOOST_TEST(r.buffered().empty());
        });
    }
}

BOOST_AUTO_TEST_CASE(in_a_cancelled_scope_even_what_is_buffered_is_not_taken) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        weft::buffered_reader r(b);
        weft::write_all(a, "x\ny\nz");
        r.read_line(5);
        weft::cancel_scope s;
        s.cancel();
        std::size_t raised = 0;
        s.run([&] {
            char c;
            for (auto const& f : std::vector<std::function<void()>>{[&] { r.read_line(5); }, [&] { r.read_exactly(1); }, [&] { r.read_until("\n", 5); }, [&] { r.read_some(asio::buffer(&c, 1)); },
                                                                   [&] { r.at_end(); }, [&] { r.read_exactly(asio::buffer(&c, 1)); }}) {
                try { f(); } catch (weft::cancelled const&) { ++raised; if (raised == 6) throw; }
            }
        });
        BOOST_TEST(raised == 6u);
        BOOST_TEST(r.buffered() == "y\nz");
    });
}

BOOST_AUTO_TEST_SUITE_END()
