// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_TLS_CONTEXT_HPP
#define WEFT_NET_TLS_CONTEXT_HPP

#include <weft/net/tls_error.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft {

/// Certificates or a key in PEM form: a file's or a text's.
class tls_pem {
public:
    tls_pem() = default;  ///< none
    static tls_pem file(std::filesystem::path p) { tls_pem r; r.path_ = std::move(p); return r; }
    static tls_pem text(std::string t) { tls_pem r; r.text_ = std::move(t); return r; }
    bool empty() const noexcept { return path_.empty() && text_.empty(); }
    std::filesystem::path const& path() const noexcept { return path_; }  ///< empty for a text
    std::string const& text() const noexcept { return text_; }            ///< empty for a file

private:
    std::filesystem::path path_;
    std::string text_;
};

/// A certificate with its key.
struct tls_identity {
    tls_pem chain{};             ///< the certificate, then those between it and the authority
    tls_pem key{};               ///< may be in the same file as the chain: then leave it empty
    std::string key_password{};  ///< of an encrypted key; nobody is ever asked on the terminal
};

enum class tls_version : std::uint8_t { v1_2, v1_3 };

struct tls_client_options {
    std::string server_name{};         ///< name or IP address that the certificate must be for; sent to the server (SNI). tls_connect: the host, if empty
    tls_pem authorities{};             ///< trusted beside the system's
    bool system_authorities{true};     ///< false: authorities alone
    tls_identity identity{};           ///< for servers that ask for a certificate
    std::vector<std::string> alpn{};   ///< protocols, best first: {"h2", "http/1.1"}
    tls_version min_version{tls_version::v1_2};
    tls_version max_version{tls_version::v1_3};
    bool accept_any_certificate{};     ///< INSECURE: neither chain nor name are checked, anybody can be in the middle
};

enum class tls_client_certificate : std::uint8_t {
    none,     ///< not asked for
    asked,    ///< one that comes is checked; see tls_stream::peer_certificate
    required  ///< no handshake without
};

struct tls_server_options {
    tls_identity identity{};                          ///< for clients that name no host, or another one than those below
    std::map<std::string, tls_identity> by_name{};    ///< SNI: "a.example", or "*.example" for one label before it
    std::vector<std::string> alpn{};                  ///< protocols, best first; a client that offers others only is refused (RFC 7301)
    tls_client_certificate client_certificate{tls_client_certificate::none};
    tls_pem client_authorities{};                     ///< who may have signed clients' certificates
    tls_version min_version{tls_version::v1_2};
    tls_version max_version{tls_version::v1_3};
};

namespace detail { class tls_context_data; }

/// What many connections share: authorities, certificates, protocols, sessions. A handle, copied at no cost; never changes.
///
///     weft::tls_client_context const context({.authorities = weft::tls_pem::file("ca.pem")});   // once, then for each connection
///
/// Blocks: the thread, while files are read: make it at the start.    Threads: any, any number at once.
/// Throws: tls_error (configuration), which names the file or the option.
class tls_client_context {
public:
    explicit tls_client_context(tls_client_options const& options);
    std::string const& server_name() const noexcept;  ///< the options'; may be empty
    std::shared_ptr<detail::tls_context_data const> const& data() const noexcept { return data_; }

private:
    std::shared_ptr<detail::tls_context_data const> data_;
};

/// The same for the other side. To renew certificates make a new one; connections keep the one that they began with.
class tls_server_context {
public:
    explicit tls_server_context(tls_server_options const& options);
    std::shared_ptr<detail::tls_context_data const> const& data() const noexcept { return data_; }

private:
    std::shared_ptr<detail::tls_context_data const> data_;
};

/// What a peer's certificate says.
struct tls_certificate {
    std::string subject, issuer;             ///< "CN=a.example,O=Example" (RFC 2253)
    std::vector<std::string> dns_names;      ///< its subject alternative names, by kind
    std::vector<std::string> ip_addresses;
    std::vector<std::string> uris;
    std::vector<std::string> emails;
    std::chrono::system_clock::time_point not_before, not_after;
    std::string sha256;                      ///< fingerprint of the whole certificate, 64 lower-case hexadecimal digits
};

}  // namespace weft

#endif
