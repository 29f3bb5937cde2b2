// SPDX-License-Identifier: BSL-1.0
// The token use_fiber: every completion signature, the [ec] form, Asio's adapters, and errors on the task's stack.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <memory>
#include <string>

using namespace weft_test;
namespace asio = boost::asio;
using boost::system::error_code;
using local = asio::local::stream_protocol;

namespace {

/// A made-up operation: completes with the given arguments, posted on this run's loop.
template <class... Signatures, class Token, class... A>
auto async_give(Token&& token, A... args) {
    return asio::async_initiate<Token, Signatures...>(
        [](auto handler, auto... a) {
            asio::post(weft::get_executor(), [h = std::move(handler), ... a = std::move(a)]() mutable { std::move(h)(std::move(a)...); });
        },
        token, std::move(args)...);
}

/// The code of the system_error that f throws; no error if it throws none.
template <class F>
error_code thrown_code(F&& f) {
    try { f(); } catch (boost::system::system_error const& e) { return e.code(); }
    return {};
}

error_code const refused = asio::error::connection_refused;
error_code const fine;

struct no_default {
    int value;
    explicit no_default(int v) : value(v) {}
};
static_assert(!std::is_default_constructible_v<no_default>);

struct both_ends {
    local::socket a{weft::get_executor()}, b{weft::get_executor()};
    both_ends() { asio::local::connect_pair(a, b); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(token)

// --- signatures ---

BOOST_AUTO_TEST_CASE(an_operation_without_results_returns_nothing) {
    run_checked([] {
        static_assert(std::is_void_v<decltype(async_give<void()>(weft::use_fiber))>);
        static_assert(std::is_void_v<decltype(async_give<void(error_code)>(weft::use_fiber, fine))>);
        static_assert(std::is_void_v<decltype(async_give<void(std::exception_ptr)>(weft::use_fiber, std::exception_ptr()))>);
        async_give<void()>(weft::use_fiber);
        async_give<void(error_code)>(weft::use_fiber, fine);
        async_give<void(std::exception_ptr)>(weft::use_fiber, std::exception_ptr());
    });
}

BOOST_AUTO_TEST_CASE(a_value_behind_an_error_code_is_returned_alone_and_several_as_a_tuple) {
    run_checked([] {
        auto one = async_give<void(error_code, int)>(weft::use_fiber, fine, 42);
        static_assert(std::is_same_v<decltype(one), int>);
        BOOST_TEST(one == 42);
        auto two = async_give<void(error_code, int, std::string)>(weft::use_fiber, fine, 42, std::string("text"));
        static_assert(std::is_same_v<decltype(two), std::tuple<int, std::string>>);
        BOOST_TEST((two == std::tuple(42, std::string("text"))));
    });
}

BOOST_AUTO_TEST_CASE(a_value_behind_an_exception_ptr_is_returned) {
    run_checked([] {
        auto one = async_give<void(std::exception_ptr, int)>(weft::use_fiber, std::exception_ptr(), 42);
        static_assert(std::is_same_v<decltype(one), int>);
        BOOST_TEST(one == 42);
        auto two = async_give<void(std::exception_ptr, int, char)>(weft::use_fiber, std::exception_ptr(), 42, 'c');
        BOOST_TEST((two == std::tuple(42, 'c')));
    });
}

BOOST_AUTO_TEST_CASE(an_error_that_does_not_come_first_is_a_value) {
    run_checked([] {
        BOOST_TEST(async_give<void(int)>(weft::use_fiber, 7) == 7);
        auto [n, e] = async_give<void(int, error_code)>(weft::use_fiber, 7, refused);
        BOOST_TEST(n == 7);
        BOOST_TEST(e == refused);
    });
}

BOOST_AUTO_TEST_CASE(a_move_only_result_is_moved_out) {
    run_checked([] {
        std::unique_ptr<int> p = async_give<void(error_code, std::unique_ptr<int>)>(weft::use_fiber, fine, std::make_unique<int>(5));
        BOOST_TEST(*p == 5);
        auto [q, n] = async_give<void(std::unique_ptr<int>, int)>(weft::use_fiber, std::make_unique<int>(6), 1);
        BOOST_TEST(*q + n == 7);
    });
}

BOOST_AUTO_TEST_CASE(a_result_needs_no_default_constructor) {
    run_checked([] {
        BOOST_TEST(async_give<void(error_code, no_default)>(weft::use_fiber, fine, no_default(5)).value == 5);
        BOOST_TEST((async_give<void(no_default)>(weft::use_fiber, no_default(6)).value == 6));
        auto [x, y] = async_give<void(std::exception_ptr, no_default, no_default)>(weft::use_fiber, std::exception_ptr(), no_default(7), no_default(8));
        BOOST_TEST(x.value + y.value == 15);
        BOOST_CHECK_THROW(async_give<void(error_code, no_default)>(weft::use_fiber, refused, no_default(5)), boost::system::system_error);
    });
}

BOOST_AUTO_TEST_CASE(accept_returns_the_socket_of_the_peer) {
    run_checked([] {
        auto ex = weft::get_executor();
        asio::ip::tcp::acceptor acceptor(ex, {asio::ip::address_v4::loopback(), 0});
        weft::with_nursery([&](weft::nursery& n) {
            n.start_soon("client", [&] {
                asio::ip::tcp::socket s(ex);
                s.async_connect(acceptor.local_endpoint(), weft::use_fiber);
                asio::async_write(s, asio::buffer("hello", 5), weft::use_fiber);
            });
            asio::ip::tcp::socket peer = acceptor.async_accept(weft::use_fiber);
            std::array<char, 5> text{};
            BOOST_TEST(asio::async_read(peer, asio::buffer(text), weft::use_fiber) == 5u);
            BOOST_TEST(std::string(text.data(), 5) == "hello");
        });
    });
}

BOOST_AUTO_TEST_CASE(reference_arguments_are_copied_before_the_handler_returns) {
    run_checked([] {
        auto init = [](auto handler) {
            asio::post(weft::get_executor(), [h = std::move(handler)]() mutable {
                std::string text = "a text that is too long to be stored inside the string itself";
                std::move(h)(error_code(), text, static_cast<std::string const&>(text));
                text.assign(text.size(), '#');
            });
        };
        auto [x, y] = asio::async_initiate<weft::use_fiber_t const, void(error_code, std::string&, std::string const&)>(init, weft::use_fiber);
        static_assert(std::is_same_v<decltype(x), std::string>);
        BOOST_TEST(x == "a text that is too long to be stored inside the string itself");
        BOOST_TEST(y == x);
    });
}

BOOST_AUTO_TEST_CASE(qualified_signatures_are_accepted) {
    run_checked([] {
        BOOST_TEST((async_give<void(error_code, int) noexcept>(weft::use_fiber, fine, 1) == 1));
        BOOST_TEST((async_give<void(error_code, int) &>(weft::use_fiber, fine, 2) == 2));
        BOOST_TEST((async_give<void(error_code, int) &&>(weft::use_fiber, fine, 3) == 3));
        BOOST_TEST((async_give<void(error_code, int) & noexcept>(weft::use_fiber, fine, 4) == 4));
        BOOST_TEST((async_give<void(error_code, int) && noexcept>(weft::use_fiber, fine, 5) == 5));
        BOOST_TEST(thrown_code([] { async_give<void(error_code) noexcept>(weft::use_fiber, refused); }) == refused);
    });
}

BOOST_AUTO_TEST_CASE(of_several_signatures_the_one_that_completed_is_the_variant_s_alternative) {
    run_checked([] {
        auto give = [](auto... a) { return async_give<void(error_code, int), void(error_code, std::string), void()>(weft::use_fiber, std::move(a)...); };
        auto number = give(fine, 42);
        static_assert(std::is_same_v<decltype(number), std::variant<int, std::string, std::monostate>>);
        BOOST_TEST(std::get<0>(number) == 42);
        BOOST_TEST(std::get<1>(give(fine, std::string("text"))) == "text");
        BOOST_TEST(give().index() == 2u);
        BOOST_TEST(thrown_code([&] { give(refused, 42); }) == refused);
    });
}

BOOST_AUTO_TEST_CASE(the_initiation_and_its_arguments_may_be_move_only_and_the_initiation_is_called_once) {
    run_checked([] {
        int calls = 0;
        auto n = asio::async_initiate<weft::use_fiber_t const, void(error_code, int)>(
            [&calls, own = std::make_unique<int>(1)](auto handler, std::unique_ptr<int> p) {
                ++calls;
                asio::post(weft::get_executor(), [h = std::move(handler), v = *own + *p]() mutable { std::move(h)(error_code(), v); });
            },
            weft::use_fiber, std::make_unique<int>(2));
        BOOST_TEST(n == 3);
        BOOST_TEST(calls == 1);
    });
}

// --- the [ec] form and Asio's adapters ---

BOOST_AUTO_TEST_CASE(the_ec_form_reports_the_error_and_returns_the_values) {
    run_checked([] {
        error_code ec = refused;
        BOOST_TEST((async_give<void(error_code, int)>(weft::use_fiber[ec], fine, 42) == 42));
        BOOST_TEST(!ec);
        BOOST_TEST((async_give<void(error_code, int)>(weft::use_fiber[ec], refused, 3) == 3));
        BOOST_TEST(ec == refused);
        async_give<void(error_code)>(weft::use_fiber[ec], fine);
        BOOST_TEST(!ec);
        auto [a, b] = async_give<void(error_code, int, char)>(weft::use_fiber[ec], error_code(asio::error::eof), 1, 'b');
        BOOST_TEST(ec == asio::error::eof);
        BOOST_TEST((a == 1 && b == 'b'));
    });
}

BOOST_AUTO_TEST_CASE(the_ec_form_still_throws_what_an_exception_ptr_holds) {
    run_checked([] {
        error_code ec;
        BOOST_CHECK_THROW(async_give<void(std::exception_ptr)>(weft::use_fiber[ec], std::make_exception_ptr(std::range_error("x"))), std::range_error);
    });
}

BOOST_AUTO_TEST_CASE(as_tuple_returns_the_error_beside_the_values) {
    run_checked([] {
        auto [e, n] = async_give<void(error_code, int)>(asio::as_tuple(weft::use_fiber), refused, 42);
        BOOST_TEST(e == refused);
        BOOST_TEST(n == 42);
        auto [only] = async_give<void(error_code)>(asio::as_tuple(weft::use_fiber), fine);
        BOOST_TEST(!only);
        asio::steady_timer t(weft::get_executor(), 0s);
        auto [te] = t.async_wait(asio::as_tuple(weft::use_fiber));
        BOOST_TEST(!te);
    });
}

BOOST_AUTO_TEST_CASE(redirect_error_stores_the_error_and_returns_the_values) {
    run_checked([] {
        error_code ec;
        BOOST_TEST((async_give<void(error_code, int)>(asio::redirect_error(weft::use_fiber, ec), refused, 42) == 42));
        BOOST_TEST(ec == refused);
        async_give<void(error_code)>(asio::redirect_error(weft::use_fiber, ec), fine);
        BOOST_TEST(!ec);
    });
}

BOOST_AUTO_TEST_CASE(bind_executor_works_around_the_token) {
    run_checked([] {
        BOOST_TEST((async_give<void(error_code, int)>(asio::bind_executor(weft::get_executor(), weft::use_fiber), fine, 42) == 42));
        asio::steady_timer t(weft::get_executor(), 0s);
        t.async_wait(asio::bind_executor(asio::make_strand(weft::get_executor()), weft::use_fiber));
        BOOST_TEST(thrown_code([] { async_give<void(error_code)>(asio::bind_executor(weft::get_executor(), weft::use_fiber), refused); }) == refused);
    });
}

BOOST_AUTO_TEST_CASE(use_fiber_can_be_an_object_s_default_token) {
    run_checked([] {
        auto timer = weft::use_fiber.as_default_on(asio::steady_timer(weft::get_executor(), 0s));
        timer.async_wait();
        using socket_type = weft::use_fiber_t::as_default_on_t<local::socket>;
        socket_type a(weft::get_executor()), b(weft::get_executor());
        asio::local::connect_pair(a, b);
        char out = 'x', in = 0;
        BOOST_TEST(a.async_write_some(asio::buffer(&out, 1)) == 1u);
        BOOST_TEST(b.async_read_some(asio::buffer(&in, 1)) == 1u);
        BOOST_TEST(in == 'x');
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                   weft::use_fiber_t::executor_with_default<asio::io_context::executor_type>> direct(weft::get_executor(), 0s);
        direct.async_wait();
    });
}

BOOST_AUTO_TEST_CASE(a_deferred_operation_is_started_by_use_fiber) {
    run_checked([] {
        asio::steady_timer t(weft::get_executor(), 0s);
        auto wait = t.async_wait(asio::deferred);
        std::move(wait)(weft::use_fiber);
        auto give = async_give<void(error_code, int)>(asio::deferred, fine, 42);
        BOOST_TEST(std::move(give)(weft::use_fiber) == 42);
        error_code ec;
        auto fails = async_give<void(error_code, int)>(asio::deferred, refused, 1);
        std::move(fails)(weft::use_fiber[ec]);
        BOOST_TEST(ec == refused);
    });
}

BOOST_AUTO_TEST_CASE(a_composed_operation_completes_like_one_of_asio_s) {
    run_checked([] {
        both_ends s;
        auto transfer = [&](char const* text, auto&& token) {
            return asio::async_compose<decltype(token), void(error_code, std::size_t)>(
                [&, text, in = std::make_unique<std::array<char, 3>>(), step = 0](auto& self, error_code e = {}, std::size_t n = 0) mutable {
                    if (e) { self.complete(e, n); return; }
                    switch (step++) {
                        case 0: asio::async_write(s.a, asio::buffer(text, 3), std::move(self)); return;
                        case 1: { auto b = asio::buffer(*in); asio::async_read(s.b, b, std::move(self)); return; }
                        default: self.complete(e, n * 100 + static_cast<std::size_t>((*in)[0]));
                    }
                },
                token, s.a, s.b);
        };
        BOOST_TEST(transfer("abc", weft::use_fiber) == 300u + 'a');
        s.a.close();
        BOOST_TEST(thrown_code([&] { transfer("abc", weft::use_fiber); }) == asio::error::bad_descriptor);
    });
}

BOOST_AUTO_TEST_CASE(a_parallel_group_returns_its_order_and_all_results) {
    run_checked([] {
        asio::steady_timer now(weft::get_executor(), 0s), later(weft::get_executor(), 1h);
        auto [order, first, second] = asio::experimental::make_parallel_group(
            later.async_wait(asio::deferred), now.async_wait(asio::deferred)).async_wait(asio::experimental::wait_for_one(), weft::use_fiber);
        BOOST_TEST(order[0] == 1u);
        BOOST_TEST(first == asio::error::operation_aborted);
        BOOST_TEST(!second);
    });
}

// --- errors ---

BOOST_AUTO_TEST_CASE(an_error_is_thrown_on_the_task_s_stack_as_system_error_with_its_code) {
    run_checked([] {
        int destroyed = 0;
        struct count { int& n; ~count() { ++n; } };
        error_code caught;
        try {
            count c{destroyed};
            async_give<void(error_code, int)>(weft::use_fiber, refused, 0);
        } catch (boost::system::system_error const& e) {
            caught = e.code();
            BOOST_TEST(destroyed == 1);
            weft::checkpoint();  // this is a task, not a callback
        }
        BOOST_TEST(caught == refused);
        BOOST_TEST((caught.category() == boost::system::system_category()));
    });
}

// rule 128
BOOST_AUTO_TEST_CASE(an_exception_ptr_is_rethrown_as_itself) {
    run_checked([] {
        auto p = std::make_exception_ptr(std::range_error("out of it"));
        std::exception_ptr same;
        try { async_give<void(std::exception_ptr, int)>(weft::use_fiber, p, 0); }
        catch (std::range_error const& e) { same = std::current_exception(); BOOST_TEST(std::string(e.what()) == "out of it"); }
        BOOST_TEST((same == p));
    });
}

BOOST_AUTO_TEST_CASE(a_failed_connect_and_an_end_of_file_report_asio_s_codes) {
    run_checked([] {
        auto ex = weft::get_executor();
        asio::ip::tcp::endpoint nobody;
        {
            asio::ip::tcp::acceptor taken(ex, {asio::ip::address_v4::loopback(), 0});
            nobody = taken.local_endpoint();
        }
        asio::ip::tcp::socket s(ex);
        BOOST_TEST(thrown_code([&] { s.async_connect(nobody, weft::use_fiber); }) == asio::error::connection_refused);
        both_ends p;
        p.a.close();
        char c;
        BOOST_TEST(thrown_code([&] { p.b.async_read_some(asio::buffer(&c, 1), weft::use_fiber); }) == asio::error::eof);
    });
}

BOOST_AUTO_TEST_CASE(what_the_initiation_throws_leaves_the_call_and_the_task_goes_on) {
    run_checked([] {
        auto init = [](auto) { throw std::logic_error("not today"); };
        BOOST_CHECK_THROW((asio::async_initiate<weft::use_fiber_t const, void(error_code)>(init, weft::use_fiber)), std::logic_error);
        BOOST_TEST(async_give<void(int)>(weft::use_fiber, 1) == 1);
    });
}

BOOST_AUTO_TEST_CASE(what_moving_the_result_throws_reaches_the_handler_s_caller_and_the_task_is_not_left_waiting) {
    struct bomb {
        bool armed = false;
        bomb() = default;
        bomb(bomb&& o) : armed(o.armed) { if (armed) throw std::domain_error("boom"); }
    };
    run_checked([] {
        bool caller_saw = false;
        auto init = [&](auto handler) {
            asio::post(weft::get_executor(), [&, h = std::move(handler)]() mutable {
                bomb b;
                b.armed = true;
                try { std::move(h)(std::move(b)); } catch (std::domain_error const&) { caller_saw = true; }
            });
        };
        BOOST_CHECK_THROW((asio::async_initiate<weft::use_fiber_t const, void(bomb)>(init, weft::use_fiber)), weft::abandoned_error);
        BOOST_TEST(caller_saw);
    });
}

BOOST_AUTO_TEST_SUITE_END()
