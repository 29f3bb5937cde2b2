// SPDX-License-Identifier: BSL-1.0
// A synchronous HTTP server on Beast: a thread for each connection, plain blocking calls.
// main.cpp is the same on weft; `diff threaded.cpp main.cpp` is what became of it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <cstdio>
#include <string>
#include <thread>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

http::response<http::string_body> answer(http::request<http::string_body> const& request) {
    if (request.target() == "/slow") std::this_thread::sleep_for(100ms);  // what it asks takes its time
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
    for (;;) {
        http::request<http::string_body> request;
        http::read(socket, buffer, request, ec);
        if (ec) break;
        auto response = answer(request);
        http::write(socket, response, ec);
        if (ec || !response.keep_alive()) break;
    }
    socket.shutdown(tcp::socket::shutdown_send, ec);
}

void serve(tcp::acceptor& acceptor) {
    for (;;) std::thread(session, acceptor.accept()).detach();  // who ends them?
}

int main(int argc, char** argv) {
    asio::io_context io;
    auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8080);
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), port});
    std::printf("listening on 127.0.0.1:%d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    serve(acceptor);
}
