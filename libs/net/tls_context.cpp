// SPDX-License-Identifier: BSL-1.0
#include <weft/net/tls_context.hpp>

#include "net/tls_openssl.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace weft {
namespace detail {
namespace {

[[noreturn]] WEFT_COLD void unusable(std::string const& what, std::string const& because, char const* help) {
    throw tls_error(tls_failure::configuration, message("W141", what + in_task(), because, help));
}

std::string name_of(tls_pem const& p) { return p.path().empty() ? "the PEM text" : "\"" + p.path().string() + "\""; }

bio_ptr open(tls_pem const& p, std::string const& what) {
    std::string text = p.text();
    if (!p.path().empty()) {
        std::ifstream in(p.path(), std::ios::binary);
        text.assign(std::istreambuf_iterator<char>(in), {});
        if (!in.is_open() || in.bad()) unusable("TLS: " + what + " cannot be read from " + name_of(p), std::strerror(errno) + std::string("."), "see whether the path is right and the file may be read.");
    }
    bio_ptr b(BIO_new(BIO_s_mem()));
    if (!b || BIO_write(b.get(), text.data(), static_cast<int>(text.size())) != static_cast<int>(text.size())) throw std::bad_alloc();
    return b;
}

// OpenSSL's own default asks on the terminal.
int password(char* to, int size, int, void* text) {
    auto const& p = *static_cast<std::string const*>(text);
    if (p.empty() || p.size() > static_cast<std::size_t>(size)) return -1;
    std::memcpy(to, p.data(), p.size());
    return static_cast<int>(p.size());
}

std::vector<x509_ptr> certificates(tls_pem const& p, std::string const& what) {
    bio_ptr in = open(p, what);
    std::vector<x509_ptr> all;
    std::string none;
    ERR_clear_error();
    while (X509* x = PEM_read_bio_X509(in.get(), nullptr, &password, &none)) all.emplace_back(x);
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    std::string why = take_library_error();
    if (all.empty() || !at_end) {
        unusable("TLS: " + what + " cannot be read from " + name_of(p), all.empty() && at_end ? "there is no certificate in it." : why + ".", "give certificates in PEM form (-----BEGIN CERTIFICATE-----).");
    }
    return all;
}

void use(SSL_CTX* ctx, tls_identity const& identity, std::string const& what) {
    auto chain = certificates(identity.chain, what);
    tls_pem const& key = identity.key.empty() ? identity.chain : identity.key;
    bio_ptr in = open(key, "the key of " + what);
    key_ptr k(PEM_read_bio_PrivateKey(in.get(), nullptr, &password, const_cast<std::string*>(&identity.key_password)));
    if (!k) {
        unusable("TLS: the key of " + what + " cannot be read from " + name_of(key), take_library_error() + ".",
                 "give an unencrypted key in PEM form, or set tls_identity::key_password.");
    }
    bool ok = SSL_CTX_use_certificate(ctx, chain.front().get()) == 1;
    for (std::size_t i = 1; ok && i < chain.size(); ++i) ok = SSL_CTX_add1_chain_cert(ctx, chain[i].get()) == 1;
    ok = ok && SSL_CTX_use_PrivateKey(ctx, k.get()) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    if (!ok) {
        unusable("TLS: " + what + " and its key cannot be used", take_library_error() + ".",
                 "the first certificate of the chain must be the one that the key belongs to, with at least 2048 bits of RSA or 256 of ECDSA.");
    }
}

void trust(SSL_CTX* ctx, tls_pem const& authorities, std::string const& what) {
    for (auto const& x : certificates(authorities, what)) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x.get()) != 1) unusable("TLS: " + what + " cannot be used", take_library_error() + ".", "see which certificate is broken.");
    }
}

std::string wire_form(std::vector<std::string> const& protocols) {
    std::string all;
    for (auto const& p : protocols) {
        if (p.empty() || p.size() > 255) unusable("TLS: the list of protocols (ALPN) cannot be used", "a protocol's name has 1 to 255 bytes.", "use registered names, as \"h2\" or \"http/1.1\".");
        all += static_cast<char>(p.size());
        all += p;
    }
    return all;
}

std::string lower(std::string s) {
    std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return s;
}

}  // namespace

std::string take_library_error() {
    unsigned long e = ERR_peek_error();
    char text[256] = "OpenSSL gave no reason";
    if (char const* reason = e ? ERR_reason_error_string(e) : nullptr) std::snprintf(text, sizeof text, "%s", reason);
    else if (e) ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return text;
}

ssl_ctx_ptr tls_context_data::make(tls_version least, tls_version most, bool server) const {
    auto number = [](tls_version v) { return v == tls_version::v1_2 ? TLS1_2_VERSION : TLS1_3_VERSION; };
    if (least > most) unusable("TLS: no version is left", "min_version is above max_version.", "leave the defaults: TLS 1.2 and 1.3.");
    ERR_clear_error();
    ssl_ctx_ptr ctx(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
    if (!ctx) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(ctx.get(), number(least));
    SSL_CTX_set_max_proto_version(ctx.get(), number(most));
    // A peer that asks for a new handshake within a connection costs processor time and has a history of attacks; TLS 1.3 has none.
    SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | (server ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0));
    SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);  // 34 KB less an idle connection
    return ctx;
}

