// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_STREAM_ERRORS_HPP
#define WEFT_NET_STREAM_ERRORS_HPP

#include <weft/core/errors.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// The stream ended inside a message, or where one was to begin: then received() is empty.
class incomplete_read_error : public error {
public:
    incomplete_read_error(std::string what, std::string_view received, std::optional<std::size_t> expected);
    /// What came of the message. The reader has it still.
    std::string const& received() const noexcept { return *received_; }
    /// The bytes that were asked for, if by number.
    std::optional<std::size_t> expected() const noexcept { return expected_; }

private:
    std::shared_ptr<std::string const> received_;  // shared: copying an exception must not throw
    std::optional<std::size_t> expected_;
};

/// A message or line is longer than the reader allows. Nothing was taken.
class limit_exceeded_error : public error {
public:
    limit_exceeded_error(std::string what, std::size_t limit) : error(std::move(what)), limit_(limit) {}
    std::size_t limit() const noexcept { return limit_; }

private:
    std::size_t limit_;
};

namespace detail {
void check_delimiter(std::string_view delimiter);
[[noreturn]] WEFT_COLD void throw_incomplete(char const* call, std::string_view received, std::optional<std::size_t> expected);
[[noreturn]] WEFT_COLD void throw_limit(char const* call, std::size_t limit);
}  // namespace detail

}  // namespace weft

#endif
