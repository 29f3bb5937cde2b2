// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_TLS_ERROR_HPP
#define WEFT_NET_TLS_ERROR_HPP

#include <weft/core/errors.hpp>

#include <boost/system/error_code.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace weft {

/// Why a handshake failed, or a context could not be made.
enum class tls_failure : std::uint8_t {
    expired,               ///< a certificate of the peer is no longer valid
    not_yet_valid,         ///< or not yet
    self_signed,           ///< its certificate vouches for itself
    unknown_authority,     ///< its chain leads to no authority that is trusted here
    wrong_host,            ///< its certificate is for other names
    bad_certificate,       ///< other faults of its chain: purpose, signature, constraints
    certificate_required,  ///< a client without a certificate, where one is required
    certificate_refused,   ///< the peer does not accept this side's certificate
    no_common_version,     ///< one side is too old for the other
    no_common_cipher,
    no_common_protocol,    ///< ALPN: the server speaks none of those that the client offers
    unknown_name,          ///< the server has no certificate for the name
    not_tls,               ///< what the peer sent is no TLS
    connection_lost,       ///< closed or reset in the middle of the handshake
    configuration,         ///< a file, a PEM text or a combination of options is of no use
    other                  ///< see what() and code()
};

/// A TLS handshake that failed, or a context that could not be made. what() says why, in words, and what to do about it.
class tls_error : public error {
public:
    tls_error(tls_failure reason, std::string what, boost::system::error_code code = {}) : error(std::move(what)), reason_(reason), code_(code) {}
    tls_failure reason() const noexcept { return reason_; }
    /// OpenSSL's, the socket's or a tls_errc, where there is one.
    boost::system::error_code code() const noexcept { return code_; }

private:
    tls_failure reason_;
    boost::system::error_code code_;
};

/// What reads and writes of a tls_stream report beside the socket's own errors and OpenSSL's.
enum class tls_errc {
    truncated = 1,  ///< the connection ended without the peer's close_notify: what was read may not be all. A clean end is asio::error::eof
    broken,         ///< an earlier fatal error has ended this TLS connection
    closed,         ///< this side has closed it, or has sent its close_notify and writes
    busy,           ///< another operation of the same direction is under way
    renegotiation   ///< the peer has asked for a new handshake within the connection, which TLS 1.2 knows: that ends it
};
boost::system::error_category const& tls_category() noexcept;
/// Values are OpenSSL's packed error codes.
boost::system::error_category const& tls_library_category() noexcept;
inline boost::system::error_code make_error_code(tls_errc e) noexcept { return {static_cast<int>(e), tls_category()}; }

}  // namespace weft

template <> struct boost::system::is_error_code_enum<weft::tls_errc> : std::true_type {};

#endif
