// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_DETAIL_TLS_ENGINE_HPP
#define WEFT_NET_DETAIL_TLS_ENGINE_HPP

#include <weft/net/tls_context.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

struct ssl_st;
struct x509_store_ctx_st;

namespace weft::detail {

struct tls_bio;

/// The first buffers of a sequence that have a size, as many as one step takes.
template <class Buffer>
struct tls_buffers {
    static constexpr std::size_t most = 16;
    std::array<Buffer, most> of;
    std::size_t count{};
    template <class Sequence>
    explicit tls_buffers(Sequence const& s) {
        auto end = boost::asio::buffer_sequence_end(s);
        for (auto i = boost::asio::buffer_sequence_begin(s); i != end && count < most; ++i) {
            if (Buffer b(*i); b.size() > 0) of[count++] = b;
        }
    }
    std::span<Buffer const> get() const noexcept { return {of.data(), count}; }
};

/// One TLS connection without its transport: bytes that have come are put in, bytes to be sent are taken out. No step ever blocks or
/// switches tasks, so OpenSSL's queue of errors, which is the thread's, holds within a step this connection's only: it is empty before
/// and after each.
class tls_engine {
public:
    enum class want : unsigned char { nothing, input };

    tls_engine(std::shared_ptr<tls_context_data const> context, bool server, std::string peer);
    ~tls_engine();
    tls_engine(tls_engine const&) = delete;

    want handshake(boost::system::error_code& e);
    /// Fills the buffers from what has come; input: there was nothing.
    want read(std::span<boost::asio::mutable_buffer const> to, boost::system::error_code& e, std::size_t& n);
    /// Takes a part, at least a byte, and makes output of it.
    void write(std::span<boost::asio::const_buffer const> from, boost::system::error_code& e, std::size_t& n);
    /// Makes output of a close_notify, once.
    void shutdown(boost::system::error_code& e);

    /// Where the transport's next bytes go. Only when a step wants input.
    boost::asio::mutable_buffer input_space();
    void input_arrived(std::size_t n) noexcept { in_end_ += n; }
    void input_ended() noexcept { ended_ = true; }

    bool has_output() const noexcept { return sent_ < sending_.size() || !pending_.empty(); }
    /// What is to be sent next; it stays where it is until it was sent, whatever steps come meanwhile.
    boost::asio::const_buffer output();
    void sent(std::size_t n) noexcept;

    bool broken() const noexcept { return failed_; }
    bool shutdown_sent() const noexcept;
    /// What a handshake's end with this code means.
    [[noreturn]] void throw_handshake_error(boost::system::error_code const& e) const;

    std::string alpn() const;
    std::string cipher() const;
    std::string server_name() const;
    tls_version version() const;
    bool resumed() const noexcept;
    std::optional<tls_certificate> peer_certificate() const;
    ssl_st* native_handle() const noexcept { return ssl_; }

private:
    friend struct tls_bio;
    boost::system::error_code outcome(int result);
    static int verified(int ok, x509_store_ctx_st* store);
    void check_peer(std::string const& name);

    std::shared_ptr<tls_context_data const> context_;
    ssl_st* ssl_{};
    bool server_;
    bool ended_{};   ///< the transport has
    bool failed_{};  ///< fatally: OpenSSL must not be asked any more
    boost::system::error_code late_;           ///< an error that came behind data, for the next read
    std::unique_ptr<char[]> input_;
    std::size_t in_begin_{}, in_end_{};        ///< of input_: what OpenSSL has not taken yet
    std::string pending_;                      ///< OpenSSL appends here
    std::string sending_;                      ///< immutable while the transport may read it
    std::size_t sent_{};                       ///< of sending_
    std::unique_ptr<char[]> scratch_;          ///< where small buffers become one record
    std::string peer_;                         ///< for messages: the server's name; empty for a server
    long verify_error_{};                      ///< the first fault of the peer's chain, X509_V_OK if none
    std::string verify_subject_;               ///< of the certificate that has it
    std::string verify_detail_;                ///< its names or dates
};

}  // namespace weft::detail

#endif
