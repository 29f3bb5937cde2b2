// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_TLS_HPP
#define WEFT_NET_TLS_HPP

#include <weft/net/connect.hpp>
#include <weft/net/serve.hpp>
#include <weft/net/tls_context.hpp>
#include <weft/net/tls_error.hpp>
#include <weft/net/tls_stream.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

// Programs that use it link weft_tls, and OpenSSL's ssl and crypto, before weft.
namespace weft {

/// Connects to a host, shakes hands, and checks that the certificate is the host's and comes from somebody trusted.
///
///     weft::tls_stream s = weft::fail_after(10s, [] { return weft::tls_connect("example.org", 443, {.alpn = {"http/1.1"}}); });
///
/// For many connections make a tls_client_context once: authorities and sessions are in it.
/// Blocks:       always a checkpoint.
/// Cancellation: closes the connection.
/// Throws:       tls_error, which says what is wrong with whose certificate and what to do about it; as connect_tcp; cancelled.
tls_stream<boost::asio::ip::tcp::socket> tls_connect(std::string const& host, std::uint16_t port, tls_client_options const& options = {});
/// The server's name is the context's, or the host.
tls_stream<boost::asio::ip::tcp::socket> tls_connect(std::string const& host, std::uint16_t port, tls_client_context const& context, connect_options const& how = {});

/// TLS as a client on a connection that is there: any stream of Asio's, a proxy's tunnel, after STARTTLS. server_name: the context's, if empty.
/// Blocks: always a checkpoint.    Cancellation, and every error: the transport is closed.    Throws: tls_error; misuse_error without any name; cancelled.
template <class Stream>
    requires(!std::is_lvalue_reference_v<Stream>)
tls_stream<Stream> tls_handshake_client(Stream&& transport, tls_client_context const& context, std::string server_name = {}) {
    if (server_name.empty()) server_name = context.server_name();
    tls_stream<Stream> s(std::forward<Stream>(transport), context.data(), false, std::move(server_name));
    s.handshake();
    return s;
}
template <class Stream>
    requires(!std::is_lvalue_reference_v<Stream>)
tls_stream<Stream> tls_handshake_client(Stream&& transport, tls_client_options const& options) {
    return tls_handshake_client(std::forward<Stream>(transport), tls_client_context(options));
}

/// TLS as a server on a connection that was accepted. A client that does not go on holds it for ever: put a time limit around it.
/// Blocks, is cancelled and throws as tls_handshake_client.
template <class Stream>
    requires(!std::is_lvalue_reference_v<Stream>)
tls_stream<Stream> tls_handshake_server(Stream&& transport, tls_server_context const& context) {
    tls_stream<Stream> s(std::forward<Stream>(transport), context.data(), true, {});
    s.handshake();
    return s;
}

struct serve_tls_options {
    serve_options connections{};                                ///< those in a handshake count too
    duration handshake_limit{std::chrono::seconds(10)};         ///< a client that takes longer is closed
    std::function<void(std::exception_ptr)> on_handshake_error{};  ///< told of clients that failed (tls_error, too_slow_error); they never end the server
};

namespace detail {
template <class Handler>
void serve_tls_connection(boost::asio::ip::tcp::socket socket, tls_server_context const& context, Handler& handler, serve_tls_options const& options) {
    using stream = tls_stream<boost::asio::ip::tcp::socket>;
    std::optional<stream> s;
    try {
        s.emplace(fail_after(options.handshake_limit, [&] { return tls_handshake_server(std::move(socket), context); }));
    } catch (error const&) {
        if (options.on_handshake_error) options.on_handshake_error(std::current_exception());
        return;
    }
    if constexpr (std::is_invocable_v<Handler&, stream&>) {
        handler(*s);
        if (s->is_open()) s->close();
    } else {
        handler(std::move(*s));
    }
}
}  // namespace detail

/// serve_tcp with TLS: handler(tls_stream<tcp::socket>&) for each connection, which is closed in order when the handler returns; or
/// handler(tls_stream<tcp::socket>), which closes it itself.
///
///     weft::tls_server_context const context({.identity = {.chain = weft::tls_pem::file("chain.pem"), .key = weft::tls_pem::file("key.pem")}});
///     weft::serve_tls({tcp::v4(), 443}, context, [](auto& stream) { talk(stream); });
///
/// Blocks, cancellation, stop, throws, `started`: as serve_tcp.
template <class Handler>
void serve_tls(boost::asio::ip::tcp::endpoint const& at, tls_server_context const& context, Handler handler, serve_tls_options const& options = {},
               task_status<boost::asio::ip::tcp::endpoint>* started = nullptr) {
    serve_tcp(at, [&](boost::asio::ip::tcp::socket s) { detail::serve_tls_connection(std::move(s), context, handler, options); }, options.connections, started);
}

}  // namespace weft

#endif
