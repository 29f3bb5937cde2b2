// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_RESULT_HPP
#define EXAMPLE_POSTGRES_CLIENT_RESULT_HPP

#include "postgres/client/error.hpp"
#include "postgres/client/parameter.hpp"

#include <charconv>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postgres {

struct clear_result { void operator()(pg_result* r) const noexcept; };
using result_ptr = std::unique_ptr<pg_result, clear_result>;

namespace detail {
template <class T> inline constexpr bool is_optional = false;
template <class T> inline constexpr bool is_optional<std::optional<T>> = true;
bool from_text(std::string_view text, bool& v) noexcept;
bool from_text(std::string_view text, bytes& v);
inline bool from_text(std::string_view text, std::string& v) { v = text; return true; }
inline bool from_text(std::string_view text, std::string_view& v) noexcept { v = text; return true; }
template <class T>
    requires(std::is_arithmetic_v<T>)
bool from_text(std::string_view text, T& v) noexcept {
    auto [end, e] = std::from_chars(text.data(), text.data() + text.size(), v);
    return e == std::errc() && end == text.data() + text.size();
}
}  // namespace detail

/// One row: refers to the result that it is in. Columns by number, from 0, or by name.
class row {
public:
    row(pg_result const* r, int index) noexcept : result_(r), index_(index) {}

    int size() const noexcept;
    int column(std::string_view name) const;  ///< Throws: conversion_error if there is none.
    int column(int number) const;
    template <class C>
    bool is_null(C const& c) const { return !text(column(c)); }
    /// The value as a T: a number, bool, std::string, std::string_view into the row, bytes; a std::optional of these for what may be NULL.
    /// Throws: conversion_error, which names the column and shows the text.
    template <class T, class C>
    T get(C const& c) const {
        int n = column(c);
        auto t = text(n);
        if constexpr (detail::is_optional<T>) {
            return t ? T(convert<typename T::value_type>(*t, n)) : T();
        } else {
            if (!t) fail("is NULL; ask for a std::optional", n);
            return convert<T>(*t, n);
        }
    }

private:
    std::optional<std::string_view> text(int n) const noexcept;
    [[noreturn]] void fail(std::string const& what, int n) const;
    template <class T>
    T convert(std::string_view t, int n) const {
        T v{};
        if (!detail::from_text(t, v)) fail("is \"" + std::string(t.substr(0, 40)) + "\", which does not fit the type that was asked for", n);
        return v;
    }

    pg_result const* result_;
    int index_;
};

struct owned_row;

/// All rows of a query, in memory; a range of row. Movable.
class result {
public:
    class iterator;
    result() = default;
    explicit result(result_ptr r) noexcept : result_(std::move(r)) {}

    std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }
    row operator[](std::size_t i) const& noexcept { return {result_.get(), static_cast<int>(i)}; }
    row operator[](std::size_t i) const&& = delete;  // a row refers to its result
    /// The only row. Throws: conversion_error if there is another number of them.
    row one() const&;
    owned_row one() &&;
    iterator begin() const noexcept;
    iterator end() const noexcept;
    /// Rows that an INSERT, UPDATE, DELETE, COPY or SELECT has touched.
    std::uint64_t affected() const noexcept;
    /// The command's tag, such as "UPDATE 3".
    std::string_view tag() const noexcept;

private:
    result_ptr result_;
};

/// A row that keeps its result.
struct owned_row : row {
    owned_row(row const& r, result all) noexcept : row(r), from(std::move(all)) {}
    result from;
};
inline owned_row result::one() && {
    row r = static_cast<result const&>(*this).one();
    return {r, std::move(*this)};
}

class result::iterator {
public:
    using value_type = row;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    iterator(result const& r, std::size_t i) noexcept : of_(&r), i_(i) {}
    row operator*() const noexcept { return (*of_)[i_]; }
    iterator& operator++() noexcept { ++i_; return *this; }
    void operator++(int) noexcept { ++i_; }
    bool operator==(iterator const&) const = default;

private:
    result const* of_;
    std::size_t i_;
};
inline result::iterator result::begin() const noexcept { return {*this, 0}; }
inline result::iterator result::end() const noexcept { return {*this, size()}; }

}  // namespace postgres

#endif
