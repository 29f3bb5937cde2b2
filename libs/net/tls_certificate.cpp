// SPDX-License-Identifier: BSL-1.0
#include <weft/net/tls_context.hpp>

#include "net/tls_openssl.hpp"

#include <openssl/evp.h>

#include <boost/asio/ip/address.hpp>

#include <cstring>
#include <ctime>

namespace weft::detail {
namespace {

std::string text_of(X509_NAME* name) {
    bio_ptr out(BIO_new(BIO_s_mem()));
    if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
    char* data{};
    long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::chrono::system_clock::time_point time_of(ASN1_TIME const* t) {
    std::tm tm{};
    if (ASN1_TIME_to_tm(t, &tm) != 1) return {};
    return std::chrono::system_clock::from_time_t(::timegm(&tm));
}

std::string text_of(ASN1_STRING const* s) { return {reinterpret_cast<char const*>(ASN1_STRING_get0_data(s)), static_cast<std::size_t>(ASN1_STRING_length(s))}; }

std::string address_of(ASN1_STRING const* s) {
    namespace ip = boost::asio::ip;
    if (ASN1_STRING_length(s) == 4) {
        ip::address_v4::bytes_type b;
        std::memcpy(b.data(), ASN1_STRING_get0_data(s), b.size());
        return ip::address_v4(b).to_string();
    }
    if (ASN1_STRING_length(s) != 16) return {};
    ip::address_v6::bytes_type b;
    std::memcpy(b.data(), ASN1_STRING_get0_data(s), b.size());
    return ip::address_v6(b).to_string();
}

}  // namespace

std::string text_of(std::chrono::system_clock::time_point t) {
    std::time_t seconds = std::chrono::system_clock::to_time_t(t);
    std::tm tm{};
    ::gmtime_r(&seconds, &tm);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    return text;
}

tls_certificate describe(X509* x) {
    tls_certificate c;
    c.subject = text_of(X509_get_subject_name(x));
    c.issuer = text_of(X509_get_issuer_name(x));
    c.not_before = time_of(X509_get0_notBefore(x));
    c.not_after = time_of(X509_get0_notAfter(x));
    std::unique_ptr<GENERAL_NAMES, tls_free<&GENERAL_NAMES_free>> names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        int kind;
        auto* s = static_cast<ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &kind));
        if (kind == GEN_DNS) c.dns_names.push_back(text_of(s));
        else if (kind == GEN_IPADD) c.ip_addresses.push_back(address_of(s));
        else if (kind == GEN_URI) c.uris.push_back(text_of(s));
        else if (kind == GEN_EMAIL) c.emails.push_back(text_of(s));
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(x, EVP_sha256(), digest, &size) == 1) {
        for (unsigned i = 0; i < size; ++i) for (int shift : {4, 0}) c.sha256 += "0123456789abcdef"[digest[i] >> shift & 15];
    }
    ERR_clear_error();
    return c;
}

}  // namespace weft::detail
