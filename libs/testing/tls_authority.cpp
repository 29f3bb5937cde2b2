// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/tls_authority.hpp>

#include "net/tls_openssl.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <arpa/inet.h>

#include <ctime>

namespace weft::testing {

using namespace weft::detail;

struct tls_authority::keys {
    x509_ptr certificate;
    key_ptr key;
};

namespace {

void check(bool ok) {
    if (!ok) throw tls_error(tls_failure::other, message("W142", "tls_authority: a certificate cannot be made", take_library_error() + ".", "give host names and IP addresses."));
}

template <class Write>
tls_pem pem(Write write) {
    bio_ptr out(BIO_new(BIO_s_mem()));
    check(out && write(out.get()) == 1);
    char* data{};
    long size = BIO_get_mem_data(out.get(), &data);
    return tls_pem::text({data, static_cast<std::size_t>(size)});
}

void extend(X509* x, X509* issuer, int kind, std::string const& value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, tls_free<&X509_EXTENSION_free>> e(X509V3_EXT_conf_nid(nullptr, &ctx, kind, value.c_str()));
    check(e && X509_add_ext(x, e.get(), -1) == 1);
}

bool is_address(std::string const& s) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, s.c_str(), bytes) == 1 || inet_pton(AF_INET6, s.c_str(), bytes) == 1;
}

key_ptr make_key() {
    key_ptr k(EVP_EC_gen("P-256"));
    check(k != nullptr);
    return k;
}

x509_ptr start(EVP_PKEY* key, std::string const& subject, X509* issuer, std::chrono::seconds from, std::chrono::seconds to) {
    x509_ptr x(X509_new());
    unsigned char serial[8];
    check(x && RAND_bytes(serial, sizeof serial) == 1);
    serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive, and never zero
    std::unique_ptr<BIGNUM, tls_free<&BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
    std::time_t now = std::time(nullptr);
    auto* name = X509_get_subject_name(x.get());
    check(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x.get())) && X509_set_version(x.get(), 2) == 1 &&
          ASN1_TIME_set(X509_getm_notBefore(x.get()), now + from.count()) && ASN1_TIME_set(X509_getm_notAfter(x.get()), now + to.count()) &&
          X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(subject.data()), static_cast<int>(subject.size()), -1, 0) == 1 &&
          X509_set_issuer_name(x.get(), issuer ? X509_get_subject_name(issuer) : name) == 1 && X509_set_pubkey(x.get(), key) == 1);
    return x;
}

}  // namespace

tls_authority::tls_authority(std::string name) {
    key_ptr key = make_key();
    x509_ptr x = start(key.get(), name, nullptr, std::chrono::hours(-24 * 365), std::chrono::hours(24 * 365));
    extend(x.get(), x.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(x.get(), x.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(x.get(), x.get(), NID_subject_key_identifier, "hash");
    check(X509_sign(x.get(), key.get(), EVP_sha256()) > 0);
    keys_ = std::make_shared<keys const>(keys{std::move(x), std::move(key)});
}

tls_pem tls_authority::certificate() const {
    return pem([&](BIO* out) { return PEM_write_bio_X509(out, keys_->certificate.get()); });
}

tls_identity tls_authority::issue(std::vector<std::string> const& names, tls_issue_options const& o) const {
    key_ptr key = make_key();
    X509* issuer = o.self_signed ? nullptr : keys_->certificate.get();
    x509_ptr x = start(key.get(), o.subject, issuer, o.valid_from, o.valid_to);
    if (!issuer) issuer = x.get();
    extend(x.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
    extend(x.get(), issuer, NID_key_usage, "critical,digitalSignature");
    extend(x.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
    extend(x.get(), issuer, NID_subject_key_identifier, "hash");
    std::string alternatives;
    for (auto const& n : names) alternatives += (alternatives.empty() ? "" : ",") + std::string(is_address(n) ? "IP:" : "DNS:") + n;
    if (!names.empty()) extend(x.get(), issuer, NID_subject_alt_name, alternatives);
    check(X509_sign(x.get(), o.self_signed ? key.get() : keys_->key.get(), EVP_sha256()) > 0);
    return {.chain = pem([&](BIO* out) { return PEM_write_bio_X509(out, x.get()); }),
            .key = pem([&](BIO* out) { return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); }), .key_password = {}};
}

}  // namespace weft::testing
