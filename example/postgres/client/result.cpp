// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/result.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <limits>

namespace postgres {

parameter::parameter(double v) {
    char text[32];
    text_.emplace(text, std::to_chars(text, text + sizeof text, v).ptr);
}

parameter::parameter(std::string_view v) : text_(v) {
    if (v.find('\0') != std::string_view::npos)
        throw weft::misuse_error("postgres: a text parameter has a zero byte\n  help: pass postgres::bytes to a bytea, or take the byte out");
}

parameter::parameter(bytes const& v) : text_("\\x") {
    static constexpr char digits[] = "0123456789abcdef";
    text_->reserve(2 + 2 * v.data.size());
    for (unsigned char c : v.data) {
        text_->push_back(digits[c >> 4]);
        text_->push_back(digits[c & 15]);
    }
}

void clear_result::operator()(pg_result* r) const noexcept { PQclear(r); }

namespace detail {

bool from_text(std::string_view text, bool& v) noexcept {
    v = text == "t";
    return text == "t" || text == "f";
}

bool from_text(std::string_view text, bytes& v) {
    if (!text.starts_with("\\x") || text.size() % 2) return false;
    for (std::size_t i = 2; i < text.size(); i += 2) {
        unsigned byte = 0;
        auto [end, e] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
        if (e != std::errc() || end != text.data() + i + 2) return false;
        v.data.push_back(static_cast<char>(byte));
    }
    return true;
}

}  // namespace detail

int row::size() const noexcept { return PQnfields(result_); }

int row::column(std::string_view name) const {
    // Not PQfnumber, which folds the case of its argument.
    for (int n = 0; n < size(); ++n) if (name == PQfname(result_, n)) return n;
    throw conversion_error("the result has no column \"" + std::string(name) + "\"", "", "");
}

int row::column(int number) const {
    if (number < 0 || number >= size())
        throw conversion_error("the result has " + std::to_string(size()) + " columns, and none of number " + std::to_string(number), "", "");
    return number;
}

std::optional<std::string_view> row::text(int n) const noexcept {
    if (PQgetisnull(result_, index_, n)) return std::nullopt;
    return std::string_view(PQgetvalue(result_, index_, n), static_cast<std::size_t>(PQgetlength(result_, index_, n)));
}

void row::fail(std::string const& what, int n) const {
    throw conversion_error("column \"" + std::string(PQfname(result_, n)) + "\" " + what, "", "");
}

std::size_t result::size() const noexcept { return static_cast<std::size_t>(PQntuples(result_.get())); }

row result::one() const& {
    if (size() != 1) throw conversion_error("one row was expected; there are " + std::to_string(size()), "", "");
    return (*this)[0];
}

std::uint64_t result::affected() const noexcept {
    return std::strtoull(PQcmdTuples(result_.get()), nullptr, 10);  // "" for a command that touches no rows
}

std::string_view result::tag() const noexcept { return result_ ? PQcmdStatus(result_.get()) : ""; }

}  // namespace postgres
