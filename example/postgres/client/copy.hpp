// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_COPY_HPP
#define EXAMPLE_POSTGRES_CLIENT_COPY_HPP

#include "postgres/client/session.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace postgres {

/// Writes the rows of a `COPY … FROM STDIN`. Made by connection::copy_in.
class copy_writer {
public:
    explicit copy_writer(operation o) noexcept : operation_(std::move(o)) {}

    /// One row in COPY's text format, from values. Blocks: where the server is slower. Throws: cancelled; connection_error.
    void row(std::initializer_list<parameter> values);
    /// Data in the format that the COPY asked for, cut anywhere.
    void write(std::string_view data);
    std::uint64_t finish();

private:
    void refused();
    operation operation_;
    std::size_t unflushed_{};  // bytes
};

/// Reads the rows of a `COPY … TO STDOUT`. Made by connection::copy_out.
class copy_reader {
public:
    explicit copy_reader(operation o) noexcept : operation_(std::move(o)) {}
    /// The next row, valid until the next call; empty at the end.
    std::optional<std::string_view> next();

private:
    struct free_data { void operator()(char* p) const noexcept; };
    operation operation_;
    std::unique_ptr<char, free_data> line_;
};

}  // namespace postgres

#endif
