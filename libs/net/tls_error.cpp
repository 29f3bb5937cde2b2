// SPDX-License-Identifier: BSL-1.0
#include <weft/net/tls_error.hpp>

#include <weft/net/detail/tls_engine.hpp>

#include "net/tls_openssl.hpp"

#include <boost/asio/error.hpp>

namespace weft {

using boost::system::error_code;

namespace {

struct own_category final : boost::system::error_category {
    char const* name() const noexcept override { return "weft.tls"; }
    std::string message(int value) const override {
        switch (static_cast<tls_errc>(value)) {
            case tls_errc::truncated: return "the connection ended without the peer's TLS close_notify: what was read may not be all";
            case tls_errc::broken: return "this TLS connection was ended by an earlier error: close it";
            case tls_errc::closed: return "this side has closed the TLS connection";
            case tls_errc::renegotiation: return "the peer asked for a new TLS handshake within the connection, which is refused";
            case tls_errc::busy: return "another task reads, or writes, on this TLS stream at this moment: one at a time each";
        }
        return "unknown weft.tls error";
    }
};

struct library_category final : boost::system::error_category {
    char const* name() const noexcept override { return "weft.tls.openssl"; }
    std::string message(int value) const override {
        auto e = static_cast<unsigned long>(static_cast<unsigned>(value));
        char const* reason = ERR_reason_error_string(e);
        if (reason) return std::string("TLS: ") + reason;
        char text[128];
        ERR_error_string_n(e, text, sizeof text);
        return text;
    }
};

}  // namespace

boost::system::error_category const& tls_category() noexcept {
    static own_category const c;
    return c;
}

boost::system::error_category const& tls_library_category() noexcept {
    static library_category const c;
    return c;
}

namespace detail {
namespace {

struct explanation { tls_failure reason; std::string because, help; };

explanation of_certificate(long error, std::string const& peer, std::string const& subject, std::string const& detail, bool server, bool has_authorities) {
    std::string its = "its certificate, " + subject + ", ";
    char const* trust = server ? "name the authority that signed it in tls_server_options::client_authorities."
                      : has_authorities ? "if you trust whoever signed it, name its authority's certificate in tls_client_options::authorities; the server may also fail to send the certificates between."
                                        : "nobody is trusted here: install the package ca-certificates, or name an authority in tls_client_options::authorities.";
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED: return {tls_failure::expired, its + "expired on " + detail + ".", "the peer must renew it; see whether this machine's clock is right."};
        case X509_V_ERR_CERT_NOT_YET_VALID: return {tls_failure::not_yet_valid, its + "is valid from " + detail + " on.", "see whether this machine's clock is right."};
        case X509_V_ERR_HOSTNAME_MISMATCH: case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return {tls_failure::wrong_host, its + "is not for \"" + peer + "\" but for " + (detail.empty() ? "no name at all" : detail) + ".",
                    "connect by one of these names, or set tls_client_options::server_name if you mean one of them; otherwise this is another server."};
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return {tls_failure::self_signed, its + "is self-signed: nobody else vouches for it.", server ? trust : "if it is your own server's, name this certificate in tls_client_options::authorities."};
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return {tls_failure::unknown_authority, "its chain ends at " + subject + ", which is not trusted here.", trust};
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: case X509_V_ERR_CERT_UNTRUSTED:
            return {tls_failure::unknown_authority, its + "was signed by " + detail + ", which is not known here.", trust};
        default: return {tls_failure::bad_certificate, its + "was refused: " + X509_verify_cert_error_string(error) + ".", "the peer needs another certificate."};
    }
}

// The peer has refused, with this alert (RFC 8446, section 6).
explanation of_alert(int alert, bool server) {
    std::string text = std::string("the peer refused: ") + SSL_alert_desc_string_long(alert) + " (alert " + std::to_string(alert) + ").";
    switch (alert) {
        case SSL_AD_PROTOCOL_VERSION: return {tls_failure::no_common_version, text, "one side knows only old versions of TLS: compare min_version and max_version with the peer's."};
        case SSL_AD_NO_APPLICATION_PROTOCOL: return {tls_failure::no_common_protocol, text, "the server speaks none of the protocols of tls_client_options::alpn."};
        case SSL_AD_UNRECOGNIZED_NAME: return {tls_failure::unknown_name, text, "the server does not know the name in tls_client_options::server_name."};
        case TLS13_AD_CERTIFICATE_REQUIRED: return {tls_failure::certificate_required, text, "set tls_client_options::identity."};
        case SSL_AD_BAD_CERTIFICATE: case SSL_AD_UNSUPPORTED_CERTIFICATE: case SSL_AD_CERTIFICATE_REVOKED: case SSL_AD_CERTIFICATE_EXPIRED: case SSL_AD_CERTIFICATE_UNKNOWN: case SSL_AD_UNKNOWN_CA:
            return {tls_failure::certificate_refused, text, server ? "the client does not trust this server's certificate: see whether the chain is complete and who signed it."
                                                                   : "the server does not trust this client's certificate, tls_client_options::identity."};
        case SSL_AD_HANDSHAKE_FAILURE: return {server ? tls_failure::other : tls_failure::no_common_cipher, text, "there is no cipher or signature in common, or the server requires a client's certificate (tls_client_options::identity)."};
        default: return {tls_failure::other, text, "see the peer's log."};
    }
}

explanation of_library(unsigned long e, bool server) {
    int reason = ERR_GET_REASON(e);
    char const* text = ERR_reason_error_string(e);
    std::string why = std::string(text ? text : "no reason is known") + ".";
    if (ERR_GET_LIB(e) != ERR_LIB_SSL) return {tls_failure::other, "OpenSSL failed: " + why, "see OpenSSL's documentation for this reason."};
    if (reason >= SSL_AD_REASON_OFFSET) return of_alert(reason - SSL_AD_REASON_OFFSET, server);
    switch (reason) {
        case SSL_R_UNSUPPORTED_PROTOCOL: case SSL_R_VERSION_TOO_LOW: case SSL_R_VERSION_TOO_HIGH: case SSL_R_NO_PROTOCOLS_AVAILABLE: case SSL_R_UNKNOWN_SSL_VERSION: case SSL_R_INAPPROPRIATE_FALLBACK:
            return {tls_failure::no_common_version, "there is no version of TLS that both sides accept: " + why, "compare min_version and max_version with the peer's."};
        case SSL_R_NO_SHARED_CIPHER: case SSL_R_NO_SUITABLE_KEY_SHARE: case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            return {tls_failure::no_common_cipher, "there is nothing in common: " + why, "see which ciphers and kinds of keys the peer accepts."};
        case SSL_R_NO_APPLICATION_PROTOCOL: return {tls_failure::no_common_protocol, "the client offers none of the protocols of tls_server_options::alpn.", "add the client's, if you speak it."};
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return {tls_failure::certificate_required, "the client has no certificate, and one is required.", "give the client one (tls_client_options::identity), or only ask for it."};
        case SSL_R_HTTP_REQUEST: return {tls_failure::not_tls, "the client speaks plain HTTP.", "connect with https."};
        case SSL_R_WRONG_VERSION_NUMBER: case SSL_R_UNKNOWN_PROTOCOL: case SSL_R_HTTPS_PROXY_REQUEST: case SSL_R_RECORD_LENGTH_MISMATCH: case SSL_R_PACKET_LENGTH_TOO_LONG: case SSL_R_BAD_RECORD_TYPE:
        case SSL_R_UNEXPECTED_MESSAGE: case SSL_R_ENCRYPTED_LENGTH_TOO_LONG: case SSL_R_DATA_LENGTH_TOO_LONG:
            return {tls_failure::not_tls, "what the peer sent is no TLS handshake: " + why, "see whether the port is one for TLS, and whether another protocol comes first (STARTTLS, a proxy)."};
        default: return {tls_failure::other, why, "see OpenSSL's documentation for this reason."};
    }
}

}  // namespace

void tls_engine::throw_handshake_error(error_code const& code) const {
    explanation x;
    bool library = code.category() == tls_library_category();
    auto packed = static_cast<unsigned long>(static_cast<unsigned>(code.value()));
    if (library && verify_error_ != X509_V_OK && ERR_GET_REASON(packed) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        x = of_certificate(verify_error_, peer_, verify_subject_, verify_detail_, server_, context_->has_authorities());
    } else if (library) {
        x = of_library(packed, server_);
    } else if (code == tls_errc::truncated || code == boost::asio::error::eof) {
        x = {tls_failure::connection_lost, "the peer closed the connection in the middle of the handshake.", "see the peer's log: it may not speak TLS here, or not with this side."};
    } else {
        x = {tls_failure::connection_lost, "the connection failed in the middle of the handshake: " + code.message() + ".", "see the peer's log, and try again."};
    }
    std::string whom = server_ ? "with a client" : peer_.empty() ? "with the server" : "with \"" + peer_ + "\"";
    throw tls_error(x.reason, message("W140", "the TLS handshake " + whom + " failed" + in_task(), x.because, x.help), code);
}

}  // namespace detail
}  // namespace weft
