// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_TLS_STREAM_HPP
#define WEFT_NET_TLS_STREAM_HPP

#include <weft/asio/use_fiber.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/net/detail/tls_operation.hpp>
#include <weft/task/timeouts.hpp>

#include <boost/asio/compose.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace boost::beast { enum class role_type; }

namespace weft {

/// A stream of bytes through TLS. Made by a handshake; owns its transport. For use_fiber and every other token, and for libraries that
/// take Asio's AsyncReadStream and AsyncWriteStream, as Beast.
///
///     weft::tls_stream stream = weft::tls_connect("example.org", 443);
///     boost::asio::async_write(stream, boost::asio::buffer("hello"), weft::use_fiber);
///     stream.close();
///
/// Reads and writes may run side by side, one task each; a second one of the same direction is tls_errc::busy.
/// Cancellation: leaves the connection whole. A read loses no byte. A write that had to wait may have been taken in part or in whole: the
///               [ec] form returns how much; the connection goes on with what comes next, or with close().
/// Errors:       asio::error::eof after the peer's close_notify; tls_errc; OpenSSL's (tls_library_category); the transport's.
/// Destruction:  closes the transport without a close_notify, which the peer can tell from a clean end: call close().
/// Threads:      as its transport.    Hazard: of a sequence of buffers a step takes at most 16, as read_some may.
template <class Stream>
class tls_stream {
public:
    using next_layer_type = Stream;
    using executor_type = typename Stream::executor_type;

    tls_stream(tls_stream&&) noexcept = default;  ///< also while operations are under way
    tls_stream& operator=(tls_stream&& o) noexcept {
        if (this != &o) { destroy(); c_ = std::move(o.c_); }
        return *this;
    }
    ~tls_stream() { destroy(); }

    executor_type get_executor() { return use().stream.get_executor(); }
    Stream& next_layer() { return use().stream; }
    auto& lowest_layer() requires requires(Stream& s) { s.lowest_layer(); } { return use().stream.lowest_layer(); }

    /// Signature: void(error_code, std::size_t).    Cancellation: total, partial and terminal.
    template <class Buffers, class Token = boost::asio::default_completion_token_t<executor_type>>
    auto async_read_some(Buffers const& to, Token&& token = Token()) {
        use();
        return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(detail::tls_read_op<Stream, Buffers>{c_, to}, token, c_->stream);
    }
    /// Up to 64 KiB at a time. Signature: void(error_code, std::size_t).    Cancellation: partial and terminal.
    template <class Buffers, class Token = boost::asio::default_completion_token_t<executor_type>>
    auto async_write_some(Buffers const& from, Token&& token = Token()) {
        use();
        return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(detail::tls_write_op<Stream, detail::tls_write_step<Buffers>>{c_, {from}}, token, c_->stream);
    }
    /// Sends a close_notify: nothing can be written after it, but what the peer sends can be read to its end. Does not wait for the peer's,
    /// unlike Asio's. Signature: void(error_code).    Cancellation: partial and terminal; it may be called again.
    template <class Token = boost::asio::default_completion_token_t<executor_type>>
    auto async_shutdown(Token&& token = Token()) {
        use();
        return boost::asio::async_compose<Token, void(boost::system::error_code)>(detail::tls_write_op<Stream, detail::tls_shutdown_step>{c_, {}}, token, c_->stream);
    }

    /// Sends what is left and a close_notify, for at most `limit`, and closes the transport; a peer that has gone is no error. Again: nothing.
    /// Blocks:       always a checkpoint. Does not wait for the peer's close_notify.
    /// Cancellation: closes the transport in any case, and then raises (rule 121). Other operations on it end with tls_errc::closed.
    void close(duration limit = std::chrono::seconds(5)) {
        auto& k = use();
        struct last { detail::tls_connection<Stream>& k; ~last() { k.release(); } };
        if (!k.closed) {
            last release{k};
            if (!k.writing) move_on_after(limit, [&] { finish(); });  // a write under way would be cut in any case
            if (!k.reading) k.discard_input();
        }
        checkpoint();
    }
    bool is_open() const noexcept { return c_ && !c_->closed; }

    // What was agreed. None of these blocks.
    std::string alpn() const { return use().engine.alpn(); }                ///< the protocol; empty: none was agreed on
    tls_version version() const { return use().engine.version(); }
    std::string cipher() const { return use().engine.cipher(); }            ///< OpenSSL's name of it
    std::string server_name() const { return use().engine.server_name(); }  ///< what the client asked for (SNI); empty: no name
    bool resumed() const { return use().engine.resumed(); }                 ///< from an earlier session
    /// The peer's certificate, which was checked unless accept_any_certificate was set; none from a client that sent none.
    std::optional<tls_certificate> peer_certificate() const { return use().engine.peer_certificate(); }
    /// OpenSSL's object, for what weft does not offer. Hazard: do no I/O with it.
    ssl_st* native_handle() const { return use().engine.native_handle(); }

    /// By tls_handshake_client and tls_handshake_server.
    tls_stream(Stream&& transport, std::shared_ptr<detail::tls_context_data const> context, bool server, std::string peer)
        : c_(std::make_shared<detail::tls_connection<Stream>>(std::move(transport), std::move(context), server, std::move(peer))) {}
    void handshake();

private:
    detail::tls_connection<Stream>& use() const {
        if (!c_) detail::throw_misuse("tls_stream: it was moved from", "use the stream that it was moved to.");
        return *c_;
    }
    void destroy() noexcept { if (c_ && !c_->closed) c_->release(); }
    /// The close_notify, or what is left to tell the peer after a fatal error.
    void finish() {
        boost::system::error_code gone;
        auto token = use_fiber[gone];
        boost::asio::async_compose<use_fiber_t::with_error, void(boost::system::error_code)>(detail::tls_write_op<Stream, detail::tls_close_step>{c_, {}}, token, c_->stream);
        check_cancelled();
    }
    std::shared_ptr<detail::tls_connection<Stream>> c_;  ///< null when moved from
};

/// What Beast's WebSocket asks for at its end; found by the stream's namespace.
template <class Stream, class Handler>
void async_teardown(boost::beast::role_type, tls_stream<Stream>& s, Handler&& handler) { s.async_shutdown(std::forward<Handler>(handler)); }

/// Blocks as the transport does. The cryptography runs on the task and its stack, a millisecond or so.
template <class Stream>
void tls_stream<Stream>::handshake() {
    auto& k = use();
    boost::system::error_code e;
    for (;;) {
        auto wants = k.engine.handshake(e);
        boost::system::error_code io;
        while (!e && k.engine.has_output()) {
            k.engine.sent(k.stream.async_write_some(k.engine.output(), use_fiber[io]));
            if (io) break;
        }
        if (!e && !io && wants == detail::tls_engine::want::nothing) return;
        if (!e && !io) k.engine.input_arrived(k.stream.async_read_some(k.engine.input_space(), use_fiber[io]));
        if (io) {
            check_cancelled();
            e = k.meaning(io);
        }
        if (!e) continue;
        if (k.engine.broken()) move_on_after(std::chrono::seconds(1), [&] { finish(); });  // so that the peer learns why
        k.release();
        k.engine.throw_handshake_error(e);
    }
}

}  // namespace weft

#endif
