// SPDX-License-Identifier: BSL-1.0
#include <weft/net/detail/tls_engine.hpp>

#include "net/tls_openssl.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstring>
#include <new>

namespace weft::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::size_t record = 16 * 1024;         // what one TLS record carries at most
constexpr std::size_t input_size = 17 * 1024;     // and what it takes on the wire
constexpr std::size_t most_written = 4 * record;  // by one step: a system call of the transport each
constexpr std::size_t kept_output = 2 * record;   // a larger buffer is not kept for an idle connection
}  // namespace

/// OpenSSL's view of the transport: it takes what has come and leaves what is to be sent. Never throws: its callers are C.
struct tls_bio {
    static int read(BIO* b, char* to, int size) {
        auto& e = *static_cast<tls_engine*>(BIO_get_data(b));
        BIO_clear_retry_flags(b);
        std::size_t n = std::min(static_cast<std::size_t>(size), e.in_end_ - e.in_begin_);
        if (n == 0) { BIO_set_retry_read(b); return -1; }
        std::memcpy(to, e.input_.get() + e.in_begin_, n);
        e.in_begin_ += n;
        return static_cast<int>(n);
    }
    static int write(BIO* b, char const* from, int size) {
        BIO_clear_retry_flags(b);
        try { static_cast<tls_engine*>(BIO_get_data(b))->pending_.append(from, static_cast<std::size_t>(size)); } catch (std::bad_alloc const&) { return -1; }
        return size;
    }
    static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP; }
    static int create(BIO* b) { BIO_set_init(b, 1); return 1; }
    static BIO_METHOD* method() {
        static BIO_METHOD* const m = [] {
            BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft");
            if (!made) throw std::bad_alloc();
            BIO_meth_set_read(made, &read);
            BIO_meth_set_write(made, &write);
            BIO_meth_set_ctrl(made, &control);
            BIO_meth_set_create(made, &create);
            return made;
        }();
        return m;
    }
};

tls_engine::tls_engine(std::shared_ptr<tls_context_data const> context, bool server, std::string peer) : context_(std::move(context)), server_(server), peer_(std::move(peer)) {
    ERR_clear_error();
    std::unique_ptr<SSL, tls_free<&SSL_free>> ssl(SSL_new(context_->main()));
    BIO* bio = ssl ? BIO_new(tls_bio::method()) : nullptr;
    if (!bio) throw std::bad_alloc();
    BIO_set_data(bio, this);
    SSL_set_bio(ssl.get(), bio, bio);
    SSL_set_app_data(ssl.get(), this);
    ssl_ = ssl.get();
    if (server_) {
        SSL_set_accept_state(ssl_);
        if (context_->checks_peer()) SSL_set_verify(ssl_, SSL_get_verify_mode(ssl_), &verified);
    } else {
        SSL_set_connect_state(ssl_);
        check_peer(peer_);
    }
    ERR_clear_error();
    ssl_ = ssl.release();
}

tls_engine::~tls_engine() {
    SSL_free(ssl_);
    ERR_clear_error();
}

// The server's name: sent to it, unless it is an address (RFC 6066), and held against its certificate by OpenSSL itself (RFC 6125).
void tls_engine::check_peer(std::string const& full) {
    std::string name = full.ends_with('.') ? full.substr(0, full.size() - 1) : full;
    error_code not_numeric;
    auto address = asio::ip::make_address(name, not_numeric);
    if (!name.empty() && not_numeric && SSL_set_tlsext_host_name(ssl_, name.c_str()) != 1) throw_misuse("TLS: the server's name is too long", "a host name has at most 255 bytes.");
    if (!context_->checks_peer()) { SSL_set_verify(ssl_, SSL_VERIFY_NONE, nullptr); return; }
    if (name.empty()) throw_misuse("TLS: there is no server name to check the certificate against", "set tls_client_options::server_name to the host that you mean to talk to.");
    X509_VERIFY_PARAM* p = SSL_get0_param(ssl_);
    // The subject's common name is no host name (RFC 9525), though OpenSSL would take it for one where there are no others.
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    int ok;
    if (not_numeric) ok = X509_VERIFY_PARAM_set1_host(p, name.data(), name.size());
    else if (address.is_v4()) { auto b = address.to_v4().to_bytes(); ok = X509_VERIFY_PARAM_set1_ip(p, b.data(), b.size()); }
    else { auto b = address.to_v6().to_bytes(); ok = X509_VERIFY_PARAM_set1_ip(p, b.data(), b.size()); }
    if (ok != 1) throw_misuse("TLS: the server's name cannot be checked", "give a host name or an IP address.");
    SSL_set_verify(ssl_, SSL_VERIFY_PEER, &verified);
}

// Remembers the first fault: when a handshake fails, OpenSSL no longer has the certificate that was refused.
int tls_engine::verified(int ok, X509_STORE_CTX* store) {
    if (ok) return ok;
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* e = ssl ? static_cast<tls_engine*>(SSL_get_app_data(ssl)) : nullptr;
    if (!e || e->verify_error_ != X509_V_OK) return ok;
    e->verify_error_ = X509_STORE_CTX_get_error(store);
    try {
        X509* at = X509_STORE_CTX_get_current_cert(store);
        if (!at) return ok;
        tls_certificate c = describe(at);
        e->verify_subject_ = c.subject.empty() ? "(no subject)" : c.subject;
        switch (e->verify_error_) {
            case X509_V_ERR_CERT_HAS_EXPIRED: e->verify_detail_ = text_of(c.not_after); break;
            case X509_V_ERR_CERT_NOT_YET_VALID: e->verify_detail_ = text_of(c.not_before); break;
            case X509_V_ERR_HOSTNAME_MISMATCH: case X509_V_ERR_IP_ADDRESS_MISMATCH: {
                auto& names = c.dns_names;
                names.insert(names.end(), c.ip_addresses.begin(), c.ip_addresses.end());
                for (std::size_t i = 0; i < names.size(); ++i) e->verify_detail_ += (i == 0 ? "" : ", ") + (i < 20 ? names[i] : "…");
                if (names.size() > 20) e->verify_detail_.resize(e->verify_detail_.find("…") + std::strlen("…"));
                break;
            }
            default: e->verify_detail_ = c.issuer;
        }
    } catch (...) {}  // no memory for the words; the fault stands
    return ok;
}