tls_context_data::tls_context_data(tls_client_options const& o)
    : main_(make(o.min_version, o.max_version, false)), protocols_(wire_form(o.alpn)), server_name_(o.server_name), checks_peer_(!o.accept_any_certificate),
      has_identity_(!o.identity.chain.empty()) {
    SSL_CTX* ctx = main_.get();
    if (checks_peer_ && o.system_authorities) has_authorities_ = SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (!o.authorities.empty()) { trust(ctx, o.authorities, "tls_client_options::authorities"); has_authorities_ = true; }
    if (has_identity_) use(ctx, o.identity, "tls_client_options::identity");
    if (!protocols_.empty() && SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<unsigned char const*>(protocols_.data()), static_cast<unsigned>(protocols_.size())) != 0) throw std::bad_alloc();
    ERR_clear_error();
}

ssl_ctx_ptr tls_context_data::make_server(tls_server_options const& o, tls_identity const& identity, std::string const& what) {
    ssl_ctx_ptr ctx = make(o.min_version, o.max_version, true);
    use(ctx.get(), identity, what);
    // Without it a server that checks clients refuses every session that is resumed.
    static constexpr unsigned char id[] = "weft";
    SSL_CTX_set_session_id_context(ctx.get(), id, sizeof id - 1);
    if (o.client_certificate != tls_client_certificate::none) {
        if (o.client_authorities.empty()) {
            unusable("TLS: clients' certificates cannot be checked", "tls_server_options::client_authorities is empty.", "name the authorities that sign clients' certificates.");
        }
        trust(ctx.get(), o.client_authorities, "tls_server_options::client_authorities");
        for (auto const& x : certificates(o.client_authorities, "tls_server_options::client_authorities")) SSL_CTX_add_client_CA(ctx.get(), x.get());
    }
    if (!protocols_.empty()) SSL_CTX_set_alpn_select_cb(ctx.get(), &choose_protocol, this);
    return ctx;
}

tls_context_data::tls_context_data(tls_server_options const& o)
    : protocols_(wire_form(o.alpn)), checks_peer_(o.client_certificate != tls_client_certificate::none), has_identity_(true), has_authorities_(!o.client_authorities.empty()) {
    if (o.identity.chain.empty()) unusable("TLS: a server needs a certificate", "tls_server_options::identity is empty.", "give it a chain and a key; by_name is for further names.");
    main_ = make_server(o, o.identity, "tls_server_options::identity");
    for (auto const& [name, identity] : o.by_name) by_name_.emplace(lower(name), make_server(o, identity, "the identity for \"" + name + "\""));
    int mode = o.client_certificate == tls_client_certificate::none ? SSL_VERIFY_NONE
             : o.client_certificate == tls_client_certificate::asked ? SSL_VERIFY_PEER : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(main_.get(), mode, nullptr);
    SSL_CTX_set_tlsext_servername_callback(main_.get(), &choose_identity);
    SSL_CTX_set_tlsext_servername_arg(main_.get(), this);
    ERR_clear_error();
}

int tls_context_data::choose_identity(SSL* ssl, int*, void* self) {
    auto const& by_name = static_cast<tls_context_data const*>(self)->by_name_;
    char const* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!asked || by_name.empty()) return SSL_TLSEXT_ERR_OK;
    try {
        std::string name = lower(asked);
        auto found = by_name.find(name);
        if (auto dot = name.find('.'); found == by_name.end() && dot != std::string::npos) found = by_name.find("*" + name.substr(dot));
        if (found != by_name.end()) SSL_set_SSL_CTX(ssl, found->second.get());
    } catch (...) { return SSL_TLSEXT_ERR_ALERT_FATAL; }  // no memory; nothing may be thrown through OpenSSL
    return SSL_TLSEXT_ERR_OK;
}

int tls_context_data::choose_protocol(SSL*, unsigned char const** out, unsigned char* size, unsigned char const* in, unsigned in_size, void* self) {
    auto const& ours = static_cast<tls_context_data const*>(self)->protocols_;
    unsigned char* chosen = nullptr;
    int found = SSL_select_next_proto(&chosen, size, reinterpret_cast<unsigned char const*>(ours.data()), static_cast<unsigned>(ours.size()), in, in_size);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace detail

tls_client_context::tls_client_context(tls_client_options const& o) : data_(std::make_shared<detail::tls_context_data const>(o)) {}
tls_server_context::tls_server_context(tls_server_options const& o) : data_(std::make_shared<detail::tls_context_data const>(o)) {}

}  // namespace weft
