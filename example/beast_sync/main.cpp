// SPDX-License-Identifier: BSL-1.0
// A synchronous HTTP server on Beast: a task for each connection, plain blocking calls. SIGTERM or Ctrl-C ends it: nobody is accepted any more,
// requests under way are answered, and after 3 seconds what is left is cancelled. threaded.cpp is what it was.
#include <weft/net/serve.hpp>
#include <weft/net/signals.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <cstdio>
#include <string>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

http::response<http::string_body> answer(http::request<http::string_body> const& request) {
    if (request.target() == "/slow") weft::this_task::sleep_for(100ms);  // what it asks takes its time
    http::response<http::string_body> response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    response.keep_alive(request.keep_alive());
    response.body() = "hello " + std::string(request.target()) + "\n";
    response.prepare_payload();
    return response;
}

void session(tcp::socket socket) {
    boost::beast::flat_buffer buffer;
    boost::system::error_code ec;
    while (!weft::stop_requested()) {
        http::request<http::string_body> request;
        http::async_read(socket, buffer, request, weft::use_fiber[ec]);
        if (ec) break;
        auto response = answer(request);
        http::async_write(socket, response, weft::use_fiber[ec]);
        if (ec || !response.keep_alive()) break;
    }
    socket.shutdown(tcp::socket::shutdown_send, ec);
}

void serve(tcp::acceptor& acceptor) {
    weft::with_signals({SIGINT, SIGTERM}, [&](weft::signal_receiver& signals) {
        weft::with_nursery([&](weft::nursery& server) {
            server.start_soon("accept", [&] { weft::serve(acceptor, session); });
            signals.receive();
            server.shutdown(3s);
        });
    });
}

int main(int argc, char** argv) {
    weft::run([&] {
        auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8080);
        tcp::acceptor acceptor(weft::get_executor(), {asio::ip::address_v4::loopback(), port});
        std::printf("listening on 127.0.0.1:%d\n", acceptor.local_endpoint().port());
        std::fflush(stdout);
        serve(acceptor);
    });
}