// --- steps ---

// After a call that did not succeed: no code means that it wants input. Leaves OpenSSL's queue empty.
error_code tls_engine::outcome(int result) {
    int what = SSL_get_error(ssl_, result);
    if (what == SSL_ERROR_WANT_READ) {
        ERR_clear_error();
        return ended_ ? error_code(tls_errc::truncated) : error_code();
    }
    if (what == SSL_ERROR_ZERO_RETURN) { ERR_clear_error(); return asio::error::eof; }
    unsigned long e = ERR_peek_error();
    ERR_clear_error();
    failed_ = true;
    return e ? error_code(static_cast<int>(e), tls_library_category()) : error_code(tls_errc::broken);
}

tls_engine::want tls_engine::handshake(error_code& e) {
    ERR_clear_error();
    int r = SSL_do_handshake(ssl_);
    e = r == 1 ? error_code() : outcome(r);
    return r == 1 || e ? want::nothing : want::input;
}

tls_engine::want tls_engine::read(std::span<asio::mutable_buffer const> to, error_code& e, std::size_t& n) {
    n = 0;
    e = std::exchange(late_, {});
    if (e) return want::nothing;
    if (failed_) { e = tls_errc::broken; return want::nothing; }
    for (asio::mutable_buffer b : to) {
        while (b.size() > 0) {
            std::size_t got = 0, left = pending_.size();
            ERR_clear_error();
            int r = SSL_read_ex(ssl_, b.data(), b.size(), &got);
            if (r == 1) { n += got; b += got; continue; }
            e = outcome(r);
            // All that a read answers, if it is no fatal alert, is that there is no renegotiation. A peer that asks again and again must not make this
            // side collect refusals, nor one that waits for its answer be left alone.
            if (!failed_ && pending_.size() > left) {
                failed_ = true;
                e = tls_errc::renegotiation;
            }
            if (n > 0) late_ = failed_ ? std::exchange(e, {}) : error_code();  // OpenSSL says all but a fatal error again
            if (n > 0) e = {};
            return n > 0 || e ? want::nothing : want::input;
        }
    }
    return want::nothing;
}

void tls_engine::write(std::span<asio::const_buffer const> from, error_code& e, std::size_t& n) {
    n = 0;
    e = failed_ ? error_code(tls_errc::broken) : shutdown_sent() ? error_code(tls_errc::closed) : error_code();
    if (e || from.empty()) return;
    void const* data = from.front().data();
    std::size_t size = std::min(from.front().size(), most_written);
    if (from.size() > 1 && size < record) {  // one record of many small buffers, not one for each
        if (!scratch_) scratch_ = std::make_unique<char[]>(record);
        size = 0;
        for (auto const& b : from) {
            std::size_t part = std::min(b.size(), record - size);
            std::memcpy(scratch_.get() + size, b.data(), part);
            size += part;
        }
        data = scratch_.get();
    }
    ERR_clear_error();
    int r = SSL_write_ex(ssl_, data, size, &n);
    if (r == 1) return;
    e = outcome(r);
    if (!e) { failed_ = true; e = tls_errc::broken; }  // it cannot want input: there is no handshake within a connection
}

void tls_engine::shutdown(error_code& e) {
    e = failed_ ? error_code(tls_errc::broken) : error_code();
    if (e || shutdown_sent()) return;
    ERR_clear_error();
    int r = SSL_shutdown(ssl_);
    if (r < 0) e = outcome(r);
    else ERR_clear_error();
}

bool tls_engine::shutdown_sent() const noexcept { return (SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0; }

// --- bytes ---

asio::mutable_buffer tls_engine::input_space() {
    WEFT_ASSERT(in_begin_ == in_end_, "a TLS connection is given input before it has taken what it has");
    if (!input_) input_.reset(new char[input_size]);
    in_begin_ = in_end_ = 0;
    return asio::buffer(input_.get(), input_size);
}

asio::const_buffer tls_engine::output() {
    if (sent_ == sending_.size()) {
        sending_.clear();
        sending_.swap(pending_);
        sent_ = 0;
    }
    return asio::buffer(sending_) + sent_;
}

void tls_engine::sent(std::size_t n) noexcept {
    sent_ += n;
    if (sent_ == sending_.size() && sending_.capacity() > kept_output) {
        std::string().swap(sending_);
        sent_ = 0;
    }
}

// --- what was agreed ---

std::string tls_engine::alpn() const {
    unsigned char const* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &data, &size);
    return {reinterpret_cast<char const*>(data), size};
}

std::string tls_engine::cipher() const {
    char const* name = SSL_get_cipher_name(ssl_);
    return name ? name : "";
}

std::string tls_engine::server_name() const {
    char const* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
}

tls_version tls_engine::version() const { return SSL_version(ssl_) >= TLS1_3_VERSION ? tls_version::v1_3 : tls_version::v1_2; }
bool tls_engine::resumed() const noexcept { return SSL_session_reused(ssl_) == 1; }

std::optional<tls_certificate> tls_engine::peer_certificate() const {
    x509_ptr x(SSL_get1_peer_certificate(ssl_));
    if (!x) return std::nullopt;
    return describe(x.get());
}

}  // namespace weft::detail
