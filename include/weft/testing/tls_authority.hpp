// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_TLS_AUTHORITY_HPP
#define WEFT_TESTING_TLS_AUTHORITY_HPP

#include <weft/net/tls_context.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft::testing {

struct tls_issue_options {
    std::chrono::seconds valid_from{-3600};  ///< from now
    std::chrono::seconds valid_to{86400};
    std::string subject{"weft test"};        ///< its common name, which nobody checks
    bool self_signed{};                      ///< by its own key instead of the authority's
};

/// An authority that exists for one test: it signs certificates on the spot, so that no fixture ever expires.
///
///     weft::testing::tls_authority authority;
///     weft::tls_server_context const server({.identity = authority.issue({"localhost", "127.0.0.1"})});
///     weft::tls_client_context const client({.authorities = authority.certificate()});
///
/// In weft_tls; not in the umbrella weft/testing.hpp. Keys are of the curve P-256.    Source: trustme.
class tls_authority {
public:
    explicit tls_authority(std::string name = "weft test authority");
    /// To be trusted, by a client or by a server that checks clients.
    tls_pem certificate() const;
    /// A certificate for host names and IP addresses, good for servers and for clients.
    tls_identity issue(std::vector<std::string> const& names, tls_issue_options const& options = {}) const;

private:
    struct keys;
    std::shared_ptr<keys const> keys_;
};

}  // namespace weft::testing

#endif
