// SPDX-License-Identifier: BSL-1.0
// restinio, an HTTP server of callbacks that was written for Asio alone, on a run's io_context: requests are answered by tasks.
#include "fixture.hpp"

#include <weft/asio.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <restinio/all.hpp>

using namespace weft_test;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

struct traits : restinio::default_single_thread_traits_t {
    using request_handler_t = std::function<restinio::request_handling_status_t(restinio::request_handle_t)>;
};

asio::io_context& the_context() { return static_cast<asio::io_context&>(asio::query(weft::get_executor(), asio::execution::context)); }

/// A keep-alive request in blocking style; the body of the answer.
std::string get(tcp::socket& s, std::string const& target) {
    asio::async_write(s, asio::buffer("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"), weft::use_fiber);
    std::string answer;
    asio::async_read_until(s, asio::dynamic_buffer(answer), "!", weft::use_fiber);  // each body ends in one
    auto body = answer.find("\r\n\r\n");
    return answer.substr(body + 4);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(restinio_library)

BOOST_AUTO_TEST_CASE(its_requests_are_answered_by_tasks_that_block_and_a_graceful_end_answers_them_all) {
    weft::run([] {
        int answered = 0, right = 0;
        weft::with_nursery([&](weft::nursery& n) {
            std::uint16_t port = 0;
            {   // a free one
                tcp::acceptor probe(weft::get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
                port = probe.local_endpoint().port();
            }
            restinio::http_server_t<traits> server(restinio::external_io_context(the_context()), [&](auto& settings) {
                settings.address("127.0.0.1").port(port).request_handler([&](restinio::request_handle_t request) {
                    n.start_soon([&, request] {
                        weft::this_task::sleep_for(1ms);
                        request->create_response().set_body(std::string(request->header().path()) + "!").done();
                        ++answered;
                    });
                    return restinio::request_accepted();
                });
            });
            weft::suspend_with<>([&](auto opened) { server.open_async([opened] { opened(); }, [opened](std::exception_ptr) { opened(); }); });
            weft::with_nursery([&](weft::nursery& clients) {
                for (int c = 0; c < 8; ++c) clients.start_soon([&, c] {
                    tcp::socket s(weft::get_executor());
                    s.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), port), weft::use_fiber);
                    for (int i = 0; i < 4; ++i) {
                        std::string target = "/" + std::to_string(c) + "/" + std::to_string(i);
                        if (get(s, target) == target + "!") ++right;
                    }
                });
            });
            weft::suspend_with<>([&](auto closed) { server.close_async([closed] { closed(); }, [closed](std::exception_ptr) { closed(); }); });
            weft::this_task::sleep_for(1ms);  // its connections end in callbacks of their own
        });
        BOOST_TEST(answered == 32);
        BOOST_TEST(right == 32);
    });
}

BOOST_AUTO_TEST_SUITE_END()
