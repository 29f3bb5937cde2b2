// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_DETAIL_TLS_OPERATION_HPP
#define WEFT_NET_DETAIL_TLS_OPERATION_HPP

#include <weft/net/detail/tls_engine.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <utility>

namespace weft::detail {

/// A transport and the engine above it. Counted by the stream and by each operation under way, so that a stream which is destroyed or
/// moved meanwhile leaves nothing dangling.
template <class Stream>
struct tls_connection {
    tls_connection(Stream&& s, std::shared_ptr<tls_context_data const> context, bool server, std::string peer)
        : stream(std::move(s)), engine(std::move(context), server, std::move(peer)) {}

    Stream stream;
    tls_engine engine;
    bool reading{}, writing{};  // an operation of that direction is under way
    bool closed{};              // by this side

    /// The transport's end is told apart from the peer's, which the engine knows.
    boost::system::error_code meaning(boost::system::error_code const& e) {
        if (closed) return tls_errc::closed;
        if (e != boost::asio::error::eof) return e;
        engine.input_ended();
        return tls_errc::truncated;
    }
    /// Takes what has come from a socket, which would reset the connection if it were closed with unread input, and so lose what was sent.
    void discard_input() noexcept {
        if constexpr (requires(boost::system::error_code& e) { stream.available(e); stream.read_some(boost::asio::mutable_buffer(), e); }) {
            char rest[4096];
            boost::system::error_code e;
            for (int i = 0; i < 64 && !e && stream.available(e) > 0; ++i) stream.read_some(boost::asio::buffer(rest), e);
        }
    }
    /// Lets the transport go, whatever it is.
    void release() noexcept {
        closed = true;
        boost::system::error_code ignored;
        if constexpr (requires { stream.lowest_layer().close(ignored); }) stream.lowest_layer().close(ignored);
        else if constexpr (requires { stream.close(ignored); }) stream.close(ignored);
        else stream.close();
    }
};

// Reading never writes and writing never reads: what a read has to answer goes out with the next write (a TLS 1.3 key update) or with
// close (an alert). So neither can wait for the other, and a peer that does not read cannot stop this side from reading.

/// One read. Either it has taken bytes from the engine, or it has left them there for the next one.
template <class Stream, class Buffers>
struct tls_read_op {
    enum class stage : unsigned char { begin, received, end };
    std::shared_ptr<tls_connection<Stream>> c;
    Buffers buffers;
    stage at{stage::begin};
    boost::system::error_code result{};
    std::size_t n{};

    template <class Self>
    void operator()(Self& self, boost::system::error_code e = {}, std::size_t got = 0) {
        auto& k = *c;
        switch (at) {
            case stage::begin:
                self.reset_cancellation_state(boost::asio::enable_total_cancellation());
                if (k.reading || k.closed) {
                    result = k.closed ? tls_errc::closed : tls_errc::busy;
                    return later(self);
                }
                if (boost::asio::buffer_size(buffers) == 0 || step(k)) return later(self);
                k.reading = true;
                break;
            case stage::received:
                if (e) {
                    k.reading = false;
                    return self.complete(k.meaning(e), 0);
                }
                k.engine.input_arrived(got);
                if (step(k)) {
                    k.reading = false;
                    return self.complete(result, n);
                }
                if (self.get_cancellation_state().cancelled() != boost::asio::cancellation_type::none) {
                    k.reading = false;
                    return self.complete(boost::asio::error::operation_aborted, 0);
                }
                break;
            case stage::end: return self.complete(result, n);
        }
        at = stage::received;
        k.stream.async_read_some(k.engine.input_space(), std::move(self));
    }

private:
    bool step(tls_connection<Stream>& k) {
        tls_buffers<boost::asio::mutable_buffer> to(buffers);
        return k.engine.read(to.get(), result, n) == tls_engine::want::nothing;
    }
    // Not within the initiation.
    template <class Self>
    void later(Self& self) {
        at = stage::end;
        auto ex = c->stream.get_executor();
        boost::asio::post(ex, std::move(self));
    }
};

/// One write, or a close_notify: what an earlier one has left goes first, then Step makes output, and that goes. Cancelled in between, it
/// reports what the engine has taken; the rest of the output goes with the next one, so that the connection stays whole.
template <class Stream, class Step>
struct tls_write_op {
    enum class stage : unsigned char { begin, sent, end };
    std::shared_ptr<tls_connection<Stream>> c;
    Step make;
    stage at{stage::begin};
    bool made{};
    boost::system::error_code result{};
    std::size_t n{};

    template <class Self>
    void operator()(Self& self, boost::system::error_code e = {}, std::size_t sent = 0) {
        auto& k = *c;
        switch (at) {
            case stage::begin:
                self.reset_cancellation_state(boost::asio::enable_partial_cancellation());
                if (k.writing || k.closed) {
                    result = k.closed ? tls_errc::closed : tls_errc::busy;
                    return later(self);
                }
                break;
            case stage::sent:
                if (!e) {
                    k.engine.sent(sent);
                    if ((!made || k.engine.has_output()) && self.get_cancellation_state().cancelled() != boost::asio::cancellation_type::none) e = boost::asio::error::operation_aborted;
                }
                if (e || (made && !k.engine.has_output())) {
                    k.writing = false;
                    return finish(self, e ? (k.closed ? boost::system::error_code(tls_errc::closed) : e) : result);
                }
                break;
            case stage::end: return finish(self, result);
        }
        if (!made && !k.engine.has_output()) {
            made = true;
            make(k.engine, result, n);
        }
        if (result || !k.engine.has_output()) {
            bool within_initiation = at == stage::begin;
            k.writing = false;
            return within_initiation ? later(self) : finish(self, result);
        }
        k.writing = true;
        at = stage::sent;
        k.stream.async_write_some(k.engine.output(), std::move(self));
    }

private:
    template <class Self>
    void finish(Self& self, boost::system::error_code const& e) {
        if constexpr (Step::counts) self.complete(e, n);
        else self.complete(e);
    }
    template <class Self>
    void later(Self& self) {
        at = stage::end;
        auto ex = c->stream.get_executor();
        boost::asio::post(ex, std::move(self));
    }
};

template <class Buffers>
struct tls_write_step {
    static constexpr bool counts = true;
    Buffers buffers;
    void operator()(tls_engine& engine, boost::system::error_code& e, std::size_t& n) {
        tls_buffers<boost::asio::const_buffer> from(buffers);
        engine.write(from.get(), e, n);
    }
};

struct tls_shutdown_step {
    static constexpr bool counts = false;
    void operator()(tls_engine& engine, boost::system::error_code& e, std::size_t&) { engine.shutdown(e); }
};

/// A close_notify if it makes sense still.
struct tls_close_step {
    static constexpr bool counts = false;
    void operator()(tls_engine& engine, boost::system::error_code& e, std::size_t&) { if (!engine.broken()) engine.shutdown(e); }
};

}  // namespace weft::detail

#endif
