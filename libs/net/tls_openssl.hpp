// SPDX-License-Identifier: BSL-1.0
// OpenSSL's objects for the files of TLS: owners, and what a context holds.
#ifndef WEFT_LIBS_NET_TLS_OPENSSL_HPP
#define WEFT_LIBS_NET_TLS_OPENSSL_HPP

#include <weft/net/tls_context.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::detail {

template <auto Free>
struct tls_free { template <class T> void operator()(T* p) const noexcept { Free(p); } };
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, tls_free<&SSL_CTX_free>>;
using x509_ptr = std::unique_ptr<X509, tls_free<&X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, tls_free<&EVP_PKEY_free>>;
using bio_ptr = std::unique_ptr<BIO, tls_free<&BIO_free_all>>;

/// OpenSSL's text for the first error of the thread's queue, which is emptied.
std::string take_library_error();

/// Immutable once made, but for what OpenSSL itself locks (sessions). Shared by all connections of a context.
class tls_context_data {
public:
    explicit tls_context_data(tls_client_options const& o);
    explicit tls_context_data(tls_server_options const& o);

    SSL_CTX* main() const noexcept { return main_.get(); }
    std::string const& server_name() const noexcept { return server_name_; }
    bool checks_peer() const noexcept { return checks_peer_; }
    bool has_identity() const noexcept { return has_identity_; }
    /// Whether anybody is trusted at all, for the help of an error.
    bool has_authorities() const noexcept { return has_authorities_; }

private:
    ssl_ctx_ptr make(tls_version least, tls_version most, bool server) const;
    ssl_ctx_ptr make_server(tls_server_options const& o, tls_identity const& identity, std::string const& what);
    static int choose_identity(SSL* ssl, int* alert, void* self);
    static int choose_protocol(SSL* ssl, unsigned char const** out, unsigned char* size, unsigned char const* in, unsigned in_size, void* self);

    ssl_ctx_ptr main_;
    std::map<std::string, ssl_ctx_ptr, std::less<>> by_name_;  // lower case
    std::string protocols_;                                    // as ALPN sends them
    std::string server_name_;
    bool checks_peer_{true};
    bool has_identity_{};
    bool has_authorities_{};
};

tls_certificate describe(X509* certificate);
/// A point in time as people write it, in UTC.
std::string text_of(std::chrono::system_clock::time_point t);

}  // namespace weft::detail

#endif
