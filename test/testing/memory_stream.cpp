// SPDX-License-Identifier: BSL-1.0
// Streams in memory that stand for Asio's.
#include "fixture.hpp"

#include <weft/asio/use_fiber.hpp>
#include <weft/testing/memory_stream.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using weft::testing::memory_stream_pair;

BOOST_AUTO_TEST_SUITE(memory_stream)

BOOST_AUTO_TEST_CASE(composed_operations_of_asio_run_over_it_in_both_directions) {
    run_checked([] {
        auto [a, b] = memory_stream_pair({.capacity = 7, .max_read = 3, .max_write = 2});
        std::string text(1000, '\0'), there(1000, '\0'), back(1000, '\0');
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i % 101);
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            n.start_soon([&] { asio::async_write(a, asio::buffer(text), weft::use_fiber); });
            n.start_soon([&] { asio::async_write(b, asio::buffer(text), weft::use_fiber); });
            n.start_soon([&] { asio::async_read(a, asio::buffer(back), weft::use_fiber); });
            n.start_soon([&] { asio::async_read(b, asio::buffer(there), weft::use_fiber); });
        });
        BOOST_TEST((there == text));
        BOOST_TEST((back == text));
    });
}

BOOST_AUTO_TEST_CASE(a_writer_waits_for_room_and_a_read_gets_no_more_than_allowed) {
    run_checked([] {
        auto [a, b] = memory_stream_pair({.capacity = 5, .max_read = 2});
        BOOST_TEST(a.async_write_some(asio::buffer("abcdefg", 7), weft::use_fiber) == 5u);
        BOOST_TEST(b.incoming() == "abcde");
        BOOST_TEST(!weft::move_on_after(1s, [&, &a = a] { a.async_write_some(asio::buffer("x", 1), weft::use_fiber); }));
        char c[10];
        BOOST_TEST(b.async_read_some(asio::buffer(c), weft::use_fiber) == 2u);
        BOOST_TEST(a.async_write_some(asio::buffer("xyz", 3), weft::use_fiber) == 2u);
        BOOST_TEST(b.incoming() == "cdexy");
        BOOST_TEST(b.async_read_some(asio::mutable_buffer(), weft::use_fiber) == 0u);
    });
}

BOOST_AUTO_TEST_CASE(what_was_written_is_read_before_the_end) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        asio::async_write(a, asio::buffer("end", 3), weft::use_fiber);
        a.shutdown_write();
        char c[10];
        error_code ec;
        BOOST_TEST(asio::async_read(b, asio::buffer(c), weft::use_fiber[ec]) == 3u);
        BOOST_TEST((ec == asio::error::eof));
        BOOST_CHECK_THROW(a.async_write_some(asio::buffer("x", 1), weft::use_fiber), boost::system::system_error);
        asio::async_write(b, asio::buffer("still", 5), weft::use_fiber);  // the other direction is open
        BOOST_TEST(a.incoming() == "still");
        a.close();
        b.async_write_some(asio::buffer("x", 1), weft::use_fiber[ec]);
        BOOST_TEST((ec == asio::error::broken_pipe));
        a.async_read_some(asio::buffer(c), weft::use_fiber[ec]);
        BOOST_TEST((ec == asio::error::bad_descriptor));
        BOOST_TEST(!a.is_open());
    });
}

BOOST_AUTO_TEST_CASE(closing_ends_what_waits) {
    run_checked([] {
        auto [a, b] = memory_stream_pair({.capacity = 1});
        asio::async_write(b, asio::buffer("x", 1), weft::use_fiber);
        error_code read, write, far_read;
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            char c[2];
            n.start_soon([&] { b.async_read_some(asio::buffer(c), weft::use_fiber[read]); });
            n.start_soon([&] { b.async_write_some(asio::buffer("y", 1), weft::use_fiber[write]); });
            weft::testing::wait_all_tasks_blocked();
            error_code second;
            b.async_read_some(asio::buffer(c), weft::use_fiber[second]);
            BOOST_TEST((second == asio::error::already_started));
            b.close();
            weft::testing::wait_all_tasks_blocked();
            BOOST_TEST(asio::async_read(a, asio::buffer(c), weft::use_fiber[far_read]) == 1u);
        });
        BOOST_TEST((read == asio::error::operation_aborted));
        BOOST_TEST((write == asio::error::operation_aborted));
        BOOST_TEST((far_read == asio::error::eof));
    });
}

BOOST_AUTO_TEST_CASE(errors_come_at_the_chosen_byte) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        b.fail_reads(asio::error::connection_reset, 3);
        a.fail_writes(asio::error::host_unreachable, 5);
        error_code ec;
        BOOST_TEST(asio::async_write(a, asio::buffer("abcdefg", 7), weft::use_fiber[ec]) == 5u);
        BOOST_TEST((ec == asio::error::host_unreachable));
        char c[7];
        BOOST_TEST(asio::async_read(b, asio::buffer(c), weft::use_fiber[ec]) == 3u);
        BOOST_TEST((ec == asio::error::connection_reset));
        b.fail_reads({});
        BOOST_TEST(b.async_read_some(asio::buffer(c), weft::use_fiber) == 2u);
    });
}

BOOST_AUTO_TEST_CASE(a_cancellation_ends_the_operation_it_is_meant_for_and_transfers_nothing) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        char c[4];
        weft::cancel_scope s;
        std::size_t got = 0;
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            n.start_soon([&] { s.run([&] { got = b.async_read_some(asio::buffer(c), weft::use_fiber); }); });
            weft::testing::wait_all_tasks_blocked();
            asio::cancellation_signal plain;
            a.async_write_some(asio::buffer("ab", 2), asio::bind_cancellation_slot(plain.slot(), [](error_code, std::size_t) {}));
            s.cancel();  // the read is over already: its result stands
            plain.emit(asio::cancellation_type::terminal);
        });
        BOOST_TEST(got == 2u);
        BOOST_TEST(!weft::move_on_after(1s, [&, &b = b] { b.async_read_some(asio::buffer(c), weft::use_fiber); }));
        asio::async_write(a, asio::buffer("cd", 2), weft::use_fiber);
        BOOST_TEST(b.async_read_some(asio::buffer(c), weft::use_fiber) == 2u);
        BOOST_TEST(std::string(c, 2) == "cd");
    });
}

BOOST_AUTO_TEST_CASE(it_can_be_moved_while_an_operation_waits) {
    run_checked([] {
        auto [a, b] = memory_stream_pair();
        std::size_t got = 0;
        weft::with_nursery([&, &a = a, &b = b](weft::nursery& n) {
            char c[4];
            n.start_soon([&] { got = b.async_read_some(asio::buffer(c), weft::use_fiber); });
            weft::testing::wait_all_tasks_blocked();
            auto moved = std::move(b);
            asio::async_write(a, asio::buffer("x", 1), weft::use_fiber);
            weft::testing::wait_all_tasks_blocked();
            a = std::move(moved);  // closes what a was
            BOOST_TEST(a.is_open());
        });
        BOOST_TEST(got == 1u);
    });
}

BOOST_AUTO_TEST_CASE(misuse_is_told) {
    BOOST_CHECK_THROW(memory_stream_pair(), weft::not_running_error);
    run_checked([] {
        BOOST_CHECK_THROW(memory_stream_pair({.capacity = 0}), weft::misuse_error);
        BOOST_CHECK_THROW(memory_stream_pair({.max_read = 0}), weft::misuse_error);
        BOOST_CHECK_THROW(memory_stream_pair({.max_write = 0}), weft::misuse_error);
    });
}

BOOST_AUTO_TEST_SUITE_END()
